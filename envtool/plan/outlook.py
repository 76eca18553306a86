"""What a newer driver or another GPU would bring, in one line. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from envtool.catalog import Catalog
from envtool.machine import Found, Machine
from envtool.plan import resolve
from envtool.plan.advice import NEWER, NOTHING_TO_DO, not_checked_yet, sentence
from envtool.plan.answers import Plan, Refusal
from envtool.plan.targets import Target, accelerators
from envtool.spec import Request
from envtool.versions import numbers

_ANY_DRIVER = "9999"
_DRIVER = re.compile(r"needs driver >= ([\d.]+), found (.+)")


def outlook(machine: Machine, request: Request, catalog: Catalog, plan: Plan) -> str | None:
    """ "torch 2.15.0 needs driver 580 or newer; you have 550.54.14": None where nothing newer is held back."""
    return _newer_driver(machine, request, catalog, plan) or _newest_held_back(plan)


def _newer_driver(machine: Machine, request: Request, catalog: Catalog, plan: Plan) -> str | None:
    """What the same machine would get if its driver could be any; asked of the resolver itself."""
    driver = machine.nvidia.driver
    if not isinstance(driver, Found) or request.accelerator == "cpu":
        return None
    newest = replace(machine, nvidia=replace(machine.nvidia, driver=Found(_ANY_DRIVER)))
    better = resolve(newest, request, catalog)
    if not isinstance(better, Plan) or better.accelerator != "cuda":
        return None
    newer = numbers(better.build.torch) > numbers(plan.build.torch)
    if not newer and plan.accelerator == "cuda":
        return None
    needed = _driver_for(better, newest, catalog)
    if needed is None:
        return None
    what = f"torch {better.build.torch}" if newer else f"a GPU build of torch {better.build.torch}"
    return f"{what} needs driver {needed} or newer; you have {driver.value}"


def _driver_for(plan: Plan, machine: Machine, catalog: Catalog) -> str | None:
    """The oldest driver that runs a plan's build on these GPUs; None where no driver serves both."""
    target = next((t for kind, t in accelerators(machine, catalog) if kind == "cuda"), None)
    if not isinstance(target, Target):
        return None
    floor = plan.build.driver_floors.get(target.driver_os)
    firsts = [catalog.first_driver(capability, target.driver_os) for capability, _ in target.capabilities]
    lasts = [catalog.last_driver(capability) for capability, _ in target.capabilities]
    needed = max((text for text in (floor, *firsts) if text), key=numbers, default=None)
    if needed is None or any(last and numbers(last)[0] < numbers(needed)[0] for last in lasts):
        return None
    return needed


def _newest_held_back(plan: Plan) -> str | None:
    """The newest torch that was passed over, and why; an unsuitable GPU is told before anything else."""
    newer = [r for r in plan.refusals if r.torch and numbers(r.torch) > numbers(plan.build.torch)]
    if not newer:
        return None
    gpu = next((r for r in newer if r.torch == newer[0].torch and r.kind == "gpu_arch_unsupported"), newer[0])
    return not_checked_yet(gpu, plan.build.torch) or plainly(gpu)


def plainly(refusal: Refusal) -> str:
    """A refusal as a sentence."""
    told = _DRIVER.fullmatch(refusal.reason)
    if told and refusal.torch:
        return f"torch {refusal.torch} needs driver {told[1]} or newer; you have {told[2]}"
    return sentence(refusal.torch, refusal.variant, refusal.reason)


def is_about_newer(warning: str) -> bool:
    """Does a plan's warning tell what the outlook tells better?"""
    return warning.startswith(NEWER) or is_no_matter(warning)


def is_no_matter(warning: str) -> bool:
    """Is it good to know, and asks for nothing?"""
    return warning.endswith(NOTHING_TO_DO)
