"""Lockfiles that others wrote: ``@EXPLICIT`` lists, and pixi.lock as pixi makes it; ``load_any`` reads every kind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from envtool.errors import EnvtoolError, UsageError
from envtool.lock import pixi
from envtool.lock.model import LockedPackage, LockedTarget, LockedWheel, Lockfile, Target
from envtool.lock.place import lock_path, read_text
from envtool.lock.read_v1 import load_v1

_PACKAGE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<build>[^-]+)\.(?:conda|tar\.bz2)")
_LARGEST = 16 << 20  # bytes; four platforms are half of one, and a YAML parser takes a hundred times as much
_PIP = re.compile(r"# pip (?P<name>\S+) @ (?P<url>[^\s#]+)(?:#sha256=(?P<one>[0-9a-f]{64}))?(?P<more>.*)")
_SHA256 = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NAMES = "a conda-lock file, a pixi.lock, an @EXPLICIT list, or the folder that they are in"


def load_any(place: str, where: str) -> Lockfile:
    """The lockfile at a path, or in a folder; UsageError says why there is none."""
    path = _file_in(place, where) if os.path.isdir(place) else place
    if os.path.isfile(path) and os.path.getsize(path) > _LARGEST:
        raise UsageError(f"{where} is larger than any lockfile: {_LARGEST >> 20} MiB", hint=f"name {_NAMES}")
    text = read_text(path)
    if text is None:
        raise UsageError(f"there is no lockfile {where}", hint=f"name {_NAMES}; `envtool lock` writes them")
    if re.search(r"^@EXPLICIT\s*$", text, re.MULTILINE):
        return _with_whole_records(load_explicit(text, where), path)
    if re.search(r"^environments:", text, re.MULTILINE):
        made_here = text.startswith("# Made by `envtool lock`")
        return pixi.load(path, text, where) if made_here else load_pixi(path, where)
    return _with_whole_records(
        load_v1(text, where if path == place else os.path.join(where, os.path.basename(path))), path
    )


def _with_whole_records(lockfile: Lockfile, path: str) -> Lockfile:
    """The same packages with their sizes and needs, where the pixi.lock that they were written with lies beside."""
    beside = lock_path(os.path.dirname(os.path.abspath(path)))
    try:
        text = read_text(beside)
        whole = pixi.load(beside, text, beside) if text is not None else None
    except EnvtoolError:
        return lockfile
    if whole is None:
        return lockfile
    known = {package.url: package for locked in whole.targets for package in locked.packages}

    def better(package: LockedPackage) -> LockedPackage:
        other = known.get(package.url, package)
        same = (other.sha256 == package.sha256 or not package.sha256) and (other.md5 == package.md5 or not package.md5)
        return other if same else package

    targets = (replace(one, packages=tuple(map(better, one.packages))) for one in lockfile.targets)
    return replace(lockfile, targets=tuple(targets))


def _file_in(folder: str, where: str) -> str:
    if os.path.isfile(lock_path(folder)):
        return lock_path(folder)
    found = sorted(name for name in os.listdir(folder) if name.endswith(("-lock.yml", "-lock.yaml", ".conda-lock.yml")))
    if len(found) == 1:
        return os.path.join(folder, found[0])
    if found:
        raise UsageError(f"{where} holds several lockfiles: {', '.join(found[:4])}", hint="name one of them")
    raise UsageError(f"{where} holds no lockfile", hint=f"name {_NAMES}; `envtool lock` writes them")


# ── @EXPLICIT ────────────────────────────────────────────────────────────────────────────────────


def load_explicit(text: str, where: str) -> Lockfile:
    """A list of addresses with hashes. It tells no needs and no sizes: these stay empty."""
    packages, wheels, named = [], [], None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        pip = _PIP.fullmatch(line)
        if pip:
            wheels.append(_wheel(pip, f"{where}, line {number}"))
        elif line.startswith("# platform:"):
            named = line.partition(":")[2].strip()
        elif line and not line.startswith(("#", "@")):
            packages.append(_explicit(line, f"{where}, line {number}"))
    subdir = named or next((one.subdir for one in packages if one.subdir != "noarch"), "noarch")
    stem = os.path.basename(where.replace("\\", "/")).partition(".")[0].removesuffix(f"-{subdir}")
    name, _, variant = stem.rpartition("-")
    _once(packages, where)
    return Lockfile(name or stem, (), "", (_target(variant, subdir, packages, wheels),))


def _explicit(line: str, where: str) -> LockedPackage:
    url, _, digest = line.partition("#")
    kind, _, plain = digest.rpartition(":")
    match = _PACKAGE.fullmatch(unquote(urlsplit(url).path).rpartition("/")[2])
    subdir = url.rpartition("/")[0].rpartition("/")[2]
    if match is None or "://" not in url or not re.fullmatch(r"noarch|\w+-\w+", subdir):
        raise UsageError(f"{where}: {_shown(line)!r} is no address of a conda package", hint=f"name {_NAMES}")
    plain = plain.lower()
    if not re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}", plain) or kind not in {"", "md5", "sha256"}:
        raise UsageError(
            f"{where}: {match['name']} has no hash, so nobody could check it",
            hint="make the list with hashes: `envtool lock`, or `conda list --explicit --md5`",
        )
    md5, sha256 = (plain, "") if len(plain) == 32 else ("", plain)
    number = match["build"].rpartition("_")[2]
    return LockedPackage(
        match["name"], match["version"], match["build"], int(number) if number.isdecimal() else 0, subdir, url,
        md5, sha256, None, (),
    )  # fmt: skip


def _wheel(match: re.Match[str], where: str) -> LockedWheel:
    found = _SHA256.search(match["more"] or "")
    digest = match["one"] or (found[1] if found else None)
    if digest is None:
        raise UsageError(f"{where}: {match['name']} has no sha256, so nobody could check it", hint="lock it anew")
    file = unquote(urlsplit(match["url"]).path).rpartition("/")[2]
    version = file.split("-")[1] if file.endswith(".whl") else file.rpartition("-")[2].removesuffix(".tar.gz")
    return LockedWheel(match["name"], version, match["url"], digest)


def _shown(line: str) -> str:
    from envtool.lock.network import without_tokens

    return without_tokens(line)[:80]


def _once(packages: Iterable[LockedPackage], where: str) -> None:
    seen: set[str] = set()
    for package in packages:
        if package.name in seen:
            raise UsageError(f"{where}: {package.name} is in it twice", hint="restore it, or lock it anew")
        seen.add(package.name)


def _target(
    variant: str, subdir: str, packages: Iterable[LockedPackage], wheels: Iterable[LockedWheel]
) -> LockedTarget:
    by_name = {package.name: package for package in packages}
    torch, python = by_name.get("pytorch"), by_name.get("python")
    return LockedTarget(
        Target(variant, subdir), torch.build.partition("_")[0] if torch else "",
        ".".join(python.version.split(".")[:2]) if python else "", (), (),
        tuple(sorted(by_name.values(), key=lambda one: one.name)), tuple(sorted(wheels, key=lambda one: one.name)),
    )  # fmt: skip


# ── pixi.lock ────────────────────────────────────────────────────────────────────────────────────


def load_pixi(path: str, where: str) -> Lockfile:
    """A pixi.lock of pixi's own: each environment of it is a variant."""
    from rattler import LockFile

    try:
        read = LockFile.from_path(path)  # type: ignore[arg-type]
        targets = [
            _of_environment(name, environment, platform, where)
            for name, environment in read.environments() for platform in environment.platforms()
        ]  # fmt: skip
    except UsageError:
        raise
    except Exception as error:
        if type(error).__module__ != "exceptions" and not isinstance(error, (TypeError, ValueError)):
            raise
        raise UsageError(
            f"{where} can't be read: {str(error).splitlines()[0]}", hint="restore it, or lock it anew"
        ) from None
    name = os.path.basename(os.path.dirname(os.path.abspath(path))) or "environment"
    return Lockfile(name, (), "", tuple(targets))


def _of_environment(name: str, environment: object, platform: object, where: str) -> LockedTarget:
    from rattler import CondaLockedBinaryPackage, Environment, LockPlatform, PypiLockedPackage

    from envtool.lock.records import locked_package

    assert isinstance(environment, Environment)
    assert isinstance(platform, LockPlatform)
    packages, wheels = [], []
    for one in environment.packages(platform) or []:
        if isinstance(one, CondaLockedBinaryPackage):
            packages.append(locked_package(one.repo_data_record(), {}, lockfile=where))
        elif isinstance(one, PypiLockedPackage):
            digest = one.hashes.sha256 if one.hashes else None
            if digest is None:
                hint = "lock it anew; a package from a folder or from git can't be checked"
                raise UsageError(f"{where}: {one.name} has no sha256, so nobody could check it", hint=hint)
            wheels.append(LockedWheel(one.name, str(one.version), one.location, digest.hex()))
        else:
            raise UsageError(f"{where}: {name} has a package that is built from source, and none of that is built here",
                             hint="let pixi install it")  # fmt: skip
    return _target(name, platform.name, packages, wheels)
