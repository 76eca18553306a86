"""Plans for a machine in a course: the resolver's, within the Pythons, variants and GPUs that envtool.toml names. Pure.

So that all machines of a course come out alike, the variant ``cuda`` means one that the weakest GPU and the oldest
driver of the course can use, too; a machine that can't gets its own, with a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from envtool.catalog import Catalog
from envtool.course import Course
from envtool.course.gpus import below_driver, too_little_memory
from envtool.machine import Absent, Found, Gpu, HostPython, Machine
from envtool.plan import resolve
from envtool.plan.answers import NoPlan, Plan
from envtool.plan.targets import is_jetson, platform_of, visible
from envtool.spec import CONDA_INSTALLERS, Request
from envtool.versions import dotted, kind_of, numbers

KINDS = ("cpu", "cuda", "rocm", "xpu")


def resolve_for(machine: Machine, request: Request, course: Course, catalog: Catalog) -> tuple[Plan | NoPlan, Request]:
    """The answer for a machine in a course, and the request that it answers in the end."""
    answer, asked = _resolved(machine, request, course, catalog)
    if isinstance(answer, NoPlan) and "cpu" not in course.variants:
        answer = _without_the_cpu(answer, course)
    return answer, asked


_ON_THE_CPU = "`envtool pick --accelerator cpu`"


def _without_the_cpu(answer: NoPlan, course: Course) -> NoPlan:
    """The refusal for a course that can't be done on the CPU: doctor would fail the build that it hints at."""
    if answer.error_kind == "accelerator_absent":
        message = f"{answer.message}, and the course (variants in envtool.toml) can't be done without one"
        answer = replace(answer, message=message)
    if _ON_THE_CPU in answer.hint:
        rest = answer.hint.replace(f", or {_ON_THE_CPU}", "")
        answer = replace(answer, hint=course.elsewhere if _ON_THE_CPU in rest else rest)
    return answer


def _resolved(machine: Machine, request: Request, course: Course, catalog: Catalog) -> tuple[Plan | NoPlan, Request]:
    machine, refused = _with_python(machine, request, course, catalog)
    if refused is not None:
        return refused, request
    answer = resolve(machine, request, catalog)
    if request.accelerator != "auto" or request.variant is not None:
        return _noted(answer, _uncovered(answer, course)), request
    if isinstance(answer, NoPlan):
        return answer, request
    if course.covers(answer.variant):
        return _alike(machine, request, course, catalog, answer)
    return _within_variants(machine, request, course, catalog, answer)


def _noted(answer: Plan | NoPlan, *notes: str | None) -> Plan | NoPlan:
    told = tuple(note for note in notes if note)
    return replace(answer, warnings=(*told, *answer.warnings)) if told else answer


def _uncovered(answer: Plan | NoPlan, course: Course) -> str | None:
    if isinstance(answer, NoPlan) or course.covers(answer.variant):
        return None
    return f"the course is made for {', '.join(course.variants)}; {answer.variant} is none of them"


# ── Python ───────────────────────────────────────────────────────────────────────────────────────


def _with_python(machine: Machine, request: Request, course: Course, catalog: Catalog) -> tuple[Machine, NoPlan | None]:
    """The machine with a Python of the course: conda brings its own, else the one that is there must be one."""
    if not course.python:
        return machine, None
    found = machine.python
    if isinstance(found, Found) and course.allows_python(found.value.version):
        return machine, None
    fitting = fitting_python(machine, request, course, catalog)
    if request.installer in CONDA_INSTALLERS and fitting is not None:
        return replace(machine, python=_python(fitting)), None
    if not isinstance(found, Found):
        return machine, None  # the resolver says what is to be done
    message = f"this Python is {found.value.version}, and the course is made for Python {course.python}"
    hint = (
        f"`envtool install --python {fitting}` makes an environment with that"
        if fitting
        else "ask whoever runs the course"
    )
    return machine, NoPlan("conflicting_pins", message, hint)


def fitting_python(machine: Machine, request: Request, course: Course, catalog: Catalog) -> str | None:
    """The newest Python of the course's range for which there is a plan here."""
    platform = platform_of(machine)
    range_of_course = [
        f"{major}.{minor}"
        for major, minor in sorted(catalog.pythons(platform) if platform else (), reverse=True)
        if any(course.allows_python(f"{major}.{minor}.{patch}") for patch in range(40))
    ]
    free = request.accelerator == "auto" and request.variant is None
    on_the_cpu = replace(request, accelerator="cpu", variant=None)  # says at least for which Python there is torch
    for asked in (*(_requests(request, course) if free else (request,)), on_the_cpu):
        for version in range_of_course:
            if isinstance(resolve(replace(machine, python=_python(version)), asked, catalog), Plan):
                return version
    return None


def _python(version: str) -> Found[HostPython]:
    return Found(HostPython(version, f"cp{version.replace('.', '')}"))


# ── variants ─────────────────────────────────────────────────────────────────────────────────────


