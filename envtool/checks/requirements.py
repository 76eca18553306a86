"""Does this machine and environment hold what the course's envtool.toml asks for? Run only where there is one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from envtool.checks.check import BLOCKED, COURSE, Check, Evidence
from envtool.checks.packages import marker_values
from envtool.checks.words import variant_words
from envtool.course import Course
from envtool.course.belongings import plain_name
from envtool.course.gpus import below_driver, enough_memory
from envtool.environment import Environment
from envtool.machine import Absent, Found, Gpu, Unknown, found_or
from envtool.verdicts import Json, Verdict, failed, passed, skipped, unknown, warned
from envtool.versions import dotted, kind_of

if TYPE_CHECKING:
    from packaging.requirements import Requirement

NO_COURSE = "no envtool.toml is used"
MISSING = "is missing"


def _needs_a_gpu(course: Course) -> bool:
    return "cpu" not in course.variants


def _bad(course: Course, message: str, hint: str) -> Verdict:
    """A GPU below what the course asks for: a fault where the CPU won't do, else a warning."""
    return failed(message, hint=hint) if _needs_a_gpu(course) else warned(message, hint=hint)


def _elsewhere(course: Course) -> str:
    places = [place for place in course.runs_on if place != "laptop"]
    return f"use a place that the course names: {', '.join(places)}" if places else "ask whoever runs the course"


# ── Python and packages ──────────────────────────────────────────────────────────────────────────


def python_is_in_range(evidence: Evidence) -> Verdict:
    """The course's range of Pythons."""
    course, env = evidence.course, evidence.env
    if course is None or not course.python:
        return skipped(NO_COURSE if course is None else "the course names no Python")
    if env is None:
        return skipped("Python does not start")
    if course.allows_python(env.version):
        return passed(f"Python {env.version} is one of {course.python}")
    from envtool.plan.for_course import fitting_python

    fitting = fitting_python(evidence.machine, course.request(), course, evidence.catalog)
    return failed(
        f"The course is made for Python {course.python}; this environment has Python {env.version}.",
        hint=f"make an environment with Python {fitting} and install the course's packages there"
        if fitting
        else "ask whoever runs the course for a Python that it works with here",
        evidence={"asked": course.python, "found": env.version},
    )


def torch_is_as_asked(evidence: Evidence) -> Verdict:
    """Versions of torch and its companions; which build it is, is asked next."""
    course, env = evidence.course, evidence.env
    if course is None or env is None:
        return skipped(NO_COURSE if course is None else "Python does not start")
    from packaging.requirements import Requirement

    wrong, right = [], []
    for text in course.torch:
        asked = Requirement(text)
        version = _version(env, asked.name.lower())
        problem = _problem(asked, version)
        if problem:
            wrong.append((asked.name, problem))
        else:
            right.append(f"{asked.name} {version}")
    if not wrong:
        return passed(", ".join(right))
    mend = evidence.mender.reinstall()
    return failed(
        f"Not as the course asks: {_listed(wrong)}.",
        hint=mend or "run `envtool pick`, which says why no build fits",
        command=mend is not None,
        evidence={"asked": list(course.torch), "wrong": [f"{name} {problem}" for name, problem in wrong]},
    )


def _version(env: Environment, name: str) -> str | None:
    build, record = env.build(name), env.distribution(name)
    version = build.version if build else record.version if record else None
    return version.partition("+")[0] if version else None


def _problem(asked: Requirement, version: str | None) -> str | None:
    """What is wrong with one package, None where it is as asked."""
    if version is None:
        return MISSING
    if asked.specifier and not asked.specifier.contains(version, prereleases=True):
        return f"is {version} (asked: {asked.specifier})"
    return None


def variant_is_of_the_course(evidence: Evidence) -> Verdict:
    """A build that nobody tried the course with; a CPU build where the course can't do with one is a fault."""
    course, torch = evidence.course, evidence.torch
    if course is None or torch is None:
        return skipped(NO_COURSE if course is None else "PyTorch is not installed")
    if torch.variant is None:
        return unknown(f"the files of torch {torch.version} don't tell which build it is")
    if course.covers(torch.variant):
        return passed(f"{torch.variant} is one of {', '.join(course.variants)}")
    message = f"The course is made for {', '.join(course.variants)}; the installed torch is for {variant_words(torch)}."
    mend = evidence.mender.reinstall()
    hint = mend or _elsewhere(course)
    told: dict[str, Json] = {"asked": list(course.variants), "found": torch.variant}
    if torch.variant == "cpu":
        return failed(message, hint=hint, command=mend is not None, evidence=told)
    return warned(message, hint=hint, command=mend is not None, evidence=told)


