"""What ``envtool lock`` prints for people."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.lock.difference import Move
from envtool.lock.model import LockedTarget, Lockfile, Refused
from envtool.lock.place import channel_names

_SHOWN = 25  # moved packages; --json has them all


def table(lockfile: Lockfile) -> str:
    """What is locked, a line for each target."""
    pythons = ", ".join(sorted({locked.python for locked in lockfile.targets}))
    lines = [f"{lockfile.name}: from {channel_names(lockfile.channels)}, Python {pythons}", ""]
    rows = [("variant", "platform", "torch", "build", "packages", "download")]
    rows += [_row(locked) for locked in lockfile.targets]
    rows += [(m.target.variant, m.target.subdir, "-", "left out", "", "") for m in lockfile.missing]
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    lines += [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join(lines) + "\n"


def _row(locked: LockedTarget) -> tuple[str, str, str, str, str, str]:
    torch = locked.package("pytorch")
    pip = f" + {len(locked.wheels)} pip" if locked.wheels else ""
    size = sum(package.size or 0 for package in locked.packages)
    return (
        locked.target.variant, locked.target.subdir, torch.version if torch else "-", locked.build,
        f"{len(locked.packages)}{pip}", f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB",
    )  # fmt: skip


def moved(moves: tuple[Move, ...], targets: int) -> str:
    """What moved, and why one should look at it."""
    if not moves:
        return "No package moved.\n"
    rows = [("package", "from", "to", "why it matters", "where")]
    rows += [(m.package, m.old or "-", m.new or "-", m.why, _where(m, targets)) for m in moves[:_SHOWN]]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{len(moves)} package{'s' if len(moves) > 1 else ''} moved:", ""]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)]
        lines.append(("  " + "  ".join([*cells, row[4]])).rstrip())
    if len(moves) > _SHOWN:
        lines.append(f"  and {len(moves) - _SHOWN} more; --json has them all")
    return "\n".join(lines) + "\n"


def _where(move: Move, targets: int) -> str:
    if len(move.targets) == targets:
        return "everywhere"
    subdirs = dict.fromkeys(target.subdir for target in move.targets)
    return next(iter(subdirs)) if len(subdirs) == 1 else f"{len(move.targets)} of {targets}"


def refusals(refused: Iterable[Refused]) -> tuple[str, ...]:
    """Each target that can't be locked: the reason in words, what would help, then the solver's own words.

    Targets that share a reason share its lines.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[Refused]] = {}
    for one in refused:
        name = one.target.subdir
        key = (one.message.replace(name, "\0"), one.hint.replace(name, "\0"), one.details)
        groups.setdefault(key, []).append(one)
    lines: list[str] = []
    for (message, hint, details), ones in groups.items():
        subdirs = dict.fromkeys(one.target.subdir for one in ones)
        names = ", ".join(subdirs)
        lines.append(f"{', '.join(str(one.target) for one in ones)}:")
        lines.append("  " + message.replace("\0", names))
        lines.append("  what helps: " + hint.replace("\0", names))
        lines += [f"    {line}" for line in details]
    return tuple(lines)
