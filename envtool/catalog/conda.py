"""PyTorch on conda-forge: its rows, and the catalog seen through them, so that one resolver serves both worlds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from envtool.catalog import COMPANIONS, Catalog, Companions, Release
from envtool.catalog.builds import Build, CompanionWheel, Wheel
from envtool.catalog.kernels import Capability, Kernels
from envtool.catalog.rows import Row
from envtool.fact import Fact
from envtool.versions import kind_of, numbers, variant_key

SOURCE = "conda-forge"

SUBDIRS = {
    "linux-64": "linux_x86_64",
    "linux-aarch64": "linux_aarch64",
    "osx-64": "macos_x86_64",
    "osx-arm64": "macos_arm64",
    "win-64": "windows_x86_64",
}
_SYSTEMS = frozenset({"linux", "macos", "windows"})


@dataclass(frozen=True, eq=False, repr=False)
class CudnnLimit(Fact):
    """``package`` must stay below a version on GPUs older than a capability: newer ones no longer serve them."""

    package: str
    older_than: Capability
    below: str


@dataclass(frozen=True, eq=False, repr=False)
class CondaBuild(Build, Fact):
    """A pytorch of conda-forge. ``arm`` is "tegra" (Jetson) or "sbsa" for CUDA on aarch64, None elsewhere."""

    subdir: str
    arm: str | None
    cudnn: tuple[CudnnLimit, ...]


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class TorchRow(Fact):
    """Builds of pytorch that differ in their version only."""

    torch: tuple[str, ...]
    subdir: str
    variant: str
    arm: str | None
    wheel: Wheel
    verified: bool


@dataclass(frozen=True, eq=False, repr=False)
class CompanionRow(Fact):
    """A torchvision or a torchaudio: the torches and the variants of torch that it is built for."""

    package: str
    version: str
    torch: tuple[str, ...]
    subdirs: tuple[str, ...]
    variant: str
    beside: tuple[str, ...]
    arm: str | None
    wheel: Wheel
    verified: bool
    seen: bool  # in the channel's index, not in its recipe alone

    def goes_with(self, row: TorchRow, torch: str) -> bool:
        """Is it built for that pytorch?"""
        return (
            torch in self.torch
            and row.subdir in self.subdirs
            and row.variant in self.beside
            and (self.arm == row.arm or kind_of(row.variant) != "cuda")
        )


@dataclass(frozen=True, eq=False, repr=False)
class CodeRow(Fact):
    """What CUDA builds are compiled for."""

    variant: str
    torch: tuple[str, ...]
    subdirs: tuple[str, ...]
    arm: str | None
    kernels: Kernels


@dataclass(frozen=True, eq=False, repr=False)
class JetsonRow(Fact):
    """The JetPacks on which a Jetson runs the builds made for it."""

    arm: str
    capability: Capability
    jetpack_from: tuple[int, ...]
    jetpack_below: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class CondaRows(Fact):
    """conda.toml, read."""

    date: str
    torches: tuple[TorchRow, ...]
    companions: tuple[CompanionRow, ...]
    codes: tuple[CodeRow, ...]
    cudnn: tuple[tuple[tuple[str, ...], CudnnLimit], ...]
    jetsons: tuple[JetsonRow, ...]


def read_rows(catalog: Catalog) -> CondaRows:
    """Every row of conda.toml; a bad one is a UsageError that names it."""
    file = catalog.file("conda")
    return CondaRows(
        str(file.content.get("date", "")),
        tuple(file.each("pytorch", _torch_row)),
        tuple(file.each("companion", _companion_row)),
        tuple(file.each("code", _code_row)),
        tuple(file.each("cudnn", _cudnn_row)),
        tuple(file.each("jetson", _jetson_row)),
    )


def _torch_row(row: Row) -> TorchRow:
    variant, subdir = _variant(row, row.text("variant")), _subdir(row, row.text("subdir"))
    floors = {name: row.optional(name) for name in ("glibc", "macos")}
    needed = {"linux": "glibc", "osx": "macos"}.get(subdir.partition("-")[0])
    for name, told in floors.items():
        if (told is None) == (name == needed):
            raise row.error(name, "missing" if told is None else f"has no meaning for {subdir}")
    text = floors[needed] if needed else None
    floor: tuple[int, ...] = row.version(str(needed), text) if text else ()
    return TorchRow(
        row.words("torch"), subdir, variant, _arm(row, variant, (subdir,)), _wheel(row, floor), row.flag("verified")
    )


def _companion_row(row: Row) -> CompanionRow:
    variant, subdirs = _variant(row, row.text("variant")), _subdirs(row)
    package = row.text("package")
    if package not in COMPANIONS:
        raise row.error("package", f"{package!r} is no companion of torch")
    beside = tuple(_variant(row, word) for word in row.words("beside", needed=False)) or (variant,)
    return CompanionRow(
        package, row.text("version"), row.words("torch"), subdirs, variant, beside, _arm(row, variant, subdirs),
        _wheel(row, ()), row.flag("verified"), "cf-slice" in row.sources(),
    )  # fmt: skip


def _code_row(row: Row) -> CodeRow:
    variant, subdirs = _variant(row, row.text("variant")), _subdirs(row)
    kernels = Kernels(
        sm=tuple(sorted(row.capabilities("sm"))),
        ptx=row.capabilities("ptx", needed=False),
        ptx_to=row.capability("ptx_to", text) if (text := row.optional("ptx_to")) else None,
        cudnn_from=row.capability("cudnn_from", text) if (text := row.optional("cudnn_from")) else None,
        verified=row.flag("verified"),
    )
    return CodeRow(variant, row.words("torch"), subdirs, _arm(row, variant, subdirs), kernels)


def _cudnn_row(row: Row) -> tuple[tuple[str, ...], CudnnLimit]:
    below = row.text("below")
    row.version("below", below)
    older_than = row.capability("older_than", row.text("older_than"))
    return row.words("torch"), CudnnLimit(row.text("package"), older_than, below)


def _jetson_row(row: Row) -> JetsonRow:
    first, end = (row.version(name, row.text(name)) for name in ("jetpack_from", "jetpack_below"))
    return JetsonRow(row.text("arm"), row.capability("capability", row.text("capability")), first, end)


def _variant(row: Row, text: str) -> str:
    if text != "cpu" and (not text.startswith("cuda") or kind_of(text) != "cuda"):
        raise row.error("variant", f"{text!r} is neither 'cpu' nor a CUDA build", "write it as in 'cuda129'")
    return text


def _subdir(row: Row, text: str) -> str:
    if text not in SUBDIRS:
        raise row.error("subdir", f"{text!r} is not a subdir", f"one of {', '.join(SUBDIRS)}")
    return text


def _subdirs(row: Row) -> tuple[str, ...]:
    return tuple(_subdir(row, word) for word in row.words("subdirs"))


def _arm(row: Row, variant: str, subdirs: tuple[str, ...]) -> str | None:
    """CUDA on aarch64 is for servers ("sbsa") where the row doesn't say that it is for Jetson."""
    arm = row.optional("arm")
    if arm is not None and (arm != "tegra" or subdirs != ("linux-aarch64",)):
        raise row.error("arm", f"{arm!r} has no meaning here", "write arm = 'tegra', for linux-aarch64 alone")
    return arm


