"""Patterns of messages: words with gaps. No pattern can make the search slow, whatever the text is."""

from __future__ import annotations

import re
from functools import cached_property

from envtool.errors import UsageError
from envtool.fact import Fact, dataclass

GAP = 300  # characters that "..." may stand for
WORD = 200  # the longest rest of a word
TRIES = 500  # places where a pattern may begin to fit before it is given up
SHORTEST = 12  # characters of a pattern that is looked for without its spaces: "sigill" stands in many a row of letters
TOKENS = re.compile(r"<n>|<w>|<end>|\{[^{}]+\}")


@dataclass(frozen=True, eq=False, repr=False)
class Segment(Fact):
    """What stands between two gaps. A text without any of ``needs`` can't match and is not searched."""

    source: str
    needs: tuple[str, ...]

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Compiled when a text may match: of a thousand patterns one text needs ten."""
        return re.compile(self.source)


@dataclass(frozen=True, eq=False, repr=False)
class Pattern(Fact):
    """A pattern as it is written, its segments, and the same for text without spaces (none where it is too short)."""

    text: str
    segments: tuple[Segment, ...]
    squeezed: tuple[Segment, ...]

    def found(self, text: str, *, squeezed: bool = False) -> str | None:
        """The first stretch of the text that fits, None where nothing does.

        Behind each segment the nearest place of the next counts: there is no way back, and so no explosion.
        """
        segments = self.squeezed if squeezed else self.segments
        if not segments or not all(any(need in text for need in segment.needs) for segment in segments):
            return None
        first, *rest = segments
        for number, start in enumerate(first.regex.finditer(text)):
            end: int | None = start.end()
            for segment in rest:
                end = _next(segment, text, end)
                if end is None:
                    break
            if end is not None:
                return text[start.start() : end]
            if number == TRIES:
                return None
        return None


def _next(segment: Segment, text: str, start: int | None) -> int | None:
    if start is None:
        return None
    match = segment.regex.search(text, start, start + GAP + WORD)
    return match.end() if match and match.start() - start <= GAP else None


def parse(text: str) -> Pattern:
    """A pattern from its text; see data/symptoms.toml for what may stand in it."""
    parts = [part.strip(" ") for part in text.split("...")]
    if not all(part and part.count("{") == part.count("}") for part in parts):
        raise UsageError(f"symptoms.toml: the pattern {text!r} begins or ends with a gap, or has one within a choice")
    segments = tuple(_segment(part, edges=True) for part in parts)
    letters = sum(len(need) for segment in segments for need in segment.needs[:1])
    long = letters >= SHORTEST and "<end>" not in text  # where words end can't be seen without spaces
    bare = tuple(_segment(part.replace(" ", ""), edges=False) for part in parts) if long else ()
    return Pattern(text, segments, bare)


def _segment(part: str, *, edges: bool) -> Segment:
    out: list[str] = []
    literals: list[str] = []
    choices: list[str] = []
    place = 0
    for token in TOKENS.finditer(part):
        literals.append(part[place : token.start()])
        out += [re.escape(literals[-1]), _token(token[0])]
        if token[0].startswith("{") and not choices:
            choices = token[0][1:-1].split("|")
        place = token.end()
    literals.append(part[place:])
    out.append(re.escape(literals[-1]))
    if part[-1].isdecimal():
        out.append("(?![0-9])")
    if edges and (part[0].isalnum() or part[0] == "_"):
        out.insert(0, "(?<![a-z0-9_])")
    longest = max(literals, key=len)
    # A choice has tokens of its own: what is looked for beforehand must be plain.
    needs = (longest,) if len(longest) > 2 or not choices else tuple(_plain(choice) for choice in choices)
    return Segment("".join(out), needs)


def _plain(choice: str) -> str:
    return max(TOKENS.split(choice), key=len)


def _token(token: str) -> str:
    match token:
        case "<n>":
            return r"\d{1,12}"
        case "<w>":
            return rf"\S{{0,{WORD}}}?"
        case "<end>":
            return "(?![a-z0-9_])"
        case _:
            return f"(?:{'|'.join(_choice(choice) for choice in token[1:-1].split('|'))})"


def _choice(choice: str) -> str:
    parts = re.split(r"(<n>|<w>|<end>)", choice)
    return "".join(_token(part) if part in ("<n>", "<w>", "<end>") else re.escape(part) for part in parts)
