"""The lockfiles beside a spec, read and judged: ``envtool lock --check`` and ``--diff``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from envtool.errors import EXIT_FAILED, EXIT_NO_PLAN, EXIT_OK, EnvtoolError, UsageError
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.cli.spec_option import Spec
    from envtool.lock.model import Lockfile
    from envtool.lock.pixi import Head
    from envtool.lock.request import LockRequest


class NoSolutionError(EnvtoolError):
    """A target can't be locked; the command ends with the code for that."""

    exit_code = EXIT_NO_PLAN


@dataclass(frozen=True, eq=False, repr=False)
class Place(Fact):
    """A spec and the folder of its lockfiles."""

    spec: Spec
    request: LockRequest
    folder: str

    @property
    def spec_name(self) -> str:
        """The spec's file, as the lockfiles name it."""
        return os.path.basename(self.spec.path)

    def text(self) -> str | None:
        """The pixi.lock that is there."""
        from envtool.lock.place import lock_path, read_text

        return read_text(lock_path(self.folder))

    def head(self) -> Head | None:
        """Its comments."""
        from envtool.lock.pixi import head
        from envtool.lock.place import lock_path

        text = self.text()
        return head(text, short(lock_path(self.folder))) if text is not None else None

    def lockfile(self) -> Lockfile | None:
        """All of it."""
        from envtool.lock.place import lock_path

        return read_lockfile(lock_path(self.folder))


def spec_of(named: str | None) -> Spec:
    """What to lock: the envtool.toml here or above, the one that is named, or an environment.yml that is named."""
    from envtool.cli.spec_option import Spec, chosen

    if named is not None and named.lower().endswith((".yml", ".yaml")):
        from envtool.catalog import load
        from envtool.lock.place import read_text
        from envtool.scaffold.from_file import draft

        def read(path: str) -> str:
            text = read_text(path, largest=1 << 20)
            if text is None:
                raise UsageError(f"cannot read {short(path)}: no such file", hint="check the name of the file")
            return text

        found = draft(named, read, load(), folder=os.path.basename(os.path.dirname(os.path.abspath(named))))
        for what, why in found.notes:
            print(f"note: {short(named)}: {what}: {why}", file=sys.stderr)
        return Spec(named, found.course)
    spec = chosen(named, False)
    if spec is None:
        raise UsageError(
            "there is no envtool.toml here or above",
            hint="`envtool init --from requirements.txt` writes one; or name a file: --spec environment.yml",
        )
    return spec


def short(path: str) -> str:
    """A path as one would type it here."""
    try:
        relative = os.path.relpath(path)
    except (ValueError, OSError):  # another drive
        return path
    return relative if len(relative) < len(path) else path


def read_lockfile(place: str) -> Lockfile | None:
    """A lockfile, or the one in a folder; None where there is none."""
    from envtool.lock import pixi
    from envtool.lock.place import lock_path, read_text
    from envtool.lock.read_v1 import ENDINGS, load_v1

    path = lock_path(place) if os.path.isdir(place) else place
    text = read_text(path)
    if text is None:
        return None
    return load_v1(text, short(path)) if path.endswith(ENDINGS) else pixi.load(path, text, short(path))


def check_lock(place: Place, as_json: bool) -> int:
    """Is everything as the spec and pixi.lock say? The exit code tells."""
    from envtool.cli.lock_pip import stale_pylocks
    from envtool.lock.files import rendered
    from envtool.lock.freshness import altered, stale
    from envtool.lock.place import read_text, stray

    head = place.head()
    if head is None:
        changes: tuple[str, ...] = (f"{short(place.folder)} holds no lockfile",)
        lockfile = None
    else:
        changes = stale(place.request, head)
        lockfile = place.lockfile()
        assert lockfile is not None
        expected = rendered(lockfile, place.spec_name)
        found = {name: read_text(os.path.join(place.folder, name)) for name in expected}
        changes += altered(expected, found) + stale_pylocks(place, lockfile)
        changes += tuple(f"{n} is no longer part of the spec" for n in stray(place.folder, head.name, expected))
    if as_json:
        print_document("stale" if changes else "fresh", lockfile=lockfile, told=(changes, ()))
    elif changes:
        print("The lockfiles are not what the spec says:\n" + "\n".join(f"  {line}" for line in changes))
        from envtool.cli.own_name import typed

        print(typed("Run `envtool lock`, and commit what it writes."))
    else:
        print(f"The lockfiles in {short(place.folder)} are what {place.spec_name} says.")
    return EXIT_FAILED if changes else EXIT_OK


def diff_lock(place: Place, old: str, as_json: bool) -> int:
    """What moved since another lockfile."""
    from envtool.cli.lock_text import moved
    from envtool.lock.difference import alike, moves

    before, now = read_lockfile(old), place.lockfile()
    for lockfile, name in ((before, old), (now, place.folder)):
        if lockfile is None:
            raise UsageError(f"--diff: there is no lockfile at {short(name)}", hint="name a pixi.lock, or its folder")
    assert before is not None
    assert now is not None
    before = alike(before, now)
    if not any(now.target(one.target) for one in before.targets):
        held = ", ".join(str(one.target) for one in before.targets)
        raise UsageError(
            f"--diff: {short(old)} holds {held or 'nothing'}", hint="name a lockfile of the same platforms"
        )
    found = moves(before, now)
    if as_json:
        print_document("different" if found else "same", lockfile=now, moved=found)
    else:
        out(moved(found, len(now.targets)))
    return EXIT_OK


# ── output ──


def print_document(result: str, **told: object) -> None:
    """The lock document on stdout."""
    from envtool.lock.document import document
    from envtool.report.json import dumps

    sys.stdout.write(dumps(document(result, **told)))  # type: ignore[arg-type]


def out(text: str) -> None:
    """A text on stdout: plain ASCII but for names, so that no style has to be loaded for it."""
    sys.stdout.write(text)