def _requests(request: Request, course: Course) -> Iterator[Request]:
    """What the course's variants ask for, GPUs first."""
    for variant in (v for v in course.variants if v != "cpu"):
        yield replace(request, accelerator=kind_of(variant), variant=None if variant in KINDS else variant)
    if "cpu" in course.variants:
        yield replace(request, accelerator="cpu")


def _within_variants(
    machine: Machine, request: Request, course: Course, catalog: Catalog, outside: Plan
) -> tuple[Plan | NoPlan, Request]:
    """What fits best is not for this course: the first of its variants that fits, else why the first does not."""
    first: tuple[Plan | NoPlan, Request] | None = None
    why: list[str] = []
    for asked in _requests(request, course):
        answer = resolve(machine, asked, catalog)
        if isinstance(answer, Plan):
            return _noted(answer, _left_unused(answer, outside, course, why)), asked
        first = first or (answer, asked)
        if answer.error_kind != "accelerator_absent":
            why.append(answer.message)
    assert first is not None  # a course has at least one variant
    return first


def _left_unused(answer: Plan, outside: Plan, course: Course, why: list[str]) -> str | None:
    if answer.accelerator != "cpu" or outside.accelerator == "cpu":
        return None
    if why and any(kind_of(variant) == outside.accelerator for variant in course.variants):
        return f"the GPU is left unused: {'; '.join(why)}"
    reason = f"the course is made for {', '.join(course.variants)}, and not for {outside.variant}"
    return f"the GPU is left unused: {reason}"


# ── the same for all ─────────────────────────────────────────────────────────────────────────────


def _alike(
    machine: Machine, request: Request, course: Course, catalog: Catalog, own: Plan
) -> tuple[Plan | NoPlan, Request]:
    """The plan in the variant that the whole course can use."""
    if own.accelerator != "cuda":
        return own, request
    notes = tuple(_below_the_floors(machine, course))
    if own.variant in course.variants or not (course.gpu.driver or course.gpu.compute_capability):
        return _noted(own, *notes), request
    common = None if is_jetson(machine) else resolve(
        _with_the_weakest(machine, course, catalog), replace(request, accelerator="cuda"), catalog
    )  # fmt: skip
    if isinstance(common, Plan):
        if common.variant == own.variant:
            return _noted(own, *notes), request
        asked = replace(request, accelerator="cuda", variant=common.variant)
        answer = resolve(machine, asked, catalog)
        if isinstance(answer, Plan):
            return _noted(answer, *notes), asked
    note = (
        f"{own.variant} is for this machine alone: the GPUs and drivers of the course have no build in common with it"
    )
    return _noted(own, *notes, note), request


def _with_the_weakest(machine: Machine, course: Course, catalog: Catalog) -> Machine:
    """This machine with the least GPU and the oldest driver of the course beside its own."""
    floors, nvidia = course.gpu, machine.nvidia
    gpus = visible(machine)
    if floors.compute_capability is not None:
        weakest = Gpu(len(gpus), Found("the course's weakest GPU"), compute_capability=Found(floors.compute_capability))
        gpus = (*gpus, weakest)
    driver = nvidia.driver
    oldest = _oldest_driver(machine, floors.driver, catalog)
    if oldest and isinstance(driver, Found) and numbers(oldest) < numbers(driver.value):
        driver = Found(oldest)
    hides = Absent("CUDA_VISIBLE_DEVICES is taken into account")
    return replace(machine, nvidia=replace(nvidia, gpus=gpus, driver=driver, visible_devices=hides))


def _oldest_driver(machine: Machine, floor: str | None, catalog: Catalog) -> str | None:
    """The floor, which is a Linux driver, as this system numbers it: one that runs the same CUDA families."""
    windows = machine.os == "windows" or isinstance(machine.wsl, Found)
    if floor is None or not windows:
        return floor
    variants = {build.variant for build in catalog.builds("linux_x86_64") if build.kind == "cuda"}
    runs = [v for v in variants if (need := catalog.driver_floor(v, "linux")) and numbers(need) <= numbers(floor)]
    floors = [there for v in runs if (there := catalog.driver_floor(v, "windows"))]
    return max(floors, key=numbers, default=None)


def _below_the_floors(machine: Machine, course: Course) -> Iterator[str]:
    """What this machine has less of than the course asks for."""
    floors, gpus = course.gpu, visible(machine)
    if floors.memory_gib is not None and gpus and len(too_little_memory(gpus, floors)) == len(gpus):
        yield f"the course asks for a GPU with {floors.memory_gib:g} GiB; no GPU here has as much"
    least = floors.compute_capability
    known = [gpu.compute_capability.value for gpu in gpus if isinstance(gpu.compute_capability, Found)]
    if least is not None and known and len(known) == len(gpus) and max(known) < least:
        yield f"the course asks for compute capability {dotted(least)}; the best here is {dotted(max(known))}"
    driver = machine.nvidia.driver
    if floors.driver and isinstance(driver, Found) and below_driver(machine, driver.value, floors.driver):
        yield f"the course asks for driver {floors.driver}; here is {driver.value}"
