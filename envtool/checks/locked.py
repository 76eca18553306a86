"""Is every locked package there, in the locked version, build and file, from whom it was locked, and whole?"""

from __future__ import annotations

from collections.abc import Sequence

from envtool.checks.check import LOCK, Check, Evidence
from envtool.checks.lockfile import NO_LOCK, STARTED, USABLE, listed
from envtool.checks.mend_lock import build_again, in_place_of_conda, packages, whole
from envtool.drift import CONDA, PIP, Drift, Locked
from envtool.drift.compare import (
    BUILD,
    HASH,
    MISSING,
    NEWER,
    OLDER,
    REPLACED,
    TORCHES,
    Difference,
    differences,
    extra,
    on_record,
)
from envtool.drift.variant import held_variant, locked_variant
from envtool.spec import FAMILY
from envtool.verdicts import Json, Verdict, failed, passed, skipped, unknown

_NO_PYTHON = "Python does not start"


def _both(evidence: Evidence) -> tuple[Drift, Locked] | Verdict:
    """The two sides; a verdict where there are no two."""
    if evidence.drift is None or evidence.drift.locked is None:
        return skipped(NO_LOCK)
    return (evidence.drift, evidence.drift.locked) if evidence.env is not None else skipped(_NO_PYTHON)


def _of_kind(evidence: Evidence, drift: Drift, locked: Locked, kind: str) -> tuple[Difference, ...]:
    """Without what another build of PyTorch explains."""
    found = [one for one in differences(drift, locked) if one.kind == kind]
    if kind == BUILD and _variants(evidence, drift, locked)[2]:
        found = [one for one in found if one.pin.name not in TORCHES]
    return tuple(found)


def _fail(evidence: Evidence, locked: Locked, wrong: Sequence[Difference], *, force: bool = False) -> Verdict:
    words = tuple(one.words for one in wrong)
    return failed(
        f"{listed(words)}.",
        hint=packages(evidence, locked, [one.pin for one in wrong], force=force),
        command=True,
        evidence={"packages": [one.pin.name for one in wrong], "wrong": list(words), "lockfile": locked.shown},
    )


# ── the build of PyTorch ─────────────────────────────────────────────────────────────────────────


def _variants(evidence: Evidence, drift: Drift, locked: Locked) -> tuple[str | None, str | None, bool]:
    """Locked, installed, and whether they are known to differ."""
    wanted = locked_variant(locked, evidence.catalog, evidence.platform)
    found = held_variant(drift, evidence.torch)
    record = drift.conda_by_name.get("pytorch")
    if wanted is None and locked.torch and record and record.build == locked.torch.build:
        return record.build, record.build, False  # a build whose text tells nothing, and the very one
    return wanted, found, wanted is not None and found is not None and wanted != found


def build_is_the_locked_one(evidence: Evidence) -> Verdict:
    """A CPU build in place of a CUDA one has the same version, and no error tells."""
    both = _both(evidence)
    if isinstance(both, Verdict):
        return both
    drift, locked = both
    wanted, found, differ = _variants(evidence, drift, locked)
    if locked.torch is None or (found is None and evidence.torch is None):
        return skipped("PyTorch is not locked" if locked.torch is None else "PyTorch is not installed")
    if wanted is None or found is None:
        what = f"which build {locked.shown} locks" if wanted is None else "which build of torch is installed"
        return unknown(f"{what} could not be told")
    if not differ:
        return passed(f"the build for {found}")
    family = [pin for pin in locked.pins if pin.name in FAMILY and pin.manager == PIP]
    gone = [one.pin for one in differences(drift, locked) if one.kind == MISSING]
    return failed(
        f"The installed torch is the build for {found}; the lockfile has the one for {wanted}.",
        hint=build_again(evidence, locked, family, [pin for pin in gone if pin not in family]),
        command=True,
        evidence={"locked": wanted, "found": found, "lockfile": locked.shown},
    )


# ── the packages ─────────────────────────────────────────────────────────────────────────────────


def _none_of(evidence: Evidence, kind: str, good: str, *, force: bool = False) -> Verdict:
    both = _both(evidence)
    if isinstance(both, Verdict):
        return both
    drift, locked = both
    wrong = _of_kind(evidence, drift, locked, kind)
    if wrong:
        return _fail(evidence, locked, wrong, force=force)
    return passed(good.format(count=len(locked.pins)))


def whose_it_was_locked(evidence: Evidence) -> Verdict:
    """pip over conda's package, or the reverse: two installers, each with a record of its own."""
    both = _both(evidence)
    if isinstance(both, Verdict):
        return both
    drift, locked = both
    wrong = _of_kind(evidence, drift, locked, REPLACED)
    if not wrong:
        return passed("every package is from where it was locked")
    if locked.manager == CONDA:
        return _fail(evidence, locked, wrong)
    names = {one.pin.name for one in wrong}
    records = [held.name for held in drift.conda if names & set(held.brings)] or sorted(names)
    words = tuple(one.words for one in wrong)
    told: dict[str, Json] = {"packages": [*sorted(names)], "wrong": list(words), "lockfile": locked.shown}
    hint = in_place_of_conda(evidence, locked, [one.pin for one in wrong], records)
    return failed(f"{listed(words)}.", hint=hint, command=True, evidence=told)


