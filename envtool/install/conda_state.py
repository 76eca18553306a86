"""What a conda environment holds: its records, and the files that belong to nobody."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from envtool.fact import Fact
from envtool.install.installed import read_installed
from envtool.install.transaction import copy_tree

# Made by the installers and by what runs in an environment; whatever else lies at its top is the user's own.
_NOBODYS = {"conda-meta", "CACHEDIR.TAG", ".condarc", ".nonadmin", "__pycache__", "etc", "var", "share", "bin", "lib",
            "Lib", "Scripts", "include", "Library", "DLLs", "lib64", "sbin", "libexec", "man", "ssl",
            "pyvenv.cfg"}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class CondaRecord(Fact):
    """One installed conda package: what its file in conda-meta tells."""

    name: str
    version: str
    build: str
    md5: str
    sha256: str
    files: tuple[str, ...]


def read_records(path: str) -> dict[str, CondaRecord]:
    """The records by name; a file that can't be read makes a package that isn't there."""
    found = {}
    folder = os.path.join(path, "conda-meta")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if not name.endswith(".json"):
            continue
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                raw = json.load(file)
            record = CondaRecord(
                str(raw["name"]), str(raw["version"]), str(raw["build"]), str(raw.get("md5") or ""),
                str(raw.get("sha256") or ""), tuple(map(str, raw.get("files") or ())),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        found[record.name] = record
    return found


def missing_file(path: str, records: Iterable[CondaRecord]) -> tuple[str, str] | None:
    """The first package with a file that is gone, and that file."""
    for record in records:
        for name in record.files:
            if not os.path.lexists(os.path.join(path, name)):
                return record.name, name
    return None


def site_packages(path: str, subdir: str) -> str | None:
    """Where the Python of a conda environment keeps its packages."""
    if subdir.startswith("win"):
        return os.path.join(path, "Lib", "site-packages")
    library = os.path.join(path, "lib")
    names = os.listdir(library) if os.path.isdir(library) else []
    found = [os.path.join(library, name, "site-packages") for name in sorted(names) if name.startswith("python3.")]
    return next((folder for folder in found if os.path.isdir(folder)), None)


def from_pip(path: str, subdir: str, records: Mapping[str, CondaRecord]) -> dict[str, str]:
    """The distributions that no conda package brought: version by name."""
    owned = {os.path.normcase(name) for record in records.values() for name in record.files}
    found = {}
    for name, one in read_installed(site_packages(path, subdir)).items():
        inside = os.path.relpath(one.folder, path).replace(os.sep, "/")
        if not any(os.path.normcase(f"{inside}/{file}") in owned for file in ("METADATA", "PKG-INFO")):
            if os.path.normcase(inside) not in owned:
                found[name] = one.version
    return found


def own_things(path: str, records: Mapping[str, CondaRecord], ours: Iterable[str]) -> tuple[str, ...]:
    """What the user laid at the top of an environment: a folder of notebooks, say."""
    known = _NOBODYS | {name.split("/", 1)[0] for record in records.values() for name in record.files} | set(ours)
    return tuple(name for name in sorted(os.listdir(path)) if name not in known)


def carry_over(names: Iterable[str], path: str, new: str) -> None:
    """The user's own things, also in the environment that takes the place of the old one."""
    import shutil

    for name in names:
        source, target = os.path.join(path, name), os.path.join(new, name)
        if os.path.lexists(target):
            continue
        if os.path.isdir(source) and not os.path.islink(source):
            copy_tree(source, target)
        else:
            shutil.copy2(source, target, follow_symlinks=False)
