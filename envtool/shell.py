"""Words as a line for a shell, quoted where that shell needs it."""

from __future__ import annotations

import re
from collections.abc import Sequence

SHELLS = ("posix", "powershell", "cmd")

_PLAIN = {
    "posix": re.compile(r"[A-Za-z0-9_@%+=:,./-]+"),
    "powershell": re.compile(r"[A-Za-z0-9_+=:./\\-]+"),
    "cmd": re.compile(r"[A-Za-z0-9_@+:./\\=-]+"),
}


def quoted(word: str, shell: str) -> str:
    """One word, quoted for a shell where it needs to be."""
    if _PLAIN[shell].fullmatch(word):
        return word
    if shell == "cmd":
        return f'"{word}"'
    return "'" + word.replace("'", "''" if shell == "powershell" else "'\"'\"'") + "'"


def chained(first: str, second: str, shell: str) -> str:
    """Two commands in one line; the second runs only if the first did. Windows' own PowerShell knows no ``&&``."""
    return f"{first}; if ($?) {{ {second} }}" if shell == "powershell" else f"{first} && {second}"


def shell_line(words: Sequence[str], shell: str) -> str:
    """A command with its arguments. PowerShell runs a quoted program only after ``&``."""
    line = " ".join(quoted(word, shell) for word in words)
    return f"& {line}" if shell == "powershell" and line.startswith("'") else line
