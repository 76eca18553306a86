"""What of an address may be shown, and the client that asks channels: patient, but not for ever."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from envtool.errors import UsageError
from envtool.lock.model import LockedTarget

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from rattler import Client

T = TypeVar("T")

_TOKEN = re.compile(r"/t/[^/\s]+(?=/|\s|$)")
_PASSWORD = re.compile(r"(?<=://)[^/\s@]+@")
_TIMEOUT = "ENVTOOL_HTTP_TIMEOUT"
_SECONDS = 120  # for one request of an index: 45 MB of it, at worst


def without_tokens(text: str) -> str:
    """The text without the passwords and tokens of the addresses in it."""
    return _PASSWORD.sub("", _TOKEN.sub("/t/***", text))


def way_on(told: Iterable[str]) -> str:
    """The next step after a channel could not be read, by what the library says of it."""
    text = "\n".join(told)
    for pattern, hint in _WAYS:
        if re.search(pattern, text):
            return hint
    return (
        "check the network and the channel's address, or name a mirror: `--mirror CHANNEL=URL`;"
        " `--offline` takes the index as it was last read"
    )


_WAYS = (
    (
        r"failed to create (?:directory )?[`']",
        "name a folder for the cache that you may write to, in RATTLER_CACHE_DIR",
    ),
    (
        r"not in the cache|no usable repodata cache|CacheOnly|only cache",
        "run it once without `--offline`, while there is a network",
    ),
    (
        r"40[13] (?:Unauthorized|Forbidden)",
        "give the channel's token to `rattler auth login` or `pixi auth login`; RATTLER_AUTH_FILE names a file of them",
    ),
    (
        r"404 Not Found|could not find subdir",
        "look whether the channel's address is right, and whether it has that platform",
    ),
    (
        r"timed out|operation timed out",
        "try again, or name a mirror: `--mirror CHANNEL=URL`; ENVTOOL_HTTP_TIMEOUT sets the seconds to wait",
    ),
    (
        r"Unknown frame descriptor|decode|end of file|expected value|reading a body",
        "try again; if it stays so, the channel or a proxy is broken: name a mirror, `--mirror CHANNEL=URL`",
    ),
    (r"status server error", "try again later, or name a mirror: `--mirror CHANNEL=URL`"),
)


def timeout() -> int:
    """The seconds that a request may take."""
    given = os.environ.get(_TIMEOUT, "")
    return max(1, int(given)) if given.isdecimal() else _SECONDS


async def told_why(ask: Callable[[], Awaitable[T]], alone: asyncio.Lock) -> T:
    """The answer. Of all who wait for one request that fails, py-rattler tells one why; the others ask again."""
    try:
        return await ask()
    except Exception as error:
        if "coalesced" not in str(error):
            raise
    async with alone:
        return await ask()


def index_cache() -> Path | None:
    """Where indexes are kept, if that was named; py-rattler's Gateway reads the variable no more than its default."""
    from pathlib import Path

    named = os.environ.get("RATTLER_CACHE_DIR")
    return Path(named) / "repodata" if named else None


def channel_client() -> Client:
    """The client for indexes, with the tokens that rattler and pixi keep."""
    from rattler import Client

    return Client.default_client(max_retries=2, timeout=timeout())


def refuse_secrets(locked: LockedTarget, where: str) -> None:
    """UsageError where an address in a lockfile holds a password or a token: it would get into the environment."""
    addresses = [(p.name, p.url) for p in locked.packages] + [(w.name, w.url) for w in locked.wheels]
    for name, url in addresses:
        try:
            parts = urlsplit(url)
            secret = parts.username or parts.password or _TOKEN.search(parts.path) or "$" in parts.path
        except ValueError:
            raise UsageError(f"{where}: the address of {name} can't be read", hint="lock it anew") from None
        if secret:
            raise UsageError(
                f"{where}: the address of {name} at {parts.hostname} holds a password or a token",
                hint="lock it without; `rattler auth login` or `pixi auth login` keeps the token for the channel",
            )
