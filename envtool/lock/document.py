"""The lock document, schema ``envtool.lock/1``: what ``envtool lock --json`` prints."""

from __future__ import annotations

from envtool.lock.difference import Move
from envtool.lock.model import LockedTarget, Lockfile, Refused, Target
from envtool.verdicts import Json

SCHEMA = "envtool.lock/1"
RESULTS = (
    "locked",
    "unchanged",
    "would-change",
    "fresh",
    "stale",
    "refused",
    "different",
    "same",
    "verified",
    "tampered",
)


def document(
    result: str,
    *,
    lockfile: Lockfile | None = None,
    refused: tuple[Refused, ...] = (),
    moved: tuple[Move, ...] = (),
    told: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    files: tuple[str, ...] = (),
) -> dict[str, Json]:
    """``told``: what in the spec or the files is not as it was locked, and the notes."""
    return {
        "schema": SCHEMA,
        "result": result,
        "name": lockfile.name if lockfile else None,
        "channels": list(lockfile.channels) if lockfile else [],
        "targets": [_locked(locked) for locked in lockfile.targets] if lockfile else [],
        "missing": [{**_target(m.target), "reason": m.reason} for m in lockfile.missing] if lockfile else [],
        "refused": [
            {**_target(one.target), "message": one.message, "hint": one.hint, "details": list(one.details)}
            for one in refused
        ],
        "moved": [
            {"package": m.package, "from": m.old, "to": m.new, "why": m.why, "targets": [_target(t) for t in m.targets]}
            for m in moved
        ],
        "changes": list(told[0]),
        "notes": list(told[1]),
        "files": list(files),
    }


def _target(target: Target) -> dict[str, Json]:
    return {"variant": target.variant, "subdir": target.subdir}


def _locked(locked: LockedTarget) -> dict[str, Json]:
    torch = locked.package("pytorch")
    return {
        **_target(locked.target),
        "build": locked.build,
        "python": locked.python,
        "torch": torch.version if torch else None,
        "conda_packages": len(locked.packages),
        "pip_packages": len(locked.wheels),
        "download_bytes": sum(package.size or 0 for package in locked.packages),
    }
