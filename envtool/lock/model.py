"""What a lockfile holds: packages by platform and variant, and what they were locked from."""

from __future__ import annotations

from envtool.fact import Fact, dataclass

# by conda subdir, from the most to the least common
SUBDIRS = ("linux-64", "linux-aarch64", "osx-arm64", "osx-64", "win-64")


@dataclass(frozen=True, eq=False, repr=False)
class LockedPackage(Fact):
    """One conda package, as its channel's index records it. ``url`` is the address that it is to be fetched from."""

    name: str
    version: str
    build: str
    build_number: int
    subdir: str
    url: str
    md5: str
    sha256: str
    size: int | None
    depends: tuple[str, ...]
    constrains: tuple[str, ...] = ()
    license: str | None = None
    license_family: str | None = None
    noarch: str | None = None  # "python" or "generic"
    timestamp: int | None = None  # milliseconds
    track_features: tuple[str, ...] = ()
    python_site_packages_path: str | None = None
    extra_depends: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def file_name(self) -> str:
        """The last part of its address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, eq=False, repr=False)
class LockedWheel(Fact):
    """One package of the pip section: the file that is to be installed on that platform."""

    name: str
    version: str
    url: str
    sha256: str
    requires: tuple[str, ...] = ()
    requires_python: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class VirtualPackage(Fact):
    """What the solver was told of the system: ``__cuda 12.0``."""

    name: str
    version: str
    build: str = "0"

    def __str__(self) -> str:
        return f"{self.name}={self.version}={self.build}"


@dataclass(frozen=True, eq=False, repr=False)
class Target(Fact):
    """A platform and a variant of the spec: what one solve is for."""

    variant: str  # as the spec names it: "cpu", "cuda", "cu126"
    subdir: str

    def __str__(self) -> str:
        return f"{self.variant} on {self.subdir}"


@dataclass(frozen=True, eq=False, repr=False)
class LockedTarget(Fact):
    """All packages of a target, sorted by name. ``specs``: what the solver was asked; ``build``: "cpu", "cuda129"."""

    target: Target
    build: str
    python: str  # "3.12"
    specs: tuple[str, ...]
    virtual: tuple[VirtualPackage, ...]
    packages: tuple[LockedPackage, ...]
    wheels: tuple[LockedWheel, ...] = ()
    pip_specs: tuple[str, ...] = ()
    fingerprint: str = ""  # of the request that it was solved for

    def package(self, name: str) -> LockedPackage | None:
        """The conda package of that name."""
        return next((package for package in self.packages if package.name == name), None)


@dataclass(frozen=True, eq=False, repr=False)
class Refused(Fact):
    """A target that can't be locked: why, what would help, and what else is known."""

    target: Target
    message: str
    hint: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Missing(Fact):
    """A target that could not be locked, and was left out knowingly."""

    target: Target
    reason: str
    fingerprint: str


@dataclass(frozen=True, eq=False, repr=False)
class Lockfile(Fact):
    """Everything that was locked for one spec; targets in the order of the spec. ``spec`` is the request as JSON."""

    name: str
    channels: tuple[str, ...]
    spec: str
    targets: tuple[LockedTarget, ...]
    missing: tuple[Missing, ...] = ()

    def target(self, target: Target) -> LockedTarget | None:
        """What was locked for a target."""
        return next((locked for locked in self.targets if locked.target == target), None)

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that are locked, in the order of the spec."""
        return tuple(dict.fromkeys(locked.target.variant for locked in self.targets))

    def of_variant(self, variant: str) -> tuple[LockedTarget, ...]:
        """What was locked for a variant, platform by platform."""
        return tuple(locked for locked in self.targets if locked.target.variant == variant)
