"""What no build could mend: contradictions in the request, and machines that no wheel is made for."""

from __future__ import annotations

from functools import lru_cache

from envtool.catalog import Catalog
from envtool.machine import Found, Machine
from envtool.plan.answers import NoPlan
from envtool.plan.targets import platform_of
from envtool.spec import FAMILY, Request, Wanted, allows
from envtool.versions import kind_of


def refused_at_once(machine: Machine, request: Request, wanted: Wanted, catalog: Catalog) -> NoPlan | None:
    """The refusal that stands before any build is looked at; None where builds decide."""
    contradiction = _contradiction(request, wanted) or _pins_can_be_met(wanted, catalog)
    if contradiction is not None:
        return contradiction
    if isinstance(machine.libc, Found) and machine.libc.value.name == "musl":
        message = "this system uses musl; every wheel of torch needs glibc"
        return NoPlan("musl_unsupported", message, "use a glibc system, such as the image python:3.12-slim")
    if not isinstance(machine.python, Found):
        return NoPlan("no_wheel_for_python", "the Python is not known", "name it: `envtool pick --target py3.12`")
    return _impossible_accelerator(machine, request, wanted)


def _contradiction(request: Request, wanted: Wanted) -> NoPlan | None:
    if wanted.contradiction:
        return NoPlan("conflicting_pins", wanted.contradiction, "name one variant")
    if wanted.variant and request.accelerator not in {"auto", "gpu", kind_of(wanted.variant)}:
        message = f"--accelerator {request.accelerator} and the variant {wanted.variant} contradict each other"
        return NoPlan("conflicting_pins", message, "name one of them")
    return None


@lru_cache(maxsize=256)
def _pins_can_be_met(wanted: Wanted, catalog: Catalog) -> NoPlan | None:
    """Are there such versions at all, and does one torch go with all of them?"""
    releases = catalog.releases
    newest = releases[0].torch
    for package, specifier in wanted.specifiers:
        if package not in FAMILY:
            continue
        versions = {r.torch for r in releases} if package == "torch" else {
            v for r in releases for v in r.companions.of(package)
        }  # fmt: skip
        if not any(allows(specifier, version) for version in versions):
            message = f"no {package}{specifier} is in the catalog of {catalog.date}, whose newest torch is {newest}"
            return NoPlan("no_such_version", message, "ask for another version, or run `envtool catalog update`")
    if not torches(wanted, catalog):
        asked = ", ".join(f"{name}{spec}" for name, spec in wanted.specifiers if spec)
        return NoPlan("conflicting_pins", f"no torch goes with {asked}", "leave out all pins but one")
    return None


@lru_cache(maxsize=256)
def torches(wanted: Wanted, catalog: Catalog) -> tuple[str, ...]:
    """The releases that meet the pins with some version of each companion, newest first."""
    return tuple(
        release.torch
        for release in catalog.releases
        if allows(wanted.specifier("torch"), release.torch)
        and all(
            any(allows(wanted.specifier(package), version) for version in release.companions.of(package))
            for package in wanted.companions
        )
    )


def no_platform(machine: Machine) -> NoPlan:
    """A processor or a system for which there is no torch at all."""
    bits = machine.python.value.bits if isinstance(machine.python, Found) else None
    what = "a 32-bit Python" if bits == 32 else f"{machine.os} on {machine.arch}"
    return NoPlan("no_wheel_for_platform", f"no torch is built for {what}", "use a 64-bit Python on a 64-bit system")


def _impossible_accelerator(machine: Machine, request: Request, wanted: Wanted) -> NoPlan | None:
    kind = kind_of(wanted.variant) if wanted.variant else request.accelerator
    if kind == "cuda" and machine.os == "macos":
        return NoPlan("no_cuda_on_macos", "there is no CUDA build of torch for macOS", "leave out the CUDA request")
    if kind == "rocm" and (machine.os, machine.arch) != ("linux", "x86_64"):
        message = "ROCm builds of torch exist for Linux on x86_64 only"
        return NoPlan("rocm_linux_only", message, "use Linux, or `envtool pick --accelerator cpu`")
    if kind == "mps" and (machine.os != "macos" or platform_of(machine) != "macos_arm64"):
        return NoPlan("accelerator_absent", "MPS needs Apple silicon", "`envtool pick --accelerator cpu`")
    return None
