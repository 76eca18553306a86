"""A folder of wheels for a machine without a network, with a manifest that makes it the same environment there."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from envtool.errors import EXIT_NO_PLAN, EnvtoolError, ToolError, UsageError
from envtool.fact import Fact
from envtool.install.order import Command, Package, Question, Sources, with_hashes, words_of
from envtool.install.pip import ABLE, Pip, version_of
from envtool.install.tool import run
from envtool.install.uv import Uv
from envtool.machine import Found, Machine
from envtool.plan import Plan
from envtool.verdicts import Json
from envtool.versions import dotted, numbers_or_none
from envtool.write import write_text

MANIFEST = "envtool-wheelhouse.json"
SCHEMA = "envtool.wheelhouse/1"
CHUNK = 1 << 20
_UV_GLIBC = (17, 28, *range(31, 41))  # the minor versions of glibc that uv has names for
_USUAL_GLIBC = 28  # what PyTorch's wheels need, where nothing is known
_UV_ARCHES = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


class NotForHereError(EnvtoolError):
    """The wheels are for another machine."""

    exit_code = EXIT_NO_PLAN


@dataclass(frozen=True, eq=False, repr=False)
class Wheelhouse(Fact):
    """A manifest. ``made_for``: the machine, in words; ``requirements``: what is wanted beside the plan."""

    folder: str
    made_for: str
    python: str  # "3.12"
    plan: dict[str, Json]
    requirements: tuple[str, ...]
    wheels: tuple[Package, ...]


# ── filling ──────────────────────────────────────────────────────────────────────────────────────


def uv_platform(machine: Machine) -> str:
    """uv's name of a machine's platform."""
    arch = _UV_ARCHES.get(machine.arch, machine.arch)
    if machine.os == "macos":
        return f"{arch}-apple-darwin"
    if machine.os == "windows":
        return f"{arch}-pc-windows-msvc"
    libc = numbers_or_none(machine.libc.value.version or "") if isinstance(machine.libc, Found) else None
    minor = max((known for known in _UV_GLIBC if libc is not None and libc >= (2, known)), default=_UV_GLIBC[0])
    return f"{arch}-manylinux_2_{minor if libc is not None else _USUAL_GLIBC}"


def macos_of(machine: Machine, plan: Plan) -> str | None:
    """The macOS that wheels may need: the machine's, else the oldest that the plan's torch runs on."""
    if machine.os != "macos":
        return None
    if isinstance(machine.os_version, Found):
        return machine.os_version.value
    return dotted(max(plan.build.wheel.floors.values()))


def find_pip(candidates: Sequence[str], uv: Uv | None, folder: str) -> str:
    """A Python whose pip fetches wheels, which uv can't: one of these, or one that uv makes for the purpose."""
    for python in dict.fromkeys(candidates):
        version = version_of(python)
        if version is not None and version >= ABLE:
            return python
    if uv is not None:
        place = os.path.join(folder, "pip")
        made = uv.make(place, candidates[0], Sources())[0]
        if run(Command((*made.words, "--seed"), made.environ, made.shown), show=False).code == 0:
            return os.path.join(place, *(("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")))
    raise ToolError("no pip was found here, which fetches wheels", hint="run `python -m ensurepip`, then this again")


def fetch(pip: Pip, python: str, question: Question, packages: tuple[Package, ...], into: str, folder: str) -> Command:
    """The line that fetches exactly these wheels, whatever machine they are for."""
    exact = os.path.join(folder, "exact.txt")
    write_text(exact, with_hashes(packages))
    tags = [_tags(package) for package in packages]
    words = [python, "-m", "pip", "download", "--no-deps", "--dest", into]
    words += ["--only-binary", ":all:", "--implementation", "cp"]
    words += ["--python-version", ".".join(question.python_version.split(".")[:2])]
    for option, values in (("--abi", {abi for _, abis, _ in tags for abi in abis}),
                           ("--platform", {name for _, _, names in tags for name in names})):  # fmt: skip
        words += [
            word for value in sorted(values | ({"none"} if option == "--abi" else set())) for word in (option, value)
        ]
    command = pip.command((*words, "--requirement", exact), question.sources, question.plan)
    shown = pip.command((*words, *words_of(packages)), question.sources, question.plan).shown
    return Command(command.words, command.environ, shown)


