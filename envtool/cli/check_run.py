"""The round of `envtool check`: read everything, judge it in the order of mending, run the smoke tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from envtool.cli.check import WHAT_TO_WRITE, Asked
from envtool.cli.check_lock import Here, files_in, found, named
from envtool.cli.check_pins import LOCKFILES
from envtool.cli.lock_place import short
from envtool.drift import CONDA, PIP, Drift, Locked, Term, Unusable
from envtool.environment import BrokenEnvironment, Environment
from envtool.errors import EnvtoolError, UsageError
from envtool.machine import NOT_ASKED, Found, Machine, Reading, Unknown
from envtool.report.check import CheckReport
from envtool.verdicts import Verdict, skipped

if TYPE_CHECKING:
    from envtool.checks import Check
    from envtool.diagnosis import Diagnosis

FILES = ("lock-edited", "lock-stale", "device-lines", "catalog-ends")  # that need no environment

LATE = ("locked-extra", "device-lines", "catalog-ends")  # that are the cause of no other failure


def checked(asked: Asked) -> CheckReport:
    """The whole check of one environment."""
    folders = _folders(asked)
    from envtool.cli.patience import a_word_of_patience
    from envtool.examination import ask
    from envtool.probe.host import LiveHost

    with a_word_of_patience(asked.do_import):
        machine, env, imports = ask(LiveHost(), python=asked.python, do_import=asked.do_import, timeout=asked.timeout)
    drift = _drift(asked, machine, env, folders)
    from envtool.catalog import load
    from envtool.checks import ALL, Evidence, of_course, of_lock
    from envtool.checks.interpreter import CHECKS as FIRST
    from envtool.diagnosis import Diagnosis
    from envtool.examination import MenderWhenNeeded

    catalog = load()
    course = asked.spec.course if asked.spec else None
    mender = MenderWhenNeeded(machine, env, catalog, course)
    evidence = Evidence(machine, env, imports, catalog, mender, course, drift)
    rest = [check for check in ALL if check not in FIRST]
    early = [check for check in of_lock() if check.code not in LATE]
    late = [check for check in of_lock() if check.code in LATE]
    checks = (*FIRST, *early, *rest, *(of_course() if course else ()), *late)
    diagnosis = Diagnosis(machine, env, imports, _run(checks, evidence, asked.ignored), course)
    return CheckReport(_smoked(diagnosis, asked), drift, short(asked.spec.path) if asked.spec else None, asked.fail_on)


def checked_files(asked: Asked) -> CheckReport:
    """Spec and lockfiles alone, as before a commit."""
    folders = _folders(asked)
    from envtool.catalog import load
    from envtool.checks import Evidence, of_lock
    from envtool.diagnosis import Diagnosis
    from envtool.examination import MenderWhenNeeded
    from envtool.probe.host import LiveHost
    from envtool.probe.system import architecture, operating_system

    catalog = load()
    if asked.spec is not None:
        from envtool.cli.spec_option import read

        read(asked.spec.path, catalog)  # what can exist on no machine is refused
    host = LiveHost()
    system = operating_system(host)
    machine = Machine(system, architecture(system, str(host.facts().get("machine") or "")))
    env = BrokenEnvironment("", "--files-only", "not-asked", "no environment is looked at")
    drift = _drift(asked, machine, env, folders)
    course = asked.spec.course if asked.spec else None
    mender = MenderWhenNeeded(machine, env, catalog, course)
    evidence = Evidence(machine, env, NOT_ASKED, catalog, mender, course, drift)
    checks = [check for check in of_lock() if check.code in FILES]
    verdicts = _run(checks, evidence, asked.ignored)
    diagnosis = Diagnosis(machine, env, NOT_ASKED, verdicts, course)
    return CheckReport(diagnosis, drift, short(asked.spec.path) if asked.spec else None, asked.fail_on, files_only=True)


def _run(checks: Iterable[Check], evidence: object, ignored: frozenset[str]) -> tuple[Verdict, ...]:
    """Every verdict; a check that is left out blocks none of those that build on it."""
    from envtool.checks import Evidence, run

    assert isinstance(evidence, Evidence)
    checks = tuple(checks)
    found = {v.code: v for v in run([check for check in checks if check.code not in ignored], evidence)}
    out = {c.code: replace(skipped("left out by --ignore"), code=c.code, title=c.title) for c in checks}
    return tuple(found.get(check.code, out[check.code]) for check in checks)


def _smoked(diagnosis: Diagnosis, asked: Asked) -> Diagnosis:
    if not asked.smoke:
        return diagnosis
    from envtool.cli.smoke import Progress
    from envtool.examination import with_smoke_tests

    progress = Progress()
    try:
        tested = with_smoke_tests(diagnosis, progress.listener)
    finally:
        progress.clear()
    if not isinstance(tested.smoke, Found):
        return tested
    report = tested.smoke.value
    kept = tuple(one for one in report.outcomes if one.verdict.code not in asked.ignored)
    return replace(tested, smoke=Found(replace(report, outcomes=kept)))


# ── what is there ────────────────────────────────────────────────────────────────────────────────


def _folders(asked: Asked) -> list[str]:
    """Where lockfiles may lie; UsageError where there is neither a spec nor a lockfile."""
    base = os.path.dirname(os.path.abspath(asked.spec.path)) if asked.spec else os.getcwd()
    folders = [os.path.join(base, LOCKFILES), base]
    if asked.spec is None and asked.lock is None and not asked.no_spec:
        if not any(True for folder in folders for _ in files_in(folder)):
            raise UsageError("there is neither an envtool.toml nor a lockfile here", hint=WHAT_TO_WRITE)
    if asked.lock is not None and not os.path.exists(asked.lock):
        raise UsageError(f"there is no lockfile {asked.lock}", hint="`envtool lock` writes them")
    return folders


def _drift(asked: Asked, machine: Machine, env: Environment | BrokenEnvironment, folders: list[str]) -> Drift:
    from envtool.cli.check_fresh import freshness
    from envtool.data import read_table

    ends = tuple(sorted(read_table("pythons.toml")["ends"].items()))
    drift = Drift(strict=asked.strict, term=Term(*asked.until, ends), most_devices=asked.max_devices)
    if asked.max_devices is not None:
        drift = replace(drift, devices=_devices(folders[1]))
    usable = None
    if isinstance(env, Environment):
        drift, usable = _held(asked, machine, env, folders, drift)
    if isinstance(usable, Unusable):
        drift = replace(drift, unusable=usable)
        if asked.spec is None or asked.lock is not None:
            return drift
        usable = None  # it is not for this environment, and still it should be what the spec says
    _tell(usable)
    file = usable.path if usable else asked.lock
    with_some = [folder for folder in folders if any(True for _ in files_in(folder))]
    folder = os.path.dirname(os.path.abspath(file)) if file else (with_some or folders)[0]
    if usable is None and not os.path.isdir(folder):
        return drift
    fresh = freshness(asked.spec, usable, folder)
    return replace(
        drift, locked=usable, stale=fresh.stale, edited=fresh.edited, edited_source=fresh.source, pythons=fresh.pythons
    )


def _tell(locked: Locked | None) -> None:
    if locked is not None:
        print(f"using {locked.words}", file=sys.stderr)


def _held(
    asked: Asked, machine: Machine, env: Environment, folders: list[str], drift: Drift
) -> tuple[Drift, Locked | Unusable | None]:
    """The records, and of all lockfiles the one that fits them."""
    from envtool.cli.check_held import held_by_conda, held_by_pip, is_conda, lost_files, records_of

    records = records_of(env)
    drift = replace(drift, conda=held_by_conda(records), pip=held_by_pip(env, records), own=_own(env))
    here = Here(CONDA if is_conda(env) else PIP, _subdir(machine), env.version, _markers(machine, env))
    if asked.lock is not None:
        usable: Locked | Unusable | None = named(asked.lock, here, asked.variant, drift)
    else:
        usable = found(folders, here, asked.variant, drift)
    if isinstance(usable, Locked):
        drift = replace(drift, lost=tuple(lost_files(env, drift, usable, records)))
    return drift, usable


def _markers(machine: Machine, env: Environment) -> dict[str, str]:
    from envtool.checks.packages import markers_of

    return markers_of(machine, env)


def _subdir(machine: Machine) -> str:
    from envtool.target import SUBDIRS

    arch = {"amd64": "x86_64"}.get(machine.arch.lower(), machine.arch.lower())
    return next((subdir for subdir, what in SUBDIRS.items() if what == (machine.os, arch)), f"{machine.os}-{arch}")


def _own(env: Environment) -> frozenset[str]:
    """envtool, and what it asks for, where it runs in the environment that it looks at: no part of the course."""
    if os.path.realpath(env.prefix) != os.path.realpath(sys.prefix):
        return frozenset()
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    from envtool.drift.compare import normalised

    try:
        lines = requires("envtool") or []
    except PackageNotFoundError:
        return frozenset({"envtool"})
    return frozenset({"envtool", *(normalised(Requirement(line).name) for line in lines)})


def _devices(folder: str) -> Reading[tuple[str, ...]]:
    from envtool.device import find
    from envtool.device.change import where

    try:
        places = find(short(folder))
    except EnvtoolError as error:
        return Unknown(error.message)
    lines = tuple(f"{where(place).removeprefix('./')}: {place.text}" for place in places.places)
    if places.skipped and not lines:
        return Unknown(f"{places.skipped[0].file} can't be read: {places.skipped[0].reason}")
    return Found(lines)
