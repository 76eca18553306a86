"""What of an address may be shown, and the client that asks channels: patient, but not for ever."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envtool.errors import UsageError
from envtool.lock.model import LockedTarget

if TYPE_CHECKING:
    from rattler import Client

_TOKEN = re.compile(r"/t/[^/\s]+(?=/|\s|$)")
_PASSWORD = re.compile(r"(?<=://)[^/\s@]+@")
_TIMEOUT = "ENVTOOL_HTTP_TIMEOUT"
_SECONDS = 120  # for one request of an index: 45 MB of it, at worst


def without_tokens(text: str) -> str:
    """The text without the passwords and tokens of the addresses in it."""
    return _PASSWORD.sub("", _TOKEN.sub("/t/***", text))


def timeout() -> int:
    """The seconds that a request may take."""
    given = os.environ.get(_TIMEOUT, "")
    return max(1, int(given)) if given.isdecimal() else _SECONDS


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
