"""Words as a line for a shell, quoted where that shell needs it."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Windows lets no script run at first, Activate.ps1 neither; this holds until the terminal is closed.
ALLOW_SCRIPTS = "Set-ExecutionPolicy -Scope Process RemoteSigned -Force"
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


def in_a_cell(line: str) -> str | None:
    """A line for a POSIX shell as a line for a notebook's cell; None where it would change nothing there.

    ``!`` starts a shell that ends with the line: what it sets is gone, so that variables are set in the kernel itself.
    """
    if re.search(r"(?:^|&& |\| )(?:source|cd|ulimit|module|conda activate|sudo)\b", line):  # sudo may want a password
        return None
    exported = re.fullmatch(r"export (\w+)=([^\s$&;|]+)", line)
    if exported:
        return f"%env {exported[1]}={exported[2]}"
    names = re.fullmatch(r"unset ((?:\w+ ?)+)", line)
    if names:
        return "import os; " + "; ".join(f'os.environ.pop("{name}", None)' for name in names[1].split())
    return None if line.startswith(("export ", "unset ")) else f"!{line}"


def in_fish(line: str) -> str:
    """A line for a POSIX shell as fish understands it, which has no ``unset`` and activate scripts of its own."""
    joined = re.fullmatch(r"export (\w+PATH)=(\S+)\$\{\w+:\+:\$\w+\}", line)
    if joined:  # fish keeps such variables as lists
        return f"set -gx {joined[1]} {joined[2]} ${joined[1]}"
    line = re.sub(r"^export (\w+)=", r"set -gx \1 ", line)
    line = re.sub(r"^unset (?=\w)", "set -e ", line)
    return re.sub(r"(source \S*/bin/activate)(?=$| )", r"\1.fish", line)


def in_csh(line: str) -> str:
    """The same for csh and tcsh."""
    names = re.fullmatch(r"unset ((?:\w+ ?)+)", line)
    if names:
        return "; ".join(f"unsetenv {name}" for name in names[1].split())
    line = re.sub(r"^export (\w+)=(?!\S*\$\{)", r"setenv \1 ", line)
    line = re.sub(r"^ulimit -n (?=\d)", "limit descriptors ", line)
    return re.sub(r"(source \S*/bin/activate)(?=$| )", r"\1.csh", line)
