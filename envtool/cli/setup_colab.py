"""``envtool setup colab``, and ``--check``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from envtool.cli.setup import Delivery, course_of, deliver, target_options
from envtool.cli.setup_parts import envtool_option
from envtool.errors import EXIT_FAILED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from envtool.course import Course
    from envtool.setup.colab import Colab
    from envtool.setup.colab_check import Finding, Runtime


@click.command("colab")
@click.option("--repo", metavar="OWNER/NAME", help="The course's repository on GitHub: for the badge and its files.")
@click.option("--branch", metavar="NAME", default="main", show_default=True, help="Its branch.")
@click.option("--path", metavar="FILE", help="Where the notebook will lie in it. Default: where it is written.")
@click.option("--gpu", metavar="NAME", help="T4, L4, A100, H100, G4 or none. Default: the least that suits the course.")
@click.option("--runtime", metavar="VERSION", help="Hold the notebook to a past version of Colab, as 2026.07.")
@envtool_option
@click.option("--check", is_flag=True, help="Write nothing: which packages clash with what Colab brings? Offline.")
@click.option(
    "--colab-versions", "versions", metavar="FILE", help="Compare with these versions: a pip freeze, or TOML."
)
@click.option("--json", "as_json", is_flag=True, help="With --check: the answer as a document on stdout.")
@target_options
def command(
    repo: str | None,
    branch: str,
    path: str | None,
    gpu: str | None,
    runtime: str | None,
    source: str,
    check: bool,
    versions: str | None,
    as_json: bool,
    spec: str | None,
    no_spec: bool,
    name: str | None,
    **delivery: str | bool | None,
) -> int:
    """A notebook for Google Colab, which keeps Colab's own PyTorch.

    It asks for a GPU, tests it, names what clashes with Colab's packages,
    installs what is missing and says when a restart is needed. torch,
    torchvision, torchaudio and numpy are never replaced.

    --check says beforehand what will clash, and ends with exit code 1 if
    anything does.
    """
    from envtool.setup.colab import FILE, Colab, checked_branch, checked_path, checked_repository, colab

    if as_json and not check:
        raise click.UsageError("--json is for --check")
    course, _ = course_of(spec, no_spec, name)
    if check:
        return _check(course, versions, runtime, as_json=as_json)
    if versions is not None:
        raise click.UsageError("--colab-versions is for --check")
    wanted = Colab(
        gpu=checked_gpu("colab", course, gpu),
        repository=checked_repository(repo) if repo is not None else None,
        branch=checked_branch(branch),
        path=checked_path(path if path is not None else _in_repository(delivery["output"]))
        if repo is not None
        else FILE,
        runtime=_runtime_named(runtime),
        source=checked_spec(source),
    )
    how = Delivery(**delivery)  # type: ignore[arg-type]
    code = deliver(colab(course, wanted), how)
    if not how.stdout and not how.dry_run:
        _tell(course, wanted)
    return code


def checked_gpu(place: str, course: Course, named: str | None) -> str | None:
    """The GPU to ask for; a note where it has less than the course asks."""
    from envtool.setup.places import chosen_gpu, gpus

    found = chosen_gpu(place, course, named)
    if found is not None and not next(gpu for gpu in gpus(place) if gpu.name == found).suits(course):
        print(f"note: {found} has less than the course's [gpu] asks for; the notebook says so, too", file=sys.stderr)
    return found


def checked_spec(text: str) -> str:
    """What --envtool names, as pip takes it."""
    from envtool.scaffold.names import checked_source

    checked = checked_source(text)
    if "://" not in text and not text.startswith("envtool"):
        raise UsageError(f"--envtool {text} is a path, which is not there", hint="name a version or a URL")
    return checked.replace("{extras}", "")


def _runtime_named(name: str | None) -> str | None:
    """The version to hold a notebook to; None for the newest."""
    if name is None or name == "latest":
        return None
    known = [runtime.name for runtime in _published() if runtime.name != "latest"]
    if name not in known:
        raise UsageError(f"--runtime: Colab has no version {name!r}", hint=f"there are {', '.join(known)}, and latest")
    return name


def _in_repository(output: str | bool | None) -> str:
    """Where the notebook is written, as seen from the root of the repository around it, or from here."""
    from envtool.setup.colab import FILE

    target = str(output) if output else FILE
    if os.path.isdir(target) or target.endswith(("/", os.sep)):
        target = os.path.join(target, FILE)
    absolute = os.path.abspath(target)
    root = os.path.dirname(absolute)
    while not os.path.exists(os.path.join(root, ".git")):
        root, last = os.path.dirname(root), root
        if root == last:
            root = os.getcwd()
            break
    inside = os.path.relpath(absolute, root).replace(os.sep, "/")
    return FILE if inside.startswith("../") else inside


def _tell(course: Course, wanted: Colab) -> None:
    """How the notebook is opened, on stderr."""
    from envtool.setup.colab import address, markdown_badge, run_line

    if wanted.repository:
        lines = ["Push it, then open it:", f"  {address(wanted)}", "Its badge, for your README:"]
        lines.append(f"  {markdown_badge(wanted)}")
    else:
        lines = ["Open it: https://colab.research.google.com, Upload. --repo OWNER/NAME makes a link instead."]
        if course.editable:
            lines.append("note: the course's own code is not in it; --repo OWNER/NAME brings it, too")
    lines += [
        "A script on a Colab machine, from Linux or macOS (`uv tool install google-colab-cli`):",
        f"  {run_line(wanted)}",
        _foretold(course, wanted.runtime),
    ]
    print("", *lines, sep="\n", file=sys.stderr)


def _foretold(course: Course, name: str | None) -> str:
    """What --check would say, in a line."""
    from envtool.setup.colab_check import clashes, compared

    runtime = next(one for one in _published() if name in (None, one.name))
    number = clashes(compared(course, runtime))
    if not number:
        return f"Nothing of the course clashes with Colab {runtime}."
    words = "clash" if number == 1 else "clashes"
    option = f" --runtime {name}" if name else ""
    return f"note: {number} {words} with Colab {runtime}: see `envtool setup colab --check{option}`"


# ── --check ──────────────────────────────────────────────────────────────────────────────────────


def _published() -> tuple[Runtime, ...]:
    from envtool.data import read_table
    from envtool.setup.colab_check import runtimes

    return runtimes(read_table("colab.toml"), "envtool/data/colab.toml")


def _from_file(path: str) -> tuple[Runtime, ...]:
    from envtool.cli.spec_option import contents, decoded
    from envtool.setup.colab_check import from_freeze, runtimes

    text = decoded(contents(path), path)
    if not path.endswith(".toml"):
        return (from_freeze(text, path),)
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    try:
        return runtimes(tomllib.loads(text), path)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}", hint="mend that line") from None


def _check(course: Course, versions: str | None, name: str | None, *, as_json: bool) -> int:
    from envtool.setup.colab_check import clashes, compared

    known = _published() if versions is None else _from_file(versions)
    runtime = known[0] if name is None else next((one for one in known if one.name == name), None)
    if runtime is None:
        names = ", ".join(one.name for one in known)
        raise UsageError(f"--runtime: there is no version {name!r}", hint=f"there are {names}")
    findings = compared(course, runtime)
    others = [one for one in known if one is not runtime and not clashes(compared(course, one))]
    if as_json:
        from envtool.report.json import dumps
        from envtool.setup.colab_check import to_json

        sys.stdout.write(dumps(to_json(course, runtime, findings, tuple(others))))
    else:
        _show(course, runtime, findings, others)
    return EXIT_FAILED if clashes(findings) else EXIT_OK


def _show(course: Course, runtime: Runtime, findings: tuple[Finding, ...], others: list[Runtime]) -> None:
    from textwrap import wrap

    from envtool.setup.colab_check import clashes
    from envtool.setup.notebook import one_line

    print(f"{one_line(course.name)} on Colab, {runtime}\n")
    for finding in findings:
        text = one_line(f"{finding.need}: {finding.reason}")
        print("\n".join(wrap(text, 80, initial_indent=f"{finding.status:<9}", subsequent_indent=" " * 9)))
    number = clashes(findings)
    unknown = sum(finding.status == "unknown" for finding in findings)
    adds = sum(finding.status == "adds" for finding in findings)
    if adds:
        print("\nWhat the added packages need themselves is seen when the notebook installs them.")
    words = "Nothing clashes." if not number else "1 clash." if number == 1 else f"{number} clashes."
    print(f"\n{words}{f' {unknown} could not be told.' if unknown else ''}")
    if number and others:
        names = ", ".join(one.name for one in others)
        print(f"Nothing clashes on: {names}.", file=sys.stderr)
        if others[0].name != "latest":
            from envtool.cli.own_name import typed

            line = typed(f"envtool setup colab --runtime {others[0].name}")
            print(f"hint: `{line}` holds the notebook to it", file=sys.stderr)
        else:
            print("hint: leave out --runtime", file=sys.stderr)
    elif number:
        print("hint: widen the versions in envtool.toml, or leave Colab out of runs-on", file=sys.stderr)
