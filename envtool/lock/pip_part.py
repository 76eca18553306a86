"""The packages that come from PyPI: uv solves them beside what conda brings, and never brings that a second time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from envtool.errors import ToolError
from envtool.extras import line_for
from envtool.lock.model import LockedTarget, LockedWheel, Refused
from envtool.lock.pip_files import file_of
from envtool.lock.request import DEFAULT_MACOS, LockRequest
from envtool.lock.verify import spec_name
from envtool.spec import FAMILY, is_torch_of_pypi
from envtool.write import write_text

_PLATFORMS = {
    "linux-64": "x86_64-manylinux_2_28", "linux-aarch64": "aarch64-manylinux_2_28", "win-64": "x86_64-pc-windows-msvc",
    "osx-64": "x86_64-apple-darwin", "osx-arm64": "aarch64-apple-darwin",
}  # fmt: skip
_SHOWN = 12  # lines of uv's own explanation


class _FailedError(Exception):
    """uv found no answer; the text is what it said."""


def with_wheels(
    locked: LockedTarget, request: LockRequest, program: str, kept: tuple[LockedWheel, ...] = ()
) -> LockedTarget | Refused:
    """A target with its pip section. ``kept``: what is locked already and stays where it can."""
    with tempfile.TemporaryDirectory(prefix="envtool-lock-") as folder:
        try:
            wheels = _solved(_Uv(program, folder, locked, request), locked, request, kept)
        except _FailedError as error:
            lines = tuple(line.rstrip() for line in str(error).splitlines() if line.strip())[:_SHOWN]
            return Refused(
                locked.target, f"the packages under [pip] don't go with what conda brings on {locked.target.subdir}",
                "loosen or drop the package that uv names below, or take it from conda", lines,
            )  # fmt: skip
    seconds = [wheel.name for wheel in wheels if is_torch_of_pypi(wheel.name)]
    if seconds:
        return _second_torch(locked, seconds)
    return replace(locked, wheels=wheels, pip_specs=request.pip_packages)


def _second_torch(locked: LockedTarget, names: list[str]) -> Refused:
    """What pip would bring beside conda's PyTorch: the two load each other's libraries."""
    hint = "drop the package under [pip] that needs it, or take that one from conda"
    if set(names) <= set(FAMILY):
        hint = f"write {' and '.join(names)} under torch in the spec, so that conda brings it; or {hint}"
    told = " and ".join(names)
    return Refused(
        locked.target, f"a package under [pip] needs {told}, and pip's does not go with conda's PyTorch", hint
    )


def _solved(
    uv: _Uv, locked: LockedTarget, request: LockRequest, kept: tuple[LockedWheel, ...]
) -> tuple[LockedWheel, ...]:
    """What conda brings stands before uv as wheels that need nothing: conda met their needs, in its own way."""
    present = pypi_versions(locked, request)
    favored = [f"{wheel.name}=={wheel.version}" for wheel in kept]
    try:
        found = uv.compiled(request.pip_packages, present, favored)
    except _FailedError:
        if not favored:
            raise
        found = uv.compiled(request.pip_packages, present, [])
    files = (file_of(one, locked.target.subdir, locked.python) for one in found if one["name"] not in present)
    return tuple(sorted(files, key=lambda wheel: wheel.name))


def pypi_versions(locked: LockedTarget, request: LockRequest) -> dict[str, str]:
    """The Python packages that conda brings, by the name that they have on PyPI."""
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    names = {"pytorch": "torch", **dict(request.pip_names)}
    found = {}
    for package in locked.packages:
        if package.name not in names and not {spec_name(line) for line in package.depends} & {"python", "python_abi"}:
            continue
        name = str(canonicalize_name(names.get(package.name, package.name)))
        if name.startswith("-"):  # no name on PyPI begins as _openmp_mutex does
            continue
        with contextlib.suppress(InvalidVersion):  # no Python package: "2024a" of some data
            found[name] = str(Version(package.version))
    return found


class _Uv:
    """uv, asked for one target."""

    def __init__(self, program: str, folder: str, locked: LockedTarget, request: LockRequest) -> None:
        python = locked.package("python")
        self._folder = folder
        self._words = [
            program, "pip", "compile", "--quiet", "--no-build", "--format", "pylock.toml", "--no-header",
            "--python", sys.executable, "--python-version", python.version if python else locked.python,
            "--python-platform", _PLATFORMS[locked.target.subdir],
        ]  # fmt: skip
        if request.exclude_newer:
            self._words += ["--exclude-newer", request.exclude_newer]

    def compiled(
        self, requirements: tuple[str, ...], present: Mapping[str, str], constraints: list[str], *more: str
    ) -> list[Mapping[str, object]]:
        """The packages of the pylock.toml that uv makes."""
        wheels = [f"{name} @ {stand_in(self._folder, name, version)}" for name, version in present.items()]
        paths = [os.path.join(self._folder, name) for name in ("requirements.in", "constraints.txt")]
        for path, lines in zip(paths, ((*requirements, *wheels), constraints), strict=True):
            write_text(path, "\n".join(lines) + "\n")
        output = os.path.join(self._folder, "pylock.toml")
        words = [*self._words, *more, "--constraints", paths[1], "--output-file", output, paths[0]]
        environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "MACOSX_DEPLOYMENT_TARGET": DEFAULT_MACOS}
        done = subprocess.run(
            words, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False, env=environment
        )
        if done.returncode == 1 and "No solution found" in done.stderr:
            raise _FailedError(done.stderr)
        if done.returncode != 0:
            lines = tuple(line.strip() for line in done.stderr.splitlines() if line.strip())
            hint = "check the network and the index; `uv pip compile` tries the same"
            raise ToolError("uv could not solve the packages under [pip]", hint=hint, details=lines[:_SHOWN])
        with open(output, encoding="utf-8") as file:
            return packages_of(file.read())


def stand_in(folder: str, name: str, version: str) -> str:
    """The address of a wheel that has a name and a version, and nothing else."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = os.path.join(folder, f"{stem}-py3-none-any.whl")
    about = f"{stem}.dist-info"
    if not os.path.exists(path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{about}/RECORD", "")
    return Path(path).as_uri()


def packages_of(text: str) -> list[Mapping[str, object]]:
    """The packages of a pylock.toml; ToolError where it is none."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found = tomllib.loads(text).get("packages", [])
    except ValueError as error:
        raise ToolError(f"a pylock.toml can't be read: {error}", hint="remove it, and lock again") from None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def asked_index(program: str, folder: str, locked: LockedTarget) -> list[Mapping[str, object]]:
    """What the package index has of the locked releases: every file, with its address and hash."""
    pins = tuple(f"{wheel.name}=={wheel.version}" for wheel in locked.wheels)
    try:
        return _Uv(program, folder, locked, LockRequest("")).compiled(pins, {}, [], "--no-deps")
    except _FailedError as error:
        lines = tuple(line.strip() for line in str(error).splitlines() if line.strip())[:_SHOWN]
        raise ToolError("the package index has not all of the locked releases", details=lines,
                        hint="lock again: `envtool lock --upgrade`") from None  # fmt: skip


def uv_program() -> str:
    """uv's program, which comes with the package of that name."""
    import shutil

    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ToolError("the packages under [pip] need uv, which is not installed", hint=line_for("lock"))
    return found
