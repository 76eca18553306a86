"""Is the lockfile one for this environment, is it what the spec says, and is it as it was written?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from envtool.checks.check import LOCK, Check, Evidence
from envtool.checks.mend_lock import another_python
from envtool.checks.packages import marker_values
from envtool.course import Course
from envtool.course.belongings import plain_name
from envtool.drift import CONDA, Drift, Locked, Pin
from envtool.drift.compare import normalised
from envtool.machine import NOT_ASKED, Absent, Found, Reading, Unknown
from envtool.spec import allows
from envtool.verdicts import Verdict, failed, passed, skipped, unknown
from envtool.versions import public

if TYPE_CHECKING:
    from packaging.requirements import Requirement

NO_LOCK = "there is no lockfile"
SHOWN = 5  # changes or packages in a message; the evidence has them all


def lockfile_is_of_this_tool(evidence: Evidence) -> Verdict:
    """conda's lockfile says nothing of a venv, and pip's nothing of conda's packages."""
    return _usable(evidence, "kind", "conda")


def lockfile_is_for_this_platform(evidence: Evidence) -> Verdict:
    """It may have been locked for other platforms only."""
    return _usable(evidence, "target", "platform")


def _usable(evidence: Evidence, kind: str, word: str) -> Verdict:
    drift = evidence.drift
    if drift is None or (drift.locked is None and drift.unusable is None):
        return skipped(NO_LOCK)
    problem = drift.unusable
    if problem is None or problem.kind != kind:
        return passed(drift.locked.words) if drift.locked else skipped("another check explains it")
    if problem.named:
        return failed(problem.message, hint=problem.hint, command=problem.command)
    return unknown(problem.message, hint=problem.hint)


# ── freshness ────────────────────────────────────────────────────────────────────────────────────


def lockfile_is_fresh(evidence: Evidence) -> Verdict:
    """By the request that envtool writes into its lockfiles; any other one by what is in it."""
    drift, course = evidence.drift, evidence.course
    if drift is None or (drift.locked is None and _untold(drift.stale)):
        return skipped(NO_LOCK)
    if course is None:
        return skipped("there is no envtool.toml that it could be held against")
    changes = drift.changes or tuple(unmet(evidence, course, drift.locked) if drift.locked else ())
    if changes:
        return failed(
            f"The lockfile is not what the spec says: {listed(changes)}.",
            hint="envtool lock" if _ours(drift) else "lock again with the tool that made it",
            command=_ours(drift),
            evidence={"changes": list(changes)},
        )
    match drift.stale:
        case Found(_):
            return passed("it was locked from what the spec says now")
        case Absent(_):
            return passed("it holds what the spec asks for")
        case Unknown(reason):
            return unknown(f"whether the lockfile is what the spec says could not be told: {reason}")


def _untold(reading: Reading[tuple[str, ...]]) -> bool:
    """Was nothing asked, or is there nothing that could tell?"""
    return isinstance(reading, Absent) or reading == NOT_ASKED


def _ours(drift: Drift) -> bool:
    return isinstance(drift.stale, Found) or drift.locked is None


def unmet(evidence: Evidence, course: Course, locked: Locked) -> Iterator[str]:
    """What the spec asks for and the pins are not; true of lockfiles that any tool made."""
    python = locked.pin("python")
    if python is not None and not course.allows_python(python.version):
        yield f"Python {python.version} is locked, the spec asks for {course.python}"
    for name, asked in _asked(evidence, course, locked):
        pin = locked.pin(name)
        if pin is None:
            yield f"{name} is not locked"
        elif not _allows(str(asked.specifier), pin.version):
            yield f"{name} {pin.version} is locked, the spec asks for {asked.specifier}"
    if locked.manager == CONDA:
        yield from (f"{plain_name(text)} is not locked" for text in course.conda_packages if not _there(locked, text))


def _allows(specifier: str, version: str) -> bool:
    from packaging.version import InvalidVersion

    try:
        return allows(specifier, public(version))
    except InvalidVersion:  # one of conda's own kind, of which nothing can be said
        return True


def _there(locked: Locked, text: str) -> bool:
    name = plain_name(text)
    return any(normalised(pin.name) == name.lstrip("_") or pin.name == name for pin in locked.pins)


def _asked(evidence: Evidence, course: Course, locked: Locked) -> Iterator[tuple[str, Requirement]]:
    """Every requirement that counts here, by the name that the lockfile has for it."""
    from packaging.requirements import Requirement

    conda = locked.manager == CONDA
    texts = [*course.torch, *(course.packages if conda else ()), *(() if conda else course.requirements())]
    for text in [*texts, *(course.pip_packages if conda else ())]:
        asked = Requirement(text)
        if asked.marker is not None and (evidence.env is None or not asked.marker.evaluate(marker_values(evidence))):
            continue
        name = normalised(asked.name)
        from_conda = conda and text not in course.pip_packages
        yield ("pytorch" if name == "torch" else asked.name.lower()) if from_conda else name, asked


