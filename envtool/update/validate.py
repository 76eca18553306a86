"""Is a new catalog fit to be used? It can be read, keeps the laws, and still answers machines that were answered."""

from __future__ import annotations

from collections.abc import Iterator

from envtool.catalog import Catalog, parse
from envtool.plan import NoPlan, Plan, resolve
from envtool.spec import Request
from envtool.target import read_target
from envtool.update.merge import breaches_of
from envtool.versions import numbers

# What people have, from a laptop to a cluster.
KNOWN = (
    "linux-64,py3.12,glibc=2.35",
    "linux-64,py3.12,glibc=2.35,driver=610.43.02,gpu=H100",
    "linux-64,py3.11,glibc=2.35,driver=580.65.06,gpu=8.9",
    "linux-64,py3.10,glibc=2.28,driver=535.161.08,gpu=V100",
    "linux-64,py3.9,glibc=2.17,driver=470.82.01,gpu=6.1",
    "linux-aarch64,py3.12,glibc=2.39,driver=610.43.02,gpu=9.0",
    "win-64,py3.13,driver=610.43,gpu=12.0",
    "win-64,py3.12",
    "osx-arm64,py3.12,macos=14.5",
)


def problems(old: Catalog, texts: dict[str, str]) -> list[str]:
    """Why a new catalog must not be used, in words; none for a good one."""
    return breaches_of(texts) or list(_worse(old, parse(texts)))


def _worse(old: Catalog, new: Catalog) -> Iterator[str]:
    for target in KNOWN:
        machine = read_target(target, old)
        before, after = resolve(machine, Request(), old), resolve(machine, Request(), new)
        if not isinstance(before, Plan):
            continue
        if isinstance(after, NoPlan):
            if new.release(before.build.torch) is not None:
                yield f"{target}: there was torch {before.build.torch}, and now nothing fits: {after.message}"
        elif numbers(after.build.torch) < numbers(before.build.torch) and new.release(before.build.torch) is not None:
            yield f"{target}: there was torch {before.build.torch}, and now only {after.build.torch}"
