"""What a message says between its words: pip lists the versions that it was offered, and they can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterator

ASKED = re.compile(
    r"satisfies the requirement torch(?:vision|audio)?[=~>]{2,3}(\d[\d.]{0,20})[\w+.*]{0,20} "
    r"\(from versions: (\d[^()]{0,4000})\)"
)
VERSION = re.compile(r"\d{1,4}(?:\.\d{1,4}){1,3}")
OLDER, NEWER, AMONG = "clue-asked-is-older", "clue-asked-is-newer", "clue-asked-is-among"
MANY = 20  # lines that are looked at


def clues(flat: str) -> Iterator[str]:
    """Words for what the text implies; patterns may name them like any other word of the text."""
    for number, match in enumerate(ASKED.finditer(flat)):
        asked, offered = _numbers(match[1]), [_numbers(text) for text in VERSION.findall(match[2])]
        if offered:
            yield OLDER if asked < min(offered) else NEWER if asked > max(offered) else AMONG
        if number == MANY:
            return


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)
