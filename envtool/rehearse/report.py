"""What a rehearsal found: faults by file and line, what was not rehearsed as it is, and how the script ended."""

from __future__ import annotations

from envtool.fact import Fact, dataclass
from envtool.verdicts import Json

# How a rehearsal can end; only the first is a pass.
PASS = "pass"
FAULTS = "faults"
NEVER_MOVED = "never-moved"  # it never asked for a device that can be switched
UNFINISHED = "unfinished"  # no fault until the limit
SCRIPT_FAILED = "script-failed"
CRASHED = "crashed"
INTERRUPTED = "interrupted"


@dataclass(frozen=True, eq=False, repr=False)
class Place(Fact):
    """A line of the user's code; ``function`` and ``text`` where they are known."""

    file: str
    line: int
    text: str | None = None
    function: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Fault(Fact):
    """One thing that would stop the script on an accelerator. ``devices``: of the culprit first, then of the other."""

    kind: str
    place: Place | None
    devices: tuple[str, ...]
    message: str
    hint: str
    operation: str | None = None
    origin: Place | None = None
    stack: tuple[Place, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Limit(Fact):
    """Something that was not rehearsed as it would run."""

    name: str
    message: str
    place: Place | None = None


@dataclass(frozen=True, eq=False, repr=False)
class ScriptError(Fact):
    """The script's own exception. ``on_cpu``: does it fail without the rehearsal, too? None where nobody could tell."""

    type: str
    message: str
    place: Place | None = None
    on_cpu: bool | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Counts(Fact):
    """How many tensor operations ran where. None where the script ended before it could tell."""

    accelerator: int
    cpu: int


@dataclass(frozen=True, eq=False, repr=False)
class Report(Fact):
    """The whole rehearsal."""

    outcome: str
    script: str
    arguments: tuple[str, ...] = ()
    python: str = ""
    torch: str | None = None
    seconds: float = 0.0
    limit: float = 0.0
    faults: tuple[Fault, ...] = ()
    faults_left_out: int = 0
    limits: tuple[Limit, ...] = ()
    operations: Counts | None = None
    moved_at: Place | None = None
    stopped_at: Place | None = None
    error: ScriptError | None = None
    exit_code: int | None = None
    ending: str | None = None  # how a process that didn't end by itself did: "killed by SIGSEGV"

    @property
    def passed(self) -> bool:
        """Nothing would stop it, and it came to its end."""
        return self.outcome == PASS


SCHEMA = "envtool.rehearse/1"


def next_step(report: Report) -> str | None:
    """The one thing to do now, None where there is nothing."""
    match report.outcome:
        case "faults":
            place = report.faults[0].place
            where = f"{place.file}:{place.line}" if place else "the first fault"
            return f"mend {where}, then rehearse again"
        case "never-moved":
            return 'read DEVICE = os.environ.get("DEVICE", "cpu") once, and move model and data with .to(DEVICE)'
        case "unfinished":
            return "let it do less (fewer epochs, less data), or give it more time with --limit"
        case "script-failed":
            return "make it run on the CPU first, then rehearse again" if _on_cpu(report) else _look_at(report)
        case "crashed":
            return "run the script by itself, with `python -X faulthandler`"
    return None


def _on_cpu(report: Report) -> bool:
    return report.error is None or report.error.on_cpu is not False


def _look_at(report: Report) -> str:
    if any(limit.name == "spawn" for limit in report.limits):
        return "move tensors to the device in the main process: one that is spawned can't be rehearsed"
    if report.error is not None and "meta" in report.error.message:
        return "try --device cuda: something here knows no device that is called meta"
    where = report.error.place if report.error else None
    line = f"{where.file}:{where.line}" if where else "its last line"
    return f"look at {line}: it works on the CPU, and not with DEVICE on an accelerator"


def to_json(report: Report) -> dict[str, Json]:
    """The document ``envtool.rehearse/1``."""
    return {
        "schema": SCHEMA,
        "status": "pass" if report.passed else "fail",
        "outcome": report.outcome,
        "script": report.script,
        "arguments": list(report.arguments),
        "python": report.python,
        "torch": report.torch,
        "seconds": report.seconds,
        "limit": report.limit,
        "operations": {"accelerator": report.operations.accelerator, "cpu": report.operations.cpu}
        if report.operations
        else None,
        "moved_at": _place(report.moved_at),
        "faults": [_fault(fault) for fault in report.faults],
        "faults_left_out": report.faults_left_out,
        "limits": [{"name": one.name, "message": one.message, "place": _place(one.place)} for one in report.limits],
        "stopped_at": _place(report.stopped_at),
        "error": _error(report.error),
        "exit_code": report.exit_code,
        "ending": report.ending,
        "next_step": next_step(report),
    }


def _place(place: Place | None) -> Json:
    if place is None:
        return None
    return {"file": place.file, "line": place.line, "function": place.function, "text": place.text}


def _fault(fault: Fault) -> Json:
    return {
        "kind": fault.kind,
        "file": fault.place.file if fault.place else None,
        "line": fault.place.line if fault.place else None,
        "function": fault.place.function if fault.place else None,
        "text": fault.place.text if fault.place else None,
        "operation": fault.operation,
        "devices": list(fault.devices),
        "message": fault.message,
        "hint": fault.hint,
        "origin": _place(fault.origin),
        "called_from": [_place(place) for place in fault.stack],
    }


def _error(error: ScriptError | None) -> Json:
    if error is None:
        return None
    return {"type": error.type, "message": error.message, "place": _place(error.place), "fails_on_cpu": error.on_cpu}
