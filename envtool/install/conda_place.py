"""Which folder a conda environment goes into, and which ones are never touched."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from envtool.errors import ToolError, UsageError
from envtool.fact import Fact
from envtool.install.place import same

DEFAULT = ".conda"  # where editors look for a project's conda environment
NAME_ANOTHER = "name another folder, as in `envtool install --lock FILE --into .conda`"


@dataclass(frozen=True, eq=False, repr=False)
class CondaPlace(Fact):
    """An environment's folder. ``there``: it is a conda environment already; else it is to be made."""

    path: str  # links resolved: what is renamed must be the folder itself
    shown: str  # as the user would write it
    there: bool


def conda_path(into: str | None, cwd: str) -> str:
    """Where that folder is, whatever is there now."""
    return os.path.realpath(os.path.join(cwd, os.path.expanduser(into if into is not None else DEFAULT)))


def find_conda_place(into: str | None, cwd: str, own_prefixes: tuple[str, ...]) -> CondaPlace:
    """The folder that is meant, if it may be changed; UsageError or ToolError says why it may not."""
    if into is not None and not into.strip():
        raise UsageError("--into needs a folder, and got none", hint=NAME_ANOTHER)
    shown, path = into or DEFAULT, conda_path(into, cwd)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise UsageError(f"{shown} is a file, not a folder", hint=NAME_ANOTHER)
    if any(same(path, prefix) for prefix in own_prefixes):
        raise UsageError(
            f"{shown} is the environment that envtool itself runs in, and is left as it is", hint=NAME_ANOTHER
        )
    there = os.path.isdir(path) and bool(os.listdir(path))
    if there:
        _refuse_what_is_no_conda(shown, path)
    _refuse_what_cannot_be_written(shown, path)
    return CondaPlace(path, shown, there)


def _refuse_what_is_no_conda(shown: str, path: str) -> None:
    if os.path.isdir(os.path.join(path, "conda-meta")):
        if os.path.isdir(os.path.join(path, "condabin")) or os.path.isdir(os.path.join(path, "envs")):
            raise UsageError(f"{shown} is the base environment of conda, and is left as it is", hint=NAME_ANOTHER)
        return
    if os.path.isfile(os.path.join(path, "pyvenv.cfg")):
        raise UsageError(
            f"{shown} is a venv, and a lockfile of conda makes an environment of conda's; the two don't mix",
            hint=f"delete the folder {shown} and run this again, or {NAME_ANOTHER}",
        )
    raise UsageError(f"{shown} is not empty and not an environment: it has no conda-meta", hint=NAME_ANOTHER)


def _refuse_what_cannot_be_written(shown: str, path: str) -> None:
    """The folder, and the one around it, where the new environment is prepared."""
    around = os.path.dirname(path)
    while not os.path.isdir(around):
        if os.path.lexists(around):
            raise UsageError(f"{shown}: {around} is a file, not a folder", hint=NAME_ANOTHER)
        around = os.path.dirname(around)
    for folder in (around, *([path] if os.path.isdir(path) else [])):
        if not os.access(folder, os.W_OK | os.X_OK):
            message = f"{shown} can't be changed: you may not write to {folder}"
            raise ToolError(message, hint="name a folder of your own, as in `envtool install --lock FILE --into ~/env`")


def conda_python(path: str, subdir: str) -> str:
    """The Python of a conda environment."""
    return os.path.join(path, "python.exe") if subdir.startswith("win") else os.path.join(path, "bin", "python")


def moved_from(path: str) -> str | None:
    """The folder that an environment was made in, where that is another one: its programs still point there."""
    from envtool.install.conda_activate import made_in

    try:
        with open(os.path.join(path, "bin", "activate"), encoding="utf-8", errors="replace") as file:
            made = made_in(file.read(8192))
    except OSError:
        return None
    if made is None or (os.path.isdir(made) and os.path.samefile(made, path)):  # a disk may be mounted in two places
        return None
    return made


def package_cache() -> str:
    """Where packages are kept unpacked, as rattler and pixi know it too: what one fetched, the other has."""
    named = os.environ.get("RATTLER_CACHE_DIR")
    if named:
        return os.path.join(named, "pkgs")
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    return os.path.join(base, "rattler", "cache", "pkgs")
