"""What envtool's own lockfiles tell of what they were locked from, and of whoever changed them since."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envtool.cli.lock_place import short
from envtool.drift import Locked
from envtool.errors import EnvtoolError, UsageError
from envtool.extras import line_for
from envtool.fact import Fact, dataclass
from envtool.machine import NOT_ASKED, Absent, Found, Reading, Unknown

if TYPE_CHECKING:
    from envtool.cli.spec_option import Spec
    from envtool.lock.pixi import Head

NO_RATTLER = f"py-rattler is not installed here: {line_for('lock')}"
OTHERS = Absent("another tool made it, and nothing in it tells")


@dataclass(frozen=True, eq=False, repr=False)
class Freshness(Fact):
    """As the fields of Drift."""

    stale: Reading[tuple[str, ...]] = NOT_ASKED
    edited: Reading[tuple[str, ...]] = NOT_ASKED
    source: str | None = None
    pythons: tuple[str, ...] = ()


def freshness(spec: Spec | None, locked: Locked | None, folder: str) -> Freshness:
    """Of the lockfiles in a folder; of the one in use where that is a pylock."""
    from envtool.lock.place import lock_path, read_text

    text = read_text(lock_path(folder))
    if text is None:
        return Freshness(OTHERS, OTHERS)
    from envtool.lock.pixi import head, is_of_pixi

    try:
        top = head(text, short(lock_path(folder)))
    except UsageError as error:
        if is_of_pixi(text):
            return Freshness(OTHERS, OTHERS)
        return Freshness(Unknown(error.message), Found((error.message,)), short(lock_path(folder)))
    if locked is not None and locked.kind == "pylock":
        return _of_pylock(spec, locked, top)
    if locked is not None and os.path.dirname(os.path.abspath(locked.path)) != os.path.abspath(folder):
        return Freshness(OTHERS, OTHERS)
    edited, source = _edited(spec, folder, text)
    pythons = tuple(sorted({str(target["python"]) for target in top.targets}))
    return Freshness(_stale(spec, top), edited, source, pythons)


def _stale(spec: Spec | None, top: Head) -> Reading[tuple[str, ...]]:
    if spec is None:
        return Absent("there is no envtool.toml to compare it with")
    from envtool.lock.freshness import stale
    from envtool.lock.from_course import request_of

    try:
        return Found(stale(request_of(spec.course), top))
    except EnvtoolError as error:
        return Unknown(error.message)


def _edited(spec: Spec | None, folder: str, text: str) -> tuple[Reading[tuple[str, ...]], str | None]:
    """All files are made again from pixi.lock and compared, byte by byte."""
    from envtool.lock import pixi
    from envtool.lock.place import lock_path, read_text

    path = lock_path(folder)
    try:
        from envtool.lock.files import rendered
        from envtool.lock.freshness import altered

        lockfile = pixi.load(path, text, short(path))
        expected = rendered(lockfile, os.path.basename(spec.path) if spec else "envtool.toml")
    except ImportError:
        return Unknown(NO_RATTLER), None
    except EnvtoolError as error:
        return Found((error.message,)), short(path)
    found = {name: read_text(os.path.join(folder, name)) for name in expected}
    changed = [name for name in expected if found[name] != expected[name]]
    # A change in pixi.lock shows in a list and in a conda-lock file at once; one in either of these, in that alone.
    both = any(name.endswith(".txt") for name in changed) and any(name.endswith(".conda-lock.yml") for name in changed)
    return Found(altered(expected, found)), short(path) if both else None


def _of_pylock(spec: Spec | None, locked: Locked, top: Head) -> Freshness:
    """Its first lines hold a fingerprint of the spec and a hash of the rest."""
    from envtool.lock.place import read_text

    text = read_text(locked.path) or ""
    if "\n# fingerprint: " not in text:
        return Freshness(OTHERS, OTHERS)
    if spec is None:
        return Freshness(Absent("there is no envtool.toml to compare it with"), OTHERS)
    try:
        from envtool.lock.pylock import fingerprint, state
    except ImportError:
        return Freshness(Unknown(NO_RATTLER), Unknown(NO_RATTLER))
    from envtool.lock.from_course import request_of

    python = next((str(one["python"]) for one in top.targets if one["variant"] == locked.variant), "")
    try:
        found = state(text, fingerprint(request_of(spec.course), locked.variant or "", python))
    except EnvtoolError as error:
        return Freshness(Unknown(error.message), Unknown(error.message))
    stale = (f"{locked.shown} was locked from another spec",) if found == "stale" else ()
    edited = (f"{locked.shown} is not as `envtool lock` wrote it",) if found == "edited" else ()
    return Freshness(Found(stale), Found(edited))
