"""The doctor for a notebook: called in a cell, shown under it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envtool.diagnosis import Diagnosis


class Examination:
    """What the doctor found. A notebook shows it as a page, a prompt as the screen that ``envtool doctor`` prints."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        self.diagnosis = diagnosis

    @property
    def ok(self) -> bool:
        """Did no check fail? A warning, or something that could not be seen, is no failure."""
        return self.diagnosis.status.value != "fail"

    def __repr__(self) -> str:
        from envtool.cli.own_name import shown
        from envtool.cli.terminal import program
        from envtool.report.text import Style, render

        return render(shown(self.diagnosis), Style(program=program())).rstrip("\n")

    def _repr_html_(self) -> str:
        from envtool.report.html import render_part

        return render_part(self.diagnosis)


def doctor(python: str | None = None, *, imports: bool = True, spec: str | None = None) -> Examination:
    """Look at this machine and at the Python that runs this cell, and say what is wrong.

    The packages are imported in a process of their own, so a kernel that has loaded older ones, or none, changes
    nothing, and nothing is loaded into it. Nothing is installed and no network is used.

    ``python``: another Python, a program or an environment's folder. ``imports``: import torch and compute with it;
    without, files are read only. ``spec``: an envtool.toml; by default the one in this folder or above it.
    Raises ``envtool.errors.UsageError`` where ``python`` is no working Python or ``spec`` can't be read.
    """
    from envtool.cli.patience import IMPORT, MACHINE, a_word_of_patience
    from envtool.cli.spec_option import chosen
    from envtool.examination import examine
    from envtool.probe.host import LiveHost

    found = chosen(spec, False)
    with a_word_of_patience(True, IMPORT if imports else MACHINE, sys.stdout):  # what is on stderr looks like a fault
        diagnosis = examine(
            LiveHost(),
            python=os.fspath(python) if python is not None else sys.executable,
            do_import=imports,
            course=found.course if found else None,
        )
    if python is None:
        own = replace(diagnosis.environment, chosen_by="the Python that runs this")
        diagnosis = replace(diagnosis, environment=own)
    return Examination(diagnosis)
