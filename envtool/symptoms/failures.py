"""The known failures, from data/symptoms.toml: how each is recognised, who can mend it, and what looks for it."""

from __future__ import annotations

from functools import cache

from envtool.data import read_table
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.symptoms.pattern import Pattern, parse

WHO = {
    "you": "you",
    "sudo": "you, with sudo or as administrator",
    "administrator": "your administrator",
    "nobody": "nobody; see the page for what works without it",
}
KNOWN = ("reproduced", "stand-in", "read")
TEXTS = ("who", "confirm", "known", "check", "no-check", "avoid")
PATTERNS = ("sure", "likely", "maybe", "context", "unless")


@dataclass(frozen=True, eq=False, repr=False)
class Failure(Fact):
    """One known failure. ``check`` is the code of the check that looks for it, None for the reason in ``no_check``."""

    code: str
    group: str
    who: str
    confirm: str
    known: str
    check: str | None
    no_check: str | None
    avoid: str | None
    common: bool  # of several with the same words, the one that it mostly is
    sure: tuple[Pattern, ...]
    likely: tuple[Pattern, ...]
    maybe: tuple[Pattern, ...]
    context: tuple[Pattern, ...]
    unless: tuple[Pattern, ...]


def groups() -> dict[str, str]:
    """The titles of the groups, by the names that failures have them under."""
    return {str(name): str(title) for name, title in read_table("symptoms.toml")["groups"].items()}


@cache
def failures() -> dict[str, Failure]:
    """Every known failure by its code, in the order of the file."""
    table = read_table("symptoms.toml")
    return {code: _failure(code, group, row) for group in table["groups"] for code, row in table[group].items()}


def _failure(code: str, group: str, row: object) -> Failure:
    if not isinstance(row, dict) or set(row) - {*TEXTS, *PATTERNS, "common"}:
        raise UsageError(f"symptoms.toml, {code}: only {', '.join((*TEXTS, *PATTERNS, 'common'))} may stand there")
    texts = {key: row[key] for key in TEXTS if isinstance(row.get(key), str)}
    if texts.get("who") not in WHO or texts.get("known") not in KNOWN or not texts.get("confirm"):
        raise UsageError(f"symptoms.toml, {code}: who, known and confirm are needed, each with one of its values")
    if "check" in texts and "no-check" in texts:
        raise UsageError(f"symptoms.toml, {code}: check and no-check exclude each other")
    found = {key: tuple(parse(str(text)) for text in row.get(key, ())) for key in PATTERNS}
    no_check = texts.get("no-check")
    check = None if no_check else texts.get("check", code)
    who, confirm, known = texts["who"], texts["confirm"], texts["known"]
    common = row.get("common") is True
    return Failure(code, group, who, confirm, known, check, no_check, texts.get("avoid"), common, **found)
