"""The one line, changed: the name in quotes is replaced and not a byte beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from envtool.device.cell import split_lines
from envtool.device.place import Found, Literal, Place, plain
from envtool.device.source import UnreadableError, encoding_of, notebook_text, read_bytes
from envtool.device.values import FAMILY, SWITCH
from envtool.errors import ToolError, UsageError
from envtool.fact import Fact, dataclass

NAME = re.compile(r"auto|cpu|mps|(?:cuda|xpu)(?::\d+)?")
NAMES = "cpu, cuda, cuda:1, mps, xpu or auto"
_QUOTED = re.compile(r"[rRuU]?(\"\"\"|'''|\"|')([\w:]+)\1")
_decode = json.JSONDecoder(strict=False).raw_decode


@dataclass(frozen=True, eq=False, repr=False)
class Change(Fact):
    """The line as it will be; ``data``: the whole file, or None where it says so already."""

    place: Place
    after: str
    data: bytes | None


def changed(found: Found, name: str, shown: str) -> Change:
    """What setting the one line to a name gives; refuses where there is none, or more than one, or no way to do it."""
    if NAME.fullmatch(name) is None:
        raise UsageError(f"--set {name}: no device that PyTorch knows by that name", hint=f"name {NAMES}")
    place = _the_one(found, shown)
    literal = place.literal
    if literal is None:
        raise UsageError(
            f"{where(place)}: no single name in quotes decides there",
            hint=f'write DEVICE = "{name}" on one line, and `.to(DEVICE)` where things go to the device',
            details=(plain(place.text),),
        )
    _suits(place, literal, name)
    try:
        data = read_bytes(place.file)
        written = _in_notebook(data, place, literal, name) if place.cell else _in_python(data, place, literal, name)
    except UnreadableError as error:
        raise ToolError(
            f"{place.file} can't be read: {error}", hint="try again; it was readable a moment ago"
        ) from None
    whole, after = written
    return Change(place, after.strip(), None if literal.says == name else whole)


def _the_one(found: Found, shown: str) -> Place:
    if len(found.places) > 1:
        more = (f"and {len(found.places) - 5} more",) if len(found.places) > 5 else ()
        raise UsageError(
            f"{shown}: {len(found.places)} lines name a device, and only one may be changed",
            hint='keep one of them, DEVICE = "cpu", and write `.to(DEVICE)` or `device=DEVICE` in the others',
            details=(*(plain(f"{where(place)}: {place.text}") for place in found.places[:5]), *more),
        )
    if found.skipped:
        first = found.skipped[0]
        raise ToolError(
            f"{first.file} can't be read, so nobody knows whether it names a device: {first.reason}",
            hint="mend it, or name the file that has the line: `envtool device FILE --set NAME`",
        )
    if not found.places:
        raise UsageError(
            f"{shown}: no line names a device",
            hint='write DEVICE = "cpu" on one line, and `.to(DEVICE)` where things go to the device',
        )
    return found.places[0]


def _suits(place: Place, literal: Literal, name: str) -> None:
    if name == "auto" and literal.kind != SWITCH:
        raise UsageError(
            f"{where(place)}: PyTorch gets this name as it stands, and knows no device called auto",
            hint='write DEVICE = "auto" on a line of its own, and choose by it what is there',
            details=(plain(place.text),),
        )
    if ":" in name and literal.kind == FAMILY:
        raise UsageError(
            f"{where(place)}: here stands a kind of device, without a number",
            hint=f"`envtool device --set {name.partition(':')[0]}`",
            details=(plain(place.text),),
        )


def where(place: Place) -> str:
    """``train.py:12`` and ``tour.ipynb:cell_4:2``."""
    cell = f"cell_{place.cell}:" if place.cell is not None else ""
    return f"{place.file}:{cell}{place.line}"


def _in_python(data: bytes, place: Place, literal: Literal, name: str) -> tuple[bytes, str]:
    encoding = encoding_of(data)
    mark = b"\xef\xbb\xbf" if encoding == "utf-8-sig" else b""
    codec = "utf-8" if mark else encoding
    lines = split_lines(data.removeprefix(mark).decode(codec))
    line = lines[place.line - 1]
    start, end = _span(line, place, literal)
    after = line[:start] + name + line[end:]
    head = "".join(lines[: place.line - 1]) + line[:start]
    tail = line[end:] + "".join(lines[place.line :])
    written = mark + b"".join(part.encode(codec) for part in (head, name, tail))
    if mark + b"".join(part.encode(codec) for part in (head, literal.says, tail)) != data:
        raise UnreadableError(f"its encoding, {encoding}, does not come back byte by byte")
    return written, after


def _span(line: str, place: Place, literal: Literal) -> tuple[int, int]:
    """Where the name stands between its quotes."""
    found = _QUOTED.fullmatch(line, literal.start, literal.end)
    if found is None or found.group(2) != literal.says:
        raise UsageError(
            f"{where(place)}: the name is put together from parts",
            hint=f'write it in one piece, as in DEVICE = "{literal.says}"',
            details=(plain(place.text),),
        )
    return found.span(2)


# ── notebooks: only the text of the JSON is touched, which keeps its indent, order and line ends ─


def _in_notebook(data: bytes, place: Place, literal: Literal, name: str) -> tuple[bytes, str]:
    text = notebook_text(data)
    mark = data[: len(data) - len(text.encode("utf-8"))]
    pieces = _source_pieces(text, place.cell or 0)
    source = "".join(piece for piece, _ in pieces)
    lines = split_lines(source)
    line = lines[place.line - 1]
    start, end = _span(line, place, literal)
    before = sum(map(len, lines[: place.line - 1]))
    first, last = (_in_text(text, pieces, before + offset) for offset in (start, end - 1))
    written = text[:first] + name + text[last + 1 :]
    if text[first : last + 1] != literal.says:
        raise UnreadableError("the name is split in the notebook's JSON")
    return mark + written.encode("utf-8"), line[:start] + name + line[end:]


def _source_pieces(text: str, cell: int) -> list[tuple[str, int]]:
    """The texts that make up a cell's source, each with the place of its opening quote."""
    top = dict(_members(text, _skip(text, 0)))
    if "cells" in top:
        cells = list(_elements(text, top["cells"]))
    else:
        sheets = [dict(_members(text, at)) for at in _elements(text, top["worksheets"])]
        cells = [at for sheet in sheets if "cells" in sheet for at in _elements(text, sheet["cells"])]
    members = dict(_members(text, cells[cell - 1]))
    at = members["source"] if "source" in members else members["input"]
    places = [at] if text[at] == '"' else list(_elements(text, at))
    return [(str(_decode(text, place)[0]), place) for place in places if text[place] == '"']


def _skip(text: str, at: int) -> int:
    """The next place that is no blank and no comma."""
    while text[at] in " \t\r\n,:":
        at += 1
    return at


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """The keys of the JSON object at a place, and where their values begin."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, end = _decode(text, at)
        value = _skip(text, end)
        yield str(key), value
        at = _skip(text, _decode(text, value)[1])


def _elements(text: str, at: int) -> Iterator[int]:
    """Where the elements of the JSON array at a place begin."""
    at = _skip(text, at + 1)
    while text[at] != "]":
        yield at
        at = _skip(text, _decode(text, at)[1])


_SIGN = re.compile(r'(?:\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|[^"\\])', re.DOTALL)


def _in_text(text: str, pieces: list[tuple[str, int]], offset: int) -> int:
    """Where a character of the source stands in the JSON."""
    for piece, place in pieces:
        if offset < len(piece):
            at = place + 1
            for _ in range(offset):
                sign = _SIGN.match(text, at)
                assert sign is not None
                at = sign.end()
            return at
        offset -= len(piece)
    raise UnreadableError("its cells are not what they were")