def nothing_is_newer(evidence: Evidence) -> Verdict:
    """Somebody upgraded it."""
    return _none_of(evidence, NEWER, "none of {count} is newer")


def nothing_is_older(evidence: Evidence) -> Verdict:
    """Another package, or a hand, brought it down."""
    return _none_of(evidence, OLDER, "none of {count} is older")


def builds_are_the_locked_ones(evidence: Evidence) -> Verdict:
    """The same version, built anew or otherwise."""
    return _none_of(evidence, BUILD, "the builds are the locked ones", force=True)


def files_have_the_locked_hash(evidence: Evidence) -> Verdict:
    """conda keeps each file's hash; pip keeps one only of what was installed by its address."""
    both = _both(evidence)
    if isinstance(both, Verdict):
        return both
    drift, locked = both
    found = differences(drift, locked)
    wrong = [one for one in found if one.kind == HASH]
    if wrong:
        return _fail(evidence, locked, wrong, force=True)
    count = on_record(found)
    return passed(f"{count} of {len(found)} have a hash on record, and it is the locked one") if count else skipped(
        "no installed package has a hash on record: pip keeps none of what comes from an index"
    )  # fmt: skip


def nothing_is_missing(evidence: Evidence) -> Verdict:
    """What was removed, or never installed."""
    both = _both(evidence)
    if isinstance(both, Verdict):
        return both
    drift, locked = both
    wrong = _of_kind(evidence, drift, locked, MISSING)
    if not wrong:
        return passed(f"all {len(locked.pins)} are there")
    names = tuple(f"{one.pin.name} {one.pin.version}" for one in wrong)
    return failed(
        f"Locked, and not installed: {listed(names).replace('; ', ', ')}.",
        hint=packages(evidence, locked, [one.pin for one in wrong]),
        command=True,
        evidence={"packages": [one.pin.name for one in wrong], "lockfile": locked.shown},
    )


def files_are_there(evidence: Evidence) -> Verdict:
    """By the list of files that each installer leaves."""
    both = _both(evidence)
    if isinstance(both, Verdict):
        return both
    drift, locked = both
    if not drift.lost:
        return passed("the files of the locked packages are there")
    names = [name for name, _ in drift.lost]
    pins = [pin for pin in locked.pins if pin.name in names]
    told = tuple(f"{name}: {file} is missing or cut short" for name, file in drift.lost)
    return failed(
        f"Files of locked packages are not as they were installed: {listed(told)}.",
        hint=packages(evidence, locked, pins, force=True),
        command=True,
        evidence={"packages": [*names], "lockfile": locked.shown},
    )


def nothing_is_extra(evidence: Evidence) -> Verdict:
    """A fault only where it was asked for: --strict."""
    both = _both(evidence)
    if isinstance(both, Verdict):
        return both
    drift, locked = both
    found = extra(drift, locked)
    if not found:
        return passed("nothing else is installed")
    names = tuple(f"{held.name} {held.version}" for held in found)
    words = f"Installed, and not locked: {listed(names).replace('; ', ', ')}."
    if not drift.strict:
        return passed(f"{words} They count with --strict.")
    if locked.manager == CONDA:
        hint = whole(evidence, locked)
    else:
        hint = evidence.mender.uninstall(*(held.name for held in found))
    told: dict[str, Json] = {"packages": [held.name for held in found], "lockfile": locked.shown}
    return failed(words, hint=hint, command=True, evidence=told)


_READY = (*STARTED, *USABLE, "locked-python")

CHECKS = (
    Check("locked-variant", "PyTorch is the locked build", LOCK, build_is_the_locked_one, needs=_READY),
    Check("locked-replaced", "Every package is from where it was locked", LOCK, whose_it_was_locked, needs=_READY),
    Check("locked-newer", "No package is newer than locked", LOCK, nothing_is_newer, needs=_READY),
    Check("locked-older", "No package is older than locked", LOCK, nothing_is_older, needs=_READY),
    Check("locked-build", "Every package is the locked build", LOCK, builds_are_the_locked_ones, needs=_READY),
    Check("locked-hash", "Every package is the locked file", LOCK, files_have_the_locked_hash, needs=_READY),
    Check("locked-missing", "Every locked package is installed", LOCK, nothing_is_missing,
        needs=(*_READY, "locked-variant")),
    Check("locked-files", "The locked packages' files are whole", LOCK, files_are_there, needs=_READY),
    Check("locked-extra", "Nothing is installed that is not locked", LOCK, nothing_is_extra,
        needs=(*_READY, "locked-variant", "locked-replaced")),
)  # fmt: skip
