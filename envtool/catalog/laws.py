"""The laws of the catalog: what must hold for any edition of it, whoever wrote the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product

from envtool.catalog import COMPANIONS, FILES, Catalog
from envtool.catalog.builds import Build
from envtool.catalog.conda_laws import CONDA_LAWS
from envtool.catalog.names import simplified
from envtool.errors import EnvtoolError
from envtool.versions import cuda_of, dotted, numbers

Law = Callable[[Catalog], Iterator[str]]

_TABLES = {
    "releases": ("release", "rule", "open_ended", "companion"),
    "wheels": ("wheels", "requires"),
    "builds": ("builds", "vendor", "channel"),
    "kernels": ("kernels", "rocm", "unknown"),
    "drivers": ("family", "architecture", "branch", "unknown"),
    "gpus": ("nvidia", "amd", "intel"),
    "conda": ("pytorch", "companion", "code", "cudnn", "jetson"),
}


def rows_are_unique(catalog: Catalog) -> Iterator[str]:
    """No fact is told twice: two rows on one thing would let their order decide."""
    told: Counter[str] = Counter()
    for row in catalog.file("releases").rows("release"):
        told[f"releases.toml: torch {row.text('torch')}"] += 1
    for table, file in (("builds", "builds"), ("kernels", "kernels")):
        for row in catalog.file(file).rows(table):
            for torch in row.words("torch"):
                told[f"{file}.toml: {row.text('variant')} of torch {torch} on {row.text('platform')}"] += 1
    for row in catalog.file("kernels").rows("rocm"):
        told[f"kernels.toml: {row.text('variant')}"] += 1
    for file, table in (("wheels", "requires"), ("releases", "companion"), ("releases", "open_ended")):
        for row in catalog.file(file).rows(table):
            told.update(f"{file}.toml, {table}: {row.text('package')} {v}" for v in row.words("versions"))
    for row in catalog.file("gpus").rows("nvidia"):
        told.update(f"gpus.toml: {name}" for name in row.names("names"))
    for architecture in catalog.architectures:
        told.update(f"drivers.toml: {dotted(capability)}" for capability in architecture.capabilities)
    for row in catalog.file("drivers").rows("family"):
        told[f"drivers.toml: CUDA {row.text('cuda')}"] += 1
    told.update(_wheels_told(catalog))
    yield from (f"{what} is told {times} times" for what, times in told.items() if times > 1)


def _wheels_told(catalog: Catalog) -> Iterator[str]:
    for row in catalog.file("wheels").rows("wheels"):
        for version, tag, abi in product(row.words("versions"), row.words("tags"), row.words("python")):
            yield f"wheels.toml: {row.text('package')} {version}, {abi}, {tag}"


def names_mean_one_gpu(catalog: Catalog) -> Iterator[str]:
    """Two names that are the same but for "NVIDIA" or a memory size have one compute capability."""
    meant: dict[str, str] = {}
    for row in catalog.file("gpus").rows("nvidia"):
        for name in row.names("names"):
            capability = meant.setdefault(simplified(name), row.text("capability"))
            if capability != row.text("capability"):
                yield f"{row.where}: {name} is told to be {capability} too"


def every_row_has_a_source(catalog: Catalog) -> Iterator[str]:
    """A row names where it comes from, and the source is described; no source is described for nothing."""
    known, used = set(catalog.file("sources").content), set()
    for file, tables in _TABLES.items():
        for table in tables:
            for row in catalog.file(file).rows(table):
                used |= set(row.sources())
                yield from (f"{row.where}.source: no source {name!r}" for name in row.sources() if name not in known)
    yield from (f"sources.toml: {name!r} is the source of nothing" for name in sorted(known - used))


def every_table_is_known(catalog: Catalog) -> Iterator[str]:
    """A misspelt table would be passed over in silence."""
    for file in FILES:
        if file in _TABLES:
            for table in catalog.file(file).content:
                if table not in (*_TABLES[file], "date", "newest_glibc"):
                    yield f"{file}.toml: no such table as {table!r}"


def references_resolve(catalog: Catalog) -> Iterator[str]:
    """What a row speaks of exists: releases have wheels, companions have wheels, builds have code and drivers."""
    for release in catalog.releases:
        for package in COMPANIONS:
            for version in release.companions.of(package):
                if not any(key[:2] == (package, version) for key in catalog.wheels):
                    yield f"releases.toml: torch {release.torch} names {package} {version}, which has no wheel"
                if catalog.pypi_variant(package, version, "linux_x86_64") is None:
                    yield f"releases.toml: what {package} {version} on PyPI was built for is missing"
    torches = {release.torch for release in catalog.releases}
    for package, version, platform in catalog.wheels:
        if package == "torch" and version not in torches:
            yield f"wheels.toml: torch {version} on {platform} is no release"
    for platform in {key[2] for key in catalog.wheels}:
        for build in catalog.builds(platform):
            if build.kind == "cuda":
                yield from _code_and_driver(catalog, build)


def _code_and_driver(catalog: Catalog, build: Build) -> Iterator[str]:
    """What a CUDA build is compiled for and what driver it needs is told, or it is told that this isn't known."""
    key = (build.variant, build.platform, build.torch)
    if (build.kernels is None) != (key in catalog.kernels_unknown):
        told = "nothing on" if build.kernels is None else "both kernels and unknown tell of"
        yield f"kernels.toml: {told} {build} on {build.platform}"
    floors, major = set(build.driver_floors), (cuda_of(build.variant) or (0, 0))[0]
    if floors != {"linux", "windows"} and major not in catalog.families_unknown:
        yield f"drivers.toml: no driver for {build.variant}"
    if floors and major in catalog.families_unknown:
        yield f"drivers.toml: both family and unknown tell of CUDA {major}"


