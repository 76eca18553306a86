"""``envtool check``."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from envtool.cli.spec_option import chosen, spec_options
from envtool.errors import EXIT_FAILED, EXIT_OK, EnvtoolError, ToolError, UsageError
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.cli.spec_option import Spec
    from envtool.report.check import CheckReport

TERM_DAYS = 120  # four months: a term with its examinations
WHAT_TO_WRITE = "write an envtool.toml, as `envtool init --from requirements.txt` does, or name a lockfile: --lock FILE"


@click.command("check")
@spec_options
@click.option("--lock", metavar="FILE", help="Check against this lockfile. Default: the one beside the spec.")
@click.option("--variant", metavar="NAME", help="Of a lockfile with several: cpu, cuda, cu126.")
@click.option("--python", metavar="PATH", help="The Python to check: a program or an environment's folder.")
@click.option("--strict", is_flag=True, help="Fail on packages that are installed and not locked.")
@click.option("--max-devices", metavar="N", type=click.IntRange(min=0), help="Fail if more lines name a device.")
@click.option("--term", metavar="DATE", help="Until when it must last, as 2027-03-31. Default: four months.")
@click.option("--no-smoke", is_flag=True, help="Skip the quick smoke tests.")
@click.option("--no-import", is_flag=True, help="Read files only; do not import torch, and run no smoke tests.")
@click.option("--files-only", is_flag=True, help="Hold the spec and its lockfiles against each other, and no more.")
@click.option("--ignore", metavar="CODE", multiple=True, help="Leave this check out; repeatable.")
@click.option(
    "--fail-on", type=click.Choice(["fail", "warn"]), default="fail", show_default=True,
    help="What makes the exit code 1; warn counts what could not be told, too.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The check document on stdout.")
@click.option("--json-file", metavar="FILE", help="Also write the check document to FILE.")
@click.option("--junit", metavar="FILE", help="Also write the verdicts as JUnit XML.")
@click.option("--all", "everything", is_flag=True, help="List the checks that passed, too.")
@click.option(
    "--timeout", type=click.IntRange(1, 86400), default=120, metavar="SECONDS", show_default=True,
    help="The longest that the import may take.",
)  # fmt: skip
def command(
    spec: str | None,
    no_spec: bool,
    lock: str | None,
    variant: str | None,
    python: str | None,
    strict: bool,
    max_devices: int | None,
    term: str | None,
    no_smoke: bool,
    no_import: bool,
    files_only: bool,
    ignore: tuple[str, ...],
    fail_on: str,
    as_json: bool,
    json_file: str | None,
    junit: str | None,
    everything: bool,
    timeout: float,
) -> int:
    """Is this environment what the spec and the lockfile say, and does it work?

    For CI. Takes the envtool.toml here or above and the lockfile beside it
    that describes the environment best, and says which. Nothing is changed.

    With --no-spec and no lockfile, it only tells whether the environment works.
    In GitHub Actions it also annotates and writes the job's summary.
    The exit code is 1 if a check failed, 2 if there is nothing to check
    against, or a file can't be read.
    """
    with _annotated():
        for option, file in (("--junit", junit), ("--json-file", json_file)):
            if file in ("", "-"):
                raise click.UsageError(f"{option} needs the name of a file")
        if files_only and (python is not None or strict):
            raise click.UsageError("--files-only looks at no environment; --python and --strict can't be used with it")
        known = _known(ignore)
        asked = Asked(chosen(spec, no_spec), no_spec, lock, variant, python, strict, max_devices, until(term),
                      not (no_smoke or no_import), not no_import, known, fail_on, float(timeout))  # fmt: skip
        from envtool.cli.check_run import checked, checked_files

        report = checked_files(asked) if files_only else checked(asked)
        _write_files(report, junit, json_file)
        _show(report, everything=everything, as_json=as_json)
    return EXIT_FAILED if report.failed else EXIT_OK


@dataclass(frozen=True, eq=False, repr=False)
class Asked(Fact):
    """The command line. ``until``: today, and the last day of the term."""

    spec: Spec | None
    no_spec: bool
    lock: str | None
    variant: str | None
    python: str | None
    strict: bool
    max_devices: int | None
    until: tuple[str, str]
    smoke: bool
    do_import: bool
    ignored: frozenset[str]
    fail_on: str
    timeout: float


def until(term: str | None) -> tuple[str, str]:
    """Today and the last day, as 2027-03-31."""
    from datetime import date, timedelta

    today = date.today()
    if term is None:
        return today.isoformat(), (today + timedelta(days=TERM_DAYS)).isoformat()
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", term):
            raise ValueError
        return today.isoformat(), date.fromisoformat(term).isoformat()
    except ValueError:
        raise UsageError(f"--term {term}: this is no date", hint="write it as in --term 2027-03-31") from None


def _known(ignore: tuple[str, ...]) -> frozenset[str]:
    """The codes to leave out; one that no check has is a mistake, or CI would go on failing."""
    from envtool.checks import every

    codes = {check.code for check in every()}
    for code in ignore:
        if code not in codes and not code.startswith("smoke-"):
            from difflib import get_close_matches

            near = get_close_matches(code, codes, n=1)
            hint = f"did you mean {near[0]}?" if near else "`envtool explain` lists every check"
            raise UsageError(f"--ignore {code}: there is no such check", hint=hint)
    return frozenset(ignore)


@contextlib.contextmanager
def _annotated() -> Iterator[None]:
    """In GitHub Actions what ends the command stands on the page of the run, too."""
    try:
        yield
    except EnvtoolError as error:
        if _in_github():
            from envtool.report.github import error_line

            print(error_line(error.message, error.details, error.hint), file=sys.stderr)
        raise


def _in_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


# ── output ───────────────────────────────────────────────────────────────────────────────────────


def _write_files(report: CheckReport, junit: str | None, json_file: str | None) -> None:
    from envtool.report.check import junit_of, to_json
    from envtool.report.json import dumps
    from envtool.write import append_text, write_text

    if junit is not None:
        write_text(junit, junit_of(report))
    if json_file is not None:
        write_text(json_file, dumps(to_json(report)))
    if _in_github():
        from envtool.report.github import annotation_lines, summary

        sys.stderr.write("".join(f"{line}\n" for line in annotation_lines(report)))
        summary_file = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary_file:
            try:
                append_text(summary_file, summary(report))
            except ToolError as error:  # the answer is not lost for it
                print(f"warning: {error.message}", file=sys.stderr)


def _show(report: CheckReport, *, everything: bool, as_json: bool) -> None:
    if as_json:
        from envtool.report.check import to_json
        from envtool.report.json import dumps

        sys.stdout.write(dumps(to_json(report)))
    else:
        from dataclasses import replace

        from envtool.cli.own_name import shown
        from envtool.cli.terminal import style
        from envtool.report.check import render

        report = replace(report, diagnosis=shown(report.diagnosis))
        sys.stdout.write(render(report, style(), everything=everything))
