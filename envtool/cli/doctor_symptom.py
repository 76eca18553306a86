"""``envtool doctor --symptom``: from a pasted message to its cause."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import click

from envtool.errors import EXIT_FAILED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from envtool.diagnosis import Diagnosis
    from envtool.report.symptom import Answer
    from envtool.symptoms import Candidate

CHUNK = 64 * 1024
SHOWN = 3


def read(symptom: str) -> Iterator[bytes]:
    """The text in pieces: what was given, standard input for "-", a file for "@NAME"."""
    if symptom == "-":
        if sys.stdin is None:
            raise UsageError(
                "--symptom - reads standard input, and it is closed", hint="envtool doctor --symptom @FILE"
            )
        if sys.stdin.isatty():
            click.echo("Paste the text, then press Ctrl+D (on Windows Ctrl+Z and Enter).", err=True)
        yield from _chunks(sys.stdin.buffer)
    elif symptom.startswith("@") and len(symptom) > 1:
        try:
            with open(symptom[1:], "rb") as file:
                yield from _chunks(file)
        except OSError as error:
            hint = "check the name of the file; without the @ the words themselves are looked up"
            raise UsageError(f"cannot read {symptom[1:]}: {error.strerror}", hint=hint) from None
    else:
        yield symptom.encode("utf-8", "replace")


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    from envtool.symptoms import LIMIT

    left = LIMIT
    while left > 0 and (chunk := stream.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk


def run(
    symptom: str,
    diagnose: Callable[[bool], Diagnosis],
    *,
    as_json: bool,
    do_import: bool,
    everything: bool,
    here: bool = True,
) -> tuple[int, Diagnosis]:
    """Read the text, look at what can confirm its causes, and print it; the exit code, and what was judged.

    ``diagnose`` asks this machine, or where not ``here`` a recorded one, and imports torch if it is told to.
    """
    from envtool.symptoms import candidates, normal, reduced

    text = reduced(read(symptom))
    if not text.text.strip():
        raise UsageError("there is no text to look up", hint='envtool doctor --symptom "the last lines of the error"')
    words = normal(text.text)
    likely, found = candidates(words), candidates(words, faint=True)
    answer = _answer(found, len(likely), diagnose, do_import, (text.total, len(text.text)))
    if as_json:
        from envtool.report.json import dumps
        from envtool.report.symptom import to_json

        sys.stdout.write(dumps(to_json(answer)))
    else:
        _write(answer, symptom, everything=everything, here=here)
    return (EXIT_FAILED if answer.diagnosis.status.value == "fail" else EXIT_OK), answer.diagnosis


def _write(answer: Answer, symptom: str, *, everything: bool, here: bool) -> None:
    from envtool.cli.own_name import shown, typed
    from envtool.cli.terminal import style

    if answer.judged:
        from envtool.report.symptom import render

        said = shown(answer.diagnosis, here=here)
        by_code = {verdict.code: verdict for verdict in said.verdicts}
        judged = tuple(replace(one, verdict=by_code[one.verdict.code]) if one.verdict else one for one in answer.judged)
        sys.stdout.write(typed(render(replace(answer, diagnosis=said, judged=judged), style())))
        return
    from envtool.report.text import render as render_all

    click.echo("No failure that envtool knows prints this text; here is what the whole doctor finds.", err=True)
    if len(symptom) < 200 and "\n" not in symptom:
        import os

        if os.path.isfile(symptom):
            click.echo(typed(f"To look into the file: envtool doctor --symptom @{symptom}"), err=True)
    sys.stdout.write(render_all(shown(answer.diagnosis, here=here), style(), everything=everything))


def _answer(
    found: tuple[Candidate, ...],
    likely: int,
    diagnose: Callable[[bool], Diagnosis],
    do_import: bool,
    sizes: tuple[int, int],
) -> Answer:
    """What the checks of all candidates say; those behind the first ``likely`` are told only where they are true."""
    from envtool.checks import ALL, cuda, imports, of_course, pairs
    from envtool.cli.doctor_choice import with_needs
    from envtool.report.symptom import Answer, Judged, Outcome

    if not found:
        return Answer((), diagnose(do_import), *sizes)
    checks = {check.code: check for check in (*ALL, *of_course())}
    wanted = with_needs((c.failure.check for c in found if c.failure.check in checks), checks.values())
    by_import = (*imports.CHECKS, *imports.COMPANION_CHECKS, *cuda.CHECKS, *pairs.CHECKS)
    needs_import = any(check.code in wanted for check in by_import)
    diagnosis = diagnose(do_import and (needs_import or not likely))
    by_code = {verdict.code: verdict for verdict in diagnosis.verdicts if verdict.code in wanted}
    judged = [Judged(c, by_code.get(c.failure.check or "")) for c in found]
    likeliest = judged[:likely]
    true = [one for one in judged if one.outcome is Outcome.CONFIRMED and (one in likeliest or one.proven)]
    shown = true + [one for one in likeliest if one not in true]
    if not shown:
        return Answer((), diagnosis, *sizes)
    return Answer(tuple(shown[:SHOWN]), replace(diagnosis, verdicts=tuple(by_code.values())), *sizes)
