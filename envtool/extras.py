"""The line that brings an extra of envtool to the Python that runs it."""

from __future__ import annotations

import os
import sys

from envtool import REQUIREMENT
from envtool.shell import shell_line


def line_for(extra: str) -> str:
    """A line to copy; the envtool that is installed there stays, and gets what it lacks."""
    wanted = REQUIREMENT.replace("envtool", f"envtool[{extra}]", 1)
    words = [sys.executable or "python", "-m", "pip", "install", wanted]
    return shell_line(words, "powershell" if os.name == "nt" else "posix")
