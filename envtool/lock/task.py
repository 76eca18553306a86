"""What is to be locked anew, and what came of it."""

from __future__ import annotations

from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.lock.model import LockedTarget, Lockfile, Refused, Target
from envtool.lock.request import LockRequest


@dataclass(frozen=True, eq=False, repr=False)
class Task(Fact):
    """What to lock anew. ``before``: the lockfile that is there; ``moving``: the packages of it that may move."""

    request: LockRequest
    targets: tuple[Target, ...]
    before: Lockfile | None = None
    moving: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Outcome(Fact):
    """What could be locked, what could not, and what is to be said of it."""

    locked: tuple[LockedTarget, ...]
    refused: tuple[Refused, ...]
    notes: tuple[str, ...]


def held(task: Task) -> dict[Target, tuple[str, str]]:
    """Python and torch of what is locked, where torch is not to move."""
    if task.before is None or "pytorch" in task.moving:
        return {}
    found = {}
    for locked in task.before.targets:
        torch = locked.package("pytorch")
        if torch is not None:
            found[locked.target] = (locked.python, torch.version)
    return found


def moved_names(before: Lockfile | None, updates: tuple[str, ...]) -> tuple[str, ...]:
    """The packages that ``--update`` names, as conda calls them; UsageError for one that is not locked."""
    if not updates:
        return ()
    if before is None:
        raise UsageError("there is no lockfile to update yet", hint="`envtool lock` makes it")
    packages = {package.name for target in before.targets for package in target.packages}
    locked = packages | {wheel.name for target in before.targets for wheel in target.wheels}
    found = []
    for text in updates:
        name = {"torch": "pytorch"}.get(text.lower(), text.lower())
        if name not in locked:
            from difflib import get_close_matches

            near = get_close_matches(name, sorted(locked), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "name a package that the lockfile holds"
            raise UsageError(f"--update {text}: no such package is locked", hint=hint)
        found.append(name)
    return tuple(found)
