"""What exists: releases, wheels, builds, the code in them, drivers and GPUs. Read from TOML, table by table."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from envtool.catalog.kernels import Capability, Kernels, runs_on
from envtool.catalog.names import GpuNames
from envtool.catalog.rows import File, Row
from envtool.fact import Fact
from envtool.versions import cuda_of, numbers, public

if TYPE_CHECKING:
    from envtool.catalog.builds import Build, Wheel

__all__ = ["FILES", "Capability", "Catalog", "Companions", "Kernels", "Release", "load", "parse", "runs_on"]

FILES = ("releases", "wheels", "builds", "kernels", "drivers", "gpus", "conda", "sources")
COMPANIONS = ("torchvision", "torchaudio")


@dataclass(frozen=True, eq=False, repr=False)
class Companions(Fact):
    """The versions that import with one torch; the one released with it comes first."""

    torchvision: tuple[str, ...]
    torchaudio: tuple[str, ...]

    def of(self, package: str) -> tuple[str, ...]:
        """Of one package, by name."""
        return self.torchvision if package == "torchvision" else self.torchaudio


@dataclass(frozen=True, eq=False, repr=False)
class Release(Fact):
    """One stable torch. ``pypi`` holds PyPI's CUDA variant by platform; a platform without an entry gets CPU code."""

    torch: str
    date: str
    companions: Companions
    pypi: Mapping[str, str]
    numpy2: frozenset[str]
    lacks: Mapping[str, str]  # by companion that no release of is known for this torch: why


@dataclass(frozen=True, eq=False, repr=False)
class Architecture(Fact):
    """A generation of NVIDIA GPUs: the driver branches that serve it. None: no limit."""

    name: str
    capabilities: tuple[Capability, ...]
    first: Mapping[str, str]
    last: str | None


def _release(row: Row) -> Release:
    torch, date, lacks = row.text("torch"), row.text("date"), row.table("lacks")
    vision, audio = (row.words(package, needed=package not in lacks) for package in COMPANIONS)
    return Release(
        torch=torch,
        date=date,
        companions=Companions(vision, audio),
        pypi=row.table("pypi"),
        numpy2=frozenset(row.words("numpy2", needed=False)),
        lacks=lacks,
    )


def _kernels(row: Row) -> tuple[tuple[str, str], tuple[str, ...], Kernels]:
    kernels = Kernels(
        sm=row.capabilities("sm"),
        ptx=row.capabilities("ptx", needed=False),
        ptx_to=row.capability("ptx_to", text) if (text := row.optional("ptx_to")) else None,
        cudnn_from=row.capability("cudnn_from", text) if (text := row.optional("cudnn_from")) else None,
        verified=row.flag("verified"),
    )
    return (row.text("variant"), row.text("platform")), row.words("torch"), kernels


def _architecture(row: Row) -> Architecture:
    first = row.table("first")
    for os_name, branch in first.items():
        row.version(f"first.{os_name}", branch)
    last = row.optional("last")
    if last is not None:
        row.version("last", last)
    return Architecture(row.text("name"), row.capabilities("capabilities"), first, last)


def _vendor(row: Row) -> tuple[str, str, dict[Capability, tuple[int, ...]]]:
    told = f"{row.text('index')} ({row.text('name')}: {row.text('builds')})"
    served = row.table("served_from")
    floors = {
        row.capability("served_from", capability): row.version("served_from", jetpack)
        for capability, jetpack in served.items()
    }
    return row.text("platform"), told, floors


