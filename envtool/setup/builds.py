"""Which Pythons and which builds a course can be set up with on a platform, as the catalog has them. Pure."""

from __future__ import annotations

from envtool.catalog import Catalog
from envtool.course import Course
from envtool.machine import Machine
from envtool.plan import resolve
from envtool.plan.answers import NoPlan, Plan
from envtool.plan.for_course import resolve_for
from envtool.plan.targets import platform_of
from envtool.target import read_target
from envtool.versions import dotted, kind_of

GLIBC = "2.36"  # the oldest Debian that Docker's Python images and the runners of CI still have
OLDEST = (3, 10)  # envtool's own
_NO_FLOOR = "7.5"  # the oldest GPU that every CUDA 12 and 13 build serves


def allowed(course: Course, subdir: str, catalog: Catalog) -> tuple[str, ...]:
    """The Pythons of the course that envtool runs on, too, the oldest first."""
    there = sorted(catalog.pythons(platform_of(_machine(subdir, "3.12", catalog)) or ""))
    return tuple(
        dotted(version)
        for version in there
        if version >= OLDEST and any(course.allows_python(f"{dotted(version)}.{patch}") for patch in range(40))
    )


def pythons(course: Course, subdir: str, variant: str, catalog: Catalog) -> tuple[str, ...]:
    """Of these, those for which there is a plan."""
    there = allowed(course, subdir, catalog)
    return tuple(python for python in there if isinstance(plan_for(course, subdir, python, variant, catalog), Plan))


def plan_for(course: Course, subdir: str, python: str, variant: str, catalog: Catalog) -> Plan | NoPlan:
    """The plan of one variant on a machine of which nothing else is known."""
    answer, _ = resolve_for(_machine(subdir, python, catalog), course.request(variant=variant), course, catalog)
    return answer


def cuda_variant(course: Course, subdir: str, python: str, catalog: Catalog) -> str | None:
    """The CUDA variant that the weakest GPU and the oldest driver of the course can use; None where there is none.

    Where the course names no driver it is one that is just new enough for the newest builds.
    """
    named = [variant for variant in course.variants if kind_of(variant) == "cuda" and variant != "cuda"]
    if named:
        return named[0]
    capability, driver = course.gpu.compute_capability, course.gpu.driver
    gpu = dotted(capability) if capability else _NO_FLOOR
    found = _for_driver(course, (subdir, python, gpu), driver or f"{catalog.driver_branches[-1][0]}.0", catalog)
    floor = catalog.driver_floor(found, "linux") if found is not None and driver is None else None
    return _for_driver(course, (subdir, python, gpu), floor, catalog) if floor is not None else found


def left_out(course: Course, place: tuple[str, str], variant: str, catalog: Catalog) -> str | None:
    """Why a CUDA variant does not serve the weakest GPU and the oldest driver of the course; None where it does."""
    capability, driver = course.gpu.compute_capability, course.gpu.driver
    if variant == "cpu" or not (capability or driver):
        return None
    facts = ([f"driver={driver}"] if driver else []) + ([f"gpu={dotted(capability)}"] if capability else [])
    answer = resolve(_machine(*place, catalog, *facts), course.request(accelerator="cuda", variant=variant), catalog)
    return answer.message if isinstance(answer, NoPlan) else None


def _for_driver(course: Course, place: tuple[str, str, str], driver: str, catalog: Catalog) -> str | None:
    subdir, python, gpu = place
    machine = _machine(subdir, python, catalog, f"driver={driver}", f"gpu={gpu}")
    answer = resolve(machine, course.request(accelerator="cuda"), catalog)
    return answer.variant if isinstance(answer, Plan) else None


def _machine(subdir: str, python: str, catalog: Catalog, *more: str) -> Machine:
    libc = (f"glibc={GLIBC}",) if subdir.startswith("linux") else ()
    return read_target(",".join((subdir, f"py{python}", *libc, *more)), catalog)
