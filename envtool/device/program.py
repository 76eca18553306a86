"""The text of a file or a cell as a syntax tree, also where a line of it is no Python: an exercise has blanks."""

from __future__ import annotations

import ast
import re
import sys
import warnings

from envtool.device.cell import as_python, split_lines
from envtool.device.names import WORTH_PARSING
from envtool.device.source import Code, UnreadableError
from envtool.device.tree import walk
from envtool.fact import Fact, dataclass

LONGEST_SUM = 5_000  # signs in a line; Python 3.10 ends without a word where a sum is too deep for its stack
TRIES = 20  # lines that may be wrong before all of it is given up
LONG = 500_000  # characters; parsing more than that again and again takes minutes
_MISSING_BLOCK = re.compile(r"expected an indented block after .* on line (\d+)")
_COMMAND = re.compile(r"\s*(?:pip3?|conda|mamba|uv|apt|apt-get|git|cd|ls|cat|cp|mv|rm|mkdir|wget|curl)\s+[-\w./~].*")


@dataclass(frozen=True, eq=False, repr=False)
class Program(Fact):
    """A syntax tree and what is missing in it.

    ``cut`` and ``shell`` as a Cell has them; ``lost``: why lines that may name a device could not be read.
    """

    code: Code
    nodes: list[ast.AST]
    cut: dict[int, int]
    shell: tuple[int, ...]
    lost: tuple[str, ...]


def parse(code: Code) -> Program | None:
    """The program, or None for a cell in another language. UnreadableError where too much of it is no Python."""
    try:
        return Program(code, list(walk(_tree(code.text))), {}, (), ())
    except SyntaxError:
        pass
    cell = as_python(code.text) if code.cell is not None else None
    if cell is None:
        if code.cell is not None:
            return None
        tree, lost = _mended(code.text)
        return Program(code, list(walk(tree)), {}, (), lost)
    tree, lost = _mended(cell.text)
    return Program(code, list(walk(tree)), cell.cut, cell.shell, lost)


def _tree(text: str) -> ast.AST:
    if sys.version_info < (3, 11) and any(line.count("+") > LONGEST_SUM for line in text.splitlines()):
        raise UnreadableError("nested too deeply")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError:
        raise
    except (RecursionError, MemoryError):
        raise UnreadableError("nested too deeply") from None
    except ValueError as error:
        raise UnreadableError(str(error)) from None


def _mended(text: str) -> tuple[ast.AST, tuple[str, ...]]:
    """The tree without the lines that are no Python, and those of them that hold a word of a device."""
    lines = split_lines(text)
    lost: list[str] = []
    first: SyntaxError | None = None
    for _ in range(TRIES if len(text) < LONG else 1):
        try:
            return _tree("".join(lines)), tuple(lost)
        except SyntaxError as error:
            first = first or error
            number = error.lineno or 0
            if not 0 < number <= len(lines) or "triple-quoted" in error.msg or "null byte" in error.msg:
                break
            if _fill_block(lines, error):
                continue
            line = lines[number - 1]
            if not line.strip() or line.strip() == "pass":
                break
            if may_name_a_device(line):
                lost.append(_reason(error))
            lines[number - 1] = re.sub(r"\S.*", "pass", line, count=1)
    assert first is not None
    raise UnreadableError(_reason(first))


def _reason(error: SyntaxError) -> str:
    line = f"line {error.lineno}: " if error.lineno else ""
    return f"{line}not Python 3 ({error.msg})"


def _fill_block(lines: list[str], error: SyntaxError) -> bool:
    """A function whose body is only a comment gets a body in that comment's place."""
    missing = _MISSING_BLOCK.search(error.msg)
    if missing is None:
        return False
    head = int(missing.group(1))
    indent = re.match(r"\s*", lines[head - 1])
    for number in range(head, min(error.lineno or 0, len(lines) + 1)):
        line = lines[number]
        if number > head - 1 and (not line.strip() or line.lstrip().startswith("#")):
            end = line[len(line.rstrip("\r\n")) :]
            lines[number] = (indent.group() if indent else "") + "    pass" + end
            return True
    return False


def may_name_a_device(line: str) -> bool:
    """Whether a line that can't be read holds a word of a device outside its comment."""
    code, mark, _ = line.partition("#")
    if mark and ('"' in code or "'" in code):
        code = line
    return WORTH_PARSING.search(code) is not None and _COMMAND.fullmatch(line.rstrip("\r\n")) is None
