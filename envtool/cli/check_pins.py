"""Lockfiles of every kind as pins."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from envtool.cli.lock_place import short
from envtool.drift import CONDA, PIP, Locked, Pin
from envtool.drift.compare import normalised
from envtool.errors import EnvtoolError, ToolError, UsageError
from envtool.extras import line_for

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from envtool.install.requirements import Line
    from envtool.lock.model import LockedTarget, Lockfile

LOCKFILES = "lockfiles"
_KEPT = ("--index-url", "-i", "--extra-index-url", "--find-links", "-f", "--no-index", "--pre", "--trusted-host")
_HASH = re.compile(r"--hash[= ]\s*(sha256:[0-9a-f]{64})")


def _text(path: str) -> str:
    from envtool.lock.place import read_text

    text = read_text(path)
    if text is None:
        raise UsageError(f"there is no lockfile {short(path)}", hint="check the name of the file")
    return text


# ── conda ────────────────────────────────────────────────────────────────────────────────────────


def of_conda(path: str, kind: str, subdir: str) -> tuple[Locked, ...]:
    """Each variant that a file of conda's world holds for a platform."""
    lockfile = _lockfile(path, kind)
    fitting = [one for one in lockfile.targets if one.target.subdir == subdir]
    return tuple(_of_target(path, kind, one, len(fitting) > 1) for one in fitting)


def _lockfile(path: str, kind: str) -> Lockfile:
    from envtool.lock.read_others import load_any, load_explicit
    from envtool.lock.read_v1 import load_v1

    if kind == "@EXPLICIT":  # without what a pixi.lock beside it tells: this needs no other package
        return load_explicit(_text(path), short(path))
    if kind == "conda-lock":
        return load_v1(_text(path), short(path))
    try:
        return load_any(path, short(path))
    except ImportError:
        raise ToolError(f"{short(path)}: reading it needs py-rattler", hint=line_for("lock")) from None


def _of_target(path: str, kind: str, target: LockedTarget, several: bool) -> Locked:
    pins = [
        Pin(one.name, one.version, CONDA, one.build, one.url,
            tuple(f"{name}:{text}" for name, text in (("sha256", one.sha256), ("md5", one.md5)) if text))
        for one in target.packages
    ]  # fmt: skip
    pins += [Pin(normalised(w.name), w.version, PIP, "", w.url, (f"sha256:{w.sha256}",)) for w in target.wheels]
    python = f"=={target.python}.*" if target.python else ""
    return Locked(path, short(path), kind, CONDA, tuple(pins), target.target.subdir, target.target.variant, python,
                  several=several)  # fmt: skip


# ── pylock.toml ──────────────────────────────────────────────────────────────────────────────────


def of_pylock(path: str, markers: Mapping[str, str], subdir: str, python: str) -> tuple[Locked, ...]:
    """The packages of a pylock.toml (PEP 751) whose markers hold; none where it is for other environments."""
    document = _toml(path)
    found = document.get("packages")
    if "lock-version" not in document or not isinstance(found, list):
        raise UsageError(f"{short(path)} is no pylock.toml: it has no lock-version", hint="name another file")
    environments = document.get("environments")
    if isinstance(environments, list) and not any(_holds(str(one), markers, path) for one in environments):
        return ()
    here = [one for one in found if isinstance(one, dict) and _holds(str(one.get("marker") or ""), markers, path)]
    if not all(isinstance(one.get(key, ""), str) for one in here for key in ("name", "version")):
        raise UsageError(f"{short(path)}: a package's name or version is no text", hint="restore it, or lock it anew")
    pins = tuple(_of_package(one, subdir, python) for one in here if one.get("version") and one.get("name"))
    variant = os.path.basename(path).removeprefix("pylock.").removesuffix("toml").rstrip(".").replace("_", ".") or None
    wanted = _specifier(str(document.get("requires-python") or ""), path)
    return (Locked(path, short(path), "pylock", PIP, pins, None, variant, wanted),)


