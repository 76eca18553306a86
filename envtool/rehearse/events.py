"""From the lines that the child wrote to a report: pure, and patient with lines that are cut off or no JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable

from envtool.fact import Fact, dataclass
from envtool.rehearse.report import (
    CRASHED,
    FAULTS,
    INTERRUPTED,
    NEVER_MOVED,
    PASS,
    SCRIPT_FAILED,
    UNFINISHED,
    Counts,
    Fault,
    Limit,
    Place,
    Report,
    ScriptError,
)
from envtool.rehearse.words import Told, say, say_limit
from envtool.verdicts import Json

Event = dict[str, Json]


@dataclass(frozen=True, eq=False, repr=False)
class Ended(Fact):
    """How the process ended. ``timed_out``: it was cut off because it did not end at its limit by itself."""

    returncode: int
    seconds: float
    timed_out: bool = False


def events_in(text: str) -> tuple[Event, ...]:
    """The events; what is no event is left out."""
    found = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            found.append(event)
    return tuple(found)


def without_torch(events: Iterable[Event]) -> str | None:
    """Why torch could not be imported, None where it could."""
    for event in events:
        if event["event"] == "no-torch":
            return f"{_text(event, 'type')}: {_text(event, 'message')}"
    return None


def report_of(events: tuple[Event, ...], ended: Ended, report: Report) -> Report:
    """``report`` (script, arguments, python, limit) with all that the events tell."""
    from dataclasses import replace

    end = next((event for event in events if event["event"] == "end"), None)
    moved = next((event for event in events if event["event"] == "moved"), None)
    started = next((event for event in events if event["event"] == "torch"), None)
    faults = _once(_fault(event) for event in events if event["event"] == "fault")
    report = replace(
        report,
        torch=_text(started, "version"),
        seconds=_number(end, "seconds") if end else ended.seconds,
        faults=faults,
        faults_left_out=int(_number(end, "left_out")),
        limits=tuple(_limit(event) for event in events if event["event"] == "limit"),
        operations=Counts(int(_number(end, "accelerator")), int(_number(end, "cpu"))) if end else None,
        moved_at=_place(moved.get("place")) if moved else None,
        stopped_at=_place(end.get("place")) if end and end.get("outcome") == "limit" else None,
        error=_error(end),
        exit_code=int(_number(end, "code")) if end and end.get("outcome") == "exit" else None,
        ending=None if end or ended.timed_out else _ending(ended.returncode),
    )
    return replace(report, outcome=_outcome(report, end, ended, moved is not None))


def _once(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Each line and kind once: a forked worker doesn't know what its parent has told."""
    found: dict[tuple[str, str, int], Fault] = {}
    for fault in faults:
        place = fault.place
        found.setdefault((fault.kind, place.file if place else "", place.line if place else len(found)), fault)
    return tuple(found.values())


def _outcome(report: Report, end: Event | None, ended: Ended, moved: bool) -> str:
    how = _text(end, "outcome")
    if report.faults:
        return FAULTS
    if how == "error" or report.exit_code:
        return SCRIPT_FAILED
    if how == "limit" or (end is None and ended.timed_out):
        return UNFINISHED
    if how == "interrupted":
        return INTERRUPTED
    if how not in ("done", "exit"):
        return CRASHED
    return PASS if moved else NEVER_MOVED


def _ending(code: int) -> str:
    import signal

    if code >= 0:
        return f"ended with exit code {code} before its last line"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _fault(event: Event) -> Fault:
    owner = event.get("owner")
    told = Told(
        name=_text(event, "name"),
        other=_text(event, "other_name"),
        maker=_text(event, "maker"),
        owner=_text(owner, "class"),
        attribute=_text(owner, "name"),
        holds=_text(owner, "holds"),
        trained=isinstance(owner, dict) and owner.get("trained") is True,
        operation=_text(event, "operation"),
        device_word=_text(event, "device_word"),
        loop=_loop(_place(event.get("origin")), _place(event.get("place"))),
        device=_text(event, "device") or "cpu",
    )
    kind = _text(event, "kind") or "unknown"
    message, hint = say(kind, told)
    devices = tuple(one for one in (_text(event, "device"), _text(event, "other_device")) if one)
    stack = event.get("stack")
    places = [_place(one) for one in stack] if isinstance(stack, list) else []
    return Fault(
        kind,
        _place(event.get("place")),
        devices,
        message,
        hint,
        operation=told.operation,
        origin=_place(event.get("origin")),
        stack=tuple(place for place in places if place is not None),
    )


def _loop(origin: Place | None, place: Place | None) -> int | None:
    """The line of a `for` in the same file, which gives a new tensor each time."""
    if origin is None or place is None or origin.file != place.file or not (origin.text or "").startswith("for "):
        return None
    return origin.line if origin.line < place.line else None


def _limit(event: Event) -> Limit:
    name = _text(event, "name") or "unknown"
    return Limit(name, say_limit(name), _place(event.get("place")))


def _error(end: Event | None) -> ScriptError | None:
    if end is None or end.get("outcome") != "error":
        return None
    return ScriptError(_text(end, "type") or "Exception", _text(end, "message") or "", _place(end.get("place")))


def _place(value: Json) -> Place | None:
    if not isinstance(value, dict):
        return None
    file, line = value.get("file"), value.get("line")
    if not isinstance(file, str) or not isinstance(line, int):
        return None
    return Place(file, line, _text(value, "text"), _text(value, "function"))


def _text(value: Json, key: str) -> str | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _number(value: Json, key: str) -> float:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else 0
