"""py-rattler at work: packages are fetched into its cache, checked by their hashes, and linked into a new environment.

The environment is prepared beside its place with the paths that it will have there, so that the old one works until
the moment in which the new one takes its place. What was fetched stays in the cache: a run that was broken off goes on
where it stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from rattler import Client, RepoDataRecord, Subdir
from rattler import install as rattler_install
from rattler.exceptions import CacheDirError, InstallerError, InvalidUrlError, IoError, LinkError, TransactionError
from rattler.package_cache import PackageCache

from envtool.errors import ToolError
from envtool.fact import Fact
from envtool.install.conda_failures import conda_explained
from envtool.install.conda_progress import Progress
from envtool.write import write_text

FAILURES = (InstallerError, LinkError, TransactionError, CacheDirError, InvalidUrlError, IoError, OSError)
_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class CondaWork(Fact):
    """What is to be laid down. ``addresses``: by name, where the lockfile says that a package comes from."""

    subdir: str
    records: Sequence[RepoDataRecord]
    addresses: Mapping[str, str]
    cache: str


def cached(work: CondaWork) -> frozenset[str]:
    """The names of the packages that need no download."""
    try:
        index = asyncio.run(PackageCache(work.cache).index())
        return frozenset(_name(record) for record in work.records if index.contains_record(record))
    except FAILURES:
        return frozenset()


def check_files(work: CondaWork, there: frozenset[str]) -> None:
    """Packages that lie in folders, by their hashes: py-rattler checks only what it downloads."""
    for record in work.records:
        if record.url.startswith("file:") and _name(record) not in there:
            path = url2pathname(unquote(urlsplit(record.url).path))
            try:
                found = _digest(path, "sha256" if record.sha256 else "md5")
            except OSError as error:
                raise conda_explained(
                    f"{error.strerror}: {path}", doing="reading it", package=record.file_name
                ) from None
            if found != (record.sha256 or record.md5):
                raise conda_explained(f"hash mismatch: {path}", doing="reading it", package=record.file_name)


def _digest(path: str, kind: str) -> bytes:
    digest = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.digest()


def lay_down(work: CondaWork, new: str, final: str, progress: Progress) -> None:
    """Fetch and link everything into the folder ``new``, which will be moved to ``final``."""
    try:
        asyncio.run(_watched(work, new, final, progress))
    except BaseException as error:
        progress.settle()
        if isinstance(error, FAILURES):
            raise conda_explained(str(error), doing="laying down the packages", url=_any_url(work)) from None
        raise


async def _watched(work: CondaWork, new: str, final: str, progress: Progress) -> None:
    """The installation, given up where nothing comes any more: py-rattler itself would wait forever."""
    task = asyncio.ensure_future(
        rattler_install(
            list(work.records), new, cache_dir=Path(work.cache), installed_packages=[], platform=Subdir(work.subdir),
            execute_link_scripts=False, show_progress=False, client=Client.default_client(max_retries=2),
            reporter=progress, alternative_target_prefix=final,
        )
    )  # fmt: skip
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=0.1)
            progress.show()
            silent = progress.silent()
            if silent is not None:
                said = f"nothing came for {silent:.0f} seconds"
                raise conda_explained(said, doing="the download", package=progress.waiting, url=_any_url(work))
        await task
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, *FAILURES):
                await task


def _any_url(work: CondaWork) -> str:
    return next((record.url for record in work.records if not record.url.startswith("file:")), "")


def _name(record: RepoDataRecord) -> str:
    return record.name.normalized


# ── records ──────────────────────────────────────────────────────────────────────────────────────


def complete_records(work: CondaWork, new: str) -> None:
    """Make the files of conda-meta what conda expects: the channel's address, whole records, readable for all.

    A lockfile tells only a part of a record; the rest stands in the package itself.
    """
    folder = os.path.join(new, "conda-meta")
    mask = os.umask(0)
    os.umask(mask)
    for file in sorted(os.listdir(folder)):
        path = os.path.join(folder, file)
        if not file.endswith(".json"):
            continue
        with open(path, encoding="utf-8") as opened:
            record = json.load(opened)
        address = work.addresses.get(record["name"], record["url"])
        record = {**_own_index(record), **{key: value for key, value in record.items() if value not in ([], None)}}
        record |= {"url": address, "channel": address.rpartition("/")[0].rpartition("/")[0]}
        write_text(path, json.dumps(record, indent=2) + "\n")
        os.chmod(path, 0o666 & ~mask)


def _own_index(record: Mapping[str, object]) -> dict[str, object]:
    """What a package says of itself."""
    path = os.path.join(str(record["extracted_package_dir"]), "info", "index.json")
    try:
        with open(path, encoding="utf-8") as file:
            found: dict[str, object] = json.load(file)
    except (OSError, ValueError):
        return {}
    return found


def make_sure(work: CondaWork, path: str, found: Mapping[str, object]) -> None:
    """py-rattler said that all went well; the folder has to say so, too."""
    missing = [_name(record) for record in work.records if _name(record) not in found]
    if missing:
        raise ToolError(
            f"these packages are not in {path} after all: {', '.join(missing[:4])}",
            hint="run it again; if it happens again, report it",
        )


def in_cache_folder(work: CondaWork) -> str:
    """The folder of the cache, made where it isn't there."""
    try:
        os.makedirs(work.cache, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"the cache {work.cache} can't be made: {error.strerror}", hint="set RATTLER_CACHE_DIR to another folder"
        ) from None
    return work.cache


Tell = Callable[[str], None]
