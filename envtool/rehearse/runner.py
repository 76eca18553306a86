"""Start the rehearsal in the target interpreter, keep its time, and read what it found."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

from envtool.errors import ToolError, UsageError
from envtool.fact import Fact, dataclass
from envtool.rehearse.events import Ended, events_in, report_of, without_torch
from envtool.rehearse.report import SCRIPT_FAILED, Report

GRACE = 15.0  # seconds for torch's import and for the script to be told of its limit
COMPARISON = 60.0  # the longest that the script may run by itself to see whether it fails there, too


@dataclass(frozen=True, eq=False, repr=False)
class Asked(Fact):
    """What to rehearse. ``module``: ``script`` is a module's name, as after ``python -m``."""

    python: str
    script: str
    arguments: tuple[str, ...] = ()
    module: bool = False
    device: str = "meta"
    limit: float = 120.0
    stdout: int | None = None  # a file descriptor for the script's output, None for this process's own
    compare: bool = True


def rehearse(asked: Asked) -> Report:
    """Run it and tell; ToolError where its Python or torch can't be started."""
    handle, path = tempfile.mkstemp(prefix="envtool-", suffix=".events")
    os.close(handle)
    try:
        ended = _run(_argv(asked, path), asked.stdout, asked.limit + GRACE)
        with open(path, encoding="utf-8", errors="replace") as file:
            events = events_in(file.read())
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
    problem = without_torch(events)
    if problem is not None:
        raise ToolError(f"{asked.python} can't import torch: {problem}", hint=f"envtool doctor --python {asked.python}")
    if any(event["event"] == "no-module" for event in events):
        raise UsageError(
            f"-m {asked.script}: {asked.python} finds no module of that name",
            hint="run it from the project's folder, or install the project into this environment",
        )
    if not events:
        raise ToolError(
            f"{asked.python} ended before the rehearsal began (exit code {ended.returncode})",
            hint=f"envtool doctor --python {asked.python}",
        )
    empty = Report("", asked.script, asked.arguments, asked.python, limit=asked.limit)
    report = report_of(events, ended, empty)
    if report.outcome == SCRIPT_FAILED and report.error is not None and asked.compare:
        return replace(report, error=replace(report.error, on_cpu=_fails_by_itself(asked)))
    return report


def _argv(asked: Asked, events: str) -> list[str]:
    start = os.path.join(os.path.dirname(os.path.abspath(__file__)), "children", "start.py")
    how = "module" if asked.module else "file"
    options = [events, str(asked.limit), asked.device, how]
    return [asked.python, start, *options, asked.script, *asked.arguments]


def _run(argv: list[str], stdout: int | None, limit: float) -> Ended:
    began = time.monotonic()
    try:
        process = subprocess.Popen(argv, stdout=stdout, start_new_session=sys.platform != "win32")
    except OSError as error:
        hint = "name a Python that runs, with --python"
        raise ToolError(f"cannot start {argv[0]}: {error.strerror or error}", hint=hint) from None
    try:
        code = process.wait(timeout=limit)
        return Ended(code, time.monotonic() - began)
    except subprocess.TimeoutExpired:
        return Ended(_end(process), time.monotonic() - began, timed_out=True)
    except KeyboardInterrupt:
        _signal(process, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3.0)
        raise
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> int:
    """End it and all that it started; nothing is left behind."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()
    try:
        return process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        return -9


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(OSError):
        if sys.platform != "win32":
            os.killpg(process.pid, number)
        else:
            process.kill()


def _fails_by_itself(asked: Asked) -> bool | None:
    """Does the script fail on the CPU without the rehearsal? None where it doesn't end in time."""
    argv = [asked.python, *(["-m"] if asked.module else []), asked.script, *asked.arguments]
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            argv,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            env={**os.environ, "DEVICE": "cpu"},
            start_new_session=sys.platform != "win32",
        )
    except OSError:
        return None
    try:
        return process.wait(timeout=min(asked.limit, COMPARISON)) != 0
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process)
