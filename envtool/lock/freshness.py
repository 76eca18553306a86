"""Is a lockfile what its spec says, and is every file what pixi.lock says? No network, no solver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envtool.lock.model import Target
from envtool.lock.pixi import FILE_NAME, Head
from envtool.lock.request import LockRequest, from_json

_WORDS = {"subdirs": "platforms", "conda_packages": "[conda] packages", "pip_packages": "[pip] packages",
          "pip_names": "[pip] names", "driver": "[gpu] driver", "capability": "[gpu] compute-capability",
          "channels": "[conda] channels"}  # fmt: skip


def stale(request: LockRequest, head: Head) -> tuple[str, ...]:
    """What in the spec is not as it was locked, in words; empty where the lockfile is fresh."""
    found = head.fingerprints
    old = [target for target in request.targets if found.get(target) != request.fingerprint(target)]
    extra = [target for target in found if target not in request.targets]
    if not old and not extra and head.name == request.name:
        return ()
    before = from_json(head.spec)
    told = list(_changes(before, request)) if before is not None else []
    return tuple(told or [*(_not_locked(target, found) for target in old), *(f"{t} is locked" for t in extra)])


def _not_locked(target: Target, found: Mapping[Target, str]) -> str:
    return f"{target} is locked from another spec" if target in found else f"{target} is not locked"


def _changes(before: LockRequest, after: LockRequest) -> Iterator[str]:
    for field in LockRequest.__dataclass_fields__:
        old, new = getattr(before, field), getattr(after, field)
        if old == new:
            continue
        word = _WORDS.get(field, field)
        if isinstance(old, tuple) and isinstance(new, tuple):
            yield from (f"{word}: {_text(one)} is new" for one in new if one not in old)
            yield from (f"{word}: {_text(one)} is gone" for one in old if one not in new)
            if sorted(old) == sorted(new):
                yield f"{word}: in another order"
        else:
            yield f"{word}: {_text(old)} became {_text(new)}"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " = ".join(str(one) for one in value)
    return "nothing" if value in {None, ""} else str(value)


def altered(expected: Mapping[str, str], found: Mapping[str, str | None]) -> tuple[str, ...]:
    """The files that are not what pixi.lock says, in words."""
    told = []
    for name, text in expected.items():
        if found.get(name) is None:
            told.append(f"{name} is missing")
        elif found[name] != text:
            of_itself = name == FILE_NAME
            told.append(f"{name} is not {'as `envtool lock` wrote it' if of_itself else f'what {FILE_NAME} says'}")
    return tuple(told)
