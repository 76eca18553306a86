"""The resolver: from a machine, a request and the catalog to a plan, or to why there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from envtool.catalog import Catalog
from envtool.catalog.builds import Build
from envtool.errors import UsageError
from envtool.fact import Fact
from envtool.machine import Found, Machine
from envtool.plan.advice import all_tried, constraints, hint_for, nearest, nothing_built, sentence, warnings
from envtool.plan.answers import NoPlan, Pin, Plan, Refusal
from envtool.plan.barriers import no_platform, refused_at_once, torches
from envtool.plan.judge import Demand, Drivers, Failure, Place, newest_system, refused, shelf, shortest_python
from envtool.plan.targets import NO_DRIVER, Missing, Target, accelerators, last_resort, platform_of, unknown_gpus
from envtool.spec import ACCELERATORS, CONDA_INSTALLERS, Request, Wanted, read, rules_out_numpy_1
from envtool.versions import dotted, kind_of, numbers_or_none

__all__ = ["NoPlan", "Pin", "Plan", "Refusal", "candidates", "resolve", "search"]


def resolve(machine: Machine, request: Request, catalog: Catalog) -> Plan | NoPlan:
    """The newest torch that keeps every promise on this machine, or the reason why there is none."""
    if request.accelerator not in ACCELERATORS:
        raise UsageError(f"no such accelerator: {request.accelerator!r}", hint=f"one of {', '.join(ACCELERATORS)}")
    if request.installer in CONDA_INSTALLERS or request.channel:
        from envtool.plan.conda import resolve_conda

        return resolve_conda(machine, request, catalog)
    answer = search(machine, request, read(request.packages, request.variant, request.installer), catalog)
    if isinstance(answer, NoPlan) and answer.error_kind in _WITHOUT_A_WHEEL:
        from envtool.plan.conda import on_conda_forge

        return replace(answer, hint=answer.hint + on_conda_forge(machine, request, catalog))
    return answer


# Refusals of wheels that mean nothing to conda-forge, which builds for other GPUs and platforms.
_WITHOUT_A_WHEEL = {"no_common_build", "no_wheel_for_platform", "jetson_needs_vendor_index"}


def search(machine: Machine, request: Request, wanted: Wanted, catalog: Catalog) -> Plan | NoPlan:
    """The newest build in this catalog that fits, whatever the installer."""
    refused = refused_at_once(machine, request, wanted, catalog)
    if refused is not None:
        return refused
    platform = platform_of(machine)
    if platform is None:
        return no_platform(machine)
    return _first_that_fits(_Search(machine, request, wanted, catalog, platform))


# ── the search ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class _Search(Fact):
    """What stays the same while builds are tried."""

    machine: Machine
    request: Request
    wanted: Wanted
    catalog: Catalog
    platform: str

    @property
    def explicit(self) -> bool:
        """Must it be this accelerator, and never the CPU instead?"""
        return self.request.accelerator != "auto" or self.wanted.variant is not None


def _first_that_fits(search: _Search) -> Plan | NoPlan:
    notes: list[str] = []
    refusals: list[Refusal] = []
    failed: NoPlan | None = None
    for target in _targets(search):
        if isinstance(target, Missing):
            answer: Plan | NoPlan = NoPlan(target.kind, target.reason, target.hint)
            final = target.final
        else:
            answer = _serve(search, target)
            final = isinstance(answer, NoPlan) and answer.error_kind in {"driver_unknown", "no_common_build"}
        if isinstance(answer, Plan):
            return _with_notes(answer, notes, refusals)
        failed = failed or answer
        if final and not (isinstance(target, Target) and target.kind == "cpu"):
            return replace(answer, refusals=(*refusals, *answer.refusals))
        notes.append(answer.message)
        refusals += answer.refusals
    assert failed is not None  # there is always a target
    return failed


def _with_notes(plan: Plan, notes: list[str], refusals: list[Refusal]) -> Plan:
    left = f"the GPU is left unused: {'; '.join(notes)}" if notes and plan.accelerator == "cpu" else None
    others = tuple(notes) if notes and not left else ()
    return replace(
        plan,
        warnings=(*((left,) if left else others), *plan.warnings),
        refusals=(*refusals, *plan.refusals),
    )


def _targets(search: _Search) -> Iterator[Target | Missing]:
    """The accelerators to try, in order; an explicit request has one."""
    machine, wanted = search.machine, search.wanted
    asked = kind_of(wanted.variant) if wanted.variant else search.request.accelerator
    if asked == "cpu":
        yield Target("cpu")
        return
    tried = False
    for kind, target in accelerators(machine, search.catalog):
        if asked in {"auto", "gpu", kind} and not (asked == "auto" and kind == "mps"):
            tried = True
            yield target
            if search.explicit and isinstance(target, Target) and asked == kind:
                return
    if asked == "auto":
        note = "whether there is a GPU is not known" if unknown_gpus(machine) and not tried else None
        yield last_resort(machine, note)
    elif not tried:
        yield _absent(search, asked)


def _absent(search: _Search, asked: str) -> Target | Missing:
    if search.wanted.variant and search.request.accelerator == "auto":
        return Target(asked, note=f"no GPU for {search.wanted.variant} was found, so nothing of it is checked")
    if asked == "cuda" and unknown_gpus(search.machine):
        hint = "name both: `envtool pick --target driver=550.54.14,gpu=V100`"
        return Missing("driver_unknown", "neither the NVIDIA driver nor the GPU is known", hint)
    what = {"gpu": "no GPU", "cuda": "no NVIDIA GPU", "rocm": "no AMD GPU", "xpu": "no Intel GPU"}[asked]
    return Missing("accelerator_absent", f"{what} was found", "`envtool pick --accelerator cpu`")


def _serve(search: _Search, target: Target) -> Plan | NoPlan:
    """Try the builds for one accelerator; leave out a GPU that no build has ever had code for, if others remain."""
    hopeless = [pair for pair in target.capabilities if not _ever_served(search, pair[0])]
    if not hopeless or len(hopeless) == len(target.capabilities):
        return _try_builds(search, target)
    kept = tuple(pair for pair in target.capabilities if pair not in hopeless)
    answer = _try_builds(search, replace(target, capabilities=kept))
    unused = tuple(f"{name} is left unused: no build has code for {dotted(cc)}" for cc, name in hopeless)
    return replace(answer, warnings=(*unused, *answer.warnings))


def _ever_served(search: _Search, capability: tuple[int, int]) -> bool:
    return any(build.serves(capability) for build in search.catalog.builds(search.platform))


_ANSWERS: dict[object, Plan | NoPlan] = {}  # of one cluster's machines, most ask the same
_MOST_ANSWERS = 4096


def _try_builds(search: _Search, target: Target) -> Plan | NoPlan:
    """The answer for one accelerator, worked out once for all machines that are alike in what it depends on."""
    demand = _demand(search, target)
    libc_known = isinstance(search.machine.libc, Found)
    key = (search.catalog, search.platform, search.wanted, demand.place, libc_known, target)
    known = _ANSWERS.get(key)
    if known is None:
        if len(_ANSWERS) >= _MOST_ANSWERS:
            _ANSWERS.clear()
        known = _ANSWERS[key] = _look_through_builds(search, target, demand)
    return known


def _look_through_builds(search: _Search, target: Target, demand: Demand) -> Plan | NoPlan:
    refusals: list[Refusal] = []
    newest = _newest_without_build(search, target)
    if newest is not None:
        reason = f"there is no {target.kind} build for {search.platform.replace('_', ' on ', 1)}"
        refusals.append(Refusal(newest, None, "no_wheel_for_platform", reason))
    builds = _asked_for(search.catalog, search.platform, target.kind, search.wanted)
    known = shelf(demand.place, Target(target.kind, target.capabilities, target.gfx))
    drivers = Drivers(demand)
    for one in map(known.settled, builds):
        if one.before and one.refusal:
            refusals.append(one.refusal)
        elif driver := drivers.failures(one.build):
            refusals.append(refused(one.build.torch, one.build.variant, *driver[0], one.build.source))
        elif one.refusal:
            refusals.append(one.refusal)
        else:
            return _plan(search, target, one.build, one.companions, refusals)
    tried = [(one.build, (*one.before, *drivers.failures(one.build), *one.after)) for one in map(known.settled, builds)]
    return _none_fits(search, target, tried, tuple(refusals))


@lru_cache(maxsize=256)
def _asked_for(catalog: Catalog, platform: str, kind: str, wanted: Wanted) -> tuple[Build, ...]:
    """The candidates that the pins and the variant of a request leave over."""
    allowed = torches(wanted, catalog)
    return tuple(
        build
        for build in candidates(catalog, platform, kind)
        if build.torch in allowed and wanted.variant in {None, build.variant}
    )


def _newest_without_build(search: _Search, target: Target) -> str | None:
    """The newest torch that the pins allow, where this platform has no build of it for the accelerator."""
    if search.wanted.variant is not None:
        return None
    newest = torches(search.wanted, search.catalog)[0]
    built = any(b.torch == newest for b in candidates(search.catalog, search.platform, target.kind))
    return None if built else newest


@lru_cache(maxsize=64)
def candidates(catalog: Catalog, platform: str, kind: str) -> tuple[Build, ...]:
    """The builds for an accelerator, best first. CPU builds on Linux come from the PyTorch index, never from PyPI."""
    builds = catalog.builds(platform)
    if kind not in {"cpu", "mps"}:
        return tuple(build for build in builds if build.kind == kind)
    place = "pytorch-index" if platform.startswith("linux") or platform == "windows_arm64" else "pypi"
    return tuple(build for build in builds if build.kind == "cpu" and build.source in {place, "conda-forge"})


def _demand(search: _Search, target: Target) -> Demand:
    machine = search.machine
    python = machine.python
    assert isinstance(python, Found)
    system: tuple[int, ...] | None = None
    if machine.os == "linux" and isinstance(machine.libc, Found):
        system = numbers_or_none(machine.libc.value.version)
    elif machine.os == "macos" and isinstance(machine.os_version, Found):
        system = numbers_or_none(machine.os_version.value)
    firsts = {search.catalog.first_driver(capability, target.driver_os) for capability, _ in target.capabilities}
    place = _place(
        machine.os,
        python.value.abi.replace("cp37m", "cp37"),
        shortest_python(python.value.version, search.catalog),
        newest_system(system, search.platform, search.catalog),
        target.macos_floor,
        tuple((name, search.wanted.specifier(name)) for name in search.wanted.companions),
        search.request.include_unverified,
        rules_out_numpy_1(search.wanted.specifier("numpy")),
    )
    return Demand(place, target, tuple(first for first in firsts if first is not None))


_place = lru_cache(maxsize=1024)(Place)  # machines of one kind share what is found out about builds there


# ── the answers ──────────────────────────────────────────────────────────────────────────────────


def _plan(search: _Search, target: Target, build: Build, companions: tuple[Pin, ...], refusals: list[Refusal]) -> Plan:
    local = build.variant if build.suffixed else None
    return Plan(
        pins=(Pin("torch", build.torch, local), *companions),
        build=build,
        accelerator=target.kind,
        constraints=constraints(build, search.machine, search.wanted),
        warnings=warnings(build, search.machine, target, refusals, search.catalog),
        refusals=tuple(refusals),
    )


def _none_fits(
    search: _Search,
    target: Target,
    failures: list[tuple[Build, tuple[Failure, ...]]],
    refusals: tuple[Refusal, ...],
) -> NoPlan:
    tried = all_tried(failures)
    if not tried:
        return nothing_built(search.wanted, search.catalog, search.platform, target.kind)
    first, near = refusals[0], nearest(tried)
    kind, reason = near.hardest
    message = sentence(near.build.torch, near.build.variant, reason)
    if first.kind == "no_wheel_for_platform" and first.variant is None:  # support of the platform has ended
        kind, message = first.kind, sentence(first.torch, None, f"{first.reason}; then {message}")
    if kind == "gpu_arch_unsupported" and len(target.capabilities) > 1:
        choices = _one_gpu_each(search, target)
        if choices:
            names = " and ".join(name for _, name in target.capabilities)
            hint = f"choose one with CUDA_VISIBLE_DEVICES ({'; '.join(choices)})"
            return NoPlan("no_common_build", f"no one build has code for {names}", hint, refusals)
    hint = hint_for(kind, tried, search.catalog) + _without_pins(search, target)
    return NoPlan(kind, message, hint, refusals)


def _one_gpu_each(search: _Search, target: Target) -> list[str]:
    """What would serve each GPU alone, whatever the driver: a newer driver must not make a CPU plan into none."""
    choices = []
    for pair in target.capabilities:
        answer = _try_builds(search, replace(target, capabilities=(pair,), driver=NO_DRIVER))
        if isinstance(answer, Plan):
            floor = answer.build.driver_floors.get(target.driver_os)
            choices.append(f"{pair[1]} alone: {answer.build}, driver {floor} or newer")
    return choices


def _without_pins(search: _Search, target: Target) -> str:
    """What the machine would get if the request named no versions: the other way out of a refusal."""
    wanted = search.wanted
    if wanted.variant is None and not any(specifier for _, specifier in wanted.specifiers):
        return ""
    free = replace(wanted, variant=None, specifiers=tuple((name, "") for name, _ in wanted.specifiers))
    answer = _try_builds(replace(search, wanted=free), target)
    return f"; without pins it would be {answer.build}" if isinstance(answer, Plan) else ""
