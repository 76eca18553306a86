"""Which shell the lines on the screen will be copied into: the nearest one among the processes that started this."""

from __future__ import annotations

import re

from envtool.shell import in_csh, in_fish

SHELLS = ("bash", "zsh", "fish", "csh", "tcsh", "dash", "ksh", "sh")
WRITERS = {"fish": in_fish, "csh": in_csh, "tcsh": in_csh}


def parent_shell(start: int, proc: str = "/proc") -> str | None:
    """The shell's name; None where there is no /proc, or none of those."""
    process = start
    for _ in range(8):
        try:
            with open(f"{proc}/{process}/stat", encoding="utf-8", errors="replace") as file:
                found = re.match(r"\d+ \((.*)\) \S (\d+)", file.read(), re.DOTALL)
        except OSError:
            return None
        if found is None:
            return None
        name = found[1].lstrip("-")
        if name in SHELLS:
            return name
        process = int(found[2])
        if process < 2:
            return None
    return None


def for_this_shell(line: str) -> str:
    """A line for a POSIX shell as the shell of this terminal understands it."""
    import os

    writer = WRITERS.get(parent_shell(os.getppid()) or "")
    return writer(line) if writer else line