def every_release_has_companions(catalog: Catalog) -> Iterator[str]:
    """Each torch has its companions or says why not; those that say "torch >= x" are named by every later one."""
    for release in catalog.releases:
        for package in COMPANIONS:
            if bool(release.companions.of(package)) == (package in release.lacks):
                yield f"releases.toml: torch {release.torch} must name a {package} or say why there is none"
    for row in catalog.file("releases").rows("open_ended"):
        package, since = row.text("package"), numbers(row.text("torch_from"))
        for version in row.words("versions"):
            for release in catalog.releases:
                named = version in release.companions.of(package)
                if named != (numbers(release.torch) >= since):
                    since_text = row.text("torch_from")
                    yield f"releases.toml: torch {release.torch} and {package} {version}, open from {since_text}"


def floors_never_fall(catalog: Catalog) -> Iterator[str]:
    """A newer torch from PyPI never asks for an older glibc or macOS, nor a newer CUDA family for an older driver."""
    for platform in sorted({key[2] for key in catalog.wheels if not key[2].startswith("windows")}):
        floor: tuple[int, ...] = ()
        for release in reversed(catalog.releases):
            wheel = catalog.wheel("torch", release.torch, platform)
            lowest = min(wheel.floors.values()) if wheel else floor
            if lowest < floor:
                yield f"wheels.toml: torch {release.torch} on {platform} asks for less than its forerunner"
            floor = max(floor, lowest)
    newest = catalog.wheel("torch", catalog.releases[0].torch, "linux_x86_64")
    if newest is None or dotted(min(newest.floors.values())) != catalog.newest_glibc_floor("linux_x86_64"):
        yield "releases.toml: newest_glibc is not what the newest torch asks for"
    variants = sorted({b.variant for b in catalog.builds("linux_x86_64") if b.kind == "cuda"}, key=_cuda)
    for os in ("linux", "windows"):
        drivers = [numbers(needed) for variant in variants if (needed := catalog.driver_floor(variant, os))]
        if drivers != sorted(drivers):
            yield f"drivers.toml: a newer CUDA family asks for an older driver on {os}"


def drivers_rise(catalog: Catalog) -> Iterator[str]:
    """A newer driver branch speaks the same CUDA or a newer one, and no architecture ends before it begins."""
    spoken = [numbers(cuda) for _, cuda in catalog.driver_branches]
    if spoken != sorted(spoken):
        yield "drivers.toml: a newer driver branch speaks an older CUDA"
    for architecture in catalog.architectures:
        for os, first in architecture.first.items():
            if architecture.last is not None and numbers(first) > numbers(architecture.last):
                yield f"drivers.toml: {architecture.name} ends before it begins on {os}"


def _cuda(variant: str) -> tuple[int, int]:
    return cuda_of(variant) or (0, 0)


LAWS: tuple[Law, ...] = (
    rows_are_unique,
    names_mean_one_gpu,
    every_row_has_a_source,
    every_table_is_known,
    references_resolve,
    every_release_has_companions,
    floors_never_fall,
    drivers_rise,
    *CONDA_LAWS,
)


def judged(catalog: Catalog) -> list[tuple[str, str, list[str]]]:
    """Every law by name, what it says, and its breaches in words."""
    return [(law.__name__.replace("_", "-"), law.__doc__ or "", _breaches(law, catalog)) for law in LAWS]


def _breaches(law: Law, catalog: Catalog) -> list[str]:
    try:
        return list(law(catalog))
    except EnvtoolError as error:  # a row that can't even be read
        return [error.message]


def broken(catalog: Catalog) -> list[str]:
    """Every breach of a law, in words; none for a sound catalog."""
    return [breach for _, _, breaches in judged(catalog) for breach in breaches]
