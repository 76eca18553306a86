"""``envtool install --lock``: the conda environment that a lockfile says, without conda."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from envtool.cli.install_target import chosen_target, fits_this_machine, this_subdir
from envtool.cli.lock_place import short
from envtool.errors import EXIT_FAILED, EXIT_OK, ToolError, UsageError
from envtool.extras import line_for
from envtool.fact import Fact

if TYPE_CHECKING:
    from envtool.cli.install import Asked
    from envtool.install.conda import CondaWork
    from envtool.install.conda_pip import Wheel
    from envtool.install.conda_place import CondaPlace
    from envtool.install.failures import InstallError
    from envtool.lock.model import LockedTarget
    from envtool.report.install import Change
    from envtool.report.install_lock import LockedInstallation
    from envtool.smoke_report import SmokeReport

EXTRA = line_for("lock")


@dataclass(frozen=True, eq=False, repr=False)
class LockAsked(Fact):
    """The command line, as far as it goes with ``--lock``."""

    lock: str
    into: str | None
    variant: str | None
    platform: str | None
    mirrors: tuple[str, ...]
    dry_run: bool
    smoke: bool
    as_json: bool


@dataclass(frozen=True, eq=False, repr=False)
class _Job(Fact):
    """What is to be made, and where. ``before``: the versions that are there; ``extra``: what pip brought besides."""

    asked: LockAsked
    place: CondaPlace
    target: LockedTarget
    work: CondaWork
    wheels: tuple[Wheel, ...]
    before: dict[str, str]
    extra: dict[str, str]
    runs_here: bool
    notes: tuple[str, ...]
    started: float


def from_options(asked: Asked) -> int:
    """What ``envtool install`` does where ``--lock`` is given: the lockfile says all the rest."""
    if asked.lock is None:
        raise click.UsageError("--platform and --mirror go with --lock")
    given = {
        "a SPEC": asked.specs, "--python": asked.python, "--accelerator": asked.accelerator != "auto",
        "--include-unverified": asked.include_unverified, "--requirements": asked.requirements,
        "--find-links": asked.find_links, "--index-url": asked.index_url, "--spec": asked.spec,
        "--pytorch-index-url": asked.pytorch_index_url, "--download": asked.download, "--target": asked.target,
        "--installer": asked.installer, "--no-project": asked.no_project,
    }  # fmt: skip
    wrong = [name for name, value in given.items() if value]
    if wrong:
        raise click.UsageError(f"--lock says what is installed; {wrong[0]} can't be used with it")
    return install_lock(LockAsked(
        asked.lock, asked.into, asked.variant, asked.platform, asked.mirrors, asked.dry_run, asked.smoke, asked.as_json
    ))  # fmt: skip


def install_lock(asked: LockAsked) -> int:
    """Make the environment of a lockfile, or put it right; the exit code of the command."""
    started = time.monotonic()
    job = _job(asked, started)
    changes, gone = _changes(job)
    wrong = _what_is_wrong(job.place)
    if job.place.there and not changes and not gone and wrong is None:
        return _show(job, _installation(job, "nothing-to-do", (), ()))
    _announce(job, gone, wrong)
    if asked.dry_run:
        return _show(job, _installation(job, "dry-run", changes, gone))
    return _change(job, changes, gone)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ── what is asked ────────────────────────────────────────────────────────────────────────────────


def _job(asked: LockAsked, started: float) -> _Job:
    try:
        import rattler  # noqa: F401
    except ImportError as error:
        raise ToolError(f"`install --lock` needs py-rattler, which can't be used: {error}", hint=EXTRA) from None
    from envtool.install.conda_pip import Wheel, refuse_two_torches, uv_for
    from envtool.lock.network import refuse_secrets
    from envtool.lock.read_others import load_any

    where = short(asked.lock)
    lockfile = load_any(asked.lock, where)
    subdir = asked.platform or this_subdir()
    target, chosen = chosen_target(lockfile, subdir, asked.variant, where)
    refuse_secrets(target, where)
    wheels = tuple(Wheel(w.name, w.version, w.url, w.sha256) for w in target.wheels)
    refuse_two_torches({package.name for package in target.packages}, wheels)
    runs_here = subdir == this_subdir()
    if wheels and not runs_here:
        raise UsageError(
            f"{where} has packages from pip, which can't be laid down for {subdir} from here",
            hint=f"run this on {subdir}",
        )
    if wheels and not target.package("python"):
        raise UsageError(f"{where} has packages from pip, and no Python to put them to", hint="lock it anew")
    uv_for(wheels)
    notes = (*chosen, *(fits_this_machine(target) if runs_here else ()))
    place = _place(asked)
    before, extra = _there(place, subdir, wheels)
    return _Job(asked, place, target, _work(asked, target), wheels, before, extra,
                runs_here, notes, started)  # fmt: skip


def _place(asked: LockAsked) -> CondaPlace:
    """The environment, after what an interrupted run left of it was put right."""
    from envtool.install.conda_place import conda_path, find_conda_place
    from envtool.install.transaction import transaction, was_interrupted

    path = conda_path(asked.into, os.getcwd())
    if was_interrupted(path) and not asked.dry_run:
        with transaction(path, _tell):
            pass
    own = (sys.prefix, os.environ.get("VIRTUAL_ENV") or sys.prefix)
    return find_conda_place(asked.into, os.getcwd(), own)


def _there(place: CondaPlace, subdir: str, wheels: tuple[Wheel, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """The locked pip packages that are there, and those that nobody locked."""
    from packaging.utils import canonicalize_name

    from envtool.install.conda_state import from_pip, read_records

    if not place.there:
        return {}, {}
    found = from_pip(place.path, subdir, read_records(place.path))
    locked = {canonicalize_name(wheel.name) for wheel in wheels}
    return {n: v for n, v in found.items() if n in locked}, {n: v for n, v in found.items() if n not in locked}


def _work(asked: LockAsked, target: LockedTarget) -> CondaWork:
    from envtool.install.conda import CondaWork
    from envtool.install.conda_place import package_cache
    from envtool.lock.channels import read_mirrors
    from envtool.lock.records import record_of

    mirrors = read_mirrors(asked.mirrors)

    def mirrored(url: str) -> str:
        for channel, place in mirrors.items():
            if url.startswith(f"{channel}/"):
                return place + url[len(channel) :]
        return url

    records = [record_of(replace(package, url=mirrored(package.url))) for package in target.packages]
    addresses = {package.name: package.url for package in target.packages}
    return CondaWork(target.target.subdir, records, addresses, package_cache())


def _changes(job: _Job) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """What is not there as it is locked, and what is there and not locked."""
    from packaging.utils import canonicalize_name

    from envtool.install.conda_state import read_records
    from envtool.report.install import Change
    from envtool.spec import is_torch_of_pypi

    there = read_records(job.place.path) if job.place.there else {}
    changes = []
    for package in job.target.packages:
        old = there.get(package.name)
        if old is not None and (old.version, old.build) == (package.version, package.build):
            if (old.sha256 == package.sha256) if old.sha256 and package.sha256 else old.md5 == package.md5:
                continue
        before = f"{old.version} {old.build}" if old and old.version == package.version else old and old.version
        changes.append(Change(package.name, package.version, before or None, package.size, package.url))
    for wheel in job.wheels:
        version = job.before.get(canonicalize_name(wheel.name))
        if version != wheel.version:
            changes.append(Change(wheel.name, wheel.version, version, None, wheel.url))
    locked = {package.name for package in job.target.packages}
    # what would be imported in place of conda's
    hidden = [name for name in job.extra if is_torch_of_pypi(name) and not name.startswith("nvidia-")]
    return tuple(changes), (*(name for name in there if name not in locked), *hidden)


def _what_is_wrong(place: CondaPlace) -> str | None:
    """What keeps an environment that holds the right packages from being in order."""
    from envtool.install.conda_place import moved_from
    from envtool.install.conda_state import missing_file, read_records

    if not place.there:
        return None
    made = moved_from(place.path)
    if made is not None:
        return f"it was made in {short(made)} and moved, and its programs still point there"
    lost = missing_file(place.path, read_records(place.path).values())
    return f"{lost[0]}: a file is missing: {lost[1]}" if lost else None


def _announce(job: _Job, gone: tuple[str, ...], wrong: str | None) -> None:
    from envtool.cli.terminal import style

    place, target = job.place, job.target
    what = "an environment" if place.there else "a new environment"
    build = f" ({target.build})" if target.build not in {"", target.target.variant} else ""
    counted = f"{len(target.packages)} package{'s' if len(target.packages) != 1 else ''}"
    lines = [f"Into {place.shown}, {what} from {short(job.asked.lock)}:",
             f"  {target.target}{build}, {counted}"
             + (f" and {len(job.wheels)} from pip" if job.wheels else "")]  # fmt: skip
    if gone:
        lines.append(
            f"  it had {', '.join(gone[:4])}{f' and {len(gone) - 4} more' if len(gone) > 4 else ''}, and won't"
        )
    if wrong is not None:
        lines.append(f"  {wrong}")
    for line in (*lines, *(f"note: {note}" for note in job.notes)):
        _tell(style().safe(line))


# ── the work ─────────────────────────────────────────────────────────────────────────────────────


def _change(job: _Job, changes: tuple[Change, ...], gone: tuple[str, ...]) -> int:
    from envtool.install.conda_make import Making, make
    from envtool.install.failures import InstallError

    sizes = {package.name: package.size for package in job.target.packages}
    try:
        kept = make(Making(job.place, job.work, sizes, job.wheels), _tell)
    except InstallError as error:
        if job.asked.mirrors and error.name in ("no-file", "missing"):
            raise _not_in_the_mirror(error, job.asked.mirrors) from None
        raise
    done = _installation(job, "installed", changes, gone)
    notes = [*done.notes]
    if job.extra:
        listed = ", ".join(f"{name} {version}" for name, version in sorted(job.extra.items())[:4])
        more = f" and {len(job.extra) - 4} more" if len(job.extra) > 4 else ""
        notes.append(f"not in the lockfile, and gone: {listed}{more}; add them to envtool.toml and lock again")
    if kept:
        notes.append(f"kept as they were: {', '.join(kept[:4])}")
    done = replace(done, notes=tuple(notes))
    if not job.asked.smoke or not job.runs_here or job.target.package("pytorch") is None:
        return _show(job, done)
    return _tested(job, done)


def _not_in_the_mirror(error: InstallError, mirrors: tuple[str, ...]) -> InstallError:
    """A package that its channel may have, and the mirror has not."""
    from envtool.install.conda_failures import without_tokens

    words = error.message.split()
    package = next((word for word in words if word.endswith((".conda", ".bz2"))), "a package")
    place = without_tokens(" or ".join(mirror.partition("=")[2] for mirror in mirrors))
    hint = "leave `--mirror` out, or bring the mirror up to date"
    return error.told(message=f"the mirror {place} lacks {package}", hint=hint)


def _tested(job: _Job, done: LockedInstallation) -> int:
    from envtool.cli.install import _smoke_line
    from envtool.install.conda_place import conda_python
    from envtool.report.smoke import smoke_to_json
    from envtool.smoke import run

    _tell("Testing ...")
    report: SmokeReport = run(conda_python(job.place.path, job.work.subdir), quick=True)
    failed = report.status.value == "fail"
    code = _show(job, replace(done, smoke=smoke_to_json(report), smoke_line=_smoke_line(report)), failed=failed)
    if failed and not job.asked.as_json:
        from envtool.cli.smoke import show

        sys.stdout.write("\n")
        show(report, as_json=False, everything=False)
    return EXIT_FAILED if failed else code


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


def _installation(job: _Job, result: str, changes: tuple[Change, ...], gone: tuple[str, ...]) -> LockedInstallation:
    from envtool.report.install_lock import LockedInstallation

    notes = job.notes
    if result == "nothing-to-do" and job.extra:
        notes += (f"not in the lockfile: {', '.join(sorted(job.extra)[:4])}",)
    target = job.target
    return LockedInstallation(
        result=result, path=job.place.path, shown=job.place.shown, created=not job.place.there,
        lockfile=short(job.asked.lock), variant=target.target.variant, build=target.build, subdir=target.target.subdir,
        held={package.name: package.version for package in target.packages}, wheels=len(job.wheels), changes=changes,
        gone=gone, notes=notes, activate=_activation(job) if result != "dry-run" else None,
    )  # fmt: skip


def _activation(job: _Job) -> str | None:
    from envtool.cli.install_parts import activation

    active = os.environ.get("CONDA_PREFIX", "") == job.place.path
    if not job.runs_here or os.path.basename(os.environ.get("SHELL", "")) in {"csh", "tcsh"}:
        return None
    return activation(job.place.shown, active)


def _show(job: _Job, done: LockedInstallation, *, failed: bool = False) -> int:
    from envtool.cli.terminal import style
    from envtool.report.install_lock import render, to_json

    done = replace(done, seconds=time.monotonic() - job.started, activate=None if failed else done.activate)
    if job.asked.as_json:
        from envtool.report.json import dumps

        sys.stdout.write(dumps(to_json(done)))
    else:
        sys.stdout.write(render(done, style()))
    return EXIT_OK
