"""What a course's own lockfile holds, for the targets that install it: they say what comes out, and what can't."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envtool.errors import UsageError
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.catalog import Catalog

HINT = "run `envtool lock` for it, or set this up with --no-lock"


@dataclass(frozen=True, eq=False, repr=False)
class Held(Fact):
    """One target of a lockfile: "cuda", "linux-64", "3.12", "cuda129"."""

    variant: str
    subdir: str
    python: str
    build: str

    @property
    def shown(self) -> str:
        """The build as PyTorch's index would call it: "cu129"."""
        return self.build.replace("cuda", "cu", 1)


def held_in(path: str, where: str) -> tuple[Held, ...] | None:
    """The targets of a pixi.lock that `envtool lock` wrote; None for another tool's file, which is taken as it is."""
    from envtool.lock.pixi import FILE_NAME, head
    from envtool.lock.place import read_text

    text = read_text(path) if os.path.basename(path) == FILE_NAME else None
    if text is None or not text.startswith("# Made by `envtool lock`"):
        return None
    found = head(text, where).targets
    return tuple(Held(*(str(one[key]) for key in ("variant", "subdir", "python", "build"))) for one in found)


def held_variant(held: tuple[Held, ...], subdir: str, wanted: str | None) -> Held:
    """The target that a variant names, "cuda" and "cu129" among them; UsageError where there is none."""
    here = [one for one in held if one.subdir == subdir]
    if not here:
        raise UsageError(f"the lockfile holds nothing for {subdir}", hint=HINT)
    if wanted is None:
        return next((one for one in here if one.variant == "cpu"), here[0])
    for one in here:
        is_cuda = one.build.startswith("cuda")
        if one.variant == wanted or (is_cuda and wanted in {"cuda", one.shown}):
            return one
    there = ", ".join(one.variant if one.variant == one.build else f"{one.variant} ({one.shown})" for one in here)
    raise UsageError(f"--variant {wanted}: the lockfile has {there} for {subdir}", hint=HINT)


def held_for_linux(held: tuple[Held, ...], wanted: str) -> Held:
    """The same for a machine of which no more is known than that it runs Linux."""
    there = sorted({one.subdir for one in held if one.subdir.startswith("linux")}, reverse=True) or ["linux-64"]
    for subdir in there[:-1]:
        try:
            return held_variant(held, subdir, wanted)
        except UsageError:
            continue
    return held_variant(held, there[-1], wanted)


def gpu_of(held: tuple[Held, ...], subdir: str, catalog: Catalog) -> tuple[str | None, str | None]:
    """The CUDA build that is locked for a platform, and the driver that it needs."""
    found = next((one for one in held if one.subdir == subdir and one.build.startswith("cuda")), None)
    return (found.shown, catalog.driver_floor(found.build, "linux")) if found else (None, None)
