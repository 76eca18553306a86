"""``envtool doctor --fix``: offer the fixes that their user alone can undo, one by one, and look again after each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from envtool.errors import UsageError
from envtool.mending import Offer, Refused, offer

if TYPE_CHECKING:
    from envtool.diagnosis import Diagnosis
    from envtool.verdicts import Verdict


def needs_a_terminal() -> None:
    """UsageError where nobody can be asked."""
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "--fix asks before it runs anything, and there is no terminal here to ask on",
            hint="run `envtool doctor` and copy the line at its end",
        )


def fixed(diagnosis: Diagnosis, diagnose: Callable[[], Diagnosis]) -> Diagnosis:
    """What is found after all that was agreed to. Nothing is run that was not shown and answered with y."""
    if not diagnosis.problems:
        _say("There is nothing to fix.")
    asked: set[str] = set()
    while (verdict := _next(diagnosis, asked)) is not None:
        asked.add(verdict.code)
        found = offer(verdict, diagnosis.machine, diagnosis.environment)
        if isinstance(found, Refused):
            _say(f"\n{verdict.code}: not run for you, because {found.reason}.")
            if verdict.hint:
                from envtool.cli.own_name import typed

                _say(f"  {typed(verdict.hint)}")
            continue
        if not _agreed(found):
            continue
        if not _ran(found):
            return diagnose()
        diagnosis = diagnose()
        still = next((v for v in diagnosis.problems if v.code == verdict.code), None)
        if still is not None:
            _say(f"{verdict.code} is still there: {still.message}")
            return diagnosis
        _say(f"{verdict.code}: mended.")
    return diagnosis


def _next(diagnosis: Diagnosis, asked: set[str]) -> Verdict | None:
    return next((verdict for verdict in diagnosis.problems if verdict.hint and verdict.code not in asked), None)


def _agreed(found: Offer) -> bool:
    from textwrap import fill

    _say("\n" + fill(f"{found.code}: {found.message}", 80, break_long_words=False, break_on_hyphens=False))
    _say(f"  This would run:  {found.line}")
    if found.undo:
        _say(f"  To undo it:      {found.undo}")
    try:
        return click.confirm("Run it?", default=False, err=True)
    except click.Abort:
        if sys.stdin.closed:
            return False
        raise


def _ran(found: Offer) -> bool:
    for words in found.commands:
        try:
            done = subprocess.run(words, stdout=sys.stderr.fileno(), check=False)
        except OSError as error:
            _say(f"It could not be run: {words[0]}: {error.strerror or error}")
            return False
        if done.returncode != 0:
            _say(f"It ended with exit code {done.returncode}; nothing more is run.")
            return False
    return True


def _say(text: str) -> None:
    click.echo(text, err=True)
