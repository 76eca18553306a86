"""Every place that names a device, in Python files and notebooks. No line of them is run."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

from envtool.device.cell import split_lines
from envtool.device.context import Surroundings
from envtool.device.folder import ENDINGS, list_folder
from envtool.device.names import WORTH_PARSING
from envtool.device.place import Found, Literal, Place, Skipped
from envtool.device.program import Program, parse
from envtool.device.source import Code, UnreadableError, notebook_cells, notebook_text, python_text, read_bytes
from envtool.device.tree import Reader
from envtool.device.values import Naming
from envtool.errors import ToolError, UsageError
from envtool.fact import Fact, dataclass

LONGEST = 400  # characters of a line that are told; a minified file has it all in one
_WHAT = "name a folder, a .py file or a notebook"


def find(path: str) -> Found:
    """Search a file, or a folder with all below it."""
    if os.path.isdir(path):
        listing = list_folder(path)
        unreadable = [Skipped(where, None, why) for where, why in listing.unreadable]
        return _search(listing.files, unreadable, listing.left_out)
    if not os.path.lexists(path):
        raise UsageError(f"{path}: there is no such file or folder", hint=_WHAT)
    if not path.endswith(ENDINGS):
        raise UsageError(f"{path}: neither a .py file nor a notebook", hint=_WHAT)
    found = _search((path.replace(os.sep, "/"),), [], ())
    whole = [skipped for skipped in found.skipped if skipped.cell is None and not found.places]
    if whole:
        raise ToolError(f"{path} can't be read: {whole[0].reason}", hint="mend the file, or name another")
    return found


def _search(names: tuple[str, ...], skipped: list[Skipped], left_out: tuple[str, ...]) -> Found:
    places: list[Place] = []
    says_auto = False
    for name in names:
        try:
            searched = _places(name, _codes(name))
        except UnreadableError as error:
            skipped.append(Skipped(name, None, str(error)))
            continue
        except RecursionError:
            skipped.append(Skipped(name, None, "nested too deeply"))
            continue
        places += searched.places
        skipped += searched.skipped
        says_auto = says_auto or searched.says_auto
    return Found(tuple(places), names, tuple(skipped), left_out, says_auto)


def _codes(path: str) -> list[Code]:
    """The pieces of a file that are worth parsing: most files hold no word of a device at all."""
    data = read_bytes(path)
    if not path.endswith(".ipynb"):
        text = python_text(data)
        return [Code(None, text)] if WORTH_PARSING.search(text) else []
    text = notebook_text(data)
    cells = notebook_cells(text) or []
    return cells if any(WORTH_PARSING.search(code.text) for code in cells) else []


@dataclass(frozen=True, eq=False, repr=False)
class _Searched(Fact):
    places: tuple[Place, ...]
    skipped: tuple[Skipped, ...]
    says_auto: bool


def _places(name: str, codes: list[Code]) -> _Searched:
    """One file's places. All of its cells are parsed first: an import in one cell counts in the next."""
    programs: list[Program] = []
    skipped: list[Skipped] = []
    for code in codes:
        try:
            program = parse(code)
        except UnreadableError as error:
            if WORTH_PARSING.search(code.text):
                skipped.append(Skipped(name, code.cell, str(error)))
            continue
        if program is not None:
            programs.append(program)
            skipped += _lost(name, program)
    around = Surroundings()
    for program in programs:
        around.gather(program.nodes)
    places: list[Place] = []
    says_auto = False
    for program in programs:
        reader = Reader(around)
        reader.read(program.nodes)
        places += _in_order(name, program, reader.found)
        says_auto = says_auto or ("auto" in program.code.text and _says_auto(program.nodes, reader.found))
    return _Searched(tuple(places), tuple(skipped), says_auto)


def _lost(name: str, program: Program) -> Iterator[Skipped]:
    """One entry a cell, though several of its lines are blanks to fill in."""
    if program.lost:
        more = len(program.lost) - 1
        behind = f", and {more} more line{'s' if more > 1 else ''}" if more else ""
        yield Skipped(name, program.code.cell, program.lost[0] + behind)


def _in_order(name: str, program: Program, found: dict[int, list[Naming]]) -> Iterator[Place]:
    lines = split_lines(program.code.text)
    for number in sorted({*program.shell, *found}):
        line = lines[number - 1]
        literal = _literal(found.get(number, []), line, program.cut.get(number, 0))
        yield Place(name, program.code.cell, number, line.strip()[:LONGEST], literal)


def _literal(namings: list[Naming], line: str, cut: int) -> Literal | None:
    """The text to change, where the line has one and only one and it stands on that line."""
    if len(namings) != 1:
        return None
    node, kind = namings[0]
    if kind is None or not isinstance(node, ast.Constant) or node.end_lineno != node.lineno:
        return None
    written = line.encode("utf-8", "surrogatepass")
    start, end = (
        len(written[: offset + cut].decode("utf-8", "replace"))
        for offset in (node.col_offset, node.end_col_offset or 0)
    )
    return Literal(str(node.value), start, end, kind)


def _says_auto(nodes: list[ast.AST], found: dict[int, list[Naming]]) -> bool:
    named = {id(node) for namings in found.values() for node, _ in namings}
    return any(isinstance(node, ast.Constant) and node.value == "auto" and id(node) not in named for node in nodes)
