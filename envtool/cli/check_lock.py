"""The lockfiles that `envtool check` may mean, and the one that describes an environment best."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from envtool.cli.check_pins import LOCKFILES, of_conda, of_pylock, of_requirements
from envtool.cli.lock_place import short
from envtool.drift import CONDA, PIP, Locked, Unusable
from envtool.drift.compare import matched
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.drift import Drift

_CONDA_LOCK = ("-lock.yml", "-lock.yaml", ".conda-lock.yml", ".conda-lock.yaml")
_EXPLICIT = "@EXPLICIT"
_NAMES = "a conda-lock file, pixi.lock, an @EXPLICIT list, pylock.*.toml or a requirements file with pins"


@dataclass(frozen=True, eq=False, repr=False)
class Here(Fact):
    """What a lockfile has to be for. ``markers``: the environment's, as PEP 508 has it."""

    manager: str  # CONDA or PIP
    subdir: str
    python: str
    markers: dict[str, str]


def kind_of(path: str) -> str:
    """One of drift.KINDS; UsageError where the file is no lockfile by its name and its first lines."""
    name = os.path.basename(path).lower()
    if name == "pixi.lock":
        return "pixi.lock"
    if re.fullmatch(r"pylock(\..+)?\.toml", name):
        return "pylock"
    if name.endswith((".yml", ".yaml")):
        return "conda-lock"
    if name.endswith((".txt", ".in", ".lock")):
        return "@EXPLICIT" if _is_explicit(path) else "requirements"
    raise UsageError(f"{short(path)} is no lockfile by its name", hint=f"name {_NAMES}")


def _is_explicit(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return any(line.strip() == _EXPLICIT for line in file)
    except OSError:
        return False


def candidates(path: str, here: Here) -> tuple[Locked, ...]:
    """What one file holds for this platform, a variant each; none where it is for others only."""
    kind = kind_of(path)
    if kind == "pylock":
        return of_pylock(path, here.markers, here.subdir, here.python)
    if kind == "requirements":
        return of_requirements(path, here.markers)
    return of_conda(path, kind, here.subdir)


# ── the one that is meant ────────────────────────────────────────────────────────────────────────


def named(path: str, here: Here, variant: str | None, drift: Drift) -> Locked | Unusable:
    """What --lock means."""
    if os.path.isdir(path):
        return found([path], here, variant, drift) or _none_in(path)
    if not os.path.isfile(path):
        raise UsageError(f"there is no lockfile {short(path)}", hint=f"name {_NAMES}; `envtool lock` writes them")
    manager = PIP if kind_of(path) in {"pylock", "requirements"} else CONDA
    if manager == CONDA != here.manager:  # the reverse is common: pip's packages in an environment of conda's
        return _another_kind(path, here, named=True)
    return _best(list(candidates(path, here)), path, here, variant, drift) or _another_platform(path, here)


def _none_in(path: str) -> Unusable:
    raise UsageError(f"{short(path)} holds no lockfile", hint=f"name {_NAMES}")


def found(folders: list[str], here: Here, variant: str | None, drift: Drift) -> Locked | Unusable | None:
    """The lockfile of these folders; None where they hold none."""
    files = [path for folder in folders for path in files_in(folder)]
    mine = [path for path in files if (kind_of(path) == "pylock") == (here.manager == PIP)]
    for kinds in (("pylock",), ("@EXPLICIT",), ("conda-lock",), ("pixi.lock",)):
        paths = [path for path in mine if kind_of(path) in kinds]
        fitting = [one for path in paths for one in candidates(path, here)]
        best = _best(fitting, ", ".join(map(short, paths)), here, variant, drift)
        if best is not None:
            return best
    if mine:
        return _another_platform(mine[0], here, named=False)
    return _another_kind(files[0], here, named=False) if files else None


def files_in(folder: str) -> Iterator[str]:
    """The lockfiles of a folder, by their names; a list of addresses only where nothing else is."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        lower = name.lower()
        by_name = lower == "pixi.lock" or lower.endswith(_CONDA_LOCK) or re.fullmatch(r"pylock(\..+)?\.toml", lower)
        listed = lower.endswith(".txt") and os.path.basename(folder) == LOCKFILES
        if by_name or (listed and _is_explicit(path)):
            yield path


def _best(fitting: list[Locked], where: str, here: Here, variant: str | None, drift: Drift) -> Locked | None:
    """The one that the environment was made from, as far as its packages tell."""
    if not fitting:
        return None
    if variant is not None:
        chosen = [one for one in fitting if variant in {one.variant, _build(one)}]
        if not chosen:
            there = ", ".join(sorted({str(one.variant) for one in fitting}))
            raise UsageError(f"--variant {variant}: {short(where)} has {there} for {here.subdir}", hint="name one")
        return chosen[0]
    score: Callable[[Locked], int] = lambda one: matched(drift, one)  # noqa: E731
    return max(fitting, key=score)


def _build(locked: Locked) -> str | None:
    torch = locked.torch
    return torch.build.partition("_")[0] if torch and torch.build else None


def _another_kind(path: str, here: Here, *, named: bool) -> Unusable:
    if here.manager == PIP:
        message = f"{short(path)} is a lockfile of conda's, and this environment is none of conda's."
        hint = "envtool lock --pylock" if not named else f"envtool install --lock {short(path)}"
        return Unusable("kind", message, hint, command=named, named=named)
    message = f"{short(path)} is a lockfile for pip, and this environment is conda's."
    return Unusable("kind", message, f"if its packages are to be from there: --lock {short(path)}", named=named)


def _another_platform(path: str, here: Here, *, named: bool = True) -> Unusable:
    return Unusable(
        "target",
        f"{short(path)} holds nothing for {here.subdir}.",
        f"add {here.subdir} to platforms in envtool.toml and run `envtool lock`",
        named=named,
    )
