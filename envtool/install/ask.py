"""Short questions to an index, beside the installer: why it does not answer, and how large its files are."""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import replace
from http.client import HTTPResponse
from queue import Empty, SimpleQueue
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from envtool import __version__
from envtool.install.order import Package

SECONDS = 8.0
WORKERS = 8


def trouble(urls: Iterable[str], certificates: str | None) -> str | None:
    """What the first index that does not answer well says, in the words of the standard library; None if all do.

    uv takes an index that refuses for one that has nothing.
    """
    for url in urls:
        if urlsplit(url).scheme not in {"http", "https"}:
            continue
        try:
            _open(f"{url.rstrip('/')}/torch/", "GET", certificates).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in {404, 410}:
                return f"error {error.code} {error.reason}: {url}"
        except (OSError, ValueError) as error:
            by = "ProxyError: " if _goes_through_a_proxy(url) else ""
            return f"{by}{getattr(error, 'reason', error)}: {url}"
    return None


def _goes_through_a_proxy(url: str) -> bool:
    """Then what can't be reached is the proxy."""
    parts = urlsplit(url)
    return parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.netloc)


def with_sizes(packages: tuple[Package, ...], certificates: str | None) -> tuple[Package, ...]:
    """The packages with the sizes that their index did not tell, as far as their servers do."""
    jobs: SimpleQueue[Package] = SimpleQueue()
    unknown = [p for p in packages if p.size is None and p.url and p.url.startswith(("http:", "https:"))]
    for package in unknown:
        jobs.put(package)
    found: dict[str, int] = {}

    def work() -> None:
        while True:
            try:
                package = jobs.get_nowait()
            except Empty:
                return
            size = _size(str(package.url), certificates)
            if size is not None:
                found[package.name] = size

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(WORKERS, len(unknown)))]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS  # for all of them: sizes are worth a moment, and no more
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    sizes = {**found, **_local_sizes(packages)}
    return tuple(replace(p, size=sizes[p.name]) if p.name in sizes else p for p in packages)


def _local_sizes(packages: tuple[Package, ...]) -> dict[str, int]:
    """Of wheels in a folder."""
    sizes = {}
    for package in packages:
        url = package.url or ""
        path = url2pathname(unquote(urlsplit(url).path)) if url.startswith("file:") else url
        if package.size is None and "://" not in path:
            with contextlib.suppress(OSError):
                sizes[package.name] = os.path.getsize(path)
    return sizes


def _size(url: str, certificates: str | None) -> int | None:
    try:
        with _open(url, "HEAD", certificates) as answer:
            length = answer.headers.get("Content-Length", "")
            return int(length) if length.isdecimal() and len(length) < 16 else None
    except (OSError, ValueError):
        return None


def _open(url: str, method: str, certificates: str | None) -> HTTPResponse:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    if parts.scheme not in {"http", "https"}:
        raise ValueError("neither http nor https")
    request = urllib.request.Request(  # noqa: S310
        bare, method=method, headers={"User-Agent": f"envtool/{__version__}"}
    )
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(unquote(user).encode()).decode())
    context = ssl.create_default_context(cafile=certificates)
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=SECONDS, context=context)  # noqa: S310
    return answer
