"""What an installation did or would do: a screen, and a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from envtool.fact import Fact
from envtool.plan import Plan
from envtool.report.text import WIDEST, Style, hanging
from envtool.verdicts import Json

SCHEMA = "envtool.install/1"
LEAD = 13


@dataclass(frozen=True, eq=False, repr=False)
class Change(Fact):
    """One package that is laid down. ``before``: its version until now, None where it is new."""

    name: str
    version: str
    before: str | None = None
    size: int | None = None
    url: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Installation(Fact):
    """What there is to tell. ``result``: installed, nothing-to-do, dry-run or downloaded."""

    result: str
    path: str
    shown: str
    created: bool
    python: str
    installer: str
    plan: Plan
    changes: tuple[Change, ...] = ()
    known_bytes: int = 0
    unknown_sizes: int = 0
    commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    smoke: Mapping[str, Json] | None = None
    smoke_line: str | None = None
    seconds: float = 0.0
    activate: str | None = None
    folder: str | None = None  # of wheels; there is no environment then


def to_json(done: Installation, plan: Json) -> dict[str, Json]:
    """The install document, schema ``envtool.install/1``; ``plan`` is the plan document."""
    return {
        "schema": SCHEMA,
        "result": done.result,
        "environment": None if done.folder else {"path": done.path, "created": done.created, "python": done.python},
        "folder": done.folder,
        "installer": done.installer,
        "plan": plan,
        "changes": [
            {"name": c.name, "version": c.version, "before": c.before, "size": c.size, "url": c.url}
            for c in done.changes
        ],
        "download": {"known_bytes": done.known_bytes, "unknown_sizes": done.unknown_sizes},
        "commands": list(done.commands),
        "notes": list(done.notes),
        "smoke": dict(done.smoke) if done.smoke is not None else None,
        "seconds": round(done.seconds, 3),
    }


def render(done: Installation, style: Style) -> str:
    """The screen, ending in the one next step."""
    width = min(max(style.width, 40), WIDEST)
    new = "new, " if done.created else ""
    rows = [("Environment", f"{done.shown} ({new}Python {done.python})"), *_what(done)]
    lines = [hanging(f"{title:<{LEAD}}", text, width) for title, text in rows]
    lines += [hanging(style.paint(f"{'Note':<{LEAD}}", "33"), note, width, visible=LEAD) for note in done.notes]
    return style.safe("\n".join(lines)) + "\n" + _last(done)


def _what(done: Installation) -> list[tuple[str, str]]:
    family = ", ".join(f"{pin.package} {pin.full}" for pin in done.plan.pins)
    if done.result == "nothing-to-do":
        return [("Holds", family), ("To do", "nothing: all of it is installed as planned")]
    if done.created:
        others = len(done.changes) - len({c.name for c in done.changes} & set(done.plan.packages))
        more = f"; {others} other package{'s' if others != 1 else ''}" if others else ""
        rows = [("Installed", family + more)]
    else:
        rows = [("Holds", family)]
        changed = [_changed(change) for change in done.changes if change.before is not None]
        added = [f"{change.name} {change.version}" for change in done.changes if change.before is None]
        rows += [(title, listed(words)) for title, words in (("Changed", changed), ("Added", added)) if words]
    if done.smoke_line:
        rows.append(("Tested", done.smoke_line))
    return rows


def _changed(change: Change) -> str:
    if change.before == change.version:
        return f"{change.name} {change.version} (laid down again)"
    return f"{change.name} {change.before} -> {change.version}"


def listed(words: Sequence[str], most: int = 6) -> str:
    """Words with commas; of many the first ones, and how many more there are."""
    if len(words) <= most:
        return ", ".join(words)
    return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"


def _last(done: Installation) -> str:
    if done.activate:
        return f"\nUse it in this shell:\n\n{done.activate}\n"
    return ""


def rehearsed(done: Installation) -> str:
    """The steps of a dry run, a command a line."""
    return "".join(f"{line}\n" for line in done.commands)
