"""``envtool lock --pylock``: the twins for those who use pip or uv."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envtool.cli.lock_place import NoSolutionError, Place
from envtool.fact import Fact, dataclass

if TYPE_CHECKING:
    from envtool.lock.model import Lockfile


@dataclass(frozen=True, eq=False, repr=False)
class PipWish(Fact):
    """``wanted``: None where the files are to be kept as they are: up to date if they are there."""

    wanted: bool | None
    pytorch_index_url: str | None
    upgrade: bool


def pylock_texts(place: Place, lockfile: Lockfile, wish: PipWish) -> dict[str, str]:
    """Each pylock as it should be, by file name; what is fresh is not asked for again."""
    found: dict[str, str] = {}
    if wish.wanted is False:
        return found
    from envtool.lock.place import read_text
    from envtool.lock.pylock import file_name, fingerprint, state

    for variant in lockfile.variants:
        name = file_name(variant)
        text = read_text(os.path.join(place.folder, name))
        if text is None and not wish.wanted:
            continue
        python = lockfile.of_variant(variant)[0].python
        if text is not None and not wish.upgrade and not state(text, fingerprint(place.request, variant, python)):
            found[name] = text
        else:
            found[name] = _asked(place, variant, python, None if wish.upgrade else text, wish)
    return found


def _asked(place: Place, variant: str, python: str, before: str | None, wish: PipWish) -> str:
    from envtool.catalog import load
    from envtool.lock.pylock import PipQuestion, answer, held_torch, question

    held = held_torch(before) if before else None
    asked = question(place.spec.course, place.request, variant, python, load(), held)
    if not isinstance(asked, PipQuestion):
        from envtool.cli.lock_text import refusals

        message = f"the {variant} variant can't be locked for pip; nothing was written"
        hint = "change the spec as told above, or leave these files alone: --no-pylock"
        raise NoSolutionError(message, hint=hint, details=refusals(asked))
    mirror = (wish.pytorch_index_url or "").rstrip("/") or None
    return answer(asked, before, place.spec_name, mirror, place.request.exclude_newer)


def stale_pylocks(place: Place, lockfile: Lockfile) -> tuple[str, ...]:
    """The pylocks that are there and are not what the spec says, in words."""
    from envtool.lock.place import read_text
    from envtool.lock.pylock import file_name, fingerprint, state

    told = []
    for variant in lockfile.variants:
        text = read_text(os.path.join(place.folder, file_name(variant)))
        python = lockfile.of_variant(variant)[0].python
        found = state(text, fingerprint(place.request, variant, python)) if text is not None else None
        if found == "edited":
            told.append(f"{file_name(variant)} is not as `envtool lock` wrote it")
        elif found == "stale":
            told.append(f"{file_name(variant)} was locked from another spec")
    return tuple(told)
