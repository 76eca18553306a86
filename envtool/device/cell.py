"""A cell of a notebook as plain Python, line for line: magics and shell lines become statements that do nothing."""

from __future__ import annotations

import re

from envtool.device.names import FAMILIES, LOOSE, VISIBLE
from envtool.fact import Fact, dataclass

# Cell magics whose cell is Python all the same. Any other one hands the cell to another program.
_PYTHON_CELLS = frozenset(
    ("time", "timeit", "capture", "prun", "memit", "mprun", "python", "python3", "pypy", "debug", "wandb")
)
_PYTHON_LINES = re.compile(r"(\s*)(%(?:time|timeit|prun|memit|lprun|mprun)(?:\s+-\S+(?:\s+\d+)?)*\s+)(?=\S)")
_LINE = re.compile(r"(\s*)(?:[!%].*|\?.*|.*[\w\])]\?{1,2}\s*)")
_ASSIGNED = re.compile(r"(\s*[\w.,\[\]\"' ]+=\s*)[!%].*")
_WRITEFILE = re.compile(r"%%(?:writefile|file)\s+(?:-a\s+)?[\"']?(.+?)[\"']?\s*")
_NAMES = "|".join((*FAMILIES, *LOOSE))
# In a shell line: `--device cuda`, `--device=cuda:1`, `CUDA_VISIBLE_DEVICES=0 python …`, `%env DEVICE=cuda`.
_SHELL = re.compile(
    rf"--?[\w.-]*device[\w.-]*[= ]\s*[\"']?(?:{_NAMES})(?::\d+)?\b"
    rf"|\b{VISIBLE.pattern}[= ]\s*\S|\bDEVICE[= ]\s*[\"']?(?:{_NAMES})(?::\d+)?\b"
    rf"|--accelerator[= ]\s*[\"']?(?:{_NAMES})\b"
)


@dataclass(frozen=True, eq=False, repr=False)
class Cell(Fact):
    """``text`` has as many lines as the cell.

    ``cut``: characters dropped at the head of a line; ``shell``: shell lines that name a device.
    """

    text: str
    cut: dict[int, int]
    shell: tuple[int, ...]


def as_python(source: str) -> Cell | None:
    """The cell as Python, or None where it is in another language."""
    lines = split_lines(source)
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return Cell(source, {}, ())
    head = lines[first].strip()
    if head.startswith("%%"):
        written = _WRITEFILE.fullmatch(head)
        magic = head[2:].split()[0] if head[2:].split() else ""
        if not (written.group(1).endswith(".py") if written else magic in _PYTHON_CELLS):
            return None
        lines[first] = "#\n"
        if written:
            return Cell("".join(lines), {}, ())
    return _without_magics(lines)


def _without_magics(lines: list[str]) -> Cell:
    """Lines that only IPython understands, each replaced by one that Python does."""
    cut: dict[int, int] = {}
    shell: list[int] = []
    continued = False
    for number, line in enumerate(lines):
        end = line[len(line.rstrip("\r\n")) :]
        body = line[: len(line) - len(end)]
        python = _PYTHON_LINES.match(body)
        assigned = _ASSIGNED.fullmatch(body)
        magic = _LINE.fullmatch(body)
        if continued:
            # A comment, not nothing: the ends of two lines could else become the end of one.
            lines[number], found = "#" + end, True
        elif python:
            cut[number + 1] = len(python.group(2))
            lines[number], found = python.group(1) + body[python.end() :] + end, False
        elif assigned:
            lines[number], found = assigned.group(1) + "None" + end, True
        elif magic and not _is_comment(body):
            lines[number], found = magic.group(1) + "pass" + end, True
        else:
            found = False
        continued = found and body.endswith("\\")
        if found and _SHELL.search(body):
            shell.append(number + 1)
    return Cell("".join(lines), cut, tuple(shell))


def _is_comment(body: str) -> bool:
    return body.lstrip().startswith("#")


def split_lines(text: str) -> list[str]:
    """The lines as Python counts them, with their ends: a form feed or a line separator ends none."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
