"""The program of a job as words for bash, started once or by torchrun. Pure."""

from __future__ import annotations

import re

from envtool.shell import quoted

_INDEX = re.compile(r"\{index\}")


def word(text: str, index: str) -> str:
    """One word, quoted; {index} in it becomes the job array's variable, where there is an array."""
    if not index or not _INDEX.search(text):
        return quoted(text, "posix")
    parts = [quoted(part, "posix") if part else "" for part in _INDEX.split(text)]
    return f'"${{{index}}}"'.join(parts)


def words(program: tuple[str, ...], index: str) -> str:
    """A program with its arguments, as one line."""
    return " ".join(word(text, index) for text in program)


def for_torchrun(program: tuple[str, ...], index: str) -> str:
    """What follows torchrun's own options, which starts Python itself."""
    if program and re.fullmatch(r"python[0-9.]*", program[0]):
        rest = list(program[1:])
        while rest and rest[0] == "-u":
            rest.pop(0)
        return words(tuple(rest), index)
    return f"--no-python {words(program, index)}"
