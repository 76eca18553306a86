"""Lockfiles of what a test's channel holds, in every kind that can be installed from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from conda_packages import Made, this_subdir

from envtool.lock import conda_lock_v1, explicit, pixi
from envtool.lock.model import LockedPackage, LockedTarget, LockedWheel, Lockfile, Target

PUBLIC = "https://conda.anaconda.org/conda-forge"


def locked(folder: Path, made: Made, channel: str = PUBLIC) -> LockedPackage:
    """A package as a channel's index records it."""
    data = (folder / made.subdir / made.file_name).read_bytes()
    raw = made.index()
    return LockedPackage(
        made.name, made.version, made.build, int(str(raw["build_number"])), made.subdir,
        f"{channel}/{made.subdir}/{made.file_name}", hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest(),
        len(data), made.depends, made.constrains, "MIT", None, made.noarch if made.subdir == "noarch" else None,
        1750000000000,
    )  # fmt: skip


def lockfile(
    packages: Iterable[LockedPackage], *, subdir: str | None = None, variant: str = "cpu", channel: str = PUBLIC,
    wheels: tuple[LockedWheel, ...] = (), more: tuple[LockedTarget, ...] = (),
) -> Lockfile:  # fmt: skip
    return Lockfile("course", (channel,), json.dumps({"name": "course"}),
                    (target(packages, subdir=subdir, variant=variant, wheels=wheels), *more))  # fmt: skip


def target(
    packages: Iterable[LockedPackage], *, subdir: str | None = None, variant: str = "cpu", build: str | None = None,
    wheels: tuple[LockedWheel, ...] = (),
) -> LockedTarget:  # fmt: skip
    found = tuple(sorted(packages, key=lambda one: one.name))
    torch = next((one for one in found if one.name == "pytorch"), None)
    told = build or (torch.build.partition("_")[0] if torch else variant)
    return LockedTarget(Target(variant, subdir or this_subdir()), told, "3.12", (), (), found, wheels, (), "f")


def write(folder: Path, made: Lockfile, kind: str) -> str:
    """The file's name: of a pixi.lock, a conda-lock file or an @EXPLICIT list."""
    name = {"pixi": "pixi.lock", "v1": "course-cpu.conda-lock.yml", "explicit": "course-cpu.txt"}[kind]
    first = made.targets[0]
    text = {
        "pixi": lambda: pixi.dumps(made),
        "v1": lambda: conda_lock_v1.dumps(made, first.target.variant, "envtool.toml", "0" * 64),
        "explicit": lambda: explicit.dumps(made, first, "envtool.toml"),
    }[kind]()
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return name
