"""The line that makes an environment with another Python, where the one that is there can't serve."""

from __future__ import annotations

from envtool.checks.check import Evidence
from envtool.machine import Found
from envtool.shell import shell_line


def of_the_course(evidence: Evidence) -> str | None:
    """The newest Python of the course's range with a plan here, where this one is outside of it; else None."""
    course, env = evidence.course, evidence.env
    if course is None or env is None or not course.python or course.allows_python(env.version):
        return None
    from envtool.plan.for_course import fitting_python

    return fitting_python(evidence.machine, course.request(), course, evidence.catalog)


def line(evidence: Evidence, version: str) -> str:
    """`envtool install` with that Python, into a folder that no other environment is in."""
    words = ["envtool", "install", "--python", version]
    if _taken(evidence):
        words += ["--into", f".venv-{version}"]
    return shell_line(words, "powershell" if evidence.machine.os == "windows" else "posix")


def _taken(evidence: Evidence) -> bool:
    """Is there an environment in ./.venv, this one or another?"""
    env = evidence.env
    if env is None or isinstance(env.local_venv, Found):
        return True
    separator = "\\" if "\\" in env.prefix else "/"
    return env.prefix == f"{env.working_directory}{separator}.venv"
