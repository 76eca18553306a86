"""One build against one demand: every reason that speaks against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from envtool.catalog import Catalog
from envtool.catalog.builds import Build, CompanionWheel, Wheel
from envtool.catalog.kernels import runs_on
from envtool.fact import Fact
from envtool.machine import Absent, Found
from envtool.plan.answers import Pin, Refusal
from envtool.plan.targets import MPS_FROM, Target
from envtool.spec import allows
from envtool.versions import at_least, dotted, numbers, numbers_or_none

Failure = tuple[str, str]  # kind of refusal, reason


@dataclass(frozen=True, eq=False, repr=False)
class Place(Fact):
    """Where wheels must install. ``system`` is the glibc or the macOS here, None where it isn't known."""

    os: str
    abi: str
    python: str
    system: tuple[int, ...] | None
    macos_floor: tuple[int, ...]
    packages: tuple[tuple[str, str], ...]  # companions and their specifiers
    include_unverified: bool
    numpy2: bool  # a NumPy is asked for that is 2 or newer

    @cached_property
    def judged(self) -> dict[Build, Judgement]:
        """What ``_installs`` found: of a thousand machines, most have one of a few Pythons and systems."""
        return {}

    @cached_property
    def wheels(self) -> dict[tuple[int, str, str, str], tuple[Wheel, tuple[Failure, ...]]]:
        """What ``_wheel_failures`` found, by the wheel's identity and what it is a wheel of: builds share wheels.

        The wheel is kept with it, so that no other one can take over its identity.
        """
        return {}


@lru_cache(maxsize=1024)
def shortest_python(version: str, catalog: Catalog) -> str:
    """ "3.12" for 3.12.7, unless some wheel tells the two apart: of all Pythons, few places are left to judge."""
    short = ".".join(version.split(".")[:2])
    needs = {wheel.requires_python for wheel in catalog.wheels.values() if wheel.requires_python}
    return short if all(allows(need, short) == allows(need, version) for need in needs) else version


@lru_cache(maxsize=1024)
def newest_system(found: tuple[int, ...] | None, platform: str, catalog: Catalog) -> tuple[int, ...] | None:
    """A glibc or a macOS; one that is newer than all that any wheel needs counts as the newest that is needed."""
    floors = {
        floor for build in catalog.builds(platform) for wheel in _wheels(build) for floor in wheel.floors.values()
    }
    highest = max((*floors, MPS_FROM if platform.startswith("macos") else ()))
    return highest if found is not None and highest and found >= highest else found


def _wheels(build: Build) -> Iterator[Wheel]:
    yield build.wheel
    yield from (companion.wheel for companions in build.companions.values() for companion in companions)


@dataclass(frozen=True, eq=False, repr=False)
class Demand(Fact):
    """What a build must meet: the place, and the accelerator with its driver."""

    place: Place
    target: Target
    first_drivers: tuple[str, ...]  # the oldest driver that knows each GPU, as far as there is such a limit


class Judgement(NamedTuple):
    """The companions that go with a build, and what speaks against it: what is known, and what nobody has seen."""

    companions: tuple[Pin, ...]
    known: tuple[Failure, ...]
    unseen: tuple[Failure, ...]


class Settled(NamedTuple):
    """A build, and what is known of it before any driver is looked at.

    What is known says more than what nobody has verified: ``before`` the driver's failures, and ``after`` them.
    """

    build: Build
    companions: tuple[Pin, ...]
    before: tuple[Failure, ...]
    after: tuple[Failure, ...]
    refusal: Refusal | None  # where something speaks against it already


class Shelf:
    """The builds in a place with these GPUs, judged as they are asked for: few such places have many drivers."""

    def __init__(self, place: Place, gpus: Target) -> None:
        self._place = place
        self._gpus = gpus
        self._code = _code_of(gpus)
        self._known: dict[Build, Settled] = {}

    def settled(self, build: Build) -> Settled:
        """One build, judged once."""
        known = self._known.get(build)
        return known if known is not None else self._settle(build)

    def _settle(self, build: Build) -> Settled:
        installs = _installs(build, self._place)
        code = self._code.get(build)
        if code is None:
            code = self._code[build] = tuple(_code(build, self._gpus))
        before, after = (*installs.known, *code), installs.unseen
        first = before[0] if before else after[0] if after else None
        refusal = refused(build.torch, build.variant, *first, build.source) if first else None
        found = self._known[build] = Settled(build, installs.companions, before, after, refusal)
        return found


shelf = lru_cache(maxsize=1024)(Shelf)
refused = lru_cache(maxsize=16384)(Refusal)  # machines that are alike are refused with the same words
_pin = lru_cache(maxsize=4096)(Pin)


@lru_cache(maxsize=1024)
def _code_of(gpus: Target) -> dict[Build, tuple[Failure, ...]]:
    return {}


