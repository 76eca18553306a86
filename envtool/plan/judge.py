"""One build against one demand: every reason that speaks against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envtool.catalog.builds import Build, CompanionWheel, Wheel
from envtool.catalog.kernels import runs_on
from envtool.machine import Absent, Found
from envtool.plan.answers import Pin
from envtool.plan.targets import Target
from envtool.spec import allows
from envtool.versions import at_least, dotted, numbers, numbers_or_none

Failure = tuple[str, str]  # kind of refusal, reason


@dataclass(frozen=True)
class Demand:
    """What a build must meet. ``system`` is the glibc or the macOS here, None where it isn't known."""

    os: str
    abi: str
    python: str
    system: tuple[int, ...] | None
    packages: tuple[tuple[str, str], ...]  # companions and their specifiers
    target: Target
    first_drivers: tuple[str, ...]  # the oldest driver that knows each GPU, as far as there is such a limit
    include_unverified: bool
    numpy2: bool = False  # a NumPy is asked for that is 2 or newer


@dataclass(frozen=True)
class Judgement:
    """The companions that go with a build, and what speaks against it; nothing does if ``failures`` is empty."""

    companions: tuple[Pin, ...]
    failures: tuple[Failure, ...]


def judge(build: Build, demand: Demand) -> Judgement:
    """Every failure, the one to tell first in front."""
    failures = list(_wheel_failures("torch", build.torch, build.wheel, build, demand))
    companions: list[Pin] = []
    for package, specifier in demand.packages:
        chosen, why = _companion(build, package, specifier, demand)
        if chosen is None:
            failures.append(why)
        else:
            companions.append(Pin(package, chosen.version, chosen.variant if chosen.suffixed else None))
    if demand.numpy2 and demand.os not in build.numpy2:
        failures.append(("conflicting_pins", "works with NumPy 1 only, and NumPy 2 is asked for"))
    failures += _code(build, demand.target)
    failures += _driver(build, demand)
    if not build.verified and not demand.include_unverified:
        failures.append(("no_such_variant", "has not been verified on its index"))
    failures.sort(key=lambda failure: failure[0] == "no_such_variant")  # what is known says more than what isn't
    return Judgement(tuple(companions), tuple(failures))


# ── Python and system ────────────────────────────────────────────────────────────────────────────


def _wheel_failures(package: str, version: str, wheel: Wheel, build: Build, demand: Demand) -> Iterator[Failure]:
    floor = wheel.floor(demand.abi)
    if floor is None:
        yield "no_wheel_for_python", f"{package} {version} has no wheel for {demand.abi} on {build.platform}"
    elif wheel.requires_python and not allows(wheel.requires_python, demand.python):
        yield "no_wheel_for_python", f"{package} {version} needs Python {wheel.requires_python}; found {demand.python}"
    if floor is None and wheel.floors:
        floor = min(wheel.floors.values())  # with another Python, this would still stand in the way
    if build.platform.startswith("macos"):
        floor = max(floor or (), demand.target.macos_floor)
    if floor and demand.system is not None and not at_least(demand.system, floor):
        linux = build.platform.startswith("linux")
        kind, name = ("glibc_too_old", "glibc") if linux else ("macos_too_old", "macOS")
        yield kind, f"{package} {version} needs {name} {dotted(floor)} or newer; found {dotted(demand.system)}"


def _companion(build: Build, package: str, specifier: str, demand: Demand) -> tuple[CompanionWheel | None, Failure]:
    """The first version that goes with the build, or why there is none."""
    why: Failure | None = None
    for wheel in build.companions.get(package, ()):
        if not allows(specifier, wheel.version):
            continue
        failures = list(_wheel_failures(package, wheel.version, wheel.wheel, build, demand))
        if wheel.problem:
            failures.append(("conflicting_pins", wheel.problem))
        if not wheel.verified and not demand.include_unverified:
            reason = f"{package} {wheel.version} has not been verified on the index of torch {build.torch}"
            failures.append(("no_such_variant", f"{reason} ({wheel.variant})"))
        if not failures:
            return wheel, ("", "")
        why = why or failures[0]
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
    if all(runs_on(kernels, capability, cuda=build.cuda) for capability, _ in target.capabilities):
        return f": its cuDNN serves {dotted(kernels.cudnn_from or ())} and newer"
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
