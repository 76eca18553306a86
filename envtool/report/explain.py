"""The page of a check: what it means, how it is found, how to mend it, and where that is known from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from textwrap import fill

from envtool.checks import COURSE, GROUPS, LOCK, Check
from envtool.data import read_table
from envtool.errors import UsageError
from envtool.fact import Fact


@dataclass(frozen=True, eq=False, repr=False)
class Page(Fact):
    """``symptom``: what a person sees; ``cause``, ``found`` and ``mend`` in sentences; ``sources`` to look up."""

    symptom: str
    cause: str
    found: str
    mend: str
    sources: tuple[str, ...] = ()


@cache
def pages() -> dict[str, Page]:
    """Every page by its check's code, from data/explanations.toml."""
    return {code: _page(code, row) for code, row in read_table("explanations.toml").items()}


def _page(code: str, row: object) -> Page:
    needed = ("symptom", "cause", "found", "mend")
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in needed):
        raise UsageError(f"explanations.toml, {code}: {', '.join(needed)} are needed, each a text")
    symptom, cause, found, mend = (str(row[key]) for key in needed)
    return Page(symptom, cause, found, mend, tuple(str(source) for source in row.get("sources", ())))


def page(code: str) -> Page:
    """The page of one check."""
    return pages()[code]


def render(check: Check, text: Page, more: str = "") -> str:
    """A page on the terminal; ``more`` are sections that stand before the sources."""
    sections = (
        ("What you see", text.symptom),
        ("What it means", text.cause),
        ("How envtool tells", text.found),
        ("How to mend it", text.mend),
    )
    blocks = [f"{check.code}\n  What should be true: {check.title}."]
    blocks += [f"{head}\n{_paragraph(body)}" for head, body in sections]
    if more:
        blocks.append(more.rstrip("\n"))
    if text.sources:
        blocks.append("Sources\n" + "\n".join(f"  {source}" for source in text.sources))
    return "\n\n".join(blocks) + "\n"


def _paragraph(body: str) -> str:
    indent = "  "
    return fill(
        body, 78, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def render_list(checks: Iterable[Check]) -> str:
    """Every check in its group, a line each."""
    checks = tuple(checks)
    blocks = ["What each check wants to be true; `envtool explain CODE` for when it is not"]
    for group in (*GROUPS, COURSE, LOCK):
        rows = [f"  {check.code:<28} {check.title}" for check in checks if check.group == group]
        if rows:
            blocks.append("\n".join([group, *rows]))
    return "\n\n".join(blocks) + "\n"
