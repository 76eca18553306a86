"""Starts the runner of the smoke tests in the target interpreter and listens to it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from envtool.errors import ToolError
from envtool.smoke.events import LONGEST, Event, event_of

PATIENCE = 30.0  # seconds beyond the runner's own limit before it is ended from here
HINT = "see what `envtool doctor` says of this Python"


def folder() -> str:
    """Where the runner's files lie."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "children")


def command(python: str, arguments: Sequence[str]) -> list[str]:
    """The runner's command line: isolated, for its processes that import torch are started as a user's script is."""
    return [python, "-I", "-S", "-X", "faulthandler", folder(), *arguments]


@dataclass
class Heard:
    """What the runner said, and how it ended: ``code`` is None where it had to be ended from here."""

    events: list[Event] = field(default_factory=list)
    code: int | None = None
    stderr: str = ""

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        said = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        last = said[-1][:300] if said else "it said nothing"
        if self.code is None:
            return "it did not answer any more and was ended"
        if self.code < 0:
            return f"killed by signal {-self.code}"
        return f"exit code {self.code}, {last}"


def listen(
    python: str, arguments: Sequence[str], *, timeout: float, on_event: Callable[[Event], None] | None = None
) -> Heard:
    """Run it to its end. Ctrl+C ends it too, with all of its processes."""
    heard = Heard()
    with tempfile.TemporaryFile() as stderr:
        process = _start(command(python, arguments), stderr)
        late = threading.Timer(timeout + PATIENCE, process.kill)
        late.daemon = True
        late.start()
        try:
            assert process.stdout is not None
            while line := process.stdout.readline(LONGEST):
                event = event_of(line.decode("ascii", "replace"))
                if event is not None:
                    heard.events.append(event)
                    if on_event is not None:
                        on_event(event)
            code = process.wait()
            heard.code = code if late.is_alive() else None
        finally:
            late.cancel()
            _end(process)
        stderr.seek(0)
        heard.stderr = stderr.read(1 << 16).decode("utf-8", "replace")
    return heard


def _start(arguments: list[str], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ToolError(f"{arguments[0]} does not start: {reason}", hint=HINT) from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to leave, so that it ends its own processes; a second later it is made to."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5.0)
    if process.poll() is None:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