def _tags(package: Package) -> tuple[set[str], set[str], set[str]]:
    """The parts of a wheel's tags, of its name."""
    if package.from_source or package.filename is None:
        raise NotForHereError(
            f"{package.name} {package.version} has no wheel for that machine, and a folder of wheels can't hold it",
            hint="choose a version that has one, or leave it out",
        )
    parts = package.filename.removesuffix(".whl").split("-")
    return set(parts[-3].split(".")), set(parts[-2].split(".")), set(parts[-1].split(".")) - {"any"}


def finish(packages: tuple[Package, ...], house: Wheelhouse) -> Wheelhouse:
    """Make sure that every wheel is there and is the one that was announced, and write the manifest."""
    wheels = []
    for package in packages:
        path = os.path.join(house.folder, str(package.filename))
        if not os.path.isfile(path):
            raise ToolError(f"{package.filename} did not arrive in {house.folder}", hint="run the same command again")
        digest = _sha256(path)
        if package.sha256 and digest != package.sha256:
            os.unlink(path)
            message = f"{package.filename} is not the file that the index announced: its hash differs"
            raise ToolError(message, hint="run the same command again; the file was removed")
        wheels.append(Package(package.name, package.version, None, package.filename, digest, os.path.getsize(path)))
    found = replace(house, wheels=tuple(sorted(wheels, key=lambda wheel: wheel.name)))
    write_text(os.path.join(house.folder, MANIFEST), json.dumps(to_json(found), indent=2) + "\n")
    return found


def to_json(house: Wheelhouse) -> dict[str, Json]:
    """The manifest, schema ``envtool.wheelhouse/1``."""
    return {
        "schema": SCHEMA,
        "made_for": house.made_for,
        "python": house.python,
        "plan": house.plan,
        "requirements": list(house.requirements),
        "wheels": [
            {"name": w.name, "version": w.version, "filename": w.filename, "sha256": w.sha256, "size": w.size}
            for w in house.wheels
        ],
    }


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# ── using ────────────────────────────────────────────────────────────────────────────────────────


def find_wheelhouse(folders: tuple[str, ...]) -> Wheelhouse | None:
    """The first of these folders that has a manifest; UsageError where that can't be read."""
    for folder in folders:
        path = os.path.join(folder, MANIFEST)
        if os.path.isfile(path):
            return _read(path, folder)
    return None


def _read(path: str, folder: str) -> Wheelhouse:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if content["schema"] != SCHEMA:
            raise ValueError(f"its schema is {content['schema']!r}")
        wheels = tuple(
            Package(
                str(w["name"]),
                str(w["version"]),
                None,
                os.path.basename(str(w["filename"])),
                str(w["sha256"]),
                int(w["size"]),
            )
            for w in content["wheels"]
        )
        requirements = tuple(map(str, content["requirements"]))
        return Wheelhouse(
            folder, str(content["made_for"]), str(content["python"]), dict(content["plan"]), requirements, wheels
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"cannot read {path}: {error}", hint="fill the folder again with --download") from None


def check(house: Wheelhouse) -> None:
    """ToolError where a wheel is missing or is not the one that was fetched."""
    for wheel in house.wheels:
        path = os.path.join(house.folder, str(wheel.filename))
        if not os.path.isfile(path):
            raise ToolError(f"{wheel.filename} is missing from {house.folder}", hint="copy the whole folder again")
        if os.path.getsize(path) != wheel.size or _sha256(path) != wheel.sha256:
            message = (
                f"{wheel.filename} in {house.folder} is not the file that was fetched: it differs from the manifest"
            )
            raise ToolError(message, hint="copy the folder again; a copy that broke off is the usual cause")
