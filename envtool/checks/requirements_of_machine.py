"""Is this machine one that the course's envtool.toml is made for? Run only where there is one."""

from __future__ import annotations

from envtool.checks.check import BLOCKED, Evidence
from envtool.course import Course
from envtool.course.gpus import below_driver, enough_memory
from envtool.machine import Absent, Found, Gpu, Unknown, found_or
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned
from envtool.versions import dotted, kind_of

NO_COURSE = "no envtool.toml is used"


def _needs_a_gpu(course: Course) -> bool:
    return "cpu" not in course.variants


def _bad(course: Course, message: str, hint: str) -> Verdict:
    """A GPU below what the course asks for: a fault where the CPU won't do, else a warning."""
    return failed(message, hint=hint) if _needs_a_gpu(course) else warned(message, hint=hint)


def elsewhere(course: Course) -> str:
    """What is left to do where this machine won't serve."""
    return course.elsewhere


def platform_is_of_the_course(evidence: Evidence) -> Verdict:
    """A platform that the course is not made for."""
    course = evidence.course
    if course is None:
        return skipped(NO_COURSE)
    from envtool.target import SUBDIRS

    arch = {"amd64": "x86_64"}.get(evidence.machine.arch.lower(), evidence.machine.arch.lower())
    place = (evidence.machine.os, arch)
    here = next((subdir for subdir, what in SUBDIRS.items() if what == place), f"{place[0]} on {place[1]}")
    if here in course.platforms:
        return passed(here)
    return warned(
        f"The course is made for {', '.join(course.platforms)}; this is {here}.",
        hint=elsewhere(course),
        evidence={"asked": list(course.platforms), "found": here},
    )


def there_is_a_gpu(evidence: Evidence) -> Verdict:
    """Only a course without the variant cpu needs one. On a login node that there is none is no fault."""
    course, machine = evidence.course, evidence.machine
    if course is None:
        return skipped(NO_COURSE)
    if not _needs_a_gpu(course):
        return skipped("the course runs on the CPU, too")
    kinds = {kind_of(variant) for variant in course.variants}
    there = {"cuda": evidence.gpus, "rocm": machine.amd.gpus, "xpu": machine.intel.gpus}
    if any(there[kind] for kind in kinds):
        return passed("there is one")
    if isinstance(machine.slurm, Found) and machine.slurm.value.job_id is None:
        return skipped("this is a login node; the GPUs are in the jobs")
    status = {"cuda": machine.nvidia.status, "rocm": machine.amd.status, "xpu": machine.intel.status}
    if any(status[kind] == "unknown" for kind in kinds) or (machine.nvidia.gpus and "cuda" in kinds):
        return unknown("whether there is a GPU that the course can use could not be told")
    return failed(f"The course needs a GPU ({', '.join(course.variants)}); none was found.", hint=elsewhere(course))


def _gpus(evidence: Evidence, floor: object) -> tuple[Course, tuple[Gpu, ...]] | Verdict:
    """What the floors are held against; a verdict where there is nothing to compare."""
    course = evidence.course
    if course is None:
        return skipped(NO_COURSE)
    if floor is None:
        return skipped("the course asks for no more than a GPU has")
    if not any(kind_of(variant) == "cuda" for variant in course.variants):
        return skipped("the course uses no NVIDIA GPU")
    if not evidence.gpus and evidence.machine.nvidia.status == "unknown":
        return skipped(f"{BLOCKED}the NVIDIA driver, which does not answer")
    if not evidence.gpus:
        return skipped("no NVIDIA GPU answers")
    return course, evidence.gpus


def memory_is_large_enough(evidence: Evidence) -> Verdict:
    """One GPU with enough is enough. A slice of a GPU (MIG) has less than the GPU tells."""
    floor = evidence.course.gpu.memory_gib if evidence.course else None
    asked = _gpus(evidence, floor)
    if isinstance(asked, Verdict):
        return asked
    course, gpus = asked
    whole = [gpu for gpu in gpus if gpu.mig != Found(True)]
    known = [gpu.memory_mib.value for gpu in whole if isinstance(gpu.memory_mib, Found)]
    if any(enough_memory(mib, course.gpu) for mib in known):
        return passed(f"{max(known) / 1024:.0f} GiB; the course asks for {floor:g}")
    if len(known) < len(gpus):
        return unknown("how much memory of the GPU can be used could not be read")
    return _bad(
        course,
        f"The course asks for a GPU with {floor:g} GiB; the largest here has {max(known) / 1024:.1f}.",
        f"use the course's smaller settings, or {elsewhere(course)}",
    )


def capability_is_new_enough(evidence: Evidence) -> Verdict:
    """One GPU of the capability asked for is enough."""
    floor = evidence.course.gpu.compute_capability if evidence.course else None
    asked = _gpus(evidence, floor)
    if isinstance(asked, Verdict) or floor is None:
        return asked if isinstance(asked, Verdict) else skipped("none is asked for")
    course, gpus = asked
    known = [gpu.compute_capability.value for gpu in gpus if isinstance(gpu.compute_capability, Found)]
    if any(capability >= floor for capability in known):
        return passed(f"{dotted(max(known))}; the course asks for {dotted(floor)}")
    if len(known) < len(gpus):
        return unknown("the compute capability could not be read")
    message = f"The course asks for compute capability {dotted(floor)}; the best here is {dotted(max(known))}"
    names = ", ".join(dict.fromkeys(found_or(gpu.name, f"GPU {gpu.index}") for gpu in gpus))
    return _bad(course, f"{message} ({names}).", elsewhere(course))


def driver_is_new_enough(evidence: Evidence) -> Verdict:
    """The floor is a Linux driver; Windows numbers its own otherwise."""
    floor = evidence.course.gpu.driver if evidence.course else None
    asked = _gpus(evidence, floor)
    if isinstance(asked, Verdict) or floor is None:
        return asked if isinstance(asked, Verdict) else skipped("none is asked for")
    machine, course = evidence.machine, asked[0]
    if machine.os == "windows" or isinstance(machine.wsl, Found):
        return skipped("the course names a Linux driver; drivers of Windows are numbered otherwise")
    match machine.nvidia.driver:
        case Found(driver):
            if not below_driver(machine, driver, floor):
                return passed(f"driver {driver}; the course asks for {floor}")
            message = f"The course asks for NVIDIA driver {floor} or newer; found {driver}."
            return _bad(course, message, f"update the NVIDIA driver to {floor} or newer")
        case Absent(reason) | Unknown(reason):
            return unknown(f"the driver's version could not be read: {reason}")
