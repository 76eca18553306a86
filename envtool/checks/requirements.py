"""Does this environment hold what the course's envtool.toml asks for? Run only where there is one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from envtool.checks import another_python
from envtool.checks.check import COURSE, Check, Evidence
from envtool.checks.order import NO_DRIVER, OTHER_BUILD, OTHER_FILES, OTHER_PYTHON, PACKAGES
from envtool.checks.packages import marker_values
from envtool.checks.requirements_of_machine import (
    NO_COURSE,
    capability_is_new_enough,
    driver_is_new_enough,
    elsewhere,
    memory_is_large_enough,
    platform_is_of_the_course,
    there_is_a_gpu,
)
from envtool.checks.words import variant_words
from envtool.course import Course
from envtool.course.belongings import plain_name
from envtool.environment import Environment
from envtool.verdicts import Json, Verdict, failed, passed, skipped, unknown, warned

if TYPE_CHECKING:
    from packaging.requirements import Requirement

MISSING = "is missing"


def python_is_in_range(evidence: Evidence) -> Verdict:
    """The course's range of Pythons."""
    course, env = evidence.course, evidence.env
    if course is None or not course.python:
        return skipped(NO_COURSE if course is None else "the course names no Python")
    if env is None:
        return skipped("Python does not start")
    if course.allows_python(env.version):
        return passed(f"Python {env.version} is one of {course.python}")
    fitting = another_python.of_the_course(evidence)
    return failed(
        f"The course is made for Python {course.python}; this environment has Python {env.version}.",
        hint=another_python.line(evidence, fitting)
        if fitting
        else "ask whoever runs the course for a Python that it works with here",
        command=fitting is not None,
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
    hint = mend or elsewhere(course)
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


CHECKS = (
    Check("spec-platform", "The course is made for this platform", COURSE, platform_is_of_the_course),
    Check("spec-python", "Python is in the course's range", COURSE, python_is_in_range, behind=OTHER_PYTHON),
    Check("spec-torch", "PyTorch is as the course asks", COURSE, torch_is_as_asked,
        needs=("torch-not-installed", "spec-python"), behind=(*PACKAGES, *OTHER_FILES)),
    Check("spec-variant", "The build is one of the course's", COURSE, variant_is_of_the_course, needs=("spec-torch",),
          behind=(*PACKAGES, *OTHER_BUILD)),
    Check("spec-packages", "The course's packages are installed", COURSE, packages_are_there, needs=("spec-python",),
          behind=PACKAGES),
    Check("spec-gpu", "There is a GPU where the course needs one", COURSE, there_is_a_gpu, behind=NO_DRIVER),
    Check("spec-driver", "The driver is as new as the course asks", COURSE, driver_is_new_enough),
    Check("spec-capability", "The GPU is as new as the course asks", COURSE, capability_is_new_enough),
    Check("low-vram", "The GPU has the memory that the course asks for", COURSE, memory_is_large_enough),
)  # fmt: skip
