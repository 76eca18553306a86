"""What the targets that write a job share: their options, the program, the site, and the checking of a script."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from envtool import REQUIREMENT
from envtool.cli.setup import Delivery, course_of, deliver, target_options
from envtool.cli.setup_parts import LOCKFILE, lock_options
from envtool.errors import EXIT_FAILED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from envtool.cli.spec_option import Spec
    from envtool.course import Course
    from envtool.setup.files import SetupFile
    from envtool.setup.job import Job, Wanted
    from envtool.setup.sites import Site

F = TypeVar("F", bound=Callable[..., object])

_HOW = ("output", "stdout", "force", "dry_run")
ENVIRONMENT_HELP = """Where the job's packages come from: a shared environment that `prepare` makes, wheels fetched by
`prepare` and installed on the node, the site's own wheels, or a module with torch in it. Default: the site's way."""


def job_options(function: F) -> F:
    """The options of every scheduler."""
    for option in reversed((
        click.argument("program", nargs=-1, type=click.UNPROCESSED),
        click.option("--site", metavar="NAME|FILE", help="The cluster: a name of --sites, or a profile's path."),
        click.option("--sites", is_flag=True, help="List the clusters that envtool knows, and write nothing."),
        click.option("--verify", metavar="FILE", help="Look for the usual faults in a job script, and write nothing."),
        click.option("--gpus", type=click.IntRange(1, 64), default=1, help="GPUs on each node. Default: 1."),
        click.option("--gpu-type", metavar="NAME", help="Which GPU, where the site has several: a100."),
        click.option("--time", metavar="TIME", help="The time limit: 02:00:00, or minutes."),
        click.option("--array", metavar="RANGE", help="A job array, 0-9; {index} in PROGRAM is the task's number."),
        click.option("--account", metavar="NAME", help="Who pays for it."),
        click.option("--partition", "--queue", metavar="NAME", help="The partition or queue."),
        click.option("--cores", type=click.IntRange(1, 1024), help="Cores for each GPU."),
        click.option("--mem", "memory", metavar="SIZE", help="Main memory on each node: 32G."),
        click.option("--module", "modules", metavar="NAME", multiple=True, help="Load these instead of the site's."),
        click.option("--directive", "directives", metavar="TEXT", multiple=True, help="One more: --mail-type=END."),
        click.option(
            "--environment", type=click.Choice(["environment", "wheels", "site-wheels", "module"]),
            help=" ".join(ENVIRONMENT_HELP.split()),
        ),
        click.option("--temporary", metavar="VARIABLE", help="The variable of the node's own folder: TMPDIR."),
        click.option("--variant", metavar="NAME", help="The build of torch: the login node has no GPU to go by."),
        click.option("--venv", metavar="DIR", help="The environment. Default: .venv, or the course's."),
        click.option("--resume", metavar="FILE", help="Where FILE is there, PROGRAM gets --resume."),
        click.option(
            "--envtool", "source", metavar="SPEC", default=REQUIREMENT,
            help="What pip installs envtool from: a requirement, a URL or a path. Default: envtool, 0.9 or newer.",
        ),
    )):  # fmt: skip
        function = option(function)
    return target_options(lock_options(function))


def run_job(scheduler: str, path: str, write: Callable[[Job], tuple[SetupFile, ...]], options: dict[str, Any]) -> int:
    """The command of a scheduler."""
    if options.pop("sites"):
        return _list_sites()
    verify = options.pop("verify")
    name = options.pop("site")
    spec, no_spec, course_name = (options.pop(key) for key in ("spec", "no_spec", "name"))
    how = Delivery(**{key: options.pop(key) for key in _HOW})
    if verify is not None:
        return _verify(verify, scheduler, name, options.get("version"))
    course, found = course_of(spec, no_spec, course_name)
    site = _site(name, course, scheduler)
    named = options.pop("lock")
    lock = _lockfile(named, options.pop("no_lock"), found)
    wanted = _wanted({**options, "lock": lock}, found is not None)
    from envtool.setup.job import job_of

    job = job_of(course, wanted, site, _path(path, how.output))
    if lock is not None:
        _tell_of_the_lockfile(job, lock, named=named is not None)
    files = write(job)
    code = deliver(files, how)
    if f"--variant {job.variant}" in files[0].text and not course.covers(job.variant):
        _warn_of_the_variant(job.variant, course)
    _warn_of_the_platform(job, course)
    _tell(job, files[0].text, how)
    return code


def _path(usual: str, output: str | None) -> str:
    """What the script calls itself."""
    if output is None or output.endswith(("/", os.sep)) or os.path.isdir(output):
        return usual
    if not output.isprintable():
        raise UsageError(f"--output {output!r} holds characters that no line can hold", hint="choose a plain name")
    return output.replace(os.sep, "/")


def _site(name: str | None, course: Course, scheduler: str) -> Site:
    from envtool.setup.site_files import load_site

    if name is not None:
        return load_site(name, scheduler)
    named = [place.removeprefix("cluster:") for place in course.runs_on if place.startswith("cluster:")]
    if len(named) > 1:
        raise UsageError(f"runs-on names {len(named)} clusters: {', '.join(named)}", hint=f"choose: --site {named[0]}")
    return load_site(named[0] if named else "generic", scheduler)


# ── the program ──────────────────────────────────────────────────────────────────────────────────


def _wanted(options: dict[str, Any], spec: bool) -> Wanted:
    from envtool.scaffold.names import checked_source
    from envtool.setup.job import Wanted

    program, resume = options.pop("program"), options.pop("resume")
    if not program:
        program, found = _default_program(options.get("array") is not None)
        resume = resume if resume is not None else found
    source = checked_source(options.pop("source"))
    venv = options.pop("venv") or _default_venv()
    return Wanted(program=program, resume=resume, envtool=source, venv=venv, spec=spec, **options)


def _default_program(array: bool) -> tuple[tuple[str, ...], str | None]:
    """This folder's training, and the checkpoint that it goes on from if it is a project made by envtool."""
    for folder in ("src", "."):
        for package in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            file = os.path.join(folder, package, "train.py")
            if package.isidentifier() and os.path.isfile(file):
                return _with_checkpoint(("python", "-m", f"{package}.train"), file, array)
    if not os.path.isfile("train.py"):
        print("note: no train.py here; the job runs `python train.py`. Name yours after --", file=sys.stderr)
    return ("python", "train.py"), None


