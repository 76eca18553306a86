"""``envtool doctor``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from envtool.cli.spec_option import Spec, chosen, spec_options
from envtool.errors import EXIT_FAILED, EXIT_OK
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.diagnosis import Diagnosis
    from envtool.examination import Selection
    from envtool.probe.host import Host


@dataclass(frozen=True, eq=False, repr=False)
class Asked(Fact):
    """The command line."""

    python: str | None
    spec: str | None
    no_spec: bool
    no_import: bool
    symptom: str | None
    smoke: bool
    fix: bool
    listing: bool
    only: tuple[str, ...]
    skip: tuple[str, ...]
    as_json: bool
    junit: str | None
    html: str | None
    report: str | None
    redact: bool
    everything: bool
    record: str | None
    machine: str | None
    timeout: float


@click.command("doctor")
@click.option("--python", metavar="PATH", help="The Python to look at: a program or an environment's folder.")
@spec_options
@click.option("--no-import", is_flag=True, help="Read files only; do not import torch.")
@click.option(
    "--symptom", metavar="TEXT",
    help="Find the cause of a message: its words, - for standard input, @FILE for a log.",
)  # fmt: skip
@click.option("--smoke", is_flag=True, help="Run the quick smoke tests, too.")
@click.option("--fix", is_flag=True, help="Offer to run fixes that you alone can undo; asks before each.")
@click.option("--list", "listing", is_flag=True, help="List the checks and their groups; run none.")
@click.option("--only", metavar="NAME", multiple=True, help="Only this check or group; can be repeated.")
@click.option("--skip", metavar="NAME", multiple=True, help="All but this check or group; can be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option("--junit", metavar="FILE", help="Also write the verdicts as JUnit XML.")
@click.option("--html", metavar="FILE", help="Also write a page to send to somebody.")
@click.option("--report", metavar="FILE", help="Also write a text that you may post: it names nobody.")
@click.option("--redact", is_flag=True, help="Leave names, addresses and tokens out of every output.")
@click.option("--all", "everything", is_flag=True, help="List the checks that passed, too.")
@click.option("--record", metavar="FILE", help="Write all that was asked and answered to FILE.")
@click.option("--machine", metavar="FILE", help="Examine a machine that was recorded with --record.")
@click.option(
    "--timeout", type=click.IntRange(1, 86400), default=120, metavar="SECONDS", show_default=True,
    help="The longest that the import may take.",
)  # fmt: skip
def command(**options: object) -> int:
    """Look at this machine and a Python environment, and say what is wrong.

    Without --python it is the environment that is active, else the python on
    PATH. Where there is an envtool.toml, what it asks for is checked, too.
    Nothing is changed, and the network is not used. The exit code is 1 if a
    check failed, 2 if PATH is no working Python.

    With --symptom the text is compared with the failures that are known, and
    only what can confirm its likeliest causes is looked at.
    """
    asked = Asked(**options)  # type: ignore[arg-type]  # click made them from the declarations above
    _suit_each_other(asked)
    if asked.listing:
        from envtool.cli.doctor_choice import show_list

        return show_list(asked.only, asked.skip, as_json=asked.as_json)
    if asked.fix:
        from envtool.cli.doctor_fix import needs_a_terminal

        needs_a_terminal()
    return _examine(asked)


def _examine(asked: Asked) -> int:
    from envtool.cli.recordings import asked as asked_then
    from envtool.cli.recordings import keep, open_host

    found = chosen(asked.spec, asked.no_spec, look=asked.machine is None)  # a recorded one stands in another folder
    selection = _selection(asked, found)
    host = open_host(asked.machine, record=asked.record is not None)
    named, do_import = asked_then(host, asked.python, not asked.no_import)

    def diagnose(importing: bool) -> Diagnosis:
        return _diagnosis(asked, host, named, found, selection, importing)

    if asked.symptom is not None:
        return _of_a_symptom(asked, asked.symptom, diagnose, do_import)
    diagnosis = diagnose(do_import)
    if asked.record is not None:
        keep(host, asked.record)
    if asked.smoke:
        diagnosis = _smoked(diagnosis)
    if asked.fix:
        from envtool.cli.doctor_fix import fixed

        _print(diagnosis, asked, host)
        before, diagnosis = diagnosis, fixed(diagnosis, lambda: diagnose(do_import))
        if diagnosis is not before:
            sys.stdout.write("\n")
            _print(diagnosis, asked, host)
        _write_files(diagnosis, asked, host)
    else:
        _tell(diagnosis, asked, host)
    return EXIT_FAILED if diagnosis.status.value == "fail" else EXIT_OK


def _diagnosis(
    asked: Asked, host: Host, named: str | None, spec: Spec | None, selection: Selection | None, importing: bool
) -> Diagnosis:
    from envtool.cli.patience import IMPORT, MACHINE, a_word_of_patience
    from envtool.examination import examine

    course = spec.course if spec else None
    with a_word_of_patience(asked.machine is None, IMPORT if importing else MACHINE):
        return examine(
            host, python=named, do_import=importing, timeout=asked.timeout, course=course, selection=selection
        )


def _selection(asked: Asked, spec: Spec | None) -> Selection | None:
    if not (asked.only or asked.skip):
        return None
    from envtool.cli.doctor_choice import select

    return select(asked.only, asked.skip, course=spec is not None)


def _of_a_symptom(asked: Asked, symptom: str, diagnose: Callable[[bool], Diagnosis], do_import: bool) -> int:
    from envtool.cli.doctor_symptom import run

    code, diagnosis = run(
        symptom,
        diagnose,
        as_json=asked.as_json,
        do_import=do_import,
        everything=asked.everything,
        here=asked.machine is None,
    )
    if asked.junit is not None:
        from envtool.write import write_text

        write_text(asked.junit, _junit(diagnosis))
    return code


# ── what goes together ───────────────────────────────────────────────────────────────────────────


def _suit_each_other(asked: Asked) -> None:
    files = (("--junit", asked.junit), ("--html", asked.html), ("--report", asked.report), ("--record", asked.record))
    for option, file in files:
        if file in ("", "-"):
            raise click.UsageError(f"{option} needs the name of a file")
    others = (
        *files[1:], ("--smoke", asked.smoke), ("--fix", asked.fix), ("--only", asked.only), ("--skip", asked.skip),
        ("--redact", asked.redact),
    )  # fmt: skip
    if asked.symptom is not None:
        _none_with("--symptom", others, "which looks at a few checks only")
        if asked.symptom == "-" and asked.machine == "-":
            raise click.UsageError("--symptom and --machine can't both read standard input")
    if asked.machine is not None:
        if asked.python is not None:
            raise click.UsageError("--python can't be used with --machine: the recording holds its own environment")
        if asked.smoke:
            raise click.UsageError("--smoke can't be used with --machine: the tests run on the machine itself")
        _none_with("--machine", (("--fix", asked.fix),), "which is another machine")
    if asked.fix:
        _none_with("--fix", (("--json", asked.as_json), ("--record", asked.record)), "which asks questions")
    if asked.redact:
        _none_with("--redact", (("--record", asked.record),), "since a recording needs its paths as they are")


def _none_with(option: str, others: Iterable[tuple[str, object]], why: str) -> None:
    for other, given in others:
        if given:
            raise click.UsageError(f"{other} can't be used with {option}, {why}")


# ── what it says ─────────────────────────────────────────────────────────────────────────────────


def _tell(diagnosis: Diagnosis, asked: Asked, host: Host) -> None:
    """Screen first, so that a full disk hides no answer; a document last, so that it stays the only one."""
    if asked.as_json:
        _write_files(diagnosis, asked, host)
    shown = diagnosis
    if asked.redact:
        from envtool.cli.doctor_report import without_names

        shown = without_names(diagnosis, host)
    _print(shown, asked, host)
    if not asked.as_json:
        sys.stdout.flush()
        _write_files(diagnosis, asked, host)


def _print(diagnosis: Diagnosis, asked: Asked, host: Host) -> None:
    if asked.as_json:
        from envtool.report.json import doctor_to_json, dumps

        document = doctor_to_json(diagnosis)
        if asked.redact:  # the course's requirements, too, which are no plain facts
            from envtool.cli.doctor_report import redactor
            from envtool.redaction import redacted

            document = redacted(document, redactor(host, diagnosis))
        sys.stdout.write(dumps(document))
    else:
        from envtool.cli.own_name import shown
        from envtool.cli.terminal import style
        from envtool.report.text import render

        sys.stdout.write(
            render(
                shown(diagnosis, here=asked.machine is None), style(), everything=asked.everything or bool(asked.only)
            )
        )


def _smoked(diagnosis: Diagnosis) -> Diagnosis:
    from envtool.cli.patience import a_word_of_patience
    from envtool.cli.smoke import Progress
    from envtool.examination import with_smoke_tests

    progress = Progress()
    try:
        with a_word_of_patience(not sys.stderr.isatty(), "running the quick smoke tests ..."):
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


def _write_files(diagnosis: Diagnosis, asked: Asked, host: Host) -> None:
    if asked.junit is None and asked.html is None and asked.report is None:
        return
    from envtool.write import write_text

    nameless = diagnosis
    if asked.report is not None or asked.redact:
        from envtool.cli.doctor_report import without_names

        nameless = without_names(diagnosis, host)
    shown = nameless if asked.redact else diagnosis
    if asked.junit is not None:
        write_text(asked.junit, _junit(shown))
    if asked.html is not None:
        from envtool.report.html import render as render_html

        write_text(asked.html, render_html(shown))
    if asked.report is not None:
        from envtool.report.posting import render_posting

        write_text(asked.report, render_posting(nameless))
        click.echo(f"wrote {asked.report}; read it once before you post it", err=True)
