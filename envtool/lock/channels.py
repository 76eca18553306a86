"""Channels as addresses: names become conda-forge's public ones, credentials are refused, folders become file://."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from envtool.errors import UsageError

_HOST = "https://conda.anaconda.org"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*")
_TOKEN = re.compile(r"/t/[^/]+(/|$)")


def channel_url(text: str) -> str:
    """ "conda-forge", a URL or a folder, as the URL that lockfiles carry: no credentials, no slash at the end."""
    text = text.strip()
    if "://" in text:
        return _checked(text).rstrip("/")
    if text.startswith((".", "/", "~")) or re.match(r"[A-Za-z]:[\\/]", text):
        return _folder(text)
    if not _NAME.fullmatch(text):
        raise UsageError(f"{text!r} is no channel", hint="write a name such as conda-forge, a URL or a folder")
    return f"{_HOST}/{text}"


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.username or parts.password
    except ValueError:
        raise UsageError(f"{url!r} is no URL", hint="write it as in https://conda.anaconda.org/conda-forge") from None
    if secret or _TOKEN.search(parts.path):
        raise UsageError(
            f"the channel at {host} carries a password or a token, which would stand in every lockfile",
            hint="write its address without it; `rattler auth` or `pixi auth login` keeps the token for it",
        )
    if parts.query or parts.fragment:  # which may be a token: it is not shown
        raise UsageError(
            f"the channel at {host} has something after its address",
            hint="write it without; `rattler auth` or `pixi auth login` keeps a token for it",
        )
    if parts.scheme not in {"http", "https", "file"}:
        raise UsageError(f"{url!r} is no channel", hint="a channel begins with https://, http:// or file://")
    return url


def _folder(text: str) -> str:
    from pathlib import Path

    path = os.path.abspath(os.path.expanduser(text))
    if not os.path.isdir(path):
        raise UsageError(f"{text}: there is no such folder", hint="name a channel: conda-forge, a URL or a folder")
    return Path(path).as_uri()


def read_mirrors(texts: tuple[str, ...], channels: tuple[str, ...] | None = None) -> dict[str, str]:
    """``CHANNEL=URL``: by the address that lockfiles carry, the one to read from.

    ``channels``: those in use; a mirror of another one is a slip of the pen, and refused.
    """
    found = {}
    for text in texts:
        channel, equals, place = text.partition("=")
        if not equals or not place:
            raise UsageError(f"--mirror {text!r} names no address", hint="as in --mirror conda-forge=https://HOST/PATH")
        address = channel_url(channel)
        if channels is not None and address not in channels:
            raise UsageError(
                f"--mirror {channel}: no such channel is in use", hint=f"there is {', '.join(map(short, channels))}"
            )
        found[address] = channel_url(place)
    return found


def public(url: str, mirrors: Mapping[str, str]) -> str:
    """The address of a package with its mirror's part replaced by the channel's own."""
    for channel, place in mirrors.items():
        if url.startswith(f"{place}/"):
            return channel + url[len(place) :]
    return url


def short(url: str) -> str:
    """A channel's address as people say it: "conda-forge"."""
    return url[len(_HOST) + 1 :] if url.startswith(f"{_HOST}/") else url
