"""What an installation is asked for, and what it consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from envtool.fact import Fact
from envtool.plan import Plan

PYTORCH_INDEX = "https://download.pytorch.org/whl"


@dataclass(frozen=True, eq=False, repr=False)
class Sources(Fact):
    """Where packages come from: as the user named it, and as pip's settings name it, which uv doesn't read."""

    index_url: str | None = None
    pytorch_index_url: str | None = None
    find_links: tuple[str, ...] = ()
    pip_index_url: str | None = None
    pip_more: tuple[str, ...] = ()
    certificates: str | None = None

    @property
    def offline(self) -> bool:
        """Is a folder of wheels all that there is?"""
        return bool(self.find_links) and self.index_url is None and self.pytorch_index_url is None

    def torch_index(self, plan: Plan) -> str | None:
        """The index of the plan's torch, None where it comes from where everything else comes from.

        ``--index-url`` alone stands for all; with ``--pytorch-index-url``, a mirror, each has its part.
        """
        if self.offline or plan.index_url is None or (self.index_url and not self.pytorch_index_url):
            return None
        if self.pytorch_index_url and plan.index_url.startswith(PYTORCH_INDEX):
            return self.pytorch_index_url.rstrip("/") + plan.index_url.removeprefix(PYTORCH_INDEX)
        return plan.index_url


@dataclass(frozen=True, eq=False, repr=False)
class Package(Fact):
    """One distribution to lay down. ``sha256`` and ``size`` are None where the index does not tell.

    ``direct`` is the line that names it where it comes from a folder, an address or a repository, and no index.
    """

    name: str
    version: str
    url: str | None = None
    filename: str | None = None
    sha256: str | None = None
    size: int | None = None
    direct: str | None = None

    @property
    def from_source(self) -> bool:
        """Is there no wheel, so that it is built here?"""
        return self.direct is not None or (self.filename is not None and not self.filename.endswith(".whl"))


@dataclass(frozen=True, eq=False, repr=False)
class Question(Fact):
    """What an installer is to solve. ``requirements`` are lines, ``files`` the course's own.

    ``installed``: versions to keep where they serve. ``force``: to be laid down again also in the same version.
    """

    plan: Plan
    requirements: tuple[str, ...]
    files: tuple[str, ...]
    sources: Sources
    python: str
    python_version: str
    installed: Mapping[str, str]
    force: frozenset[str] = frozenset()
    platform: str | None = None  # uv's name of another machine's; None where ``python`` is asked
    macos: str | None = None  # that machine's macOS
    abi: str | None = None  # "cp313t"; None for that of every Python of the version

    @property
    def lines(self) -> list[str]:
        """The plan's packages, exactly, its constraints, and what else is asked for."""
        pins = [f"{pin.package}=={pin.full}" for pin in self.plan.pins]
        return [*pins, *self.plan.constraints, *self.requirements]


@dataclass(frozen=True, eq=False, repr=False)
class Command(Fact):
    """A program to run. ``environ``: variables to set, or to take away where None. ``shown``: without secrets."""

    words: tuple[str, ...]
    environ: Mapping[str, str | None]
    shown: tuple[str, ...]


def requirement(package: Package) -> str:
    """The one version of a package, by the text: 2.13.0 must not be 2.13.0+cpu."""
    if package.direct is not None:
        return package.direct
    sign = "==" if "+" in package.version else "==="
    return f"{package.name}{sign}{package.version}"


def words_of(packages: tuple[Package, ...]) -> tuple[str, ...]:
    """The packages as words of a command."""
    lines = map(requirement, packages)
    return tuple(word for line in lines for word in (("-e", line[3:]) if line.startswith("-e ") else (line,)))


def with_hashes(packages: tuple[Package, ...]) -> str:
    """A requirements file. pip wants every hash or none."""
    all_known = all(package.sha256 for package in packages)
    lines = [requirement(p) + (f" --hash=sha256:{p.sha256}" if all_known else "") for p in packages]
    return "\n".join([*lines, ""])


def is_same(one: str, other: str) -> bool:
    """Are two versions the same, local part and all?"""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def changed(solved: tuple[Package, ...], installed: Mapping[str, str], force: frozenset[str]) -> tuple[Package, ...]:
    """Of a whole solution, what is not there yet, or is to be laid down again."""
    return tuple(
        p
        for p in solved
        if p.direct or p.name in force or p.name not in installed or not is_same(installed[p.name], p.version)
    )


def without_secrets(url: str) -> str:
    """An address without user, password and query."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "(an address that can't be read)"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