def _toml(path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: dict[str, Any] = tomllib.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{short(path)} is not TOML: {error}", hint="restore it, or lock it anew") from None
    return document


def _holds(marker: str, markers: Mapping[str, str], path: str) -> bool:
    from packaging.markers import InvalidMarker, Marker, UndefinedEnvironmentName

    if not marker:
        return True
    try:
        none: frozenset[str] = frozenset()  # of what a lockfile may offer beside, nothing was asked for
        return Marker(marker).evaluate({**markers, "extras": none, "dependency_groups": none})
    except (InvalidMarker, UndefinedEnvironmentName) as error:
        raise UsageError(f"{short(path)}: the marker {marker!r} can't be read: {error}", hint="lock it anew") from None


def _specifier(text: str, path: str) -> str:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return str(SpecifierSet(text)) and text
    except InvalidSpecifier:
        raise UsageError(
            f"{short(path)}: requires-python {text!r} is no range of versions", hint="lock it anew"
        ) from None


def _of_package(package: Mapping[str, Any], subdir: str, python: str) -> Pin:
    from envtool.lock.pip_files import file_of

    try:
        url = file_of(package, subdir, python).url
    except (EnvtoolError, KeyError, TypeError, ValueError):  # a folder or a repository: there is no one file
        url = ""
    wheels = package.get("wheels")
    files = [*(wheels if isinstance(wheels, list) else ()), package.get("sdist"), package.get("archive")]
    digests = [
        one["hashes"].get("sha256") for one in files if isinstance(one, dict) and isinstance(one.get("hashes"), dict)
    ]
    return Pin(normalised(str(package["name"])), str(package["version"]), PIP, "", url,
               tuple(f"sha256:{digest}" for digest in digests if digest))  # fmt: skip


# ── requirements with pins ───────────────────────────────────────────────────────────────────────


def of_requirements(path: str, markers: Mapping[str, str]) -> tuple[Locked, ...]:
    """What pip freeze, pip-tools and uv write. A line without a version is no pin, and is refused."""
    from envtool.install.requirements import applies, parsed, read_files

    pins: list[Pin] = []
    options: list[str] = []
    loose: list[str] = []
    for line in read_files((path,)):
        asked = parsed(line)
        if asked is None and line.text.startswith("-"):
            options += _option(line)
            continue
        if asked is None:
            loose.append(f"{short(line.file or path)}, line {line.number}: {line.text[:80]}")
            continue
        if not applies(asked, {**markers}):
            continue
        pin = _pinned(line, asked)
        if pin is None:
            loose.append(f"{short(line.file or path)}, line {line.number}: {asked}")
        else:
            pins.append(pin)
    if loose:
        raise UsageError(
            f"{short(path)} is no lockfile: {_count(loose)} pinned with ==",
            hint="write the versions, as `pip freeze` and `uv pip compile` do; ranges belong in envtool.toml",
            details=tuple(loose[:5]),
        )
    if not pins:
        raise UsageError(f"{short(path)} is no lockfile: it names no package", hint="name another file")
    return (Locked(path, short(path), "requirements", PIP, tuple(pins), options=tuple(options)),)


def _count(loose: list[str]) -> str:
    return "1 line is not" if len(loose) == 1 else f"{len(loose)} lines are not"


def _option(line: Line) -> tuple[str, ...]:
    """ "--index-url=https://…" as two words; nothing of what a single install has no use for."""
    found = re.match(r"(-\S+?)(?:=|\s+|$)(.*)", line.text)
    return tuple(word for word in found.groups() if word) if found and found[1] in _KEPT else ()


def _pinned(line: Line, asked: Requirement) -> Pin | None:
    hashes = tuple(_HASH.findall(line.text))
    if asked.url:
        file = asked.url.partition("#")[0].rpartition("/")[2].replace("%2B", "+")
        version = file.split("-")[1] if file.endswith(".whl") and file.count("-") > 3 else ""
        return Pin(normalised(asked.name), version, PIP, "", asked.url.partition("#")[0], hashes) if version else None
    exact = [s.version for s in asked.specifier if s.operator in {"==", "==="} and not s.version.endswith(".*")]
    return Pin(normalised(asked.name), exact[0], PIP, "", "", hashes) if exact else None
