"""py-rattler at work: reads channels, and solves many targets side by side."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Literal

from rattler import Gateway, MatchSpec, RepoDataRecord, SourceConfig, Subdir, solve
from rattler.exceptions import CacheDirError, FetchRepoDataError, GatewayError, InvalidUrlError, IoError, SolverError

from envtool.errors import ToolError
from envtool.fact import Fact, dataclass
from envtool.lock.channels import short
from envtool.lock.cutoff import cutoff
from envtool.lock.model import LockedPackage, VirtualPackage
from envtool.lock.network import channel_client, index_cache, told_why, way_on, without_tokens
from envtool.lock.offers import FAMILY, Offer, offer
from envtool.lock.records import generic, locked_package, record_of
from envtool.lock.request import LockRequest
from envtool.lock.verify import match_spec


@dataclass(frozen=True, eq=False, repr=False)
class Job(Fact):
    """One question to the solver. ``pinned`` can't move; ``favored`` moves only where it must."""

    subdir: str
    specs: tuple[str, ...]
    virtual: tuple[VirtualPackage, ...]
    pinned: tuple[LockedPackage, ...] = ()
    favored: tuple[LockedPackage, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Unsolvable(Fact):
    """There is no answer; ``reason`` is the solver's own, in its own words."""

    reason: str


# what py-rattler raises where a channel, the network or the cache fails
UNREADABLE = (GatewayError, FetchRepoDataError, IoError, CacheDirError, InvalidUrlError, OSError)

Answer = tuple[LockedPackage, ...] | Unsolvable


class Engine:
    """The channels of a request. What was asked once is not asked again."""

    def __init__(self, request: LockRequest, mirrors: Mapping[str, str], *, offline: bool = False) -> None:
        self._channels = [mirrors.get(channel, channel) for channel in request.channels]
        self._mirrors = {channel: place for channel, place in mirrors.items() if channel in request.channels}
        self._cutoff = cutoff(request.exclude_newer)
        action: Literal["force-cache-only", "cache-or-fetch"] = "force-cache-only" if offline else "cache-or-fetch"
        remote = any(not channel.startswith("file:") for channel in self._channels)
        self._gateway = Gateway(
            index_cache(), SourceConfig(cache_action=action), client=channel_client() if remote else None
        )
        self._alone = asyncio.Lock()
        self._seats = asyncio.Semaphore(cores())
        self._answers: dict[Job, asyncio.Task[Answer]] = {}

    async def offers(self, subdirs: Sequence[str]) -> dict[str, tuple[Offer, ...]]:
        """The builds of pytorch and its companions that the channels have, by subdir."""
        found = await asyncio.gather(*(self._offers(subdir) for subdir in subdirs))
        return dict(zip(subdirs, found, strict=True))

    async def _offers(self, subdir: str) -> tuple[Offer, ...]:
        try:
            result = await told_why(lambda: self._gateway.query(
                self._channels, _platforms(subdir), list(FAMILY), recursive=False, channel_relations="disabled"
            ), self._alone)  # fmt: skip
        except UNREADABLE as error:
            raise unread(error, self._channels) from None
        return tuple({
            offer(record.name.normalized, str(record.version), str(record.build))
            for records in result.repodata for record in records
            if self._cutoff is None or (record.timestamp is not None and record.timestamp <= self._cutoff)
        })  # fmt: skip

    async def names(self, subdir: str) -> tuple[str, ...]:
        """Every name of a package that the channels have for a platform."""
        try:
            found = await self._gateway.names(self._channels, _platforms(subdir), channel_relations="disabled")
        except UNREADABLE as error:
            raise unread(error, self._channels) from None
        return tuple(sorted({name.normalized for name in found}))

    async def solve(self, job: Job) -> Answer:
        """The packages that answer a question, sorted by name."""
        if job not in self._answers:
            self._answers[job] = asyncio.create_task(self._solve(job))
        return await self._answers[job]

    async def _solve(self, job: Job) -> Answer:
        specs: list[MatchSpec | str] = [match_spec(spec) for spec in job.specs]
        async with self._seats:
            try:
                records = await told_why(lambda: solve(
                    self._channels, specs, self._gateway, _platforms(job.subdir),
                    pinned_packages=[record_of(package) for package in job.pinned],
                    locked_packages=[record_of(package) for package in job.favored],
                    virtual_packages=[generic(virtual) for virtual in job.virtual],
                    exclude_newer=self._cutoff, channel_relations="disabled",
                ), self._alone)  # fmt: skip
            except SolverError as error:
                return Unsolvable(_reason(str(error)))
            except UNREADABLE as error:
                raise unread(error, self._channels) from None
        return self._packages(records, job)

    def _packages(self, records: Sequence[RepoDataRecord], job: Job) -> tuple[LockedPackage, ...]:
        """What was locked already stays as it stands in the lockfile, down to the last byte."""
        before = {package.url: package for package in (*job.pinned, *job.favored)}
        packages = (locked_package(record, self._mirrors) for record in records)
        return tuple(sorted((before.get(p.url, p) for p in packages), key=lambda p: p.name))


def _platforms(subdir: str) -> list[Subdir]:
    return [Subdir(subdir), Subdir("noarch")]


def cores() -> int:
    """How many solves may run at once: those of this process, which a batch system may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _reason(text: str) -> str:
    return text.removeprefix("Cannot solve the request because of: ").strip()


def unread(error: BaseException, channels: Sequence[str]) -> ToolError:
    """A channel that can't be read, in words; what the library says is kept as a detail."""
    told = [without_tokens(line.strip()).removeprefix("Caused by: ") for line in _chain(error) if line.strip()]
    names = ", ".join(short(channel) for channel in channels)
    return ToolError(
        f"the channel {names} can't be read",
        hint=way_on(told),
        details=tuple(dict.fromkeys(told))[:4],
    )


def _chain(error: BaseException) -> list[str]:
    found: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        found += str(cause).splitlines()
        cause = cause.__cause__
    return found