def _with_checkpoint(program: tuple[str, ...], file: str, array: bool) -> tuple[tuple[str, ...], str | None]:
    with open(file, encoding="utf-8", errors="replace") as text:
        source = text.read(100_000)
    if '"--resume"' not in source or '"--checkpoint", default="runs/model.pt"' not in source:
        return program, None
    if array:
        checkpoint = "runs/model-{index}.pt"
        return (*program, "--seed", "{index}", "--checkpoint", checkpoint), checkpoint
    return program, "runs/model.pt"


def _lockfile(named: str | None, no_lock: bool, found: Spec | None) -> str | None:
    """The lockfile to install: the one that is named, else the one beside the spec, or the course's."""
    if named is not None and no_lock:
        raise click.UsageError("--lock and --no-lock can't be used together")
    if named is not None and not os.path.isfile(named):
        raise UsageError(f"--lock {named}: there is no such file", hint="run `envtool lock`, which makes one")
    if named is not None or no_lock or found is None:
        return named
    for folder in (os.path.dirname(found.path), *([".."] if _in_a_course() else [])):
        path = os.path.relpath(os.path.join(folder, *LOCKFILE.split("/"))).replace(os.sep, "/")
        if os.path.isfile(path):
            return path
    return None


_FROM = {"module": "a module", "site-wheels": "wheels of its own", "wheels": "wheels that `prepare` fetches"}


def _tell_of_the_lockfile(job: Job, lock: str, *, named: bool) -> None:
    """Is it what the job installs? UsageError where it was asked for and is not, or lacks the variant."""
    from envtool.cli.setup_locked import held_for_linux, held_in, held_variant

    if not job.lock:
        why = f"{job.site.name} takes its packages from {_FROM[job.environment]}"
        if named:
            raise UsageError(f"--lock {lock}: {why}", hint="add --environment environment, and it is installed there")
        print(f"note: {lock} is not installed there: {why}", file=sys.stderr)
        return
    print(f"using {lock}", file=sys.stderr)
    held = held_in(lock, lock)
    if held is not None:
        variant = job.wanted.variant or job.variant
        if job.site.python_platform:
            held_variant(held, job.site.python_platform, variant)
        else:
            held_for_linux(held, variant)


