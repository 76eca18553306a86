"""``envtool lock``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from envtool.cli.lock_pip import PipWish
from envtool.cli.lock_place import NoSolutionError, Place, check_lock, diff_lock, out, print_document, short, spec_of
from envtool.errors import EXIT_NO_PLAN, EXIT_OK, ToolError, UsageError
from envtool.extras import line_for
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.lock.model import Lockfile, Target
    from envtool.lock.task import Outcome

FOLDER = "lockfiles"
EXTRA = line_for("lock")


@click.command("lock")
@click.option(
    "--spec", metavar="FILE", help="Lock this envtool.toml or environment.yml. Default: the envtool.toml here or above."
)
@click.option("--output", metavar="FOLDER", help="Where the lockfiles are. Default: lockfiles/ beside the spec.")
@click.option("--platform", "platforms", metavar="SUBDIR", multiple=True, help="Lock this platform only; repeatable.")
@click.option("--variant", "variants", metavar="NAME", multiple=True, help="Lock this variant only; repeatable.")
@click.option("--update", "updates", metavar="NAME", multiple=True, help="Move this package, and what must follow.")
@click.option("--upgrade", is_flag=True, help="Forget the locked versions: the newest of everything.")
@click.option("--check", is_flag=True, help="Only tell whether the lockfiles are what the spec says; exit 1 if not.")
@click.option(
    "--verify", is_flag=True, help="Only compare hashes, sizes and addresses with the channel; exit 1 if not."
)
@click.option("--diff", "old", metavar="OLD", help="Only tell what moved since the lockfile or folder OLD.")
@click.option("--dry-run", is_flag=True, help="Solve and tell what would change; write nothing.")
@click.option("--keep-going", is_flag=True, help="Write what can be locked, and leave out what can't, by name.")
@click.option(
    "--channel", "channels", metavar="URL", multiple=True, help="A channel in place of the spec's; repeatable."
)
@click.option("--mirror", "mirrors", metavar="CHANNEL=URL", multiple=True, help="Read a channel from elsewhere.")
@click.option(
    "--pylock/--no-pylock", default=None,
    help="Also pylock.<variant>.toml, for pip and uv. Default: where one is there already.",
)  # fmt: skip
@click.option("--pytorch-index-url", metavar="URL", help="A mirror of download.pytorch.org/whl, for --pylock.")
@click.option("--exclude-newer", metavar="DATE", help="Only packages that were built until then, as 2026-08-01.")
@click.option("--offline", is_flag=True, help="Use the channels' index as it was last read.")
@click.option("--json", "as_json", is_flag=True, help="The lock document on stdout.")
def command(
    spec: str | None,
    output: str | None,
    platforms: tuple[str, ...],
    variants: tuple[str, ...],
    updates: tuple[str, ...],
    upgrade: bool,
    check: bool,
    verify: bool,
    old: str | None,
    dry_run: bool,
    keep_going: bool,
    channels: tuple[str, ...],
    mirrors: tuple[str, ...],
    pylock: bool | None,
    pytorch_index_url: str | None,
    exclude_newer: str | None,
    offline: bool,
    as_json: bool,
) -> int:
    """Lock the spec for every platform and variant, on this machine.

    Reads envtool.toml and writes lockfiles that conda-lock, micromamba,
    mamba and plain conda install. Nothing is installed; no conda, no
    GPU and no Linux is needed. What is locked stays as it is: a changed spec
    moves as little as possible, an unchanged one changes no byte.

    \b
    Exit codes: 1 with --check if a lockfile is stale, 3 if a platform has
    no solution (then nothing is written, unless --keep-going is given).
    """
    found = spec_of(spec)
    modes = [
        name
        for name, given in (
            ("--check", check),
            ("--verify", verify),
            ("--diff", old),
            ("--update", updates),
            ("--upgrade", upgrade),
        )
        if given
    ]
    if len(modes) > 1:
        raise click.UsageError(f"{' and '.join(modes)} can't be used together")
    _need_the_extra()
    from envtool.lock.from_course import not_on_conda, request_of

    request = request_of(found.course, channels=channels, exclude_newer=exclude_newer)
    if not request.targets:
        key, one = ("platforms", "linux-64") if request.variants else ("variants", "cpu or cuda")
        raise UsageError(
            f"conda-forge has no PyTorch for {', '.join(not_on_conda(found.course))}, so there is nothing to lock",
            hint=f"add {one} to {key} in the spec; `envtool install` serves the others",
        )
    for name in not_on_conda(found.course):
        print(f"note: {name} is not locked: conda-forge has no PyTorch for it", file=sys.stderr)
    folder = output or os.path.join(os.path.dirname(os.path.abspath(found.path)), FOLDER)
    place = Place(found, request, folder)
    if check:
        return check_lock(place, as_json)
    if verify:
        from envtool.cli.lock_verify import verify_lock

        return verify_lock(place, mirrors, offline=offline, as_json=as_json)
    if old is not None:
        return diff_lock(place, old, as_json)
    wish = _Wish(platforms, variants, updates, upgrade, mirrors, offline, PipWish(pylock, pytorch_index_url, upgrade))
    return _lock(place, wish, _Show(dry_run, keep_going, as_json))


def _need_the_extra() -> None:
    try:
        import rattler  # noqa: F401
    except ImportError as error:
        raise ToolError(f"`envtool lock` needs py-rattler, which can't be used: {error}", hint=EXTRA) from None


@dataclass(frozen=True, eq=False, repr=False)
class _Wish(Fact):
    """What of it to lock anew, and how."""

    platforms: tuple[str, ...]
    variants: tuple[str, ...]
    updates: tuple[str, ...]
    upgrade: bool
    mirrors: tuple[str, ...]
    offline: bool
    pip: PipWish


@dataclass(frozen=True, eq=False, repr=False)
class _Show(Fact):
    """What to do with what comes out."""

    dry_run: bool
    keep_going: bool
    as_json: bool


# ── locking ──────────────────────────────────────────────────────────────────────────────────────


def _lock(place: Place, wish: _Wish, show: _Show) -> int:
    from envtool.cli.lock_pip import pylock_texts
    from envtool.lock.files import rendered
    from envtool.lock.place import merged

    before = place.lockfile()
    targets = _targets(place, wish, before)
    outcome = _solved(place, wish, before, targets)
    if outcome.refused and not show.keep_going:
        return _refuse(outcome, place, show)
    lockfile = merged(place.request, before, outcome.locked, outcome.refused)
    if not lockfile.targets:
        return _refuse(outcome, place, show)
    expected = rendered(lockfile, place.spec_name) | pylock_texts(place, lockfile, wish.pip)
    return _finish(place, before, lockfile, _Result(outcome, expected), show)


def _targets(place: Place, wish: _Wish, before: Lockfile | None) -> tuple[Target, ...]:
    """What has to be solved: what the spec says otherwise than the lockfile does, or what is to move."""
    from envtool.lock.from_course import narrowed

    targets = narrowed(place.request, wish.platforms, wish.variants)
    if before is not None and wish.updates:
        return tuple(target for target in targets if before.target(target))
    if before is None or wish.upgrade or place.request.exclude_newer:
        return targets
    known = {one.target: one.fingerprint for one in before.targets}
    if not wish.platforms and not wish.variants:  # who names one that was left out wants it tried again
        known |= {one.target: one.fingerprint for one in before.missing}
    return tuple(target for target in targets if known.get(target) != place.request.fingerprint(target))


def _solved(place: Place, wish: _Wish, before: Lockfile | None, targets: tuple[Target, ...]) -> Outcome:
    from envtool.lock.task import Outcome

    if not targets:
        return Outcome((), (), ())
    from envtool.catalog import load
    from envtool.lock.channels import read_mirrors
    from envtool.lock.cutoff import cutoff
    from envtool.lock.place import without_newer
    from envtool.lock.solving import solved
    from envtool.lock.task import Task, moved_names

    moving = moved_names(before, wish.updates)
    moment = cutoff(place.request.exclude_newer)
    if before is not None and moment is not None:
        before = without_newer(before, moment.timestamp() * 1000)
    task = Task(place.request, targets, None if wish.upgrade else before, moving)
    return solved(task, load, read_mirrors(wish.mirrors, place.request.channels), _tell, offline=wish.offline)


def _refuse(outcome: Outcome, place: Place, show: _Show) -> int:
    from envtool.cli.lock_text import refusals

    if show.as_json:
        print_document("refused", refused=outcome.refused, told=((), outcome.notes))
    solved = len(outcome.locked)
    whole = solved + len(outcome.refused)
    message = f"{len(outcome.refused)} of {whole} can't be locked; nothing was written"
    hint = "change the spec as told above"
    if solved:
        hint += "; or lock the rest: `envtool lock --keep-going`"
    error = NoSolutionError(message, hint=hint, details=refusals(outcome.refused))
    if not show.as_json:
        raise error
    print("\n".join([f"error: {message}", *(f"  {line}" for line in error.details), f"hint: {hint}"]), file=sys.stderr)
    return EXIT_NO_PLAN


@dataclass(frozen=True, eq=False, repr=False)
class _Result(Fact):
    """What was solved, and all texts as they should be."""

    outcome: Outcome
    expected: dict[str, str]


def _finish(place: Place, before: Lockfile | None, lockfile: Lockfile, result: _Result, show: _Show) -> int:
    from envtool.cli.lock_text import moved, table
    from envtool.lock.difference import moves
    from envtool.lock.place import stray

    outcome, expected = result.outcome, result.expected
    changed = _changed(place.folder, expected)
    gone = stray(place.folder, before.name if before else lockfile.name, expected)
    found = moves(before, lockfile) if before is not None else ()
    if not show.dry_run:
        _write(place.folder, changed, gone)
    if show.as_json:
        word = "unchanged" if not (changed or gone) else "would-change" if show.dry_run else "locked"
        told, files = ((), outcome.notes), tuple(changed)
        print_document(word, lockfile=lockfile, refused=outcome.refused, moved=found, told=told, files=files)
        return EXIT_OK
    out(table(lockfile))
    if before is not None and changed:
        out("\n" + moved(found, len(lockfile.targets)))
    sys.stdout.flush()  # before what stderr adds to it
    for note in outcome.notes:
        print(f"note: {note}", file=sys.stderr)
    for one in outcome.refused:
        print(f"left out: {one.target}: {one.message}", file=sys.stderr)
    print(_last(place, (len(changed), len(gone)), lockfile, show, is_new=before is None))
    return EXIT_OK


def _last(place: Place, counts: tuple[int, int], lockfile: Lockfile, show: _Show, *, is_new: bool) -> str:
    from envtool.shell import shell_line

    folder = short(place.folder)
    written, removed = (f"{count} file{'' if count == 1 else 's'}" for count in counts)
    if counts == (0, 0):
        return f"\nNothing changed in {folder}."
    if show.dry_run:
        would = [text for text in (f"{written} would change", f"{removed} would go") if text[0] != "0"]
        return f"\nIn {folder} {' and '.join(would)}. Nothing was written."
    if counts[0] == 0:
        return f"\nRemoved {removed} from {folder}, of what the spec has no more. Commit that."
    told = f"Wrote {written} to {folder}" + (f" and removed {removed}" if counts[1] else "")
    course = os.path.dirname(os.path.abspath(place.spec.path))
    start = os.path.join(course, "start.py")
    if place.folder == os.path.join(course, FOLDER) and os.path.isfile(start):  # it installs pixi.lock, into .venv
        venv = " Delete a .venv\nthat was made before." if is_new else ""
        line = shell_line(["py" if os.name == "nt" else "python3", short(start)], "posix")
        return f"\n{told}. Commit them.{venv} Then anyone runs:\n  {line}"
    first = os.path.join(folder, f"{lockfile.name}-{lockfile.variants[0]}.conda-lock.yml")
    line = shell_line(["envtool", "install", "--lock", first], "posix")
    return f"\n{told}. Commit them; then anyone runs:\n  {line}"


def _changed(folder: str, expected: dict[str, str]) -> dict[str, str]:
    """The files that are not there, or are not as they should be."""
    from envtool.lock.place import read_text

    return {name: text for name, text in expected.items() if read_text(os.path.join(folder, name)) != text}


def _write(folder: str, changed: dict[str, str], gone: tuple[str, ...]) -> None:
    from envtool.write import write_texts

    if changed:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise ToolError(
                f"cannot make {folder}: {error.strerror}", hint="name another folder with --output"
            ) from None
        write_texts({os.path.join(folder, name): text for name, text in changed.items()})
    for file in gone:
        os.unlink(os.path.join(folder, file))


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)
