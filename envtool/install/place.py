"""Which folder an installation goes into, and which ones it never touches."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from envtool.errors import ToolError, UsageError
from envtool.fact import Fact

DEFAULT = ".venv"
NAME_ANOTHER = "name another folder, as in `envtool install --into torch-env`"


@dataclass(frozen=True, eq=False, repr=False)
class Place(Fact):
    """An environment's folder. ``there``: it is an environment already; else it is to be made.

    ``python`` is the program that it has or will have; ``note``: what to say of an active environment left alone.
    """

    path: str  # links resolved: what is renamed must be the folder itself
    shown: str  # as the user would write it
    there: bool
    python: str
    note: str | None = None
    active: bool = False


def place_path(into: str | None, cwd: str, environ: Mapping[str, str], own_prefix: str) -> str:
    """Where that folder is, whatever is there now."""
    active = environ.get("VIRTUAL_ENV") if into is None else None
    named = into or (active if active and _is_venv(active) and not same(active, own_prefix) else DEFAULT)
    return os.path.realpath(os.path.join(cwd, os.path.expanduser(named)))


def _is_venv(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "pyvenv.cfg"))


def find_place(into: str | None, cwd: str, environ: Mapping[str, str], own_prefix: str) -> Place:
    """The folder that is meant, if it may be changed; UsageError or ToolError says why it may not.

    Without ``--into`` it is the venv that is active, as pip would have it, else ``.venv`` here. An active conda
    environment is left alone, and so is the environment that envtool itself runs in.
    """
    if into is not None:
        if not into.strip():
            raise UsageError("--into needs a folder, and got none", hint=NAME_ANOTHER)
        return _checked(into, cwd, own_prefix)
    active = environ.get("VIRTUAL_ENV")
    if active and _is_venv(active) and not same(active, own_prefix):
        found = _checked(active, cwd, own_prefix)
        return Place(found.path, found.shown, found.there, found.python, None, active=True)
    found = _checked(DEFAULT, cwd, own_prefix)
    conda = environ.get("CONDA_PREFIX")
    note = None
    if conda and os.path.isdir(conda) and not active:
        note = f"the conda environment {conda} is left alone: pip's PyTorch and conda's don't mix"
    return Place(found.path, found.shown, found.there, found.python, note)


def same(one: str, other: str) -> bool:
    """Are these two one folder?"""
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def python_in(prefix: str) -> str:
    """The program of a venv at ``prefix``, on this system."""
    return (
        os.path.join(prefix, "Scripts", "python.exe") if sys.platform == "win32" else os.path.join(prefix, "bin/python")
    )


def _checked(into: str, cwd: str, own_prefix: str) -> Place:
    path = os.path.realpath(os.path.join(cwd, os.path.expanduser(into)))
    if os.path.lexists(path) and not os.path.isdir(path):
        raise UsageError(f"{into} is a file, not a folder", hint=NAME_ANOTHER)
    if same(path, own_prefix):
        raise UsageError(
            f"{into} is the environment that envtool itself runs in, and is left as it is",
            hint=NAME_ANOTHER,
            details=("A torch that breaks there would take envtool with it.",),
        )
    there = os.path.isdir(path) and bool(os.listdir(path))
    if there:
        _refuse_what_is_no_venv(into, path)
    _refuse_what_cannot_be_written(into, path)
    return Place(path, into, there, python_in(path))


def _refuse_what_is_no_venv(into: str, path: str) -> None:
    if os.path.isdir(os.path.join(path, "conda-meta")):
        base = os.path.isdir(os.path.join(path, "condabin"))
        raise UsageError(
            f"{into} is {'the base environment of conda' if base else 'an environment of conda'}; "
            "pip's PyTorch and conda's don't mix",
            hint="make a venv beside it: `envtool install --into .venv`",
            details=("`envtool pick --installer conda` prints the line for an environment of conda's own.",),
        )
    if not os.path.isfile(os.path.join(path, "pyvenv.cfg")):
        if any(map(os.path.exists, _programs(path))):
            raise UsageError(f"{into} is a Python installation, not an environment", hint=NAME_ANOTHER)
        raise UsageError(f"{into} is not empty and not an environment: it has no pyvenv.cfg", hint=NAME_ANOTHER)
    if not os.path.exists(python_in(path)):
        raise UsageError(
            f"{into} is an environment whose Python is gone: {python_in(path)}",
            hint=f"delete the folder {into} and run `envtool install` again; packages of your own go with it",
        )


def _programs(path: str) -> list[str]:
    names = ("python", "python3", "pypy3")
    return [os.path.join(path, "python.exe"), *(os.path.join(path, "bin", name) for name in names)]


def _refuse_what_cannot_be_written(into: str, path: str) -> None:
    """The folder, and the one around it, where a safety copy is kept while the folder is changed."""
    around = os.path.dirname(path)
    while not os.path.isdir(around):
        if os.path.lexists(around):
            raise UsageError(f"{into}: {around} is a file, not a folder", hint=NAME_ANOTHER)
        around = os.path.dirname(around)
    for folder in (around, *([path] if os.path.isdir(path) else [])):
        if not os.access(folder, os.W_OK | os.X_OK):
            message = f"{into} can't be changed: you may not write to {folder}"
            raise ToolError(message, hint="name a folder of your own, as in `envtool install --into ~/torch-env`")
