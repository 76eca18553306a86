"""A word on stderr when something takes long, so that nobody thinks that nothing happens."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

AFTER = 1.0  # seconds
IMPORT = "importing torch ..."
MACHINE = "waiting for this machine's answers ..."


@contextlib.contextmanager
def a_word_of_patience(wanted: bool, words: str = IMPORT) -> Iterator[None]:
    """Say after a second what takes so long. A terminal's line is taken back; elsewhere it is one plain line."""
    if not wanted:
        yield
        return
    live = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    lock, state = threading.Lock(), {"over": False, "said": False}

    def say() -> None:
        with lock:
            if not state["over"]:
                state["said"] = True
                sys.stderr.write(words if live else words + "\n")
                sys.stderr.flush()

    timer = threading.Timer(AFTER, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            state["over"] = True
        if live and state["said"]:
            sys.stderr.write("\r" + " " * len(words) + "\r")
            sys.stderr.flush()
