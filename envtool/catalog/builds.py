"""Wheels and builds: what can be installed, from where, and what it asks of a machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from envtool.catalog import COMPANIONS, Catalog, Release
from envtool.catalog.companions import fits
from envtool.catalog.kernels import Capability, Kernels, cudnn_serves, runs_on
from envtool.catalog.rows import File, Row
from envtool.fact import Fact
from envtool.versions import cuda_of, dotted, kind_of, numbers, variant_key

PYTORCH_INDEX = "https://download.pytorch.org/whl/"

_MANYLINUX = {"manylinux1": (2, 17), "manylinux2014": (2, 17)}  # the names promise less than the libraries need
_ARCHITECTURES = ("x86_64", "aarch64", "arm64")


@dataclass(frozen=True, eq=False, repr=False)
class Wheel(Fact):
    """The wheels of one version for one platform. ``floors``: by Python ABI, the oldest glibc or macOS that serves.

    The ABI "py3" stands for any. The floor is empty on Windows.
    """

    floors: Mapping[str, tuple[int, ...]]
    requires_python: str | None

    @property
    def pythons(self) -> tuple[str, ...]:
        """The ABIs in the order of the Pythons: cp39, cp310, cp313, cp313t."""
        return tuple(sorted(self.floors, key=lambda abi: (len(abi.rstrip("t")), abi)))

    def floor(self, abi: str) -> tuple[int, ...] | None:
        """The floor for a Python ABI, None where there is no wheel for it."""
        found = self.floors.get(abi)
        return self.floors.get("py3") if found is None else found


@dataclass(frozen=True, eq=False, repr=False)
class CompanionWheel(Fact):
    """A torchvision or torchaudio beside a build, from the same place. ``problem``: why it does not go with it."""

    package: str
    version: str
    variant: str
    suffixed: bool  # its version on that index carries the variant: "0.28.0+cpu"
    verified: bool
    wheel: Wheel
    problem: str | None


@dataclass(frozen=True, eq=False, repr=False)
class Build(Fact):
    """One torch from one place: a row to choose or to refuse. Compared by identity: a catalog holds each once."""

    torch: str
    variant: str
    platform: str
    source: str  # pypi | pytorch-index
    index_url: str | None
    verified: bool
    suffixed: bool
    wheel: Wheel
    kernels: Kernels | None
    gfx: frozenset[str] | None
    driver_floors: Mapping[str, str]  # by system; empty for builds that need no NVIDIA driver
    companions: Mapping[str, tuple[CompanionWheel, ...]]  # by package, the preferred one first
    numpy2: frozenset[str]

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @cached_property
    def kind(self) -> str:
        """cpu, cuda, rocm or xpu."""
        return kind_of(self.variant)

    @cached_property
    def cuda(self) -> str | None:
        """The CUDA runtime, "12.6"; None without CUDA."""
        cuda = cuda_of(self.variant)
        return f"{cuda[0]}.{cuda[1]}" if cuda else None

    @cached_property
    def _served(self) -> dict[Capability, bool]:
        return {}  # asked again for each of a thousand machines

    def serves(self, capability: Capability) -> bool:
        """Does a CUDA build run on a GPU, its cuDNN too?"""
        known = self._served.get(capability)
        if known is None:
            kernels = self.kernels
            code = kernels is not None and self.cuda is not None and runs_on(kernels, capability, cuda=self.cuda)
            known = self._served[capability] = code and kernels is not None and cudnn_serves(kernels, capability)
        return known

    @cached_property
    def compiled_for(self) -> str:
        """Its compute capabilities in words."""
        return ", ".join(dotted(code) for code in self.kernels.sm) if self.kernels else "nothing that is known"

    def __str__(self) -> str:
        return f"torch {self.torch} ({self.variant})"


# ── wheels ───────────────────────────────────────────────────────────────────────────────────────


def platform_of_tag(tag: str) -> tuple[str, tuple[int, ...]]:
    """The platform and the floor of a wheel's tag; ValueError for one that isn't known."""
    if tag in {"win_amd64", "win_arm64"}:
        return "windows_" + {"win_amd64": "x86_64", "win_arm64": "arm64"}[tag], ()
    system, _, arch = next((tag.partition(f"_{a}") for a in _ARCHITECTURES if tag.endswith(f"_{a}")), ("", "", ""))
    arch = tag[len(system) + 1 :] if system else arch
    if system.startswith("macosx_"):
        return f"macos_{arch}", numbers(system[len("macosx_") :].replace("_", "."))
    if system in _MANYLINUX:
        return f"linux_{arch}", _MANYLINUX[system]
    if system.startswith("manylinux_"):
        return f"linux_{arch}", numbers(system[len("manylinux_") :].replace("_", "."))
    raise ValueError(f"{tag!r} is not a platform tag that envtool knows")


def _wheel_row(row: Row) -> Iterator[tuple[tuple[str, str, str], dict[str, tuple[int, ...]]]]:
    package, versions, abis = row.text("package"), row.words("versions"), row.words("python")
    for tag in row.words("tags"):
        try:
            platform, floor = platform_of_tag(tag)
        except ValueError as error:
            raise row.error("tags", str(error)) from None
        for version in versions:
            yield (package, version, platform), dict.fromkeys(abis, floor)


def read_wheels(file: File) -> dict[tuple[str, str, str], Wheel]:
    """By package, version and platform."""
    requires = {
        (package, version): python
        for package, versions, python in file.each(
            "requires", lambda row: (row.text("package"), row.words("versions"), row.text("python"))
        )
        for version in versions
    }
    floors: dict[tuple[str, str, str], dict[str, tuple[int, ...]]] = {}
    for row in file.each("wheels", lambda row: list(_wheel_row(row))):
        for key, by_abi in row:
            floors.setdefault(key, {}).update(by_abi)
    return {key: Wheel(by_abi, requires.get(key[:2])) for key, by_abi in floors.items()}


# ── builds ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class _IndexRow(Fact):
    variant: str
    platform: str
    torch: tuple[str, ...]
    verified: bool
    plain: tuple[str, ...]
    unseen: tuple[str, ...]
    glibc: tuple[int, ...] | None
    without_python: tuple[str, ...]


def _index_row(row: Row) -> _IndexRow:
    glibc = row.optional("glibc")
    return _IndexRow(
        variant=row.text("variant"),
        platform=row.text("platform"),
        torch=row.words("torch"),
        verified=row.flag("verified"),
        plain=row.words("plain", needed=False),
        unseen=row.words("unseen", needed=False),
        glibc=row.version("glibc", glibc) if glibc else None,
        without_python=row.words("without_python", needed=False),
    )


def assemble(catalog: Catalog) -> dict[str, tuple[Build, ...]]:
    """Every build by platform, each with all that is known of it, in the order in which a picker should try them."""
    found: dict[str, list[Build]] = {}
    for release in catalog.releases:
        for platform in sorted({key[2] for key in catalog.wheels if key[:2] == ("torch", release.torch)}):
            if platform != "windows_arm64":  # never on PyPI
                found.setdefault(platform, []).append(_pypi_build(catalog, release, platform))
    for row in catalog.file("builds").each("builds", _index_row):
        for torch in row.torch:
            found.setdefault(row.platform, []).append(_index_build(catalog, row, torch))
    return {platform: tuple(sorted(builds, key=_preference, reverse=True)) for platform, builds in found.items()}


def _preference(build: Build) -> tuple[tuple[int, ...], bool, tuple[int, ...], str]:
    return numbers(build.torch), build.source == "pypi", variant_key(build.variant), build.variant


def _pypi_build(catalog: Catalog, release: Release, platform: str) -> Build:
    variant = release.pypi.get(platform, "cpu")
    companions = {
        package: tuple(
            CompanionWheel(package, version, theirs, False, True, wheel, None)
            for version in release.companions.of(package)
            if (wheel := catalog.wheel(package, version, platform))
            and (theirs := catalog.pypi_variant(package, version, platform))
        )
        for package in COMPANIONS
    }
    return _build(catalog, Build(
        release.torch, variant, platform, "pypi", None, True, False, catalog.wheels["torch", release.torch, platform],
        None, None, {}, companions, release.numpy2,
    ))  # fmt: skip


def _index_build(catalog: Catalog, row: _IndexRow, torch: str) -> Build:
    release, wheel = catalog.release(torch), catalog.wheel("torch", torch, row.platform)
    if release is None or wheel is None:
        from envtool.errors import UsageError

        raise UsageError(f"builds.toml: torch {torch} for {row.platform} has no release or no wheel in the catalog")
    companions = {
        package: tuple(
            CompanionWheel(
                package, version, row.variant, package not in row.plain,
                package not in row.unseen and f"{package}=={version}" not in row.unseen, _limited(theirs, row), None,
            )
            for version in release.companions.of(package)
            if (theirs := catalog.wheel(package, version, row.platform))
        )
        for package in COMPANIONS
    }  # fmt: skip
    return _build(catalog, Build(
        torch, row.variant, row.platform, "pytorch-index", PYTORCH_INDEX + row.variant, row.verified,
        "torch" not in row.plain, _limited(wheel, row), None, None, {}, companions, release.numpy2,
    ))  # fmt: skip


def _limited(wheel: Wheel, row: _IndexRow) -> Wheel:
    """The wheel as it is on an index that needs a newer glibc or lacks a Python."""
    if row.glibc is None and not row.without_python:
        return wheel
    floors = {
        abi: max(floor, row.glibc or floor) for abi, floor in wheel.floors.items() if abi not in row.without_python
    }
    return replace(wheel, floors=floors)


def _build(catalog: Catalog, build: Build) -> Build:
    """The build with what the other tables say of it: code, drivers, and which companions go with it."""
    companions = {
        package: tuple(_judged(catalog, build, wheel) for wheel in wheels)
        for package, wheels in build.companions.items()
    }
    floors = {os: floor for os in ("linux", "windows") if (floor := catalog.driver_floor(build.variant, os))}
    return replace(
        build,
        kernels=catalog.kernels(build.torch, build.variant, build.platform),
        gfx=catalog.gfx_targets(build.variant) if build.kind == "rocm" else None,
        driver_floors=floors,
        companions=companions,
    )


def _judged(catalog: Catalog, build: Build, wheel: CompanionWheel) -> CompanionWheel:
    fit = fits(catalog, build.torch, build.variant, wheel.package, wheel.version, wheel.variant)
    return wheel if fit.ok else replace(wheel, problem=fit.message)
