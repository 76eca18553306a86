"""What the terminal can show: width, colour, characters."""

from __future__ import annotations

import os
import sys

from envtool.report.text import WIDEST, Style


def style() -> Style:
    """The style for stdout: no colour where it is not a terminal or NO_COLOR is set."""
    terminal = sys.stdout.isatty()
    width = WIDEST
    if terminal:
        import shutil

        width = shutil.get_terminal_size((WIDEST, 24)).columns
    colour = terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb" and _ansi()
    return Style(width=width, colour=colour, unicode=_unicode(), program=program())


def program() -> str:
    """What to type for this program: its name where the shell finds it, else how it was called."""
    if os.environ.get("ENVTOOL_PROGRAM"):  # a course's start.py: those who run it have no other envtool
        return os.environ["ENVTOOL_PROGRAM"]
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if os.path.exists(os.path.join(folder, "envtool" + (".exe" if os.name == "nt" else ""))):
            return "envtool"
    called = sys.argv[0] if sys.argv else ""
    if os.path.basename(called) in ("envtool", "envtool.exe"):
        return called if " " not in called else f'"{called}"'
    module = os.path.join("envtool", "__main__.py")
    return f"{_python()} -m envtool" if called.endswith(module) else "envtool"


def _python() -> str:
    """The Python that runs this: by the name under which the shell finds that very one, else by its path."""
    for name in ("python", "python3") if os.name != "nt" else ("python.exe",):
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                if os.path.normcase(path) == os.path.normcase(sys.executable):
                    return name.removesuffix(".exe")
                break
    from envtool.shell import shell_line

    return shell_line([sys.executable], "powershell" if os.name == "nt" else "posix")


def _unicode() -> bool:
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return encoding.replace("-", "").replace("_", "") in ("utf8", "utf16", "utf8sig", "cp65001")


def _ansi() -> bool:
    """Windows 10 and newer understand colour codes once they are told to."""
    if os.name != "nt":
        return True
    return "WT_SESSION" in os.environ or os.system("") == 0  # noqa: S605 - an empty command switches them on
