"""On which line of a TOML text a key stands: the parser of the standard library doesn't tell."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import islice

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_HEADER = re.compile(rf"\s*\[\[?\s*({_PART}(?:\s*\.\s*{_PART})*)\s*\]\]?\s*(?:#.*)?$")
_STRINGS = re.compile(r"""#[^\n]*|("(?:[^"\\\n]|\\.)*"|'[^'\n]*')|(\])""")


# A key of thousands of parts takes the parser minutes.
_TOO_LONG = re.compile(rf"(?:^|[{{,])[ \t\[]*{_PART}(?:[ \t]*\.[ \t]*{_PART}){{64}}", re.MULTILINE)


def too_long_a_key(text: str) -> bool:
    """Is there a dotted key of more parts than anybody writes?"""
    return _TOO_LONG.search(text) is not None


class Places:
    """The lines of one text."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    @cached_property
    def _known(self) -> dict[tuple[str, ...], list[int]]:
        return _keys(self._lines)

    def line_of(self, path: str) -> int | None:
        """The line of "gpu.driver" or "platforms[1]", from 1; of what is around it where that can't be told."""
        bare, _, rest = path.partition("[")
        keys = tuple(part for part in bare.split(".") if part)
        while keys:
            numbers = self._known.get(keys, [])
            if len(numbers) > 1:  # a text of several lines that looks like TOML, perhaps
                return None
            if numbers:
                index = rest.partition("]")[0]
                return _item(self._lines, numbers[0], int(index)) if index.isdecimal() else numbers[0]
            keys, rest = keys[:-1], ""
        return None


def _keys(lines: list[str]) -> dict[tuple[str, ...], list[int]]:
    known: dict[tuple[str, ...], list[int]] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, 1):
        header = _HEADER.match(line)
        key = _KEY.match(line)
        if header:
            table = _parts(header[1])
            known.setdefault(table, []).append(number)
        elif key:
            known.setdefault((*table, *_parts(key[1])), []).append(number)
    return known


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def _item(lines: list[str], start: int, index: int) -> int:
    """The line of a list's item, where the items are texts; the line of the key where they aren't."""
    count = 0
    for number, line in islice(enumerate(lines, 1), start - 1, None):
        inside = line.partition("=")[2] if number == start else line
        for token in _STRINGS.finditer(inside):
            if token[2]:
                return start
            if token[1]:
                if count == index:
                    return number
                count += 1
    return start