def lockfile_is_as_written(evidence: Evidence) -> Verdict:
    """envtool's lockfiles can be made again from pixi.lock; of any other, each address must be of that version."""
    drift = evidence.drift
    if drift is None or (drift.locked is None and _untold(drift.edited)):
        return skipped(NO_LOCK)
    odd = tuple(contradictions(drift.locked)) if drift.locked else ()
    changes = (drift.edited.value if isinstance(drift.edited, Found) else ()) + odd
    if changes:
        source = drift.edited_source
        again = isinstance(drift.edited, Found) and not odd and source is None
        back = source or (drift.locked.shown if drift.locked else "the lockfile")
        return failed(
            f"The lockfile was changed by hand: {listed(changes)}.",
            hint="envtool lock" if again else f"bring back {back} as it was committed before",
            command=again,
            evidence={"changes": list(changes)},
        )
    match drift.edited:
        case Found(_):
            return passed("every file is as `envtool lock` wrote it")
        case Absent(_):
            return passed("every address is of the version that stands beside it")
        case Unknown(reason):
            return unknown(f"whether the lockfile was changed by hand could not be told: {reason}")


def contradictions(locked: Locked) -> Iterator[str]:
    """Pins whose version is not the one of the file that they name."""
    for pin in locked.pins:
        file = pin.url.partition("#")[0].rstrip("/").rpartition("/")[2].replace("%2B", "+").replace("%2b", "+")
        if file and not _is_of(pin, file):
            yield f"{pin.name} {pin.version} has the address of {file}"


def _is_of(pin: Pin, file: str) -> bool:
    if pin.manager == CONDA:
        stem = file.removesuffix(".conda").removesuffix(".tar.bz2")
        return stem in {file, f"{pin.name}-{pin.version}-{pin.build}"}
    if not file.endswith(".whl"):
        return True  # an sdist's name is no rule
    parts = file.split("-")
    return len(parts) < 3 or _same_version(parts[1], pin.version)


def _same_version(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return public(str(Version(one))) == public(str(Version(other)))
    except InvalidVersion:
        return one == other


# ── Python ───────────────────────────────────────────────────────────────────────────────────────


def python_is_as_locked(evidence: Evidence) -> Verdict:
    """conda locks one Python; for pip a lockfile names the range that it was made for."""
    drift, env = evidence.drift, evidence.env
    locked = drift.locked if drift else None
    if locked is None:
        return skipped(NO_LOCK)
    if env is None:
        return skipped("Python does not start")
    if not locked.python:
        return skipped("the lockfile names no Python")
    if allows(locked.python, env.version):
        return passed(f"Python {env.version}; locked for {locked.python.removeprefix('==')}")
    wanted = _minor(locked.python)
    message = f"This environment has Python {env.version}; the lockfile is for {locked.python.removeprefix('==')}."
    evidence_of = {"locked": locked.python, "found": env.version}
    if wanted is None:
        return failed(message, hint="make an environment with such a Python", evidence={**evidence_of})
    line = another_python(evidence, locked, wanted)
    return failed(message, hint=line, command=True, evidence={**evidence_of})


def _minor(specifier: str) -> str | None:
    """The oldest Python of a range, "3.12" of ">=3.12,<3.14"."""
    import re

    found = re.search(r"(?:==|>=|~=)\s*(\d+\.\d+)", specifier)
    return found[1] if found else None


def listed(texts: tuple[str, ...]) -> str:
    """The first few, and how many more."""
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(texts[:SHOWN]) + more


STARTED = ("venv-broken", "python-does-not-start", "venv-not-active")
USABLE = ("lock-kind", "lock-target")

CHECKS = (
    Check("lock-kind", "The lockfile is of this kind of environment", LOCK, lockfile_is_of_this_tool),
    Check("lock-target", "The lockfile is for this platform", LOCK, lockfile_is_for_this_platform),
    Check("lock-edited", "The lockfile is as it was written", LOCK, lockfile_is_as_written),
    Check("lock-stale", "The lockfile is what the spec says", LOCK, lockfile_is_fresh, needs=("lock-edited",)),
    Check("locked-python", "Python is the locked one", LOCK, python_is_as_locked, needs=(*STARTED, *USABLE)),
)  # fmt: skip
