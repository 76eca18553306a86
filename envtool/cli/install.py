"""``envtool install``."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from envtool.cli.spec_option import chosen, spec_options
from envtool.errors import EXIT_FAILED, EXIT_OK, ToolError, UsageError
from envtool.extras import line_for
from envtool.fact import Fact
from envtool.spec import ACCELERATORS

if TYPE_CHECKING:
    from envtool.catalog import Catalog
    from envtool.install.place import Place
    from envtool.install.wheelhouse import Wheelhouse
    from envtool.install.work import Job, Result
    from envtool.plan import Plan
    from envtool.report.install import Installation
    from envtool.smoke_report import SmokeReport


@dataclass(frozen=True, eq=False, repr=False)
class Asked(Fact):
    """The command line."""

    specs: tuple[str, ...]
    into: str | None
    python: str | None
    accelerator: str
    variant: str | None
    include_unverified: bool
    requirements: tuple[str, ...]
    find_links: tuple[str, ...]
    index_url: str | None
    pytorch_index_url: str | None
    download: str | None
    target: str | None
    installer: str | None
    spec: str | None
    no_spec: bool
    dry_run: bool
    smoke: bool
    as_json: bool
    lock: str | None = None
    platform: str | None = None
    mirrors: tuple[str, ...] = ()
    no_project: bool = False


@click.command("install")
@click.argument("specs", metavar="[SPEC]...", nargs=-1)
@click.option("--into", metavar="DIR", help="The environment. Default: the venv that is active, else .venv here.")
@click.option("--python", metavar="VERSION|PATH", help="The Python of a new environment: 3.12, or a program.")
@click.option(
    "--accelerator", type=click.Choice(ACCELERATORS), default="auto", show_default=True,
    help="What the builds must run on; auto may end at the CPU.",
)  # fmt: skip
@click.option("--variant", metavar="NAME", help="This variant and no other: cpu, cu126, rocm7.2, xpu.")
@click.option("--include-unverified", is_flag=True, help="Also builds that nobody has seen on their index.")
@click.option("--requirements", "-r", metavar="FILE", multiple=True, help="A course's own packages, too.")
@spec_options
@click.option("--no-project", is_flag=True, help="Without the folders of [pip] editable, which change more often.")
@click.option("--find-links", metavar="DIR", multiple=True, help="A folder of wheels; alone, no network is used.")
@click.option("--index-url", metavar="URL", help="An index for everything, torch too.")
@click.option("--pytorch-index-url", metavar="URL", help="A mirror of download.pytorch.org/whl.")
@click.option("--download", metavar="DIR", help="Fetch the wheels into DIR, for --find-links; install nothing.")
@click.option("--target", metavar="TEXT", help="With --download: for this machine, as in `pick --target`.")
@click.option("--installer", type=click.Choice(["uv", "pip"]), help="What does the work. Default: uv if it is there.")
@click.option("--lock", metavar="FILE", help="Make the conda environment of this lockfile, without conda.")
@click.option("--platform", metavar="SUBDIR", help="With --lock: for this platform. Default: this machine's.")
@click.option("--mirror", "mirrors", metavar="CHANNEL=URL", multiple=True, help="With --lock: fetch it from elsewhere.")
@click.option("--dry-run", is_flag=True, help="Print the steps as commands; change nothing.")
@click.option("--no-smoke", "smoke", is_flag=True, flag_value=False, default=True, help="No smoke test at the end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(**options: object) -> int:
    """Make or repair an environment with the builds of PyTorch that fit.

    SPEC is a requirement such as 'torch==2.8.0', or any other package that
    should come with it; none means what the envtool.toml of this folder asks
    for, else torch, torchvision and torchaudio. What is installed already and
    serves is kept; an environment in order is left as it is, without a look
    at the network. If anything fails, the environment is as it was before.

    With --lock it is the conda environment of a lockfile, in .conda here, as
    `envtool lock` or another tool locked it: no conda is needed, every package
    is checked by its hash, and no script of a package is run.
    """
    asked = Asked(**options)  # type: ignore[arg-type]
    if asked.lock is not None or asked.platform is not None or asked.mirrors:
        from envtool.cli.install_lock import from_options

        return from_options(asked)
    if asked.download is None and asked.target is not None:
        raise click.UsageError("--target goes with --download; for another machine's line there is `envtool pick`")
    _check_addresses(asked)
    if asked.download is not None:
        from envtool.cli.wheelhouse import fill

        return fill(asked)
    return _install(asked)


def _check_addresses(asked: Asked) -> None:
    from envtool.install.order import without_secrets

    for option, url in (("--index-url", asked.index_url), ("--pytorch-index-url", asked.pytorch_index_url)):
        if url is not None and not url.startswith(("http://", "https://", "file://")):
            hint = "write it as in --index-url https://host/simple"
            raise UsageError(f"{option} {without_secrets(url)!r} is not an address", hint=hint)
    for folder in asked.find_links:
        if "://" not in folder and not os.path.isdir(folder):
            raise UsageError(f"--find-links {folder}: there is no such folder", hint="name a folder of wheels")


def tell(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


# ── the steps ────────────────────────────────────────────────────────────────────────────────────


def _install(asked: Asked) -> int:
    from envtool.catalog import load
    from envtool.cli.install_parts import (
        compared,
        in_words,
        job_of,
        left_out,
        look,
        plan_of,
        wanted_of,
        with_requirements,
        with_whole_line,
    )
    from envtool.install.failures import InstallError

    started = time.monotonic()
    place = _place(asked)
    spec = chosen(asked.spec, asked.no_spec)
    catalog = load()
    wanted = wanted_of(asked, spec)
    subject = look(asked, place, spec, wanted, catalog)
    house = _wheelhouse(asked)
    if house is None:
        plan = plan_of(subject.machine, subject.existing, wanted, spec, catalog)
    else:
        from envtool.cli.wheelhouse import of_wheelhouse

        plan = of_wheelhouse(house, subject.machine, subject.python_version, catalog)
        wanted = with_requirements(wanted, house.requirements, house.folder)
    missing = left_out(plan, spec)
    if missing:
        tell(f"note: the course also asks for {' and '.join(missing)}; add {'them' if len(missing) > 1 else 'it'}")
    lacks, installed, opaque = compared(subject, plan, wanted.lines)
    about = About(asked, place, subject.python_version, plan, catalog, started)
    if place.there and not lacks and not opaque:
        return _nothing_to_do(about)
    job = job_of(asked, place, subject, plan, wanted, (lacks, installed))
    _announce(about, job)
    for lack in lacks:
        tell(f"  {lack.name}: {lack.reason}")
    try:
        return _dry_run(about, job) if asked.dry_run else _change(about, job)
    except InstallError as error:
        from envtool.cli.install_mirror import with_pypis_build

        told = with_pypis_build(in_words(error, wanted.lines), plan, asked, catalog)
        raise with_whole_line(told, asked) from None


def _wheelhouse(asked: Asked) -> Wheelhouse | None:
    """The manifest of a folder of wheels, where the command line leaves open what is to be installed."""
    from envtool.cli.wheelhouse import is_free

    if not is_free(asked):
        return None
    from envtool.install.wheelhouse import find_wheelhouse

    return find_wheelhouse(asked.find_links)


@dataclass(frozen=True, eq=False, repr=False)
class About(Fact):
    """What every answer tells."""

    asked: Asked
    place: Place
    python_version: str
    plan: Plan
    catalog: Catalog
    started: float


def _place(asked: Asked) -> Place:
    """The environment, after what an interrupted run left of it was put right."""
    from envtool.install.place import find_place, place_path
    from envtool.install.transaction import transaction, was_interrupted

    path = place_path(asked.into, os.getcwd(), os.environ, sys.prefix)
    if was_interrupted(path):
        if asked.dry_run:
            hint = "run `envtool install` without --dry-run, which puts it right first"
            raise ToolError(f"an earlier run on {path} was interrupted, or is still at work", hint=hint)
        with transaction(path, tell):
            pass
    place = find_place(asked.into, os.getcwd(), os.environ, sys.prefix)
    if place.note:
        tell(f"note: {place.note}")
    return place


def _announce(about: About, job: Job) -> None:
    from envtool.cli.terminal import style
    from envtool.install.order import without_secrets
    from envtool.report.plan import build_line

    place, plan, sources = about.place, about.plan, job.question.sources
    what = "a new environment" if not place.there else "the active environment" if place.active else "an environment"
    index = sources.torch_index(plan) or sources.index_url
    source = " and ".join((*sources.find_links, *((without_secrets(index),) if index else ())))
    build, _, usual = build_line(plan).rpartition(" from ")
    lines = [f"Into {place.shown}, {what} with Python {about.python_version}:"]
    lines.append(f"  {', '.join(f'{pin.package} {pin.full}' for pin in plan.pins)}")
    lines.append(f"  {build} from {source or usual}")
    if job.tool.name == "pip" and about.asked.installer is None:
        lines.append(f"note: uv does this in a fraction of the time: {line_for('install')}")
    for line in (*lines, *map(worded, plan.warnings)):
        tell(style().safe(line))


def worded(warning: str) -> str:
    """A plan's warning, as stderr tells it."""
    from envtool.plan.outlook import is_no_matter

    return f"{'note' if is_no_matter(warning) else 'warning'}: {warning}"


