"""Smoke tests: does this Python's PyTorch do what the lecture says? It is shown, in processes of that Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from envtool.errors import EXIT_TOOL, ToolError, UsageError
from envtool.smoke.events import Asked, Event, announced, report_of, started
from envtool.smoke.runner import HINT, listen
from envtool.smoke_report import SmokeReport, SmokeTest

__all__ = ["DEVICES", "TIMEOUT", "Event", "run", "tests"]

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
ALL = "`envtool smoke --list` shows them all"
TIMEOUT = 300.0  # seconds, for the whole run


def run(
    python: str,
    *,
    device: str = "auto",
    quick: bool = False,
    only: Sequence[str] = (),
    timeout: float = TIMEOUT,
    on_event: Callable[[Event], None] | None = None,
) -> SmokeReport:
    """Run the tests in the interpreter ``python``, as a script in the current folder would, and report each of them.

    ``only`` names tests or families; torch and the device always come first. ``on_event`` is told of each test's
    beginning and end while it runs. Raises ToolError where that Python doesn't start.
    """
    arguments = ["--events", "--device", device, "--timeout", f"{timeout:g}", *(["--quick"] if quick else [])]
    for name in only:
        arguments += ["--only", name]
    heard = listen(python, arguments, timeout=timeout, on_event=on_event)
    if not started(heard.events):
        if heard.code == 2 and only and "there is no test" in heard.stderr:
            raise UsageError(_last(heard.stderr), hint=ALL)
        raise ToolError(f"the smoke tests do not start with {python}: {_last(heard.stderr) or heard.ending}", hint=HINT)
    if heard.code == EXIT_TOOL:
        raise ToolError(_last(heard.stderr), hint="free some space and memory, then try again")
    return report_of(heard.events, Asked(python, device, quick), heard.ending)


def _last(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ")[:300] if lines else ""


def tests(python: str, *, quick: bool = False, only: Sequence[str] = ()) -> tuple[SmokeTest, ...]:
    """The tests, as the runner lists them: any Python from 3.8 on will do, with or without torch."""
    chosen = [*(["--quick"] if quick else []), *(word for name in only for word in ("--only", name))]
    heard = listen(python, ["--list", "--events", *chosen], timeout=TIMEOUT)
    if heard.code == 2 and "there is no test" in heard.stderr:
        raise UsageError(_last(heard.stderr), hint=ALL)
    found = next((announced(event) for event in heard.events if event["event"] == "tests"), ())
    if not found:
        raise ToolError(f"the smoke tests can't be listed with {python}: {heard.ending}", hint=HINT)
    return found
