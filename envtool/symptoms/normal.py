"""One form for the same message, whoever printed it: no colours, one kind of quote and slash, no wrapped lines."""

from __future__ import annotations

import html
import re
import unicodedata

from envtool.fact import Fact, dataclass
from envtool.symptoms.clues import clues

# Colours and other commands to a terminal, also as they look once an editor has had them: ^[[31m, ␛[31m, [31m.
ANSI = re.compile(
    r"(?:\x1b|\^\[|␛)\][^\x07\x1b\n]{0,300}(?:\x07|\x1b\\)?"
    r"|(?:\x1b|\^\[|␛)\[[0-?]{0,30}[ -/]{0,4}[@-~]|\x9b[0-?]{0,30}[@-~]|\[[0-9;]{1,8}m|\x1b[@-_]?"
)
UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad\x00\x08]")
CONTROL = re.compile(r"[\x01-\x07\x0b\x0c\x0e-\x1f\x7f]")
QUOTES = {ord(sign): "'" for sign in '"`´‘’‚‛“”„‟«»‹›「」『』＂＇'} | {ord(sign): "-" for sign in "‐‑‒–—―−"}
SLASHES = re.compile(r"(?<!:)/{2,}")
HOME = re.compile(r"([a-z]:)?/(?:home|users)/[^/\n'\"]{1,60}(?=/|\n|$|')")
POINTER = re.compile(r"0x[0-9a-f]{9,16}")
SPACES = re.compile(r"[ \t\u00a0]+")
DIGITS = re.compile(r"\d+")
# What a log puts before a message: times, ranks, the names of containers, the frames of a box, marks of a quotation.
PREFIX = re.compile(
    r"[ >|│┃╎❱•]+"
    r"|\[?\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:z|[+-]\d\d:?\d\d)?\]?:? "
    r"|[a-z]{3} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,60} [\w.@/-]{1,80}(?:\[\d{1,9}\])?: "
    r"|\d\d:\d\d:\d\d(?:[.,]\d{1,9})? "
    r"|\[ *\d{1,7}\.\d{1,9}\] "
    r"|\[?rank ?\d{1,5}\]?: |\[\d{1,5}\]: "
    r"|\(\w{1,40} pid=\d{1,9}(?:, ip=[\d.]{1,40})?\) "
    r"|#\d{1,4} \d{1,6}\.\d{1,6} "
    r"|[\w.-]{1,60} {1,20}\| "
    r"|[ewif]\d{4} \d\d:\d\d:\d\d\.\d{1,9} +\d{1,9} [\w./-]{1,80}:\d{1,6}\] "
    r"|e {2,8}(?=\w)"
)
ONLY_MARKS = re.compile(r"[\s~^\-=_─╭╮╰╯│┃]*")
LONGEST = 640 * 1024  # there are letters that become eighteen
PIECE = 4096
SQUEEZABLE = 64 * 1024  # a longer text is a log, and logs are not wrapped by a terminal


@dataclass(frozen=True, eq=False, repr=False)
class Normal(Fact):
    """A text to search: in one line, and without any space (None for a long one)."""

    flat: str
    squeezed: str | None


def normal(text: str) -> Normal:
    """The text in the one form that patterns are written for. ``text`` should have gone through ``reduced``."""
    text = ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = CONTROL.sub(" ", UNSEEN.sub("", text))
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = _composed(text)
    text = text.lower().translate(QUOTES)
    text = SLASHES.sub("/", text.replace("\\", "/").replace("→", "->"))
    text = POINTER.sub("0x0", HOME.sub(_home, text))
    flat = " ".join(_lines(text))
    flat = " ".join((flat, *dict.fromkeys(clues(flat))))
    return Normal(flat, flat.replace(" ", "") if len(flat) <= SQUEEZABLE else None)


def _composed(text: str) -> str:
    """Wide letters, ligatures and the like in their plain form, as far as there is room."""
    pieces: list[str] = []
    room = LONGEST
    for start in range(0, len(text), PIECE):
        pieces.append(unicodedata.normalize("NFKC", text[start : start + PIECE]))
        room -= len(pieces[-1])
        if room <= 0:
            break
    return "".join(pieces)


def _home(match: re.Match[str]) -> str:
    return f"{match[1]}/~" if match[1] else "~"


def _lines(text: str) -> list[str]:
    """The lines that say something, each once: a log repeats itself, with other numbers."""
    lines: dict[str, str] = {}
    for raw in text.split("\n"):
        line = SPACES.sub(" ", raw)
        for _ in range(4):  # prefixes stand before prefixes
            match = PREFIX.match(line)
            if match is None:
                break
            line = line[match.end() :]
        line = line.strip(" │┃|")
        if line and not ONLY_MARKS.fullmatch(line):
            lines.setdefault(DIGITS.sub("0", line), line)
    return list(lines.values())