# ── the ends ─────────────────────────────────────────────────────────────────────────────────────


def _nothing_to_do(about: About) -> int:
    return _show(about, _installation(about, "nothing-to-do", "none"))


def _dry_run(about: About, job: Job) -> int:
    from envtool.install.work import rehearse
    from envtool.report.install import rehearsed

    result = rehearse(job, tell)
    done = _with_result(_installation(about, "dry-run", job.tool.name), job, result)
    if about.asked.as_json:
        return _show(about, done)
    tell(f"To download: {result.size}, less what is in a cache. These are the steps:" if result.packages else
         "Every package is there already.")  # fmt: skip
    sys.stdout.write(rehearsed(done))
    return EXIT_OK


def _change(about: About, job: Job) -> int:
    from envtool.install.work import install

    result = install(job, tell)
    done = _with_result(_installation(about, "installed", job.tool.name), job, result)
    if not result.packages:
        return _show(about, replace(done, result="nothing-to-do"))
    done = replace(done, notes=(*done.notes, *_at_odds(job)))
    if not about.asked.smoke:
        return _show(about, done)
    tell("Testing ...")
    from envtool.report.smoke import smoke_to_json
    from envtool.smoke import run

    report = run(about.place.python, quick=True)
    failed = report.status.value == "fail"
    done = replace(done, smoke=smoke_to_json(report), smoke_line=_smoke_line(report))
    code = _show(about, done, failed=failed)
    if failed and not about.asked.as_json:
        from envtool.cli.smoke import show

        sys.stdout.write("\n")
        show(report, as_json=False, everything=False)
    return EXIT_FAILED if failed else code


