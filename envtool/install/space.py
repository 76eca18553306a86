"""How much is fetched, and whether there is room for it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from envtool.errors import ToolError
from envtool.fact import Fact
from envtool.install.order import Package

UNPACKED = 2.0  # a wheel of PyTorch or of CUDA's libraries takes 1.5 to 2 times its size once it is unpacked


@dataclass(frozen=True, eq=False, repr=False)
class Size(Fact):
    """What is to be fetched. ``unknown``: packages whose size nobody told."""

    packages: int
    known: int
    unknown: int

    def __str__(self) -> str:
        count = f"{self.packages} package{'s' if self.packages != 1 else ''}"
        if self.unknown == self.packages:
            return f"{count} of unknown size"
        told = f"{count}, {readable(self.known)}"
        return f"{told} and {self.unknown} of unknown size" if self.unknown else told


def size_of(packages: tuple[Package, ...]) -> Size:
    """The sum of these packages' sizes."""
    known = [package.size for package in packages if package.size is not None]
    return Size(len(packages), sum(known), len(packages) - len(known))


def readable(count: float) -> str:
    """Bytes for people: "2.7 GB", "340 MB"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if count < 10 * size else f"{count / size:.0f} {unit}"
    return f"{count:.0f} bytes"


def check_room(size: Size, environment: str, stores: tuple[str, ...], *, fetch: bool = True) -> None:
    """ToolError where what is known to come can't fit: ``stores`` keep the downloads, the environment unpacks them.

    Where both lie on one file system, the environment's files are links into the store: without ``fetch``, where all
    of it is in a store already, only an environment on another file system takes room.
    """
    held = set() if fetch else {os.stat(_existing(store)).st_dev for store in stores}
    if not fetch and (not held or os.stat(_existing(environment)).st_dev in held):
        return
    stores = stores if fetch else ()
    needs: dict[int, tuple[str, float]] = {}
    for place in map(_existing, (*stores, environment)):
        device = os.stat(place).st_dev
        needs[device] = needs.get(device, (place, size.known * UNPACKED))
    for place, need in needs.values():
        free = shutil.disk_usage(place).free
        if free < need:
            raise ToolError(
                f"not enough room: this needs about {readable(need)} on the disk of {place}, "
                f"and {readable(free)} are free",
                hint="free some space, or move the environment (--into) and the cache (UV_CACHE_DIR, PIP_CACHE_DIR) "
                "to another disk",
            )


def _existing(path: str) -> str:
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path
