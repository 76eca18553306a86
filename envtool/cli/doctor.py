"""``envtool doctor``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from envtool.cli.spec_option import chosen, spec_options
from envtool.errors import EXIT_FAILED, EXIT_OK

if TYPE_CHECKING:
    from envtool.diagnosis import Diagnosis


@click.command("doctor")
@click.option("--python", metavar="PATH", help="The Python to look at: a program or an environment's folder.")
@spec_options
@click.option("--no-import", is_flag=True, help="Read files only; do not import torch.")
@click.option(
    "--symptom", metavar="TEXT",
    help="Find the cause of a message: its words, - for standard input, @FILE for a log.",
)  # fmt: skip
@click.option("--smoke", is_flag=True, help="Run the quick smoke tests, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option("--junit", metavar="FILE", help="Also write the verdicts as JUnit XML.")
@click.option("--html", metavar="FILE", help="Also write a page to send to somebody.")
@click.option("--all", "everything", is_flag=True, help="List the checks that passed, too.")
@click.option("--record", metavar="FILE", help="Write all that was asked and answered to FILE.")
@click.option("--machine", metavar="FILE", help="Examine a machine that was recorded with --record.")
@click.option(
    "--timeout", type=click.IntRange(1, 86400), default=120, metavar="SECONDS", show_default=True,
    help="The longest that the import may take.",
)  # fmt: skip
def command(
    python: str | None,
    spec: str | None,
    no_spec: bool,
    no_import: bool,
    symptom: str | None,
    smoke: bool,
    as_json: bool,
    junit: str | None,
    html: str | None,
    everything: bool,
    record: str | None,
    machine: str | None,
    timeout: float,
) -> int:
    """Look at this machine and a Python environment, and say what is wrong.

    Without --python it is the environment that is active, else the python on
    PATH. Where there is an envtool.toml, what it asks for is checked, too.
    Nothing is changed, and the network is not used. The exit code is 1 if a
    check failed, 2 if PATH is no working Python.

    With --symptom the text is compared with the failures that are known, and
    only what can confirm its likeliest causes is looked at.
    """
    _files_are_named((("--junit", junit), ("--html", html), ("--record", record)))
    if symptom is not None:
        _suits_a_symptom(symptom, machine, (("--smoke", smoke), ("--html", html), ("--record", record)))
    if machine is not None:
        _suits_a_recording(python, smoke)
    from envtool.cli.recordings import asked, keep, open_host
    from envtool.doctor import examine

    found = chosen(spec, no_spec, look=machine is None)  # a recorded machine stands in another folder
    host = open_host(machine, record=record is not None)
    named, do_import = asked(host, python, not no_import)

    def diagnose(importing: bool) -> Diagnosis:
        with a_word_of_patience(importing and machine is None):
            return examine(
                host, python=named, do_import=importing, timeout=timeout, course=found.course if found else None
            )

    if symptom is not None:
        from envtool.cli.doctor_symptom import run

        code, diagnosis = run(symptom, diagnose, as_json=as_json, do_import=do_import, everything=everything)
        _write_files(diagnosis, junit, None)
        return code
    diagnosis = diagnose(do_import)
    if record is not None:
        keep(host, record)
    if smoke:
        diagnosis = _smoked(diagnosis)
    _write_files(diagnosis, junit, html)
    _print(diagnosis, as_json=as_json, everything=everything)
    return EXIT_FAILED if diagnosis.status.value == "fail" else EXIT_OK


def _print(diagnosis: Diagnosis, *, as_json: bool, everything: bool) -> None:
    if as_json:
        from envtool.report.json import doctor_to_json, dumps

        sys.stdout.write(dumps(doctor_to_json(diagnosis)))
    else:
        from envtool.cli.terminal import style
        from envtool.report.text import render

        sys.stdout.write(render(diagnosis, style(), everything=everything))


def _files_are_named(files: tuple[tuple[str, str | None], ...]) -> None:
    for option, file in files:
        if file in ("", "-"):
            raise click.UsageError(f"{option} needs the name of a file")


def _suits_a_recording(python: str | None, smoke: bool) -> None:
    if python is not None:
        raise click.UsageError("--python can't be used with --machine: the recording holds its own environment")
    if smoke:
        raise click.UsageError("--smoke can't be used with --machine: the tests run on the machine itself")


def _suits_a_symptom(symptom: str, machine: str | None, others: tuple[tuple[str, object], ...]) -> None:
    for option, given in others:
        if given:
            raise click.UsageError(f"{option} can't be used with --symptom, which looks at a few checks only")
    if symptom == "-" and machine == "-":
        raise click.UsageError("--symptom and --machine can't both read standard input")


PATIENCE = "importing torch ..."


@contextlib.contextmanager
def a_word_of_patience(wanted: bool) -> Iterator[None]:
    """Say on a terminal what takes so long, and take it back."""
    if not (wanted and sys.stderr.isatty() and sys.stdout.isatty()):
        yield
        return
    sys.stderr.write(PATIENCE)
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write("\r" + " " * len(PATIENCE) + "\r")
        sys.stderr.flush()


def _smoked(diagnosis: Diagnosis) -> Diagnosis:
    from envtool.cli.smoke import Progress
    from envtool.doctor import with_smoke_tests

    progress = Progress()
    try:
        return with_smoke_tests(diagnosis, progress.listener)
    finally:
        progress.clear()


def _junit(diagnosis: Diagnosis) -> str:
    from envtool.machine import Found
    from envtool.report.junit import render

    if not isinstance(diagnosis.smoke, Found):
        return render("envtool doctor", diagnosis.verdicts)
    from envtool.report.smoke import seconds_by_code

    return render("envtool doctor", diagnosis.all_verdicts, seconds_by_code(diagnosis.smoke.value))


def _write_files(diagnosis: Diagnosis, junit: str | None, html: str | None) -> None:
    if junit is None and html is None:
        return
    from envtool.write import write_text

    if junit is not None:
        write_text(junit, _junit(diagnosis))
    if html is not None:
        from envtool.report.html import render as render_html

        write_text(html, render_html(diagnosis))
