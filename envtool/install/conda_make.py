"""The making of a conda environment: as a whole or not at all, and the old one works until the new one is complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from envtool.fact import Fact
from envtool.install.conda import CondaWork, cached, check_files, complete_records, in_cache_folder, lay_down, make_sure
from envtool.install.conda_activate import package_variables, scripts
from envtool.install.conda_pip import Wheel, fetch_wheels, lay_down_wheels, uv_for
from envtool.install.conda_place import CondaPlace, conda_python
from envtool.install.conda_progress import Progress, is_live
from envtool.install.conda_state import carry_over, own_things, read_records
from envtool.install.space import Size, check_room
from envtool.install.transaction import transaction
from envtool.write import write_text

_UNPACKED = 1.5  # a .conda file takes three times its size; half of that factor is in check_room

Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False, repr=False)
class Making(Fact):
    """One environment, and what it shall hold. ``sizes``: bytes of each package's file, None where nobody tells."""

    place: CondaPlace
    work: CondaWork
    sizes: Mapping[str, int | None]
    wheels: tuple[Wheel, ...]


def make(making: Making, tell: Tell) -> tuple[str, ...]:
    """Make it, in the place of what was there; the names of the user's own things that were carried over."""
    with transaction(making.place.path, tell) as change:
        kept = _prepare(making, change.aside, tell)
        _pip_part(making, change.aside, change.held, tell)
        change.replace_with(change.aside)
        make_sure(making.work, making.place.path, read_records(making.place.path))
        _pip_part(making, making.place.path, change.held, tell)
        change.done()
    return kept


def _prepare(making: Making, new: str, tell: Tell) -> tuple[str, ...]:
    """Everything but pip's part, in a folder aside."""
    work, path = making.work, making.place.path
    store = in_cache_folder(work)
    there = cached(work)
    sizes = [size for name, size in making.sizes.items() if name not in there]
    size = Size(len(sizes), sum(one or 0 for one in sizes), sizes.count(None))
    less = f", less {len(there)} that are in the cache" if there else ""
    whole = f"All {len(there)} packages are" if len(there) != 1 else "The package is"
    tell(f"To download: {size}{less}." if sizes else f"{whole} in the cache.")
    check_room(Size(size.packages, int(size.known * _UNPACKED), size.unknown), path, (store,))
    check_files(work, there)
    progress = Progress(len(making.sizes), size.known, live=is_live())
    try:
        lay_down(work, new, path, progress)
    finally:
        progress.clear()
    complete_records(work, new)
    _write_scripts(making, new)
    if not making.place.there:
        return ()
    own = own_things(path, read_records(path), os.listdir(new))
    carry_over(own, path, new)
    return own


def _write_scripts(making: Making, new: str) -> None:
    folder = os.path.join(new, "etc", "conda", "env_vars.d")
    texts = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            texts[name] = file.read()
    for name, text in scripts(making.place.path, making.work.subdir, package_variables(texts)).items():
        path = os.path.join(new, *name.split("/"))
        if not os.path.lexists(path):  # where conda itself is locked, the script is conda's
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_text(path, text)


def _pip_part(making: Making, path: str, held: int | None, tell: Tell) -> None:
    """Fetched while the environment is aside, laid down where it stays: pip's programs know it by its path."""
    program = uv_for(making.wheels)
    if program is None:
        return
    python = conda_python(path, making.work.subdir)
    if path == making.place.path:
        lay_down_wheels(program, python, making.wheels, held)
        return
    count = len(making.wheels)
    tell(f"From pip: {count} package{'s' if count != 1 else ''} ...")
    fetch_wheels(program, python, making.wheels, held)
