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


class Kept:
    """The beginning and the end of what a stream said."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._held = 0

    def add(self, chunk: bytes) -> None:
        """Some more of it."""
        if len(self._head) < KEPT:
            self._head += chunk
            return
        self._tail.append(chunk)
        self._held += len(chunk)
        while self._held - len(self._tail[0]) > KEPT:
            self._held -= len(self._tail.popleft())

    def text(self) -> bytes:
        """What is kept by now."""
        return bytes(self._head) + b"".join(tuple(self._tail))


@dataclass
class LiveChild:
    """A running program, cut off with its whole process group at its time limit."""

    process: subprocess.Popen[bytes]
    deadline: float
    started: float

    def __post_init__(self) -> None:
        out, err = self.process.stdout, self.process.stderr
        assert out is not None and err is not None
        self._streams: dict[IO[bytes], Kept] = {out: Kept(), err: Kept()}

    def result(self) -> Reading[Completed]:
        code: int | None = None
        if self._read(self.deadline):
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(max(0.05, self.deadline - time.monotonic()))
        if code is None:
            self._cut_off()
        out, err = (_text(kept.text()) for kept in self._streams.values())
        return Found(Completed(code, out, err, time.monotonic() - self.started))

    def _read(self, deadline: float) -> bool:
        """Read both streams until they end; False where the time is over first."""
        # A thread for each would be simpler, but to start one takes milliseconds while the children start.
        return _by_threads(self._streams, deadline) if sys.platform == "win32" else _by_turns(self._streams, deadline)

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

    def _cut_off(self) -> None:
        """Kill it, and read what it left; one that is stuck in the kernel is left behind."""
        self._kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=1.0)
        self._read(time.monotonic() + 0.5)


def _by_turns(streams: dict[IO[bytes], Kept], deadline: float) -> bool:
    import selectors

    with selectors.DefaultSelector() as waiting:
        for stream in streams:
            if not stream.closed:
                waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for key, _ in waiting.select(left):
                stream = next(one for one in streams if one is key.fileobj)
                chunk = os.read(key.fd, 1 << 16)
                if chunk:
                    streams[stream].add(chunk)
                else:
                    waiting.unregister(stream)
                    stream.close()
    return True


def _by_threads(streams: dict[IO[bytes], Kept], deadline: float) -> bool:
    """Where pipes can't be waited for: a thread reads each, and one whose time is over is left behind."""

    def read(stream: IO[bytes], kept: Kept) -> None:
        with contextlib.suppress(OSError, ValueError), stream:
            while chunk := os.read(stream.fileno(), 1 << 16):
                kept.add(chunk)

    readers = [threading.Thread(target=read, args=one, daemon=True) for one in streams.items() if not one[0].closed]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(max(0.0, deadline - time.monotonic()))
    return not any(reader.is_alive() for reader in readers)


@dataclass(frozen=True, eq=False, repr=False)
class NoChild(Fact):
    """A program that could not be started."""

    reason: Absent | Unknown

    def result(self) -> Reading[Completed]:
        return self.reason


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace").replace("\r\n", "\n")
