"""What an installation from a conda lockfile did or would do: a screen, and a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envtool.fact import Fact
from envtool.report.install import LEAD, SCHEMA, Change, listed
from envtool.report.text import WIDEST, Style, hanging
from envtool.verdicts import Json

_FIRST = ("python", "pytorch", "torchvision", "torchaudio")


@dataclass(frozen=True, eq=False, repr=False)
class LockedInstallation(Fact):
    """What there is to tell. ``result``: installed, nothing-to-do or dry-run; ``build``: "cpu", "cuda129" or ""."""

    result: str
    path: str
    shown: str
    created: bool
    lockfile: str
    variant: str
    build: str
    subdir: str
    held: Mapping[str, str]  # every conda package's version by name
    wheels: int
    changes: tuple[Change, ...] = ()
    gone: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    smoke: Mapping[str, Json] | None = None
    smoke_line: str | None = None
    seconds: float = 0.0
    activate: str | None = None


def to_json(done: LockedInstallation) -> dict[str, Json]:
    """The install document, schema ``envtool.install/1``, with ``lock`` in place of a plan."""
    sizes = [change.size for change in done.changes]
    return {
        "schema": SCHEMA,
        "result": done.result,
        "environment": {"path": done.path, "created": done.created, "python": done.held.get("python", "")},
        "folder": None,
        "installer": "none" if done.result == "nothing-to-do" else "py-rattler",
        "plan": None,
        "lock": {
            "file": done.lockfile, "variant": done.variant, "subdir": done.subdir, "build": done.build or None,
            "conda_packages": len(done.held), "pip_packages": done.wheels, "removed": list(done.gone),
        },
        "changes": [
            {"name": c.name, "version": c.version, "before": c.before, "size": c.size, "url": c.url}
            for c in done.changes
        ],
        "download": {
            "known_bytes": sum(size for size in sizes if size is not None), "unknown_sizes": sizes.count(None),
        },
        "commands": [],
        "notes": list(done.notes),
        "smoke": dict(done.smoke) if done.smoke is not None else None,
        "seconds": round(done.seconds, 3),
    }  # fmt: skip


def render(done: LockedInstallation, style: Style) -> str:
    """The screen, ending in the one next step."""
    width = min(max(style.width, 40), WIDEST)
    python = done.held.get("python")
    about = ", ".join([*(["new"] if done.created else []), *([f"Python {python}"] if python else [])])
    rows = [("Environment", f"{done.shown} ({about})" if about else done.shown), *_what(done)]
    lines = [hanging(f"{title:<{LEAD}}", text, width) for title, text in rows]
    lines += [hanging(style.paint(f"{'Note':<{LEAD}}", "33"), note, width, visible=LEAD) for note in done.notes]
    last = f"\nUse it in this shell:\n\n{done.activate}\n" if done.activate else ""
    return style.safe("\n".join(lines)) + "\n" + last


def _what(done: LockedInstallation) -> list[tuple[str, str]]:
    build = {"pytorch": f" ({done.build})"} if done.build else {}
    first = [f"{name} {done.held[name]}{build.get(name, '')}" for name in _FIRST if name in done.held]
    others = len(done.held) + done.wheels - len(first)
    more = f"{others} {'other ' if first else ''}package{'s' if others != 1 else ''}"
    held = "; ".join([*([", ".join(first)] if first else []), *([more] if others else [])])
    if done.result == "nothing-to-do":
        return [("Holds", held), ("To do", f"nothing: all of it is as {done.lockfile} says")]
    rows = [("Would hold" if done.result == "dry-run" else "Installed", held)]
    changed = [f"{c.name} {c.before} -> {c.version}" for c in done.changes if c.before is not None]
    new = [c.name for c in done.changes if c.before is None]
    if not done.created:
        for title, names in (("Changed", changed), ("Added", new), ("Removed", list(done.gone))):
            if names:
                rows.append((title, listed(names)))
    if done.smoke_line:
        rows.append(("Tested", done.smoke_line))
    return rows
