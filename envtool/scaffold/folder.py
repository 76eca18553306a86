"""A folder that appears whole or not at all: filled aside, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator

from envtool.errors import ToolError, UsageError


@contextlib.contextmanager
def new_folder(path: str) -> Iterator[str]:
    """A folder aside. What is made in it under the path's own name becomes ``path`` when all went well.

    It is gone in any case. ``path`` may be there already where nothing in it is called as what is new: a repository
    that was just cloned.
    """
    parent, name = os.path.split(path)
    aside = f"{os.path.join(parent, '.' + name)}.{secrets.token_hex(4)}.tmp"
    try:
        os.mkdir(aside)
        yield aside
        made = os.path.join(aside, name)
        if os.path.lexists(path):
            _move_into(made, path)
        else:
            os.rename(made, path)
    except OSError as error:
        raise ToolError(
            f"cannot write {path}: {error.strerror or error}",
            hint="take a folder that you may write to and that has room, with --output-dir",
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _move_into(made: str, path: str) -> None:
    """Move what is in one folder into another, all of it or nothing."""
    moved: list[str] = []
    try:
        for name in sorted(os.listdir(made)):
            target = os.path.join(path, name)
            if os.path.lexists(target):
                raise FileExistsError(0, f"{target} is in the way")
            moved.append(name)
            os.rename(os.path.join(made, name), target)
    except BaseException:
        for name in moved:
            with contextlib.suppress(OSError):
                os.rename(os.path.join(path, name), os.path.join(made, name))
        raise


def refuse_what_is_in_the_way(path: str, wanted: tuple[str, ...]) -> None:
    """UsageError where something stands at the path that isn't an empty folder or a fresh clone."""
    if not os.path.lexists(path):
        return
    hint = "choose another name, or another place with --output-dir; nothing was written"
    if not os.path.isdir(path):
        raise UsageError(f"{path} is in the way: it is no folder", hint=hint)
    there = {name.casefold() for name in os.listdir(path)}
    tops = sorted({name.split("/")[0] for name in wanted})
    clashes = [name for name in tops if name.casefold() in there]
    if not clashes and there <= {".git", ".hg", ".svn"}:
        return
    shown = clashes or sorted(os.listdir(path))
    more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
    raise UsageError(f"{path} is in the way: it holds {', '.join(shown[:6])}{more}", hint=hint)
