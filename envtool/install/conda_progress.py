"""How far an installation is, and whether anything still comes."""

from __future__ import annotations

import os
import sys
import time
from itertools import count

from rattler.install import InstallerReporter

from envtool.install.space import readable

DEFAULT_PATIENCE = 60.0  # seconds without a byte
PATIENCE = "ENVTOOL_HTTP_TIMEOUT"


def patience() -> float:
    """How long to wait for a server that says nothing."""
    try:
        return max(0.5, float(os.environ.get(PATIENCE, "")))
    except ValueError:
        return DEFAULT_PATIENCE


class Progress(InstallerReporter):
    """Told by py-rattler, from threads of its own. ``live``: one line on the terminal that is written over."""

    def __init__(self, packages: int, known: int, *, live: bool) -> None:
        self._packages, self._known, self._live = packages, known, live
        self._tokens = count(1)
        self._names: dict[int, str] = {}
        self._open: dict[int, tuple[str, float]] = {}  # by download: what, and when the last byte came
        self._bytes: dict[int, int] = {}
        self._linked = self._linking = self._width = 0
        self._patience = patience()
        self._shown = 0.0
        self.waiting: str | None = None

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:
        """A package is looked for in the cache."""
        token = next(self._tokens)
        self._names[token] = package_name
        return token

    def on_download_start(self, cache_entry: int) -> int:
        """A download begins."""
        token = next(self._tokens)
        self._open[token] = (self._names.get(cache_entry, "a package"), time.monotonic())
        return token

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        """Bytes came."""
        if download_idx in self._open:
            self._open[download_idx] = (self._open[download_idx][0], time.monotonic())
        self._bytes[download_idx] = progress

    def on_download_completed(self, download_idx: int) -> None:
        """A download ended."""
        self._open.pop(download_idx, None)

    def on_link_start(self, operation: int, package_name: str) -> int:
        """A package is about to be laid down."""
        self._linking += 1
        return operation

    def on_link_complete(self, index: int) -> None:
        """A package is in the environment."""
        self._linking -= 1
        self._linked += 1

    def settle(self, seconds: float = 0.6) -> None:
        """After a run was broken off: wait for py-rattler's threads to finish the packages that they are at."""
        end = time.monotonic() + seconds
        while self._linking > 0 and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.05)

    # py-rattler tells these, too; nothing follows from them

    def on_transaction_start(self, total_operations: int) -> None:
        """The work begins."""
        return

    def on_transaction_operation_start(self, operation: int) -> None:
        """A package's turn."""
        return

    def on_validate_start(self, cache_entry: int) -> int:
        """A package in the cache is looked at."""
        return 0

    def on_validate_complete(self, validate_idx: int) -> None:
        """It was looked at."""
        return

    def on_populate_cache_complete(self, cache_entry: int) -> None:
        """It is in the cache."""
        return

    def on_unlink_start(self, operation: int, package_name: str) -> int:
        """Not in a new environment."""
        return 0

    def on_unlink_complete(self, index: int) -> None:
        """Not in a new environment."""
        return

    def on_transaction_operation_complete(self, operation: int) -> None:
        """A package is done."""
        return

    def on_transaction_complete(self) -> None:
        """All are done."""
        return

    def on_post_link_start(self, package_name: str, script_path: str) -> int:
        """Never: such scripts are not run."""
        return 0

    def on_post_link_complete(self, index: int, success: bool) -> None:
        """Never: such scripts are not run."""
        return

    def on_pre_unlink_start(self, package_name: str, script_path: str) -> int:
        """Never: such scripts are not run."""
        return 0

    def on_pre_unlink_complete(self, index: int, success: bool) -> None:
        """Never: such scripts are not run."""
        return

    def silent(self) -> float | None:
        """Since when no download has moved, where that is too long; None while some do, or none is open."""
        downloads = list(self._open.values())
        if not downloads:
            return None
        name, last = max(downloads, key=lambda one: one[1])
        since = time.monotonic() - last
        if since < self._patience:
            return None
        self.waiting = name
        return since

    def show(self) -> None:
        """Bring the line up to date, a few times a second."""
        now = time.monotonic()
        if self._live and now - self._shown > 0.2:
            self._shown = now
            fetched = readable(sum(list(self._bytes.values())))
            of = f" of {readable(self._known)}" if self._known else ""
            self._write(f"{fetched}{of} fetched, {self._linked} of {self._packages} packages in place")

    def clear(self) -> None:
        """Take the line back."""
        if self._width:
            self._write("")
            sys.stderr.write("\r")

    def _write(self, text: str) -> None:
        sys.stderr.write("\r" + text + " " * max(0, self._width - len(text)))
        sys.stderr.flush()
        self._width = len(text)


def is_live() -> bool:
    """May a line be written over?"""
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ
