"""The folder of the lockfiles: what is there, and what is to be there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from envtool.errors import ToolError, UsageError
from envtool.lock.channels import short
from envtool.lock.model import LockedTarget, Lockfile, Missing, Refused
from envtool.lock.pixi import FILE_NAME
from envtool.lock.request import LockRequest

_LARGEST = 64 << 20  # bytes; four platforms with two variants are half a mebibyte


def read_text(path: str, largest: int = _LARGEST) -> str | None:
    """A text of that folder; None where there is no such file, UsageError where it can't be read."""
    try:
        with open(path, "rb") as file:
            content = file.read(largest + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ToolError(f"cannot read {path}: {error.strerror or error}", hint="check the file's permissions") from None
    if len(content) > largest:
        raise UsageError(f"{path} is larger than {largest >> 20} MiB, as none of its kind is", hint="name another file")
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8", hint="restore it, or save it as UTF-8") from None


def lock_path(folder: str) -> str:
    """The pixi.lock of a folder."""
    return os.path.join(folder, FILE_NAME)


def merged(
    request: LockRequest, before: Lockfile | None, locked: Iterable[LockedTarget], refused: Iterable[Refused]
) -> Lockfile:
    """The lockfile with new targets in the place of the old ones, in the order of the spec; others go."""
    new = {one.target: one for one in locked}
    out = {one.target: Missing(one.target, one.message, request.fingerprint(one.target)) for one in refused}
    if before is not None:
        new = {one.target: one for one in before.targets if one.target not in out} | new
        out = {one.target: one for one in before.missing if one.target not in new} | out
    targets = tuple(new[target] for target in request.targets if target in new)
    missing = tuple(out[target] for target in request.targets if target in out)
    spec = replace(request, exclude_newer=None)  # which is of that run, and no part of the spec
    return Lockfile(request.name, request.channels, spec.to_json(), targets, missing)


def without_newer(before: Lockfile, moment: float) -> Lockfile:
    """The lockfile without what was built after a moment, in milliseconds: the solver must choose that anew."""
    targets = tuple(
        replace(one, packages=tuple(p for p in one.packages if p.timestamp is not None and p.timestamp <= moment))
        for one in before.targets
    )
    return replace(before, targets=targets)


def stray(folder: str, name: str, expected: Iterable[str]) -> tuple[str, ...]:
    """Files that an earlier lock wrote and that no longer belong: of a platform or variant that the spec dropped."""
    endings = (".conda-lock.yml", ".environment.yml", ".virtual-packages.yml", ".txt")
    try:
        there = sorted(os.listdir(folder))
    except OSError:
        return ()
    kept = set(expected)
    return tuple(
        one for one in there
        if one.startswith(f"{name}-") and one.endswith(endings) and one not in kept
        and (read_text(os.path.join(folder, one)) or "").startswith("# Made by `envtool lock`")
    )  # fmt: skip


def channel_names(channels: tuple[str, ...]) -> str:
    """Channels as people say them."""
    return ", ".join(short(channel) for channel in channels)
