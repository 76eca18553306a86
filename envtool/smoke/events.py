"""The runner's lines, read into a report. Pure: whatever the lines hold, a test that did not end well is no pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envtool.fact import Fact, dataclass
from envtool.smoke_report import CODE, SmokeReport, SmokeTest, SmokeVerdict
from envtool.verdicts import Json, Status, Verdict

Event = Mapping[str, Json]
LONGEST = 1 << 21  # characters of a line that is still read


@dataclass(frozen=True, eq=False, repr=False)
class Asked(Fact):
    """What was asked of the runner."""

    python: str
    device: str
    quick: bool


def event_of(line: str) -> Event | None:
    """The event that a line holds; None for any other line."""
    if not line.startswith("{") or len(line) > LONGEST:
        return None
    import json

    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


def started(events: Iterable[Event]) -> bool:
    """Did the runner say which tests it runs?"""
    return any(event["event"] == "hello" and announced(event) for event in events)


def announced(event: Event) -> tuple[SmokeTest, ...]:
    """The tests of a list in the event, each code once."""
    rows = event.get("tests")
    found: dict[str, SmokeTest] = {}
    for row in rows if isinstance(rows, list) else ():
        test = _test(row)
        if test is not None:
            found.setdefault(test.code, test)
    return tuple(found.values())


def _test(row: Json) -> SmokeTest | None:
    if not isinstance(row, dict):
        return None
    words = [text_of(row, key) for key in ("code", "family", "sentence", "mend")]
    if not all(words):
        return None
    code, family, sentence, mend = (str(word) for word in words)
    limit = number_of(row, "limit")
    return SmokeTest(code, family, sentence, mend, row.get("quick") is True, limit or 0.0, row.get("fresh") is True)


def report_of(events: Iterable[Event], asked: Asked, ending: str) -> SmokeReport:
    """The whole report; ``ending`` says in words how the runner ended, for the tests that it still owed."""
    events = list(events)
    hello = next((event for event in events if event["event"] == "hello" and announced(event)), None)
    tests = announced(hello) if hello is not None else ()
    ended: dict[str, Event] = {}
    for event in events:
        if event["event"] == "end" and (code := text_of(event, "code")) is not None:
            ended.setdefault(code, event)
    begun = [text_of(event, "code") for event in events if event["event"] == "begin"]
    device: Event = next((event for event in events if event["event"] == "device"), {})
    seconds = next((number_of(event, "seconds") for event in reversed(events) if event["event"] == "done"), None)
    outcomes = tuple(_outcome(test, ended[test.code]) for test in tests if test.code in ended)
    owed = _owed(tuple(test for test in tests if test.code not in ended), begun, ending)
    by_code = {outcome.verdict.code: outcome for outcome in (*outcomes, *owed)}
    return SmokeReport(
        python=asked.python,
        asked=asked.device,
        quick=asked.quick,
        outcomes=tuple(by_code[CODE + test.code] for test in tests),
        seconds=seconds if seconds is not None else sum(outcome.seconds or 0.0 for outcome in outcomes),
        torch=_version(ended.get("torch", {})),
        device=text_of(device, "device"),
        device_name=text_of(device, "name"),
        accelerators=texts_of(device, "accelerators"),
        reasons=_reasons(device),
    )


def _version(torch: Event) -> str | None:
    """The version of the torch that was imported, though the device may not have been reached."""
    evidence = torch.get("evidence")
    return text_of(evidence, "version") if isinstance(evidence, dict) else None


def _reasons(device: Event) -> dict[str, str]:
    found = device.get("reasons")
    return (
        {key: shown(value) for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
    )


def _outcome(test: SmokeTest, event: Event) -> SmokeVerdict:
    try:
        status = Status(text_of(event, "status") or "")
    except ValueError:
        status = Status.FAIL
    message = text_of(event, "message") or (test.sentence if status is Status.PASS else "it does not say why")
    evidence = event.get("evidence")
    verdict = Verdict(
        status,
        message,
        hint=(text_of(event, "mend") or test.mend) if status in (Status.FAIL, Status.WARN) else None,
        evidence=dict(evidence) if isinstance(evidence, dict) else {},
        code=CODE + test.code,
        title=test.sentence,
    )
    return SmokeVerdict(verdict, test.family, number_of(event, "seconds"), texts_of(event, "lines"))


def _owed(tests: tuple[SmokeTest, ...], begun: list[str | None], ending: str) -> tuple[SmokeVerdict, ...]:
    """Tests without an end: the one that ran, or the first that should have, is a failure, and the rest unknown."""
    running = next((test for test in reversed(tests) if test.code in begun), tests[0] if tests else None)
    found = []
    for test in tests:
        status = Status.FAIL if test is running else Status.UNKNOWN
        message = f"the runner ended {'while this test ran' if test.code in begun else 'before this test'}: {ending}"
        hint = test.mend if test is running else None
        verdict = Verdict(status, message, hint, code=CODE + test.code, title=test.sentence)
        found.append(SmokeVerdict(verdict, test.family))
    return tuple(found)


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def shown(text: str) -> str:
    """Text that any stream can take: halves of characters are written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def text_of(event: Event, key: str) -> str | None:
    """A text of the event, None where there is none."""
    value = event.get(key)
    return shown(value) if isinstance(value, str) else None


def texts_of(event: Event, key: str) -> tuple[str, ...]:
    """The texts of a list in the event."""
    value = event.get(key)
    return tuple(shown(item) for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def number_of(event: Event, key: str) -> float | None:
    """A number of seconds, None where there is none that can be one."""
    value = event.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < 1e9 else None
