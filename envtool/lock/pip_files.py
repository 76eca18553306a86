"""Which file of a release a platform installs: the wheel whose tags come first there, else the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envtool.errors import ToolError
from envtool.lock.model import LockedWheel
from envtool.lock.request import DEFAULT_GLIBC, DEFAULT_MACOS
from envtool.versions import numbers

_LEGACY = {"manylinux2014": (2, 17), "manylinux2010": (2, 12), "manylinux1": (2, 5)}


@lru_cache(maxsize=64)
def supported(subdir: str, python: str) -> dict[Tag, int]:
    """The tags that an interpreter of a platform takes, at the floors of a lock; the best is 0."""
    version = numbers(python)[:2]
    platforms = _platforms(subdir)
    tags = [
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, f"cp{version[0]}{version[1]}", platforms),
    ]
    return {tag: rank for rank, tag in enumerate(tags)}


def _platforms(subdir: str) -> list[str]:
    if subdir == "win-64":
        return ["win_amd64"]
    if subdir.startswith("osx"):
        major, minor = numbers(DEFAULT_MACOS)[:2]
        return list(mac_platforms((major, minor), "arm64" if subdir == "osx-arm64" else "x86_64"))
    arch = "x86_64" if subdir == "linux-64" else "aarch64"
    oldest = 5 if arch == "x86_64" else 17
    found = []
    for minor in range(numbers(DEFAULT_GLIBC)[1], oldest - 1, -1):
        found.append(f"manylinux_2_{minor}_{arch}")
        found += [f"{name}_{arch}" for name, glibc in _LEGACY.items() if glibc == (2, minor)]
    return [*found, f"linux_{arch}"]


def file_of(package: Mapping[str, object], subdir: str, python: str) -> LockedWheel:
    """The file of a package of a pylock.toml; ToolError where there is none that could be installed and checked."""
    name, version = str(package["name"]), str(package["version"])
    tags = supported(subdir, python)
    ranked = [(rank, one) for one in _files(package.get("wheels")) if (rank := _rank(one, tags)) is not None]
    source = package.get("sdist")
    if ranked:
        chosen = min(ranked, key=lambda pair: (pair[0], str(pair[1].get("url"))))[1]
    elif isinstance(source, dict):
        chosen = source
    else:
        raise ToolError(
            f"{name} {version} has no file on the package index that {subdir} with Python {python} can install",
            hint=f"ask for another version of {name} under [pip], or take {subdir} out of platforms",
        )
    requires = package.get("requires-python")
    url, digest = checked_file(chosen, name)
    return LockedWheel(name, version, url, digest, (), str(requires) if requires else None)


def _files(value: object) -> Sequence[Mapping[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _rank(wheel: Mapping[str, object], tags: Mapping[Tag, int]) -> int | None:
    file_name = str(wheel.get("name") or unquote(urlsplit(str(wheel.get("url", ""))).path).rpartition("/")[2])
    try:
        _, _, _, found = parse_wheel_filename(file_name)
    except InvalidWheelFilename:
        return None
    return min((tags[tag] for tag in found if tag in tags), default=None)


def checked_file(file: object, name: str) -> tuple[str, str]:
    """The address and the sha256 of a file; ToolError for one that nobody else has, or that nobody could check."""
    known = file if isinstance(file, dict) else {}
    url, hashes = str(known.get("url") or ""), known.get("hashes")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise ToolError(
            f"{name} comes from a folder of this machine, which nobody else has",
            hint="put it on a package index, or take find-links out of uv's settings",
        )
    if parts.username or parts.password:
        raise ToolError(
            f"the address of {name} carries a password, which would stand in every lockfile",
            hint="give uv the password with `uv auth login` or in a netrc file, not in the index's address",
        )
    digest = hashes.get("sha256") if isinstance(hashes, dict) else None
    if not digest:
        raise ToolError(
            f"the package index gives no sha256 for {name}, so nobody could check it",
            hint="use an index that does, such as PyPI",
        )
    return url, str(digest)
