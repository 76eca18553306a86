"""Plans for conda, mamba and pixi: the same resolver, on the catalog as conda-forge has it."""

from __future__ import annotations

import re
from dataclasses import replace

from envtool.catalog import Catalog
from envtool.catalog.conda import CondaBuild, CondaCatalog, conda_catalog
from envtool.errors import UsageError
from envtool.machine import Found, Machine
from envtool.plan import search
from envtool.plan.answers import NoPlan, Plan, Refusal
from envtool.plan.barriers import torches
from envtool.plan.targets import Target, is_jetson, nvidia
from envtool.spec import ACCELERATORS, CONDA_INSTALLERS, Request, Wanted, allows, read
from envtool.versions import cuda_of, dotted, numbers, numbers_or_none

CHANNEL = "conda-forge"


def resolve_conda(machine: Machine, request: Request, catalog: Catalog) -> Plan | NoPlan:
    """The newest pytorch of a conda channel that keeps every promise here, or the reason why there is none."""
    if request.accelerator not in ACCELERATORS:
        raise UsageError(f"no such accelerator: {request.accelerator!r}", hint=f"one of {', '.join(ACCELERATORS)}")
    installer = request.installer if request.installer in CONDA_INSTALLERS else "conda"
    wanted = _in_conda_names(read(request.packages, request.variant, installer))
    refused = _other_channel(request, wanted, catalog)
    if refused is not None:
        return refused
    view = conda_catalog(catalog, jetson=_runs_only_jetson_builds(machine, conda_catalog(catalog, jetson=True)))
    answer = _not_together(wanted, view) or search(machine, replace(request, variant=wanted.variant), wanted, view)
    if isinstance(answer, NoPlan):
        return _no_plan(answer, view)
    return _plan(answer, machine, wanted, view)


def on_conda_forge(machine: Machine, request: Request, catalog: Catalog) -> str:
    """What to add to a hint where no wheel fits and conda-forge has what was asked for; "" where it has not."""
    answer = resolve_conda(machine, replace(request, installer="conda", channel=None), catalog)
    if not isinstance(answer, Plan) or any("left unused" in warning for warning in answer.warnings):
        return ""
    return f"; {CHANNEL} has {answer.build}: `envtool pick --installer conda`"


def _in_conda_names(wanted: Wanted) -> Wanted:
    """The variant "cu129" as conda-forge calls it: "cuda129"."""
    variant = wanted.variant
    if variant is None or cuda_of(variant) is None or variant.startswith("cuda"):
        return wanted
    return replace(wanted, variant=f"cuda{variant[2:]}")


# ── channels ─────────────────────────────────────────────────────────────────────────────────────


def _other_channel(request: Request, wanted: Wanted, catalog: Catalog) -> NoPlan | None:
    """The catalog knows conda-forge. A channel may be named by its address."""
    name = (request.channel or CHANNEL).rstrip("/").rpartition("/")[2]
    if name == CHANNEL:
        return None
    ended = catalog.ended_channels.get(name)
    if ended is None:
        message = f"the builds of the channel {name!r} are not in the catalog, so nothing of them can be promised"
        return NoPlan("no_such_variant", message, f"leave out --channel: {CHANNEL} is known")
    last, instead = ended
    pin = wanted.specifier("torch")
    older = [r.torch for r in catalog.releases if numbers(r.torch) <= numbers(last)]
    message = f"the {name} channel ended with torch {last}"
    if pin and any(allows(pin, torch) for torch in older):
        message += f"; of what is left there for torch{pin}, the catalog knows nothing"
    return NoPlan("channel_ended", message, f"use {instead}, or install with pip")


# ── what stands before the search ────────────────────────────────────────────────────────────────


def _runs_only_jetson_builds(machine: Machine, view: CondaCatalog) -> bool:
    """A Jetson before JetPack 7 has CUDA of its own, which the builds for servers don't serve."""
    if not is_jetson(machine):
        return False
    jetpack = numbers_or_none(machine.jetpack.value) if isinstance(machine.jetpack, Found) else None
    return jetpack is None or any(jetpack < row.jetpack_below for row in view.rows.jetsons)


def _not_together(wanted: Wanted, view: CondaCatalog) -> NoPlan | None:
    """On conda-forge a companion is built for one torch: say so where the pins leave none."""
    if torches(wanted, view):
        return None
    for package in wanted.companions:
        versions = {version for release in view.releases for version in release.companions.of(package)}
        if not any(allows(wanted.specifier(package), version) for version in versions):
            return None
    allowed = [r.torch for r in view.releases if allows(wanted.specifier("torch"), r.torch)]
    for package in wanted.companions:
        alone = replace(wanted, specifiers=(("torch", ""), (package, wanted.specifier(package))))
        fitting = torches(alone, view)
        if allowed and not set(allowed) & set(fitting):
            which = f"{package}{wanted.specifier(package)}"
            message = f"{which} is not built for torch {allowed[0]}; the newest torch that has it is {fitting[0]}"
            return NoPlan("conflicting_pins", message, f"ask for torch=={fitting[0]}, or leave out {package}")
    return None