def _smoke_line(report: SmokeReport) -> str:
    from collections import Counter

    count = Counter(verdict.status.value for verdict in report.verdicts)
    words = {"pass": "passed", "fail": "FAILED", "warn": "with a warning", "unknown": "not run", "skip": "skipped"}
    told = ", ".join(f"{count[status]} {word}" for status, word in words.items() if count[status])
    where = f" on {report.device}" if report.device else ""
    return f"{told}{where}, in {report.seconds:.1f} s"


def _at_odds(job: Job) -> tuple[str, ...]:
    """Other packages in the environment that want something else than what is there now, and what is left over."""
    from envtool.install.compare import at_odds, left_over, markers_of
    from envtool.install.installed import read_installed
    from envtool.install.work import site_packages_of
    from envtool.report.install import listed

    installed = read_installed(job.site_packages or site_packages_of(job.place.path))
    markers = markers_of(job.question.python_version, "cpython")
    told = at_odds(installed, markers, frozenset(pin.package for pin in job.question.plan.pins))
    rest = left_over(installed)
    if rest:
        shown = listed(rest, 4)
        told += (f"{len(rest)} libraries of another build are left that nothing needs: {shown}",)
    return told


def _installation(about: About, result: str, installer: str) -> Installation:
    from envtool.cli.install_parts import activation
    from envtool.report.install import Installation

    place = about.place
    return Installation(
        result=result, path=place.path, shown=place.shown, created=not place.there, python=about.python_version,
        installer=installer, plan=about.plan,
        activate=activation(place.shown, place.active),
    )  # fmt: skip


def _with_result(done: Installation, job: Job, result: Result) -> Installation:
    from envtool.install.order import without_secrets
    from envtool.report.install import Change
    from envtool.shell import shell_line

    before = job.question.installed
    changes = tuple(
        Change(
            p.name,
            p.version or before.get(p.name) or "unknown",
            before.get(p.name),
            p.size,
            without_secrets(p.url) if p.url else None,
        )
        for p in result.packages
    )
    shell = "powershell" if sys.platform == "win32" else "posix"
    lines = tuple(shell_line(command.shown, shell) for command in result.commands)
    return replace(
        done, changes=changes, commands=lines, known_bytes=result.size.known, unknown_sizes=result.size.unknown
    )


def _show(about: About, done: Installation, *, failed: bool = False) -> int:
    from envtool.cli.terminal import style
    from envtool.report.install import render, to_json

    done = replace(done, seconds=time.monotonic() - about.started, activate=None if failed else done.activate)
    if about.asked.as_json:
        from envtool.plan_document import document_of
        from envtool.report.json import dumps

        sys.stdout.write(dumps(to_json(done, document_of(about.plan, about.catalog))))
    else:
        sys.stdout.write(render(done, style()))
    return EXIT_OK