def _wheel(row: Row, floor: tuple[int, ...]) -> Wheel:
    """The Pythons of a row, in the form in which the resolver asks for wheels."""
    pythons = [row.version("python", word) for word in row.words("python")]
    return Wheel({f"cp{major}{minor}": floor for major, minor in pythons}, None)


# ── the catalog, seen through conda-forge ────────────────────────────────────────────────────────


class CondaCatalog(Catalog):
    """The catalog with conda-forge's builds and pairs in place of the wheels; drivers and GPUs are the same.

    ``jetson``: for Jetsons whose JetPack runs none but the builds made for them.
    """

    def __init__(self, base: Catalog, *, jetson: bool) -> None:
        super().__init__(base._read, origin=base.origin, problem=base.problem)
        self._files = base._files  # what is read stays read
        self._base = base
        self._jetson = jetson

    @cached_property
    def rows(self) -> CondaRows:
        """conda.toml."""
        return read_rows(self._base)

    @property
    def platforms(self) -> frozenset[str]:
        """Those that conda-forge builds pytorch for, "linux_x86_64"."""
        return frozenset(SUBDIRS[row.subdir] for row in self.rows.torches)

    @cached_property
    def date(self) -> str:
        """The day of the newest record that the rows were read from."""
        return self.rows.date

    @cached_property
    def _releases(self) -> dict[str, Release]:
        versions = {torch for row in self.rows.torches for torch in row.torch}
        found = {}
        for torch in sorted(versions, key=numbers, reverse=True):
            release = self._base.release(torch)
            if release is not None:
                vision, audio = (self._companions_of(package, torch) for package in COMPANIONS)
                found[torch] = replace(
                    release, companions=Companions(vision, audio), pypi={}, numpy2=_SYSTEMS,
                )  # fmt: skip
        return found

    def _companions_of(self, package: str, torch: str) -> tuple[str, ...]:
        """Every version that was built for that torch, whatever the subdir; the newest first."""
        found = {row.version for row in self.rows.companions if row.package == package and torch in row.torch}
        return tuple(sorted(found, key=numbers, reverse=True))

    @cached_property
    def _builds(self) -> dict[str, tuple[Build, ...]]:
        found: dict[str, list[Build]] = {}
        for row in self.rows.torches:
            if kind_of(row.variant) == "cuda" and row.subdir == "linux-aarch64" and self._jetson != bool(row.arm):
                continue
            for torch in row.torch:
                if torch in self._releases:
                    found.setdefault(SUBDIRS[row.subdir], []).append(self._build(row, torch))
        return {platform: tuple(sorted(builds, key=_preference, reverse=True)) for platform, builds in found.items()}

    def _build(self, row: TorchRow, torch: str) -> CondaBuild:
        cuda = kind_of(row.variant) == "cuda"
        floors = {os: floor for os in ("linux", "windows") if (floor := self._base.driver_floor(row.variant, os))}
        return CondaBuild(
            torch, row.variant, SUBDIRS[row.subdir], SOURCE, None, row.verified, False, row.wheel,
            self._code(row, torch) if cuda else None, None, floors,
            {package: tuple(self._wheels(package, row, torch)) for package in COMPANIONS}, _SYSTEMS,
            row.subdir, (row.arm or "sbsa") if cuda and row.subdir == "linux-aarch64" else None,
            tuple(limit for torches, limit in self.rows.cudnn if cuda and torch in torches),
        )  # fmt: skip

    def _wheels(self, package: str, row: TorchRow, torch: str) -> Iterator[CompanionWheel]:
        """What was seen in the index first, then the newest: each was built and imported beside that torch."""
        found = [c for c in self.rows.companions if c.package == package and c.goes_with(row, torch)]
        for one in sorted(found, key=lambda c: (c.verified, c.seen, numbers(c.version), c.variant), reverse=True):
            yield CompanionWheel(package, one.version, one.variant, False, one.verified, one.wheel, None)

    def _code(self, row: TorchRow, torch: str) -> Kernels | None:
        for code in self.rows.codes:
            if code.variant == row.variant and torch in code.torch and row.subdir in code.subdirs:
                if code.arm == row.arm:
                    return code.kernels
        return None

    @cached_property
    def jetpack_floors(self) -> dict[Capability, tuple[int, ...]]:
        """By a Jetson's compute capability, the JetPack from which the builds seen here run."""
        if not self._jetson:
            return self._base.jetpack_floors
        return {row.capability: row.jetpack_from for row in self.rows.jetsons}


def _preference(build: Build) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return numbers(build.torch), variant_key(build.variant)


@lru_cache(maxsize=8)
def conda_catalog(catalog: Catalog, *, jetson: bool) -> CondaCatalog:
    """The catalog as conda-forge has it; made once for each catalog."""
    return CondaCatalog(catalog, jetson=jetson)