class Catalog:
    """The compatibility data. Each table is read when it is first asked for: the doctor never pays for GPU names."""

    def __init__(self, read: Callable[[str], str], *, origin: str = "packaged", problem: str | None = None) -> None:
        self._read = read
        self._files: dict[str, File] = {}
        self.origin = origin  # packaged | updated
        self.problem = problem  # why an updated catalog that is there is not the one in use

    def file(self, name: str) -> File:
        """One of ``FILES``, read once."""
        if name not in self._files:
            self._files[name] = File(f"{name}.toml", self._read(name))
        return self._files[name]

    def text(self, name: str) -> str:
        """One of ``FILES`` as it is written."""
        return self._read(name)

    # ── releases and what imports with them ──────────────────────────────────────────────────────

    @cached_property
    def date(self) -> str:
        """The day on which the data was last brought up to date."""
        return str(self.file("releases").content.get("date", ""))

    @cached_property
    def digest(self) -> str:
        """A hash of all the data, for documents."""
        import hashlib

        whole = "\0".join(self._read(name) for name in FILES)
        return "sha256:" + hashlib.sha256(whole.encode()).hexdigest()

    @cached_property
    def _releases(self) -> dict[str, Release]:
        found = self.file("releases").each("release", _release)
        return {r.torch: r for r in sorted(found, key=lambda r: numbers(r.torch), reverse=True)}

    @property
    def releases(self) -> tuple[Release, ...]:
        """Every stable torch, newest first."""
        return tuple(self._releases.values())

    def release(self, torch: str) -> Release | None:
        """The release of that version, with or without a local part; None for a nightly or a stranger."""
        return self._releases.get(public(torch))

    def companions(self, torch: str) -> Companions | None:
        """What imports with that torch; None where the catalog doesn't know it."""
        release = self.release(torch)
        return release.companions if release else None

    def numpy2_ok(self, torch: str, os: str) -> bool | None:
        """Does that torch work with NumPy 2? None where the catalog doesn't know it."""
        release = self.release(torch)
        return os in release.numpy2 if release else None

    @cached_property
    def cuda_rules(self) -> dict[str, str]:
        """By companion: must its CUDA be of the "same-minor" or of the "same-major" as torch's?"""
        return dict(self.file("releases").each("rule", lambda row: (row.text("package"), row.text("cuda"))))

    @cached_property
    def _pypi_companions(self) -> dict[tuple[str, str], dict[str, str]]:
        rows = self.file("releases").each(
            "companion", lambda row: (row.text("package"), row.words("versions"), row.table("pypi"))
        )
        return {(package, version): pypi for package, versions, pypi in rows for version in versions}

    def pypi_variant(self, package: str, version: str, platform: str) -> str | None:
        """What PyPI's wheel of a package was built for on a platform; None where the catalog doesn't know it."""
        if package == "torch":
            release = self.release(version)
            return release.pypi.get(platform, "cpu") if release else None
        pypi = self._pypi_companions.get((package, public(version)))
        return pypi.get(platform, "cpu") if pypi is not None else None

    # ── compiled code ────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _kernels(self) -> dict[tuple[str, str], dict[str, Kernels]]:
        found: dict[tuple[str, str], dict[str, Kernels]] = {}
        for key, versions, kernels in self.file("kernels").each("kernels", _kernels):
            found.setdefault(key, {}).update(dict.fromkeys(versions, kernels))
        return found

    def kernels(self, torch: str, variant: str, platform: str) -> Kernels | None:
        """What a CUDA build is compiled for; None for CPU builds, nightlies and what else the catalog doesn't know."""
        return self._kernels.get((variant, platform), {}).get(public(torch))

    @cached_property
    def kernels_unknown(self) -> frozenset[tuple[str, str, str]]:
        """The CUDA builds that are known to be there while nothing tells their code: variant, platform, torch."""
        rows = self.file("kernels").each("unknown", lambda r: (r.text("variant"), r.text("platform"), r.words("torch")))
        return frozenset((variant, platform, torch) for variant, platform, torches in rows for torch in torches)

    @cached_property
    def _rocm(self) -> dict[str, frozenset[str]]:
        return dict(self.file("kernels").each("rocm", lambda row: (row.text("variant"), frozenset(row.words("gfx")))))

    def gfx_targets(self, variant: str) -> frozenset[str] | None:
        """The AMD targets in a ROCm build, None where they aren't known."""
        return self._rocm.get(variant)

    def rocm_serves(self, gfx: str) -> bool:
        """Has any ROCm build code for this AMD target?"""
        return any(gfx in targets for targets in self._rocm.values())

    # ── drivers ──────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _families(self) -> dict[int, dict[str, str]]:
        def family(row: Row) -> tuple[int, dict[str, str]]:
            floors = {os_name: row.text(os_name) for os_name in ("linux", "windows")}
            for os_name, floor in floors.items():
                row.version(os_name, floor)
            return row.version("cuda", row.text("cuda"))[0], floors

        return dict(self.file("drivers").each("family", family))

    @cached_property
    def families_unknown(self) -> frozenset[int]:
        """The CUDA majors that builds are there for while nothing tells their driver."""
        return frozenset(self.file("drivers").each("unknown", lambda row: row.version("cuda", row.text("cuda"))[0]))

    @cached_property
    def architectures(self) -> tuple[Architecture, ...]:
        """The generations of NVIDIA GPUs that the catalog knows."""
        return tuple(self.file("drivers").each("architecture", _architecture))

    def driver_floor(self, variant: str, os: str) -> str | None:
        """The driver that a build's CUDA family needs; None for cpu, rocm, xpu and a CUDA that isn't known."""
        cuda = cuda_of(variant)
        return self._families.get(cuda[0], {}).get(os) if cuda else None

    def architecture(self, capability: Capability) -> Architecture | None:
        """The generation of a GPU, None where the catalog doesn't know it."""
        return next((a for a in self.architectures if capability in a.capabilities), None)

    def last_driver(self, capability: Capability) -> str | None:
        """The last driver branch that serves a GPU, "470"; None where it goes on or isn't known."""
        found = self.architecture(capability)
        return found.last if found else None

    def first_driver(self, capability: Capability, os: str) -> str | None:
        """The first driver branch that serves a GPU, "570"; None where no branch in use is too old."""
        found = self.architecture(capability)
        return found.first.get(os) if found else None

    @cached_property
    def driver_branches(self) -> tuple[tuple[int, str], ...]:
        """The first branch of the NVIDIA driver that speaks each CUDA, in their order."""
        tables = self.file("drivers").each("branch", lambda row: row.table("cuda"))
        return tuple(sorted((int(branch), cuda) for table in tables for branch, cuda in table.items()))

    def cuda_of_driver(self, driver: str) -> str | None:
        """The newest CUDA that a driver speaks, by its branch; None for one older than the table."""
        branch = numbers(driver)[0]
        spoken = [cuda for first, cuda in self.driver_branches if first <= branch]
        return spoken[-1] if spoken else None

    # ── wheels and builds ────────────────────────────────────────────────────────────────────────

    @cached_property
    def wheels(self) -> dict[tuple[str, str, str], Wheel]:
        """By package, version and platform."""
        from envtool.catalog.builds import read_wheels

        return read_wheels(self.file("wheels"))

    def wheel(self, package: str, version: str, platform: str) -> Wheel | None:
        """A package's wheels for a platform: their Pythons and floors. None where there is no wheel."""
        return self.wheels.get((package, version, platform))

    @cached_property
    def _builds(self) -> dict[str, tuple[Build, ...]]:
        from envtool.catalog.builds import assemble

        return assemble(self)

    def builds(self, platform: str) -> tuple[Build, ...]:
        """Every build of torch for a platform: newest torch first, then PyPI's, then the newest variant."""
        return self._builds.get(platform, ())

    # ── names ────────────────────────────────────────────────────────────────────────────

    @cached_property
    def names(self) -> GpuNames:
        """The GPUs by name."""
        return GpuNames.read(self.file("gpus"))

    def capability_of(self, name: str) -> Capability | None:
        """The compute capability of an NVIDIA GPU by its name, None where the name isn't known."""
        return self.names.capability(name)

    @cached_property
    def _vendors(self) -> list[tuple[str, str, dict[Capability, tuple[int, ...]]]]:
        return self.file("builds").each("vendor", _vendor)

    @cached_property
    def vendor_builds(self) -> dict[str, str]:
        """By platform, a vendor's index and what is on it, in words."""
        return {platform: told for platform, told, _ in self._vendors}

    @cached_property
    def jetpack_floors(self) -> dict[Capability, tuple[int, ...]]:
        """By a Jetson's compute capability, the JetPack from which PyTorch's own wheels run; others never do."""
        return {capability: jetpack for _, _, floors in self._vendors for capability, jetpack in floors.items()}

    @cached_property
    def ended_channels(self) -> dict[str, tuple[str, str]]:
        """By name of a conda channel that ended: its last torch, and what to use instead."""
        rows = self.file("builds").each("channel", lambda r: (r.text("name"), r.text("last_torch"), r.text("instead")))
        return {name: (last, instead) for name, last, instead in rows}

    def pythons(self, platform: str) -> frozenset[tuple[int, int]]:
        """The Python versions that any torch has a wheel for on a platform: (3, 12)."""
        abis = {
            abi.removesuffix("t").removesuffix("m")
            for (package, _, where), wheel in self.wheels.items()
            if package == "torch" and where == platform
            for abi in wheel.floors
        }
        return frozenset((int(abi[2]), int(abi[3:])) for abi in abis if abi.startswith("cp") and abi[3:].isdecimal())

    def newest_glibc_floor(self, platform: str) -> str | None:
        """The glibc that the newest torch needs on a Linux platform; None elsewhere."""
        floor = self.file("releases").content.get("newest_glibc")
        return str(floor) if floor and platform.startswith("linux") else None


