"""Interpreters and environments for the tests of the Python probe: real ones, and folders that imitate packages."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSIONS = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


def interpreters() -> dict[str, str]:
    """Real interpreters of this machine by "3.8" and the like; the one that runs the tests is always there."""
    found = {"{}.{}".format(*sys.version_info[:2]): sys.executable}
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for version in VERSIONS:
        installed = sorted(glob.glob(f"{root}/versions/{version}.*/bin/python3"))
        on_path = [shutil.which(f"python{version}")] if not installed else []
        for path in [*installed, *on_path]:
            if path and subprocess.run([path, "-c", "pass"], capture_output=True, check=False).returncode == 0:
                found.setdefault(version, path)
    return found


def python_2() -> str | None:
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    return next(iter(glob.glob(f"{root}/versions/2.7.*/bin/python")), None) or shutil.which("python2.7")


def make_venv(where: Path, python: str = sys.executable) -> Path:
    """A real venv without pip."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(where)], check=True, capture_output=True)
    return where


def python_of(prefix: Path) -> str:
    return str(prefix / "Scripts" / "python.exe") if os.name == "nt" else str(prefix / "bin" / "python")


def site_packages(prefix: Path) -> Path:
    return next(prefix.glob("lib/python*/site-packages")) if os.name != "nt" else prefix / "Lib" / "site-packages"


def distribution(
    site: Path,
    name: str,
    version: str,
    *,
    installer: str = "pip",
    requires: tuple[str, ...] = (),
    metadata: bool = True,
) -> Path:
    """A .dist-info folder as pip writes it."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    if metadata:
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (folder / "METADATA").write_text("\n".join([*lines, "", "Requires-Dist: only-in-the-description", ""]))
    (folder / "INSTALLER").write_text(f"{installer}\n")
    return folder


def package(site: Path, name: str, init: str = "", version_py: str | None = None) -> Path:
    """An importable package; ``version_py`` becomes its version.py."""
    folder = site / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(init)
    if version_py is not None:
        (folder / "version.py").write_text(version_py)
    return folder


def script(path: Path, text: str) -> str:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)
