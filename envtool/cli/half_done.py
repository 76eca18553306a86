"""An environment that `envtool install` did not come to the end with: what is wrong there now is no finding."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envtool.diagnosis import Diagnosis


def note_of_half_done(diagnosis: Diagnosis) -> None:
    """A line on stderr where a run was killed, or works there now: the next takes back what is mended by hand."""
    from envtool.environment import Environment

    found = diagnosis.environment
    prefix = found.prefix if isinstance(found, Environment) else os.path.dirname(os.path.dirname(found.executable))
    if not os.path.isdir(f"{prefix}.envtool"):  # is asked first, since most have none: the rest takes time to import
        return
    from envtool.cli.own_name import typed
    from envtool.install.transaction import was_interrupted

    if was_interrupted(prefix):
        shown = os.path.relpath(prefix) if prefix.startswith(os.getcwd() + os.sep) else prefix
        print(
            f"note: `{typed('envtool install')}` was interrupted in {shown}, or is still at work. Run it again first, "
            "as you did then:\n  it puts the old environment back, and takes back what was mended by hand since",
            file=sys.stderr,
        )
