"""What an envtool.toml asks for that the catalog says does not exist, on any machine."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.requirements import Requirement

from envtool.catalog import Catalog
from envtool.course import Course
from envtool.spec import allows
from envtool.target import SUBDIRS
from envtool.versions import kind_of, numbers


def contradictions(course: Course, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """The key of each, and what is wrong with it."""
    releases = _torches(course, catalog)
    if not releases:
        index = next(i for i, text in enumerate(course.torch) if Requirement(text).name == "torch")
        newest = catalog.releases[0].torch
        yield f"torch[{index}]", f"no such torch is in the catalog of {catalog.date}, whose newest is {newest}"
    else:
        yield from _python(course, catalog, releases)
    yield from _variants(course, catalog)


def _torches(course: Course, catalog: Catalog) -> list[str]:
    """The releases of torch that the course allows, newest first."""
    asked = {requirement.name.lower(): str(requirement.specifier) for requirement in map(Requirement, course.torch)}
    return [release.torch for release in catalog.releases if allows(asked.get("torch", ""), release.torch)]


def _python(course: Course, catalog: Catalog, releases: list[str]) -> Iterator[tuple[str, str]]:
    """Is there a Python of the range for which any of these has a wheel, and on each platform one at all?"""
    found: set[tuple[int, int]] = set()
    for index, subdir in enumerate(course.platforms):
        wheels = [catalog.wheel("torch", torch, "_".join(SUBDIRS[subdir])) for torch in releases]
        abis = {abi for wheel in wheels if wheel for abi in wheel.floors}
        numbers = (abi[3:].rstrip("tm") for abi in abis if abi[:3] == "cp3")
        found |= {(3, int(number)) for number in numbers if number.isdecimal()}
        if not abis:
            yield f"platforms[{index}]", _nothing_there(subdir, releases, catalog)
    fitting = any(course.allows_python(f"{major}.{minor}.{patch}") for major, minor in found for patch in range(40))
    if found and not fitting:
        first, last = min(found), max(found)
        span = f"Python {first[0]}.{first[1]} to {last[0]}.{last[1]}"
        yield "python", f"'{course.python}' and torch contradict each other: there are builds of it for {span}"


def _nothing_there(subdir: str, releases: list[str], catalog: Catalog) -> str:
    platform = "_".join(SUBDIRS[subdir])
    versions = [version for package, version, where in catalog.wheels if package == "torch" and where == platform]
    newest = max(versions, key=numbers, default=None)
    ended = f"; the newest there is {newest}" if newest else ""
    return f"no torch from {releases[-1]} to {releases[0]} is built for {subdir}{ended}"


def known_variants(catalog: Catalog) -> set[str]:
    """The variants of every build that the catalog has, on any platform."""
    return {build.variant for place in SUBDIRS.values() for build in catalog.builds("_".join(place))}


def _variants(course: Course, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """A variant by its name must be on an index."""
    for index, variant in enumerate(course.variants):
        if variant in ("cpu", "cuda", "rocm", "xpu"):
            continue
        there = {name for name in known_variants(catalog) if kind_of(name) == kind_of(variant)}
        if variant not in there:
            known = sorted(there, key=lambda name: (len(name), name))
            words = f"there are {', '.join(known)}" if known else "there is none of that kind"
            yield f"variants[{index}]", f"'{variant}' is on no index that the catalog of {catalog.date} knows; {words}"
