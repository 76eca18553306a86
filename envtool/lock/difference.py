"""What moved between two lockfiles, and why one should look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from envtool.fact import Fact, dataclass
from envtool.lock.model import LockedTarget, Lockfile, Target
from envtool.lock.offers import FAMILY, build_kind
from envtool.versions import numbers_or_none


@dataclass(frozen=True, eq=False, repr=False)
class Move(Fact):
    """A package that is not what it was, on one target or on several. ``old`` and ``new`` are None for absent."""

    package: str
    old: str | None
    new: str | None
    why: str
    targets: tuple[Target, ...]


def moves(before: Lockfile, after: Lockfile) -> tuple[Move, ...]:
    """Every package that moved, in both lockfiles' targets; what matters most comes first."""
    found: dict[tuple[str, str | None, str | None, str], list[Target]] = {}
    for locked in after.targets:
        old = before.target(locked.target)
        if old is not None:
            for package, was, now, why in _of_target(old, locked):
                found.setdefault((package, was, now, why), []).append(locked.target)
    listed = [Move(*key, tuple(targets)) for key, targets in found.items()]
    return tuple(sorted(listed, key=lambda move: (_rank(move), move.package)))


def alike(before: Lockfile, after: Lockfile) -> Lockfile:
    """A lockfile that names its variants otherwise, as one by conda-lock does, in the words of another."""
    if any(after.target(one.target) for one in before.targets):
        return before
    by_build = {(one.target.subdir, one.build): one.target for one in reversed(after.targets)}
    renamed = (replace(one, target=by_build.get((one.target.subdir, one.build), one.target)) for one in before.targets)
    return replace(before, targets=tuple(renamed))


def _of_target(before: LockedTarget, after: LockedTarget) -> Iterator[tuple[str, str | None, str | None, str]]:
    old = {p.name: (p.version, p.build) for p in before.packages} | {w.name: (w.version, "") for w in before.wheels}
    new = {p.name: (p.version, p.build) for p in after.packages} | {w.name: (w.version, "") for w in after.wheels}
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) == new.get(name):
            continue
        if name not in old:
            yield name, None, new[name][0], "new"
        elif name not in new:
            yield name, old[name][0], None, "no longer needed"
        elif old[name][0] != new[name][0]:
            yield name, old[name][0], new[name][0], _why(name, old[name][0], new[name][0])
        else:
            yield name, _build(*old[name]), _build(*new[name]), _why_rebuilt(name, old[name][1], new[name][1])


def _build(version: str, build: str) -> str:
    return f"{version} {build}"


def _why(name: str, old: str, new: str) -> str:
    was, now = numbers_or_none(old) or (), numbers_or_none(new) or ()
    if name == "python":
        return "other Python: every compiled package changes" if was[:2] != now[:2] else "a patch of Python"
    if name in FAMILY:
        return "PyTorch itself: results may differ" if was[:2] != now[:2] else "a patch of PyTorch"
    if name == "cuda-version":
        return "another CUDA: check the driver" if was[:1] != now[:1] else "another minor version of CUDA"
    if now < was:
        return "older than before"
    if was[:1] != now[:1]:
        return "a new major version: code may need a change"
    return "newer"


def _why_rebuilt(name: str, old: str, new: str) -> str:
    if name in FAMILY and build_kind(old) != build_kind(new):
        return f"{build_kind(old)} became {build_kind(new)}"
    return "the same version, built anew"


def _rank(move: Move) -> int:
    if move.package in {"python", *FAMILY, "cuda-version"}:
        return 0
    if move.old is None or move.new is None:
        return 3
    return 1 if "major" in move.why or "older" in move.why else 2
