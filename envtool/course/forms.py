"""What the values of an envtool.toml have in common: how one is refused, shown, and read from a list or table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")

_LONGEST = 400  # characters of one entry
_MOST = 1000  # entries of one list


class Misfit(Exception):  # noqa: N818 - it becomes one line of a UsageError
    """A value that can't stand where it does; ``at`` is what follows the key: "[1]"."""

    def __init__(self, problem: str, at: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.at = at


class Misfits(Exception):  # noqa: N818 - as above
    """Several at once, of one list or table."""

    def __init__(self, several: Iterable[Misfit]) -> None:
        super().__init__()
        self.several = tuple(several)


def shown(value: object) -> str:
    """A TOML value in a message."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            text = repr(value)
            return text if len(text) <= 60 else f"{text[:57]}…'"
        case int() if abs(value) >= 10**18:  # Python refuses to write out thousands of digits
            return "a number of many digits"
        case int() | float() | date() | datetime() | time():
            return str(value)
        case dict():
            return "a table"
        case _:
            return "a list"


def near(word: str, words: Iterable[str], otherwise: str) -> str:
    """The words that were perhaps meant, else what may stand there."""
    found = get_close_matches(word.lower(), list(words), n=2, cutoff=0.6)
    return f"did you mean {' or '.join(found)}?" if found else otherwise


def either(words: Iterable[str]) -> str:
    """The words, for a sentence: "a, b or c"."""
    *most, last = words
    return f"{', '.join(most)} or {last}"


def text(value: object, example: str) -> str:
    """A text in one line."""
    if not isinstance(value, str):
        what = f"{shown(value)} is a number" if isinstance(value, (int, float)) and not isinstance(value, bool) else ""
        raise Misfit(f'{what or shown(value) + " is not a text"}; write it in quotes, as in "{example}"')
    if not value.strip():
        raise Misfit(f'is empty; write it as in "{example}", or leave the key out')
    if len(value) > _LONGEST or not value.isprintable():
        raise Misfit(f"{shown(value)} is no single line of at most {_LONGEST} characters")
    return value.strip()


def without_secrets(found: str) -> None:
    """Refuse a user or password in an address; the message doesn't repeat it."""
    inside = re.search(r"://([^/?#\s]*)@", found)
    if inside and inside[1] != "git":
        host = found[inside.end() :].partition("/")[0][:60]
        raise Misfit(f"the address at {host} holds a user name or a token; this file is shared, so leave it out")


def each(form: Callable[[object], T], example: str, *, needed: bool = False) -> Callable[[object], tuple[T, ...]]:
    """A list of such values; ``needed``: not an empty one."""

    def several(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Misfit(f'{shown(value)} is not a list; write ["{example}"]')
        if needed and not value:
            raise Misfit("is empty; leave the key out for what is usual")
        if len(value) > _MOST:
            raise Misfit(f"holds {len(value)} entries; {_MOST} are the most")
        read: list[T] = []
        wrong: list[Misfit] = []
        for index, item in enumerate(value):
            try:
                one = form(item)
            except Misfit as misfit:
                wrong.append(Misfit(misfit.problem, f"[{index}]{misfit.at}"))
                continue
            if one in read:
                wrong.append(Misfit(f"{shown(item)} is there twice", f"[{index}]"))
            read.append(one)
        if wrong:
            raise Misfits(wrong)
        return tuple(read)

    return several


def named(form: Callable[[object], T], example: str) -> Callable[[object], tuple[tuple[str, T], ...]]:
    """A table whose keys the author chooses."""

    def table(value: object) -> tuple[tuple[str, T], ...]:
        if not isinstance(value, dict):
            raise Misfit(f"{shown(value)} is not a table; write {example}")
        read: list[tuple[str, T]] = []
        wrong: list[Misfit] = []
        for key, item in value.items():
            try:
                if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,60}", key):
                    raise Misfit("is not a key of letters, digits, '-', '_', '.' and spaces")
                read.append((key, form(item)))
            except Misfit as misfit:
                wrong.append(Misfit(misfit.problem, f".{shown(key)[1:-1]}{misfit.at}"))
        if wrong:
            raise Misfits(wrong)
        return tuple(read)

    return table
