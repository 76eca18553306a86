"""What an environment lacks of a plan and of a course's requirements, told without the network. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envtool.environment import Build
from envtool.fact import Fact
from envtool.install.installed import Installed
from envtool.install.order import is_same
from envtool.plan import Pin, Plan
from envtool.versions import kind_of, public

if TYPE_CHECKING:
    from packaging.requirements import Requirement


@dataclass(frozen=True, eq=False, repr=False)
class Lack(Fact):
    """One thing that differs. ``force``: the version is right and the files are not."""

    name: str
    reason: str
    force: bool = False


def lacks(
    plan: Plan,
    installed: Mapping[str, Installed],
    builds: tuple[Build, ...],
    roots: tuple[Requirement, ...],
    markers: dict[str, str],
) -> tuple[Lack, ...]:
    """Everything that differs; nothing where the environment is what the plan wants.

    ``roots``: what the course asks for, and the plan's constraints. ``markers``: the environment's, as PEP 508 has it.
    """
    found = [lack for pin in plan.pins if (lack := _of_pin(plan, pin, installed.get(pin.package), builds))]
    known = {lack.name for lack in found}
    found += [lack for lack in _unmet(plan, installed, roots, markers) if lack.name not in known]
    return tuple({lack.name: lack for lack in reversed(found)}.values())[::-1]


def _of_pin(plan: Plan, pin: Pin, found: Installed | None, builds: tuple[Build, ...]) -> Lack | None:
    if found is None:
        return Lack(pin.package, f"{pin.full} is not installed")
    if found.copies > 1:
        return Lack(pin.package, f"installed {found.copies} times over", force=True)
    build = next((one for one in builds if one.package == pin.package), None)
    if build is None:
        return Lack(pin.package, "its files are not there", force=True)
    # The same build may come from PyPI as 2.13.0 and from the PyTorch index as 2.13.0+cu130.
    if not is_same(found.version, pin.full) and not (
        is_same(public(found.version), pin.version) and build.variant == plan.variant
    ):
        return Lack(pin.package, f"{found.version} is installed, {pin.full} is wanted")
    wrong = build.variant is not None and build.variant != plan.variant
    # The files of a companion may name another CUDA than torch's, a minor apart; another kind they may not.
    if wrong and (pin.package == "torch" or kind_of(str(build.variant)) != kind_of(plan.variant)):
        return Lack(
            pin.package, f"the build for {build.variant} is installed, that for {plan.variant} is wanted", force=True
        )
    return None


def _unmet(
    plan: Plan, installed: Mapping[str, Installed], roots: tuple[Requirement, ...], markers: dict[str, str]
) -> Iterator[Lack]:
    """Walk from what is asked for along what that requires."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    waiting = [(root, "") for root in (*(Requirement(pin.package) for pin in plan.pins), *roots)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra_of = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({**markers, "extra": extra_of}):
            continue
        name = canonicalize_name(requirement.name)
        found = installed.get(name)
        if found is None:
            yield Lack(name, "not installed")
            continue
        if requirement.specifier and not requirement.specifier.contains(found.version, prereleases=True):
            yield Lack(name, f"{found.version} is installed, {requirement.specifier} is needed")
            continue
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in found.requires:
                try:
                    waiting.append((Requirement(text), extra))
                except InvalidRequirement:
                    yield Lack(name, f"its metadata can't be read: {text!r}", force=True)


def at_odds(installed: Mapping[str, Installed], markers: dict[str, str], names: frozenset[str]) -> tuple[str, ...]:
    """What of the other packages now wants another version of one of ``names``, in words."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    told = []
    for one in installed.values():
        for text in one.requires:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            name = canonicalize_name(requirement.name)
            there = installed.get(name)
            if name not in names or there is None:
                continue
            if requirement.marker is not None and not requirement.marker.evaluate({**markers, "extra": ""}):
                continue
            if not requirement.specifier.contains(there.version, prereleases=True):
                told.append(
                    f"{one.name} {one.version} wants {name}{requirement.specifier}; {there.version} is installed"
                )
    return tuple(told)


_BUILT_FOR = ("nvidia-", "cuda-", "triton", "pytorch-triton", "intel-", "dpcpp-", "onemkl-", "tcmlib", "umf")


def left_over(installed: Mapping[str, Installed]) -> tuple[str, ...]:
    """Libraries of an accelerator that no package requires: those of a build that was there before."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    needed: set[str] = set()
    libraries = {name for name in installed if name.startswith(_BUILT_FOR)}
    while True:
        found = set()
        for one in installed.values():
            if one.name in libraries and one.name not in needed:
                continue
            for text in one.requires:
                with contextlib.suppress(InvalidRequirement):
                    requirement = Requirement(text)
                    found.add(canonicalize_name(requirement.name))
        if found <= needed:
            return tuple(sorted(libraries - needed))
        needed |= found


def markers_of(version: str, implementation: str) -> dict[str, str]:
    """The marker values of an environment on this machine."""
    from packaging.markers import default_environment

    values = {key: str(value) for key, value in default_environment().items()}
    return values | {
        "python_version": ".".join(version.split(".")[:2]),
        "python_full_version": version,
        "implementation_version": version,
        "implementation_name": implementation,
        "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(implementation, implementation),
    }