def _default_venv() -> str:
    return "../.venv" if _in_a_course() else ".venv"


def _in_a_course() -> bool:
    """Is this an assignment, whose environment is the course's?"""
    above = os.path.dirname(os.getcwd())
    return all(os.path.isfile(os.path.join(above, name)) for name in ("start.py", "envtool.toml"))


def _warn_of_the_platform(job: Job, course: Course) -> None:
    platform = job.site.python_platform
    if platform and platform not in course.platforms and job.environment == "environment":
        print(f"warning: the nodes of {job.site.name} are {platform}, and the course is made for "
              f"{', '.join(course.platforms)}", file=sys.stderr)  # fmt: skip
        print(f"  add {platform} to platforms in envtool.toml", file=sys.stderr)


def _warn_of_the_variant(variant: str, course: Course) -> None:
    made_for = ", ".join(course.variants)
    print(f"warning: the job installs {variant}, and the course is made for {made_for}", file=sys.stderr)
    other = ", or write the job with --variant cpu" if "cpu" in course.variants else ""
    print(f"  add {variant} to variants in envtool.toml{other}", file=sys.stderr)


def _tell(job: Job, text: str, how: Delivery) -> None:
    """The next step, on stderr."""
    from envtool.setup.job_faults import left_open
    from envtool.shell import quoted

    open_lines = left_open(text)
    if open_lines:
        print(f"{len(open_lines)} value{'s' if len(open_lines) > 1 else ''} only you know:", file=sys.stderr)
        for number, line in open_lines:
            print(f"  line {number}: {line}", file=sys.stderr)
    if job.wanted.requeue and not job.wanted.resume:
        print("note: without --resume FILE the program must find its checkpoint itself", file=sys.stderr)
    if job.distributed:
        print("note: several processes run the program; it must use torch.distributed", file=sys.stderr)
    if not how.stdout and not how.dry_run:
        print(f"Next, on the cluster: bash {quoted(job.path, 'posix')} prepare", file=sys.stderr)


# ── looking, not writing ─────────────────────────────────────────────────────────────────────────


def _list_sites() -> int:
    from envtool.setup.site_files import load_site, site_names

    for name in site_names():
        site = next(filter(None, (_maybe(load_site, name, scheduler) for scheduler in ("slurm", "pbs", "lsf"))))
        print(f"{name:<12} {site.scheduler:<6} {site.read}  {site.title}")
    return EXIT_OK


def _maybe(load: Callable[[str, str], Site], name: str, scheduler: str) -> Site | None:
    try:
        return load(name, scheduler)
    except UsageError:
        return None


def _verify(path: str, scheduler: str, name: str | None, version: str | None) -> int:
    from envtool.setup.job import version_of
    from envtool.setup.job_faults import faults_of, site_named_in
    from envtool.setup.site_files import load_site, site_names

    try:
        with open(path, "rb") as file:
            content = file.read(1 << 20)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="name a job script") from None
    text = content.decode("utf-8", errors="replace")
    named = site_named_in(text)  # maybe a profile of its own, which is not here
    site = load_site(name, scheduler) if name else load_site(named, scheduler) if named in site_names() else None
    faults = [*faults_of(text, scheduler, site, version_of(version) if version else None), *_syntax(path)]
    for fault in sorted(faults, key=lambda fault: (fault.line, fault.code)):
        print(f"{path}:{fault.line}: {fault.code}: {fault.message}")
        print(f"  hint: {fault.hint}")
    if faults:
        print(f"{len(faults)} fault{'s' if len(faults) > 1 else ''}", file=sys.stderr)
        return EXIT_FAILED
    print(f"{path}: no fault found{f', for {site.name}' if site else ''}")
    return EXIT_OK


def _syntax(path: str) -> list[Any]:
    """What bash says, where there is a bash."""
    import shutil
    import subprocess

    from envtool.setup.job_faults import Fault

    bash = shutil.which("bash")
    if bash is None or os.name == "nt":
        return []
    done = subprocess.run([bash, "-n", path], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode == 0:
        return []
    import re

    number = re.search(r"line ([0-9]+):", done.stderr)
    words = (done.stderr.strip().splitlines() or ["it can't be read"])[0].rpartition(": ")[2]
    return [Fault(int(number[1]) if number else 1, "syntax", f"bash says: {words}", "mend that line")]
