"""Import the packages for real, in one process of the target interpreter, and say how far it came."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from envtool.environment import Environment, ImportReport, Stage
from envtool.fact import Fact, dataclass
from envtool.machine import Absent, Found, Reading, Unknown
from envtool.probe.answer import (
    Answer,
    answers_in,
    ending,
    last_words,
    lines_of,
    object_of,
    shown,
    signal_name,
    text_of,
    texts_of,
)
from envtool.probe.child import Child, Completed
from envtool.probe.children import BOOT, child_file
from envtool.probe.host import Host

STAGES = ("torch", "torchvision", "torchaudio", "numpy-bridge", "cpu")  # then what the build is made for
_OUTCOMES = ("ok", "error", "not-installed", "not-reached", "absent")
_HELLO = re.compile(r"^envtool-import:[0-9a-f]{16}:", re.MULTILINE)
_NO_GPU = re.compile(r"Found no NVIDIA driver|No (CUDA|HIP) GPUs are available|no (CUDA|ROCm)-capable device")

# What loaders say; the first group names what they looked for.
_LOADER: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("missing_library", re.compile(r"([^\s:'\"]+): cannot open shared object file")),
    ("missing_library", re.compile(r"Library not loaded: (\S+)")),
    ("missing_library", re.compile(r"Could not load library (\S+?)\.? ")),
    ("missing_library", re.compile(r"Error loading \"([^\"]+)\"")),
    ("undefined_symbol", re.compile(r"undefined symbol: (\w+)")),
    ("undefined_symbol", re.compile(r"Symbol not found: (\w+)")),
    ("missing_symbol_version", re.compile(r"version [`']([^']+)' not found")),
)


def start_import(
    host: Host, python: Environment | str, *, cwd: str | None = None, timeout: float = 120.0
) -> Callable[[], ImportReport]:
    """Start the rehearsal with the environment's executable, as a script in ``cwd`` would run; wait with the result."""
    executable = python if isinstance(python, str) else python.executable
    # faulthandler: a crash tells in which Python line it happened.
    argv = (executable, "-X", "faulthandler", "-c", BOOT, child_file("imports.py"))
    child = host.start("import", argv, timeout=timeout, cwd=cwd)
    return Rehearsal(child, timeout).result


@dataclass(frozen=True, eq=False, repr=False)
class Rehearsal(Fact):
    """The process that imports."""

    child: Child
    timeout: float

    def result(self) -> ImportReport:
        """Every stage's end, whatever became of the process."""
        return report_of(self.child.result(), self.timeout)


def report_of(reading: Reading[Completed], timeout: float) -> ImportReport:
    """What the process said, and what its end says of the stage that it was in."""
    match reading:
        case Found(done):
            messages = _messages(done.stdout)
            ended = _stages(messages)
            last = _last_stage(messages, done, timeout)
            return ImportReport(_in_order(_merged(ended + last)), done.seconds)
        case Absent(reason) | Unknown(reason):
            return ImportReport(_in_order((Stage("start", "error", message=reason),)), 0.0)


def _messages(stdout: str) -> list[Answer]:
    """The child's messages: it chooses its marker at random, and its first message tells it."""
    hello = _HELLO.search(stdout)
    return list(answers_in(stdout, hello.group(0))) if hello else []


def _stages(messages: list[Answer]) -> tuple[Stage, ...]:
    return tuple(_stage(message) for message in messages if text_of(message, "end"))


def _stage(message: Answer) -> Stage:
    outcome, seconds = text_of(message, "outcome") or "", message.get("seconds")
    said = object_of(message, "details") or {}
    text = text_of(message, "text") or ""
    details = {key: value for key in said if (value := text_of(said, key)) is not None}
    return Stage(
        name=text_of(message, "end") or "",
        outcome=outcome if outcome in _OUTCOMES else "error",
        seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
        error_type=text_of(message, "type"),
        message=text_of(message, "message") or text_of(message, "type"),
        last_lines=texts_of(message, "lines")[-5:],
        details=tuple({**details, **_loader_details(text)}.items()),
    )


def _loader_details(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, pattern in _LOADER:
        match = pattern.search(text)
        if match:
            found.setdefault(key, re.split(r"[\\/]", match.group(1))[-1])
    return found


def _last_stage(messages: list[Answer], done: Completed, timeout: float) -> tuple[Stage, ...]:
    """The stage that never ended, where the process ended first; none where all went well."""
    finished = any(text_of(message, "done") for message in messages)
    if finished and done.returncode == 0:
        return ()
    begun = [name for message in messages if (name := text_of(message, "begin"))]
    ended = {name for message in messages if (name := text_of(message, "end"))}
    running = next((name for name in reversed(begun) if name not in ended), None)
    name = "exit" if finished or ended else "start"
    return (_cut_short(running or name, done, timeout),)


def _cut_short(name: str, done: Completed, timeout: float) -> Stage:
    lines = _end_of(done.stderr)
    details = tuple(_loader_details(shown(done.stderr)).items())
    if done.returncode is None:
        return Stage(name, "timeout", message=f"not done within {timeout:g} s", last_lines=lines, details=details)
    if name == "start":
        message = f"Python ended before it began ({ending(done.returncode)}): {last_words(done)}"
    else:
        message = ending(done.returncode)
        if done.returncode == -9:
            message += ", as the system does when memory runs out"
    signal = signal_name(done.returncode)
    return Stage(
        name,
        "crash",
        message=message,
        last_lines=lines,
        signal=signal,
        exit_code=None if done.returncode < 0 else done.returncode,
        details=details,
    )


def _end_of(stderr: str) -> tuple[str, ...]:
    """The last lines; of a fatal error's report the first ones, because the innermost call comes first there.

    Before the report stands what the library said that ended the process: "OMP: Error #15", "terminate called …".
    """
    lines = lines_of(shown(stderr))
    for number, line in enumerate(lines):
        if line.startswith(("Fatal Python error", "Windows fatal exception")):
            return tuple(lines[max(0, number - 2) : number + 5])
    return tuple(lines[-5:])


# ── what belongs to torch ────────────────────────────────────────────────────────────────────────


def _merged(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """What the accelerators' first questions found goes to torch's stage; alone they are stages where they failed."""
    found: dict[str, str] = {}
    rest = []
    for stage in stages:
        quiet = stage.outcome == "error" and _NO_GPU.search(stage.message or "") is not None
        if stage.name == "cuda":
            found |= dict(stage.details)
            if stage.outcome == "error":
                found["cuda_error"] = stage.message or ""
        elif stage.outcome == "absent":
            found |= dict(stage.details)
        if stage.outcome != "absent" and not (stage.name == "cuda" and (stage.outcome == "ok" or quiet)):
            rest.append(stage)
    return tuple(_with(stage, found) if stage.name == "torch" else stage for stage in rest)


def _with(torch: Stage, found: dict[str, str]) -> Stage:
    own = dict(torch.details)
    warnings = "\n".join(text for text in (own.get("warnings"), found.get("warnings")) if text)
    together = {**own, **found, **({"warnings": warnings} if warnings else {})}
    return replace(torch, details=tuple(together.items()))


def _in_order(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """torch first, and every package's stage there: what was never begun was not reached."""
    by_name = {stage.name: stage for stage in stages}
    start = [by_name.pop("start")] if "start" in by_name else []
    known = [by_name.pop(name, Stage(name, "not-reached")) for name in STAGES]
    return tuple(start + known + list(by_name.values()))
