"""A log of any length and encoding, cut to what may matter: its beginning, its end, and the lines about trouble."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterable

from envtool.fact import Fact, dataclass

HEAD = 128 * 1024
TAIL = 256 * 1024
MIDDLE = 128 * 1024  # characters of lines from between, at most
LIMIT = 1 << 30  # bytes that are read at all
AROUND = 300  # characters kept of a long line, on each side of the word
HITS = 20  # lines for one word and one chunk
WORDS = (
    "error", "exception", "fail", "cannot", "can't", "could not", "couldn't", "not found", "undefined symbol", "killed",
    "no module", "unable", "denied", "mismatch", "too old", "unsupported", "not compatible", "not available",
    "no space", "nvrm", "not compiled", "no matching", "out of memory", "invalid", "illegal", "already initialized",
)  # fmt: skip
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, eq=False, repr=False)
class Reduced(Fact):
    """The text to look at, and how many characters the whole had."""

    text: str
    total: int

    @property
    def cut(self) -> bool:
        """Was something left out?"""
        return len(self.text) < self.total


def encoding_of(start: bytes) -> str:
    """The encoding that the first bytes show; UTF-8 where they show none."""
    for mark, name in MARKS:
        if start.startswith(mark):
            return name
    sample = start[:4096]
    odd, even = sample[1::2].count(0), sample[0::2].count(0)
    if len(sample) >= 4 and max(odd, even) > len(sample) // 4 and min(odd, even) * 8 < max(odd, even):
        return "utf-16-le" if odd > even else "utf-16-be"  # PowerShell's > writes it, sometimes without a mark
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def reduced(chunks: Iterable[bytes]) -> Reduced:
    """What may matter of a log that arrives in pieces. The time is proportional to its length, the memory is not."""
    decoder: codecs.IncrementalDecoder | None = None
    head: list[str] = []
    tail: deque[str] = deque()
    middle: dict[str, None] = {}
    in_head = in_tail = total = in_middle = 0
    for chunk in chunks:
        if decoder is None:
            decoder = codecs.getincrementaldecoder(encoding_of(chunk))("replace")
        text = decoder.decode(chunk)
        total += len(text)
        if in_head < HEAD:
            head.append(text[: HEAD - in_head])
            text = text[len(head[-1]) :]
            in_head += len(head[-1])
        if not text:
            continue
        tail.append(text)
        in_tail += len(text)
        while in_tail - len(tail[0]) >= TAIL:
            passed = tail.popleft()
            in_tail -= len(passed)
            if in_middle < MIDDLE:
                in_middle += _keep(passed, middle)
    end = "".join(tail)
    if len(end) > TAIL:
        _keep(end[:-TAIL], middle)
        end = end[-TAIL:]
    between = "\n".join(middle)[:MIDDLE]
    parts = ["".join(head), between, end] if between else ["".join(head) + end]
    return Reduced("\n".join(parts), total)


def _keep(text: str, kept: dict[str, None]) -> int:
    """Keep the lines of a chunk that have one of the words in them; how many characters that were."""
    lower = text.lower()
    if len(lower) != len(text):  # a letter whose small form is two: places would differ
        text = lower
    added = 0
    for word in WORDS:
        place = -1
        for _ in range(HITS):
            place = lower.find(word, place + 1)
            if place < 0:
                break
            start = max(lower.rfind("\n", max(0, place - AROUND), place) + 1, place - AROUND, 0)
            newline = lower.find("\n", place, place + AROUND)
            end = newline if newline >= 0 else min(place + AROUND, len(text))
            line = text[start:end]
            if line not in kept:
                kept[line] = None
                added += len(line)
            place = end
    return added
