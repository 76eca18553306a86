"""A word on stderr when something takes long, so that nobody thinks that nothing happens."""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

AFTER = 1.0  # seconds
IMPORT = "importing torch ..."
MACHINE = "waiting for this machine's answers ..."


@contextlib.contextmanager
def a_word_of_patience(wanted: bool, words: str = IMPORT, to: TextIO | None = None) -> Iterator[None]:
    """Say after a second what takes so long. A terminal's line is taken back; elsewhere it is one plain line."""
    if not wanted:
        yield
        return
    stream = to or sys.stderr
    live = stream.isatty() and "NO_COLOR" not in os.environ
    over = _thread.allocate_lock()
    said: list[str] = []

    def wait() -> None:
        if not over.acquire(timeout=AFTER):
            said.append(words)
            stream.write(words if live else words + "\n")
            stream.flush()

    over.acquire()
    _thread.start_new_thread(wait, ())  # threading would wait until it runs, for milliseconds
    try:
        yield
    finally:
        over.release()
        if live and said:
            stream.write("\r" + " " * len(words) + "\r")
            stream.flush()