# ── the answers ──────────────────────────────────────────────────────────────────────────────────


def _plan(plan: Plan, machine: Machine, wanted: Wanted, view: CondaCatalog) -> Plan:
    assert isinstance(plan.build, CondaBuild)
    assert isinstance(machine.python, Found)
    python = ".".join(machine.python.value.version.split(".")[:2])
    kept, why = _cudnn(plan, machine, view)
    warnings = [_worded(warning) for warning in plan.warnings]
    refusals = tuple(replace(refusal, reason=_worded(refusal.reason)) for refusal in plan.refusals)
    behind = _held_back(plan, wanted, view)
    if behind is not None:
        refusals = (behind, *refusals)
        warnings.append(f"a newer torch does not fit here: {behind.reason}")
    warnings += why + _without_driver(plan, machine)
    return replace(
        plan, constraints=(*plan.constraints, *kept), warnings=tuple(warnings), refusals=refusals, python=python
    )


def _cudnn(plan: Plan, machine: Machine, view: CondaCatalog) -> tuple[tuple[str, ...], list[str]]:
    """Conda takes the newest cuDNN, which no longer serves old GPUs: keep it below that one."""
    target = nvidia(machine, view)
    if plan.accelerator != "cuda" or not isinstance(target, Target) or not isinstance(plan.build, CondaBuild):
        return (), []
    kept, why = [], []
    for limit in plan.build.cudnn:
        old = [f"{name} ({dotted(cc)})" for cc, name in target.capabilities
               if cc < limit.older_than and plan.build.serves(cc)]  # fmt: skip
        if old:
            kept.append(f"{limit.package}<{limit.below}")
            why.append(f"cuDNN stays below {limit.below}: newer ones no longer serve {', '.join(old)}")
    return tuple(kept), why


def _held_back(plan: Plan, wanted: Wanted, view: CondaCatalog) -> Refusal | None:
    """A newer torch that the pins allow, left out because a companion is not built for it."""
    newest = next((r for r in view.releases if allows(wanted.specifier("torch"), r.torch)), None)
    if newest is None or newest.torch in torches(wanted, view):
        return None
    missing = [p for p in wanted.companions
               if not any(allows(wanted.specifier(p), v) for v in newest.companions.of(p))]  # fmt: skip
    reason = f"{' and '.join(missing)} on {CHANNEL} is not built for torch {newest.torch}"
    return Refusal(newest.torch, None, "no_wheel_for_platform", reason, CHANNEL)


def _without_driver(plan: Plan, machine: Machine) -> list[str]:
    """Conda takes a CUDA build only where it finds a driver while it solves."""
    if plan.accelerator != "cuda" or (machine.nvidia.nvml_state == "ok" and isinstance(machine.nvidia.driver, Found)):
        return []
    value = cuda_override(plan)
    return [f"where the command runs without a driver (a login node, an image), set CONDA_OVERRIDE_CUDA={value} first"]


def cuda_override(plan: Plan) -> str | None:
    """What CONDA_OVERRIDE_CUDA must say for a plan: the CUDA of the oldest driver that runs it; None without CUDA."""
    cuda = cuda_of(plan.variant)
    return f"{cuda[0]}.0" if cuda else None


def _no_plan(answer: NoPlan, view: CondaCatalog) -> NoPlan:
    hint = _worded(answer.hint)
    if answer.error_kind.startswith("no_wheel_for_") and answer.message.startswith("torchaudio"):
        hint = "leave out torchaudio, or install with pip: `envtool pick --installer pip`"
    elif answer.error_kind == "no_such_version":
        hint = f"ask for {view.releases[0].torch} or older, or `envtool pick --installer pip`"
    refusals = tuple(replace(refusal, reason=_worded(refusal.reason)) for refusal in answer.refusals)
    warnings = tuple(_worded(warning) for warning in answer.warnings)
    return NoPlan(answer.error_kind, _worded(answer.message), hint, refusals, warnings)


# The resolver speaks of wheels and of their index; what it means is the same.
_WORDS = (
    (re.compile(r"has no wheel (for|beside) "), rf"has no build on {CHANNEL} \1 "),
    (re.compile(r"every wheel of torch needs glibc"), f"what {CHANNEL} builds for Linux needs glibc"),
    (re.compile(r"has wheels for"), "is built for"),
    (re.compile(r"PyTorch's own wheels run"), f"{CHANNEL}'s builds run"),
    (re.compile(r"PyTorch's wheels"), f"{CHANNEL}'s builds"),
    (re.compile(r"(has|have) not been verified on (its|the) index"), rf"\1 not been verified on {CHANNEL}"),
    (re.compile(r" is in the catalog of "), f" of {CHANNEL} is in the catalog of "),
    (re.compile(r"(there is no \S+ build of torch\S*) for "), rf"\1 on {CHANNEL} for "),
    (re.compile(r"no one build has code"), f"no one build on {CHANNEL} has code"),
)


def _worded(text: str) -> str:
    for pattern, instead in _WORDS:
        text = pattern.sub(instead, text)
    return text