class Drivers:
    """The driver's failures: of sixty builds there are three answers, by the driver that they ask for."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._known: dict[str, tuple[Failure, ...]] = {}

    def failures(self, build: Build) -> tuple[Failure, ...]:
        """What speaks against the driver for one build."""
        floor = build.driver_floors.get(self._demand.target.driver_os)
        if floor is None:
            return tuple(_driver(build, self._demand))
        known = self._known.get(floor)
        if known is None:
            known = self._known[floor] = tuple(_driver(build, self._demand))
        return known


# ── Python and system ────────────────────────────────────────────────────────────────────────────


def _installs(build: Build, place: Place) -> Judgement:
    """Can the build and its companions be installed here, whatever the GPU?"""
    known = place.judged.get(build)
    if known is None:
        known = place.judged[build] = _judge_install(build, place)
    return known


def _judge_install(build: Build, place: Place) -> Judgement:
    failures = list(_wheel_failures("torch", build.torch, build.wheel, build, place))
    companions: list[Pin] = []
    for package, specifier in place.packages:
        chosen, why = _companion(build, package, specifier, place)
        if chosen is None:
            failures.append(why)
        else:
            companions.append(_pin(package, chosen.version, chosen.variant if chosen.suffixed else None))
    if place.numpy2 and place.os not in build.numpy2:
        failures.append(("conflicting_pins", "works with NumPy 1 only, and NumPy 2 is asked for"))
    if not build.verified and not place.include_unverified:
        failures.append(("no_such_variant", "has not been verified on its index"))
    known = tuple([failure for failure in failures if failure[0] != "no_such_variant"])
    unseen = tuple([failure for failure in failures if failure[0] == "no_such_variant"])
    return Judgement(tuple(companions), known, unseen)


def _wheel_failures(package: str, version: str, wheel: Wheel, build: Build, place: Place) -> tuple[Failure, ...]:
    key = (id(wheel), package, version, build.platform)
    known = place.wheels.get(key)
    if known is None:
        known = place.wheels[key] = wheel, tuple(_look_at_wheel(package, version, wheel, build, place))
    return known[1]


def _look_at_wheel(package: str, version: str, wheel: Wheel, build: Build, place: Place) -> Iterator[Failure]:
    floor = wheel.floor(place.abi)
    if floor is None:
        yield "no_wheel_for_python", f"{package} {version} has no wheel for {place.abi} on {build.platform}"
    elif wheel.requires_python and not allows(wheel.requires_python, place.python):
        yield "no_wheel_for_python", f"{package} {version} needs Python {wheel.requires_python}; found {place.python}"
    if floor is None and wheel.floors:
        floor = min(wheel.floors.values())  # with another Python, this would still stand in the way
    if build.platform.startswith("macos"):
        floor = max(floor or (), place.macos_floor)
    if floor and place.system is not None and not at_least(place.system, floor):
        linux = build.platform.startswith("linux")
        kind, name = ("glibc_too_old", "glibc") if linux else ("macos_too_old", "macOS")
        yield kind, f"{package} {version} needs {name} {dotted(floor)} or newer; found {dotted(place.system)}"


def _companion(build: Build, package: str, specifier: str, place: Place) -> tuple[CompanionWheel | None, Failure]:
    """The first version that goes with the build, or why there is none."""
    why: Failure | None = None
    for wheel in build.companions.get(package, ()):
        if not allows(specifier, wheel.version):
            continue
        failures = _wheel_failures(package, wheel.version, wheel.wheel, build, place)
        if failures:
            why = why or failures[0]
        elif wheel.problem:
            why = why or ("conflicting_pins", wheel.problem)
        elif not wheel.verified and not place.include_unverified:
            reason = f"{package} {wheel.version} has not been verified on the index of torch {build.torch}"
            why = why or ("no_such_variant", f"{reason} ({wheel.variant})")
        else:
            return wheel, ("", "")
    return None, why or ("no_wheel_for_platform", f"{package} has no wheel for {build.platform} beside {build}")


# ── GPU and driver ───────────────────────────────────────────────────────────────────────────────


def _code(build: Build, target: Target) -> Iterator[Failure]:
    left_out = [f"{name} ({dotted(capability)})" for capability, name in target.capabilities
                if not build.serves(capability)]  # fmt: skip
    left_out += [f"{name} ({gfx})" for gfx, name in target.gfx if build.gfx is not None and gfx not in build.gfx]
    if target.gfx and build.gfx is None:
        yield "gpu_arch_unsupported", "is compiled for AMD targets that are not known"
    elif left_out:
        yield "gpu_arch_unsupported", f"has no code for {', '.join(left_out)}{_why(build, target)}"


def _why(build: Build, target: Target) -> str:
    kernels = build.kernels
    if build.kind != "cuda":
        return ""
    if kernels is None or build.cuda is None:
        return ": what it is compiled for is not known"
    lowest = kernels.cudnn_from
    if lowest and all(runs_on(kernels, capability, cuda=build.cuda) for capability, _ in target.capabilities):
        return f": its cuDNN serves {dotted(lowest)} and newer"
    return f"; it is compiled for {build.compiled_for}"


def _driver(build: Build, demand: Demand) -> Iterator[Failure]:
    target = demand.target
    if build.kind != "cuda" or isinstance(target.driver, Absent):
        return
    floor = build.driver_floors.get(target.driver_os)
    if floor is None:
        yield "driver_unknown", f"the driver that {build.variant} needs is not known"
        return
    needed = max((floor, *demand.first_drivers), key=numbers)
    found = numbers_or_none(target.driver.value) if isinstance(target.driver, Found) else None
    if found is None:
        yield "driver_unknown", f"needs driver >= {needed}, and the driver is not known"
    elif not at_least(found, numbers(needed)):
        assert isinstance(target.driver, Found)
        yield "driver_too_old", f"needs driver >= {needed}, found {target.driver.value}"