def packages_are_there(evidence: Evidence) -> Verdict:
    """Everything but torch, by the names of the distributions; in a conda environment by conda's own, too."""
    course, env = evidence.course, evidence.env
    if course is None or env is None:
        return skipped(NO_COURSE if course is None else "Python does not start")
    asked = list(_asked(course, evidence))
    found = [
        (text, requirement.name, _installed_problem(env, conda, requirement)) for text, conda, requirement in asked
    ]
    wrong = [(text, name, problem) for text, name, problem in found if problem]
    if env.manager == "conda":
        wrong += [(text, plain_name(text), MISSING) for text in course.conda_packages if not _of_conda(env, text)]
    if not wrong:
        count = len(asked)
        return passed(f"{count} package{'s' if count != 1 else ''} of the course")
    return failed(
        f"Not as the course asks: {_listed([(name, problem) for _, name, problem in wrong])}.",
        hint=_install_line(evidence, course, [text for text, _, _ in wrong]),
        command=True,
        evidence={"wrong": [f"{name} {problem}" for _, name, problem in wrong]},
    )


def _listed(wrong: list[tuple[str, str]]) -> str:
    """ "tqdm and einops are missing; numpy is 1.26.4 (asked: >=2)"."""
    missing = [name for name, problem in wrong if problem == MISSING]
    parts = [f"{name} {problem}" for name, problem in wrong if problem != MISSING]
    if missing:
        some = missing[:6] + ([f"{len(missing) - 6} more"] if len(missing) > 6 else [])
        words = f"{', '.join(some[:-1])} and {some[-1]} are" if len(some) > 1 else f"{some[0]} is"
        parts.insert(0, f"{words} missing")
    return "; ".join(parts[:5]) + (f"; and {len(parts) - 5} more" if len(parts) > 5 else "")


def _asked(course: Course, evidence: Evidence) -> Iterable[tuple[str, str, Requirement]]:
    """As written for conda or pip, conda's name where there is one, and the requirement by PyPI's name."""
    from packaging.requirements import Requirement

    here = marker_values(evidence)
    shared = len(course.packages)
    for index, text in enumerate(course.requirements()):
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(here):
            conda = Requirement(course.packages[index]).name if index < shared else ""
            yield text, conda, requirement


def _installed_problem(env: Environment, conda: str, asked: Requirement) -> str | None:
    from packaging.utils import canonicalize_name

    record = env.distribution(canonicalize_name(asked.name))
    of_conda = next((p for p in env.conda_packages if conda and p.name == conda.lower()), None)
    return _problem(asked, record.version if record else of_conda.version if of_conda else None)


def _of_conda(env: Environment, text: str) -> bool:
    """Is a package of conda's own there?"""
    return plain_name(text) in {plain_name(package.name) for package in env.conda_packages}


def _install_line(evidence: Evidence, course: Course, wrong: list[str]) -> str:
    env = evidence.env
    assert env is not None
    if env.manager != "conda":
        return evidence.mender.install(*wrong)
    from envtool.shell import shell_line

    of_conda = [*course.conda_requirements()]
    shared = dict(zip(course.requirements(), course.packages, strict=False))
    conda = [shared.get(text, text) for text in wrong if shared.get(text, text) in of_conda]
    if not conda:
        return evidence.mender.install(*wrong)
    shell = "powershell" if evidence.machine.os == "windows" else "posix"
    channels = [word for channel in course.channels for word in ("-c", channel)]
    return shell_line(["conda", "install", "--prefix", env.prefix, *channels, *conda], shell)


# ── machine ──────────────────────────────────────────────────────────────────────────────────────


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
        hint=_elsewhere(course),
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
    return failed(f"The course needs a GPU ({', '.join(course.variants)}); none was found.", hint=_elsewhere(course))


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
        f"use the course's smaller settings, or {_elsewhere(course)}",
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
    return _bad(course, f"{message} ({names}).", _elsewhere(course))


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


CHECKS = (
    Check("spec-platform", "The course is made for this platform", COURSE, platform_is_of_the_course),
    Check("spec-python", "Python is in the course's range", COURSE, python_is_in_range),
    Check("spec-torch", "PyTorch is as the course asks", COURSE, torch_is_as_asked,
        needs=("torch-not-installed", "spec-python")),
    Check("spec-variant", "The build is one of the course's", COURSE, variant_is_of_the_course, needs=("spec-torch",)),
    Check("spec-packages", "The course's packages are installed", COURSE, packages_are_there, needs=("spec-python",)),
    Check("spec-gpu", "There is a GPU where the course needs one", COURSE, there_is_a_gpu),
    Check("spec-driver", "The driver is as new as the course asks", COURSE, driver_is_new_enough),
    Check("spec-capability", "The GPU is as new as the course asks", COURSE, capability_is_new_enough),
    Check("low-vram", "The GPU has the memory that the course asks for", COURSE, memory_is_large_enough),
)  # fmt: skip
