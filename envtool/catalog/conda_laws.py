"""The laws of conda.toml, as those of the other tables in laws.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from envtool.catalog import Catalog
from envtool.catalog.conda import CondaCatalog, conda_catalog
from envtool.versions import cuda_of, dotted, kind_of, numbers


def conda_rows_are_unique(catalog: Catalog) -> Iterator[str]:
    """No build is told twice."""
    rows, told = conda_catalog(catalog, jetson=False).rows, Counter[str]()
    for one in rows.torches:
        told.update(f"torch {torch} ({one.variant}) {one.arm or ''} for {one.subdir}" for torch in one.torch)
    for other in rows.companions:
        what = f"{other.package} {other.version} ({other.variant}) {other.arm or ''}"
        told.update(
            f"{what} for {subdir} beside torch {torch} ({beside})"
            for subdir in other.subdirs for torch in other.torch for beside in other.beside
        )  # fmt: skip
    for code in rows.codes:
        what = f"the code of {code.variant} {code.arm or ''}"
        told.update(f"{what} for {subdir} in torch {torch}" for subdir in code.subdirs for torch in code.torch)
    yield from (f"conda.toml: {what} is told {times} times" for what, times in told.items() if times > 1)


def conda_references_resolve(catalog: Catalog) -> Iterator[str]:
    """A companion's torch is there and of the same CUDA major; a torch is a release, with code and a driver."""
    view = conda_catalog(catalog, jetson=False)
    there = {(torch, row.subdir, row.variant, row.arm) for row in view.rows.torches for torch in row.torch}
    for row in view.rows.companions:
        for torch in row.torch:
            for key in ((torch, subdir, beside, row.arm) for subdir in row.subdirs for beside in row.beside):
                if key not in there:
                    yield f"conda.toml: {row.package} {row.version} is built for torch {torch}, not there for {key[1]}"
        for beside in row.beside:
            if (cuda_of(beside) or (0,))[0] != (cuda_of(row.variant) or (0,))[0]:
                yield f"conda.toml: {row.package} {row.version} ({row.variant}) is of another CUDA than {beside}"
    for torch in sorted({key[0] for key in there}):
        if catalog.release(torch) is None:
            yield f"conda.toml: torch {torch} is no release"
    for jetson in (False, True):
        yield from _code_and_driver(conda_catalog(catalog, jetson=jetson))


def _code_and_driver(view: CondaCatalog) -> Iterator[str]:
    for platform in sorted(view.platforms):
        for build in view.builds(platform):
            if build.kind == "cuda" and build.kernels is None:
                yield f"conda.toml: nothing tells the code of {build} on {platform}"
            if build.kind == "cuda" and set(build.driver_floors) != {"linux", "windows"}:
                yield f"drivers.toml: no driver for conda's {build.variant}"


def conda_floors_never_fall(catalog: Catalog) -> Iterator[str]:
    """A newer torch never asks for an older glibc or macOS, variant by variant."""
    view = conda_catalog(catalog, jetson=False)
    highest: dict[tuple[str, str | None, str], tuple[int, ...]] = {}
    pairs = [(torch, row) for row in view.rows.torches for torch in row.torch]
    for torch, row in sorted(pairs, key=lambda pair: numbers(pair[0])):
        key = (row.subdir, row.arm, kind_of(row.variant))
        floor = max(row.wheel.floors.values())
        if row.verified and floor < highest.get(key, ()) and key[2] == "cpu":
            yield f"conda.toml: torch {torch} for {row.subdir} asks for {dotted(floor)}, less than its forerunner"
        highest[key] = max(floor, highest.get(key, ()))


CONDA_LAWS = (conda_rows_are_unique, conda_references_resolve, conda_floors_never_fall)
