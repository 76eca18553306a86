"""Reads conda-lock's unified lockfile, version 1, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envtool.errors import ToolError, UsageError
from envtool.extras import line_for
from envtool.lock.model import LockedPackage, LockedTarget, LockedWheel, Lockfile, Target

_DEEPEST = 16
ENDINGS = (".yml", ".yaml")


def load_v1(text: str, where: str) -> Lockfile:
    """A conda-lock file as a lockfile. Version 1 has no constraints, no sizes and no specs: these stay empty."""
    document = _parsed(text, where)
    if document.get("version") != 1:
        raise UsageError(f"{where}: its version is {document.get('version')!r}, not 1", hint="lock it anew")
    try:
        metadata = document["metadata"]
        channels = tuple(str(channel["url"]) for channel in metadata["channels"])
        found: dict[str, tuple[list[LockedPackage], list[LockedWheel]]] = {}
        for subdir in metadata["platforms"]:
            found[str(subdir)] = ([], [])
        for entry in document["package"]:
            packages, wheels = found[str(entry["platform"])]
            if entry.get("manager") == "pip":
                wheels.append(_wheel(entry, where))
            else:
                packages.append(_package(entry, where))
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{where} is no conda-lock file: {error!r} in it", hint="name a lockfile") from None
    stem = where.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    name, _, variant = stem.rpartition("-")
    return Lockfile(
        name or stem, channels, "", tuple(_target(variant, subdir, *both) for subdir, both in found.items())
    )


def _target(variant: str, subdir: str, packages: list[LockedPackage], wheels: list[LockedWheel]) -> LockedTarget:
    by_name = {package.name: package for package in packages}
    torch, python = by_name.get("pytorch"), by_name.get("python")
    build = torch.build.partition("_")[0] if torch else ""
    return LockedTarget(
        Target(variant, subdir), build, ".".join(python.version.split(".")[:2]) if python else "", (), (),
        tuple(sorted(packages, key=lambda one: one.name)), tuple(sorted(wheels, key=lambda one: one.name)),
    )  # fmt: skip


def _package(entry: Mapping[str, Any], where: str) -> LockedPackage:
    url, hashes = str(entry["url"]), entry["hash"]
    if not hashes.get("sha256") and not hashes.get("md5"):
        raise UsageError(f"{where}: {entry['name']} has no hash, so nobody could check it", hint="lock it anew")
    file_name = url.rpartition("/")[2]
    build = file_name.removesuffix(".conda").removesuffix(".tar.bz2").rpartition("-")[2]
    number = build.rpartition("_")[2]
    subdir = url.rpartition("/")[0].rpartition("/")[2]
    needs = entry.get("dependencies") or {}
    return LockedPackage(
        str(entry["name"]), str(entry["version"]), build, int(number) if number.isdecimal() else 0, subdir, url,
        str(hashes.get("md5") or ""), str(hashes.get("sha256") or ""), None,
        tuple(f"{name} {version}".strip() for name, version in needs.items()),
    )  # fmt: skip


def _wheel(entry: Mapping[str, Any], where: str) -> LockedWheel:
    digest = entry["hash"].get("sha256")
    if not digest:
        raise UsageError(f"{where}: {entry['name']} has no sha256, so nobody could check it", hint="lock it anew")
    return LockedWheel(str(entry["name"]), str(entry["version"]), str(entry["url"]), str(digest))


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError:
        raise ToolError(f"{where}: reading YAML needs PyYAML", hint=line_for("lock")) from None
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST or isinstance(event, yaml.AliasEvent):
                what = "a list in a list in a list" if depth > _DEEPEST else "an alias"
                raise UsageError(f"{where}: {what} has no place in a lockfile", hint="lock it anew")
        document = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(
            f"{where} is not YAML: {str(error).splitlines()[0]}", hint="restore it, or lock it anew"
        ) from None
    if not isinstance(document, dict):
        raise UsageError(f"{where} is no lockfile", hint="name a conda-lock file or a pixi.lock")
    return document
