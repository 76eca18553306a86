"""Pin by pin: what is installed otherwise than it is locked. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from envtool.drift import CONDA, PIP, Drift, Held, Locked, Pin
from envtool.fact import Fact, dataclass
from envtool.spec import FAMILY
from envtool.versions import public

SAME, NEWER, OLDER, MISSING, REPLACED, BUILD, HASH = (
    "same", "newer", "older", "missing", "replaced", "build", "hash",
)  # fmt: skip
TORCHES = (*FAMILY, "pytorch", "pytorch-cpu", "pytorch-gpu", "libtorch")  # whose build is a matter of the variant
BASICS = frozenset({"pip", "setuptools", "wheel"})  # what every environment may have beside


@dataclass(frozen=True, eq=False, repr=False)
class Difference(Fact):
    """How one pin fares. ``held``: what is there in its place, None where nothing is."""

    kind: str
    pin: Pin
    held: Held | None = None

    @property
    def words(self) -> str:
        """ "numpy is 2.3.0 (locked: 2.1.0)"."""
        pin, held = self.pin, self.held
        if held is None:
            return f"{pin.name} {pin.version} is missing"
        match self.kind:
            case "build":
                found, wanted = held.build or held.version, pin.build or pin.version
                return f"{pin.name} {pin.version} is the build {found} (locked: {wanted})"
            case "hash":
                return f"{pin.name} {pin.version} is another file than the locked one"
            case "replaced":
                return f"{pin.name} is {held.manager}'s {held.version} (locked: {pin.manager}'s {pin.version})"
            case _:
                return f"{pin.name} is {held.version} (locked: {pin.version})"


def differences(drift: Drift, locked: Locked) -> tuple[Difference, ...]:
    """One for every pin, those that are as locked included."""
    return tuple(_conda(drift, pin) if pin.manager == CONDA else _pip(drift, pin) for pin in locked.pins)


def _conda(drift: Drift, pin: Pin) -> Difference:
    record = drift.conda_by_name.get(pin.name)
    names = record.brings if record else ("torch" if pin.name == "pytorch" else normalised(pin.name),)
    over = next((one for name in names if (one := drift.pip_by_name.get(name)) and one.manager == PIP), None)
    if over is not None:
        return Difference(REPLACED, pin, over)
    return Difference(MISSING, pin) if record is None else _compared(pin, record)


def _pip(drift: Drift, pin: Pin) -> Difference:
    held = drift.pip_by_name.get(pin.name)
    if held is None:
        return Difference(MISSING, pin)
    return Difference(REPLACED, pin, held) if held.manager == CONDA else _compared(pin, held)


def _compared(pin: Pin, held: Held) -> Difference:
    order = compare(public(held.version), public(pin.version))
    if order:
        return Difference(NEWER if order > 0 else OLDER, pin, held)
    if _another_build(pin, held):
        return Difference(BUILD, pin, held)
    return Difference(HASH if _another_file(pin, held) else SAME, pin, held)


def _another_build(pin: Pin, held: Held) -> bool:
    """By conda's build text, or the local part of pip's version; the variant of torch is a question of its own."""
    if pin.manager == CONDA:
        return bool(pin.build and held.build and pin.build != held.build)
    return pin.name not in TORCHES and not pin.url and held.version.partition("+")[2] != pin.version.partition("+")[2]


def _another_file(pin: Pin, held: Held) -> bool:
    """Where both tell a hash of one kind, and none of the held ones is among the locked."""
    for kind in ("sha256:", "md5:"):
        wanted = {text for text in pin.hashes if text.startswith(kind)}
        found = {text for text in held.hashes if text.startswith(kind)}
        if wanted and found:
            return not wanted & found
    return False


def on_record(differences: tuple[Difference, ...]) -> int:
    """How many of the installed packages have a hash on record that could be held against the locked one."""
    kinds = ("sha256:", "md5:")
    return sum(
        any(any(t.startswith(k) for t in d.pin.hashes) and any(t.startswith(k) for t in d.held.hashes) for k in kinds)
        for d in differences if d.held is not None
    )  # fmt: skip


def extra(drift: Drift, locked: Locked) -> tuple[Held, ...]:
    """What is installed and not locked; what is installed from a folder as it stands belongs there."""
    names = {pin.name for pin in locked.pins if pin.manager == PIP}
    conda = {pin.name for pin in locked.pins if pin.manager == CONDA}
    brought = {name for held in drift.conda for name in held.brings}
    return tuple(_extra(drift, names, conda, brought))


def _extra(drift: Drift, names: set[str], conda: set[str], brought: set[str]) -> Iterator[Held]:
    if conda:  # of a lockfile for pip, what conda brings is no business
        yield from (held for held in drift.conda if held.name not in conda)
    for held in drift.pip_by_name.values():
        known = held.name in names or held.name in brought or held.name in BASICS or held.name in drift.own
        if not known and not held.editable and held.manager == PIP:
            yield held


def matched(drift: Drift, locked: Locked) -> int:
    """How well a lockfile describes the environment: pins that are there as locked, less those that are not there."""
    kinds = [difference.kind for difference in differences(drift, locked)]
    return 2 * kinds.count(SAME) - kinds.count(MISSING) - len(extra(drift, locked))


# ── versions of both worlds ──────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=4096)
def compare(one: str, other: str) -> int:
    """-1, 0 or 1, as PEP 440 has it; by numbers and letters where conda's version is none."""
    if one == other:
        return 0
    from packaging.version import InvalidVersion, Version

    try:
        first, second = Version(one), Version(other)
    except InvalidVersion:
        left, right = _parts(one), _parts(other)
        return (left > right) - (left < right)
    return (first > second) - (first < second)


def _parts(version: str) -> list[tuple[int, int, str]]:
    found = re.findall(r"\d+|[A-Za-z]+", version)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in found]


def normalised(name: str) -> str:
    """A name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
