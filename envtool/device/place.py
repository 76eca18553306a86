"""What the search finds."""

from __future__ import annotations

import re

from envtool.fact import Fact, dataclass

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """A file's name or line on one line of the screen, without signs that a terminal obeys."""
    return _CONTROL.sub("?", text)


@dataclass(frozen=True, eq=False, repr=False)
class Literal(Fact):
    """The one text in quotes that decides: what it says, where it stands in its line, what may replace it."""

    says: str
    start: int  # in characters of the line, at the opening quote
    end: int
    kind: str


@dataclass(frozen=True, eq=False, repr=False)
class Place(Fact):
    """A line that names a device. ``literal``: None where no single text in quotes decides."""

    file: str
    cell: int | None
    line: int
    text: str
    literal: Literal | None


@dataclass(frozen=True, eq=False, repr=False)
class Skipped(Fact):
    """What could not be read, so that nothing can be said of it."""

    file: str
    cell: int | None
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class Found(Fact):
    """All places; the files that were listed; what of them could not be read. Paths as the caller may open them."""

    places: tuple[Place, ...]
    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    left_out: tuple[str, ...]
    says_auto: bool  # whether some line that is no place knows the word "auto"
