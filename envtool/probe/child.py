"""Programs that run beside the probe: started early, cut off at their time limit, never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import IO, Protocol

from envtool.fact import Fact
from envtool.machine import Absent, Found, Reading, Unknown


@dataclass(frozen=True, eq=False, repr=False)
class Completed(Fact):
    """How a program ended. ``returncode`` is negative for a signal, None where the time limit cut it off."""

    returncode: int | None
    stdout: str
    stderr: str
    seconds: float

    @property
    def timed_out(self) -> bool:
        """Was it cut off by its time limit?"""
        return self.returncode is None


class Child(Protocol):
    """A program that runs on the host while the probe goes on."""

    def result(self) -> Reading[Completed]:
        """Wait for its end, at most until its time limit."""


KEPT = 4 << 20  # bytes of the beginning and of the end of what a program says; what lies between is dropped


class Drain:
    """Reads a stream to its end as it comes, so that nothing waits for us, and keeps its two ends only."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._held = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._stream:
            while chunk := os.read(self._stream.fileno(), 1 << 16):
                if len(self._head) < KEPT:
                    self._head += chunk
                    continue
                self._tail.append(chunk)
                self._held += len(chunk)
                while self._held - len(self._tail[0]) > KEPT:
                    self._held -= len(self._tail.popleft())

    def text(self, seconds: float) -> bytes | None:
        """All that is kept, once the stream has ended; None where it has not within that time."""
        self._thread.join(max(0.0, seconds))
        return None if self._thread.is_alive() else self.so_far()

    def so_far(self) -> bytes:
        """What is kept by now. A program that a killed one left behind may still hold the stream open."""
        return bytes(self._head) + b"".join(tuple(self._tail))


@dataclass
class LiveChild:
    """A running program, cut off with its whole process group at its time limit."""

    process: subprocess.Popen[bytes]
    deadline: float
    started: float

    def __post_init__(self) -> None:
        assert self.process.stdout is not None and self.process.stderr is not None
        self._out, self._err = Drain(self.process.stdout), Drain(self.process.stderr)

    def result(self) -> Reading[Completed]:
        out, err = self._out.text(self._left()), self._err.text(self._left())
        code: int | None = None
        if out is not None and err is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(max(0.05, self._left()))
        if code is None:
            out, err = self._cut_off()
        return Found(Completed(code, _text(out), _text(err), time.monotonic() - self.started))

    def _left(self) -> float:
        return self.deadline - time.monotonic()

    def stop(self) -> None:
        """End it, if it still runs."""
        if self.process.poll() is None:
            self._kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=1.0)

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            if sys.platform != "win32":
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def _cut_off(self) -> tuple[bytes, bytes]:
        """What it said until it was killed; one that is stuck in the kernel is left behind."""
        self._kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=1.0)
        self._out.text(0.5)
        self._err.text(0.5)
        return self._out.so_far(), self._err.so_far()


@dataclass(frozen=True, eq=False, repr=False)
class NoChild(Fact):
    """A program that could not be started."""

    reason: Absent | Unknown

    def result(self) -> Reading[Completed]:
        return self.reason


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace").replace("\r\n", "\n")
