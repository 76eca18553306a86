"""What a screen tells people to type: this program as they started it, and a course's own set-up where it has one.

Documents, files and pages keep to `envtool`: they are read elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from envtool.cli.terminal import program
from envtool.shell import in_a_cell

if TYPE_CHECKING:
    from envtool.diagnosis import Diagnosis
    from envtool.smoke_report import SmokeReport
    from envtool.verdicts import Verdict

# What is missing before a course's set-up has run, and what it brings.
SET_UP = ("torch-not-installed", "pep668", "spec-torch", "spec-variant", "spec-packages")


def typed(text: str, name: str | None = None) -> str:
    """The text, with what must be typed in place of `envtool`."""
    if "envtool " not in text:
        return text
    name = name or program()
    if name == "envtool":
        return text
    from envtool.cli.app import COMMANDS

    verb = rf"(?=--|(?:{'|'.join(COMMANDS)})\b)"
    return re.sub(rf"(?<![\w./\\-])(?<!-m )envtool {verb}", lambda _: f"{name} ", text)


def shown(diagnosis: Diagnosis, *, here: bool = True) -> Diagnosis:
    """The diagnosis in the words of this program's user; ``here``: on this machine, which is no recorded one."""
    from envtool.machine import Found

    if here and any("sudo " in (verdict.hint or "") for verdict in diagnosis.problems) and _sudo_is_needless():
        diagnosis = replace(diagnosis, verdicts=tuple(map(_without_sudo, diagnosis.verdicts)))
    say = _sayer(diagnosis)
    if (
        here
        and diagnosis.machine.os == "linux"
        and not _in_a_notebook(diagnosis)
        and (any(map(_is_of_the_shell, diagnosis.problems)))
    ):
        diagnosis = replace(diagnosis, verdicts=tuple(map(_for_this_shell, diagnosis.verdicts)))
    smoke = diagnosis.smoke
    if isinstance(smoke, Found):
        smoke = Found(smoke_shown(smoke.value))
    return replace(diagnosis, verdicts=tuple(map(say, diagnosis.verdicts)), smoke=smoke)


def smoke_shown(report: SmokeReport) -> SmokeReport:
    """The same of smoke tests alone."""
    outcomes = tuple(replace(outcome, verdict=_renamed(outcome.verdict)) for outcome in report.outcomes)
    return replace(report, outcomes=outcomes)


def _renamed(verdict: Verdict) -> Verdict:
    message, hint = typed(verdict.message), typed(verdict.hint) if verdict.hint else None
    return (
        verdict if (message, hint) == (verdict.message, verdict.hint) else replace(verdict, message=message, hint=hint)
    )


def _is_of_the_shell(verdict: Verdict) -> bool:
    """Is it a line that is written otherwise for fish or csh?"""
    words = ("export ", "unset ", "ulimit ")
    return verdict.command and ((verdict.hint or "").startswith(words) or "source " in (verdict.hint or ""))


def _for_this_shell(verdict: Verdict) -> Verdict:
    if not _is_of_the_shell(verdict):
        return verdict
    from envtool.cli.parent_shell import for_this_shell

    return replace(verdict, hint=for_this_shell(verdict.hint or ""))


def _sudo_is_needless() -> bool:
    """Is root at work, and no sudo there? So it is in most containers."""
    from shutil import which

    return os.name == "posix" and os.geteuid() == 0 and which("sudo") is None


def _without_sudo(verdict: Verdict) -> Verdict:
    return replace(verdict, hint=re.sub(r"\bsudo (?=[\w/])", "", verdict.hint)) if verdict.hint else verdict


def _sayer(diagnosis: Diagnosis) -> Callable[[Verdict], Verdict]:
    set_up = _set_up_of_the_course(diagnosis)
    notebook = _in_a_notebook(diagnosis)
    if set_up is None and not notebook:
        return _renamed

    def say(verdict: Verdict) -> Verdict:
        cell = in_a_cell(verdict.hint) if notebook and verdict.command and verdict.hint else None
        if cell is not None:
            return replace(_renamed(verdict), hint=cell)
        if set_up is not None and verdict.code in SET_UP and verdict.hint:
            message = f"{typed(verdict.message)} The course's own set-up makes the whole environment."
            return replace(verdict, message=message, hint=set_up, command=True)
        return _renamed(verdict)

    return say


def _in_a_notebook(diagnosis: Diagnosis) -> bool:
    """Was the doctor started from a cell? Jupyter's kernels, Colab's and Kaggle's too, tell so to what they start."""
    from envtool.environment import Environment

    environment = diagnosis.environment
    place = environment.workplace if isinstance(environment, Environment) else None
    return place is not None and bool(place.variable("JPY_PARENT_PID")) and diagnosis.machine.os != "windows"


def _set_up_of_the_course(diagnosis: Diagnosis) -> str | None:
    """A course's start.py, which called this program and makes the whole environment when it is run alone.

    None where a Python was named that is not the course's, or where its .venv is one that start.py leaves alone.
    """
    start = os.environ.get("ENVTOOL_PROGRAM", "")
    path = os.path.abspath(re.split(r"\s", start.replace('"', ""), maxsplit=1)[-1])
    if os.path.basename(path) != "start.py":
        return None
    folder = os.path.dirname(path)
    made = os.path.join(folder, ".venv")
    environment = diagnosis.environment
    if environment.chosen_by == "--python" and not environment.executable.startswith(os.path.join(made, "")):
        return None
    is_left_alone = os.path.exists(os.path.join(made, "pyvenv.cfg")) and os.path.exists(
        os.path.join(folder, "lockfiles", "pixi.lock")
    )
    return None if is_left_alone else start