def parse(texts: Mapping[str, str]) -> Catalog:
    """A catalog out of the text of each of ``FILES``; every row is read at once, so that a bad one is found now."""
    from envtool.catalog.conda import read_rows

    catalog = Catalog(texts.__getitem__)
    eager: Iterable[object] = (
        catalog.date, catalog.releases, catalog.cuda_rules, catalog.architectures, catalog.names,
        catalog.kernels("", "", ""), catalog.gfx_targets(""), catalog.driver_floor("cu118", "linux"),
        catalog.cuda_of_driver("999"), catalog.pypi_variant("torchvision", "", ""), catalog.wheel("", "", ""),
        catalog.builds(""), catalog.jetpack_floors, catalog.ended_channels, catalog.kernels_unknown,
        catalog.families_unknown, read_rows(catalog),
    )  # fmt: skip
    assert eager is not None
    return catalog


PACKAGED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")


def load(folder: str | None = None) -> Catalog:
    """The catalog in a folder; without one, the newer of what came with envtool and of what an update wrote."""
    if folder is not None:
        return _from_folder(folder)
    from envtool.catalog.place import updated_path

    path = updated_path(os.environ)
    if not os.path.lexists(path):
        return _from_folder(PACKAGED)
    from envtool.catalog.updated import read_updated

    found = read_updated(path, FILES)
    if found is None or isinstance(found, str):
        return _from_folder(PACKAGED, problem=found)
    packaged = _date_of(PACKAGED)
    if packaged > found.date:
        return _from_folder(PACKAGED, problem=f"the catalog in envtool, of {packaged}, is newer than the update")
    return Catalog(found.texts.__getitem__, origin="updated")


def _from_folder(folder: str, problem: str | None = None) -> Catalog:
    def read(name: str) -> str:
        with open(os.path.join(folder, f"{name}.toml"), encoding="utf-8") as file:
            return file.read()

    return Catalog(read, problem=problem)


def _date_of(folder: str) -> str:
    """The date in releases.toml, which stands above its first table: a few lines instead of a parser."""
    with open(os.path.join(folder, "releases.toml"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("date"):
                return line.partition("=")[2].strip().strip("'\"")
            if line.startswith("["):
                break
    return ""
