"""Programs that run beside the probe: started early, cut off at their time limit, never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Protocol

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


@dataclass
class LiveChild:
    """A running program, cut off with its whole process group at its time limit."""

    process: subprocess.Popen[bytes]
    deadline: float
    started: float

    def result(self) -> Reading[Completed]:
        try:
            out, err = self.process.communicate(timeout=max(0.0, self.deadline - time.monotonic()))
            code: int | None = self.process.returncode
        except subprocess.TimeoutExpired:
            out, err = self._cut_off()
            code = None
        return Found(Completed(code, _text(out), _text(err), time.monotonic() - self.started))

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
        self._kill()
        try:
            return self.process.communicate(timeout=1.0)
        except subprocess.TimeoutExpired as late:  # stuck in the kernel: leave it behind
            return late.stdout or b"", late.stderr or b""


@dataclass(frozen=True, eq=False, repr=False)
class NoChild(Fact):
    """A program that could not be started."""

    reason: Absent | Unknown

    def result(self) -> Reading[Completed]:
        return self.reason


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace").replace("\r\n", "\n")
