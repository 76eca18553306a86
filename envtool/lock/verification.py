"""Is what is locked what the channels and the package index say today? Addresses, hashes, sizes, needs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping

from rattler import Client, Gateway, SourceConfig, Subdir
from rattler.repo_data.gateway import GatewayQueryResult

from envtool.errors import ToolError
from envtool.lock.channels import public, short
from envtool.lock.engine import UNREADABLE, unread
from envtool.lock.model import LockedPackage, LockedTarget, LockedWheel, Lockfile
from envtool.lock.network import channel_client, index_cache, told_why
from envtool.lock.records import locked_package

Records = Mapping[str, LockedPackage | None]  # by address; None: without a hash in the channel's index
_FIELDS = ("sha256", "md5", "size", "name", "version", "build", "build_number", "subdir", "noarch")
_NEEDS = ("depends", "constrains")


def differences(lockfile: Lockfile, mirrors: Mapping[str, str], *, offline: bool = False) -> tuple[str, ...]:
    """What is not as the channels say, in words; ToolError where a channel can't be read."""
    packages = {package.url: package for locked in lockfile.targets for package in locked.packages}
    records = asyncio.run(_records(lockfile, tuple(packages.values()), mirrors, offline=offline))
    told = [line for _, package in sorted(packages.items()) for line in _compared(package, records, lockfile.channels)]
    for locked in lockfile.targets:
        if locked.wheels:
            told += _wheels(locked)
    return tuple(dict.fromkeys(told))


async def _records(
    lockfile: Lockfile, packages: tuple[LockedPackage, ...], mirrors: Mapping[str, str], *, offline: bool
) -> Records:
    """What the channels' index has of the names that are locked."""
    places = [mirrors.get(channel, channel) for channel in lockfile.channels]
    back = {channel: place for channel, place in mirrors.items() if channel in lockfile.channels}
    remote = any(not place.startswith("file:") for place in places)
    config = SourceConfig(cache_action="force-cache-only" if offline else "cache-or-fetch")
    client: Client | None = channel_client() if remote else None
    gateway = Gateway(index_cache(), config, client=client)
    names: dict[str, list[str]] = {}
    for package in packages:
        names.setdefault(package.subdir, []).append(package.name)
    alone = asyncio.Lock()

    async def asked(subdir: str, some: list[str]) -> GatewayQueryResult:
        return await told_why(lambda: gateway.query(
            places, [Subdir(subdir)], sorted(set(some)), recursive=False, channel_relations="disabled"
        ), alone)  # fmt: skip

    try:
        found = await asyncio.gather(*(asked(subdir, some) for subdir, some in names.items()))
    except UNREADABLE as error:
        raise unread(error, places) from None
    wanted = {package.url for package in packages}
    records: dict[str, LockedPackage | None] = {}
    for record in (one for result in found for part in result.repodata for one in part):
        url = public(record.url, back)
        if url in wanted:
            try:
                records[url] = locked_package(record, back)
            except ToolError:
                records[url] = None
    return records


def _compared(package: LockedPackage, records: Records, channels: tuple[str, ...]) -> Iterator[str]:
    told = f"{package.name} {package.version} {package.build} ({package.subdir})"
    if not any(package.url.startswith(f"{channel}/") for channel in channels):
        yield f"{told}: its address {package.url} is in none of the channels {', '.join(map(short, channels))}"
        return
    if package.url not in records:
        yield f"{told}: the channel has no {package.file_name}; it was taken away, or never was there"
        return
    record = records[package.url]
    if record is None:
        yield f"{told}: the channel gives no hash for it, so nobody can check it"
        return
    for field in _FIELDS:
        ours, theirs = getattr(package, field), getattr(record, field)
        if ours != theirs and not (field == "noarch" and bool(ours) == bool(theirs)):
            yield f"{told}: {field} is {ours}, and the channel says {theirs}"
    for field in _NEEDS:
        ours, theirs = set(getattr(package, field)), set(getattr(record, field))
        for line in sorted(ours ^ theirs):
            yield f"{told}: {field}: {line!r} is only in {'the lockfile' if line in ours else 'the channel'}"


# ── packages from pip ────────────────────────────────────────────────────────────────────────────


def _wheels(locked: LockedTarget) -> Iterator[str]:
    """Each file by its address among those that the package index has of that release."""
    from envtool.lock.pip_part import asked_index, uv_program

    with tempfile.TemporaryDirectory(prefix="envtool-lock-") as folder:
        rows = asked_index(uv_program(), folder, locked)
    files: dict[str, str] = {}
    for row in rows:
        both = row.get("wheels"), [row.get("sdist")]
        for file in (one for part in both if isinstance(part, list) for one in part if isinstance(one, dict)):
            hashes = file.get("hashes")
            if isinstance(hashes, dict):
                files[str(file.get("url"))] = str(hashes.get("sha256"))
    for wheel in locked.wheels:
        yield from _wheel(wheel, files)


def _wheel(wheel: LockedWheel, files: Mapping[str, str]) -> Iterator[str]:
    told = f"{wheel.name} {wheel.version} (pip)"
    if wheel.url not in files:
        yield f"{told}: the package index has no {wheel.url.rpartition('/')[2]} at that address"
    elif files[wheel.url] != wheel.sha256:
        yield f"{told}: sha256 is {wheel.sha256}, and the package index says {files[wheel.url]}"
