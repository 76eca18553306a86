"""Checks what was locked, and asks no solver: every need of every package is met, by one package of each name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from rattler import BuildString, MatchSpec, PackageRecord

from envtool.lock.model import LockedTarget, VirtualPackage

_NAME = re.compile(r"(?:[^\s\[]+::)?([A-Za-z0-9_.-]+)")


@lru_cache(maxsize=65536)
def match_spec(text: str) -> MatchSpec:
    """A requirement as records write it, which are less strict than pixi."""
    return MatchSpec(text, strict=False)


@lru_cache(maxsize=65536)
def spec_name(spec: str) -> str:
    """The package that a requirement speaks of: "numpy" of "numpy>=1.26", "conda-forge::numpy" and "numpy[build=x]"."""
    match = _NAME.match(spec.strip())
    return match[1].lower() if match else spec


def problems(locked: LockedTarget) -> tuple[str, ...]:
    """What is wrong with a locked target, in words; empty where it keeps every promise."""
    return tuple(_problems(locked))


def _problems(locked: LockedTarget) -> Iterator[str]:
    names = [package.name for package in locked.packages]
    yield from (f"{name} is there {names.count(name)} times" for name in dict.fromkeys(names) if names.count(name) > 1)
    if names != sorted(names):
        yield "the packages are not sorted"
    records = {virtual.name: _virtual(virtual, locked.target.subdir) for virtual in locked.virtual}
    for package in locked.packages:
        if package.subdir not in {locked.target.subdir, "noarch"}:
            yield f"{package.name} is for {package.subdir}"
        records[package.name] = _record(
            package.name, package.version, package.build, package.build_number, package.subdir
        )
    for spec in locked.specs:
        yield from _unmet(spec, records, "the spec")
    for package in locked.packages:
        for spec in package.depends:
            yield from _unmet(spec, records, package.name)
        for spec in package.constrains:
            name = spec_name(spec)
            if name in records and not match_spec(spec).matches(records[name]):
                yield f"{package.name} can't be beside {_told(records[name])}: it goes with {spec}"
    yield from _other_variant(locked)
    taken = {{"pytorch": "torch"}.get(name, re.sub(r"[._-]+", "-", name)) for name in names}
    yield from (f"{wheel.name} comes from conda and from PyPI" for wheel in locked.wheels if wheel.name in taken)


def _unmet(spec: str, records: dict[str, PackageRecord], whose: str) -> Iterator[str]:
    record = records.get(spec_name(spec))
    if record is None:
        yield f"{whose} needs {spec}, which is not there"
    elif not match_spec(spec).matches(record):
        yield f"{whose} needs {spec}, and {_told(record)} is there"


def _other_variant(locked: LockedTarget) -> Iterator[str]:
    """Every solver falls back to the CPU in silence; this is where it is heard."""
    torch = locked.package("pytorch")
    if torch is not None and not torch.build.startswith(locked.build):
        yield f"pytorch {torch.version} is the build {torch.build}, not the {locked.build} that was asked for"


def _told(record: PackageRecord) -> str:
    return f"{record.name.normalized} {record.version} {record.build}"


def _virtual(virtual: VirtualPackage, subdir: str) -> PackageRecord:
    return _record(virtual.name, virtual.version, virtual.build, 0, subdir)


@lru_cache(maxsize=16384)
def _record(name: str, version: str, build: str, number: int, subdir: str) -> PackageRecord:
    return PackageRecord(name, version, BuildString.new_unchecked(build), number, subdir)
