"""Recorded machines whose answers are spoilt at random: no crash, no broken check, one fix, and the exit code fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envtool.cli.doctor_report import without_names
from envtool.errors import UsageError
from envtool.examination import examine
from envtool.probe.recording import RecordedHost, recording_from_json
from envtool.report.html import render as render_html
from envtool.report.json import doctor_to_json, dumps
from envtool.report.junit import render as render_junit
from envtool.report.posting import render_posting
from envtool.report.text import Style, render
from envtool.verdicts import Status, exit_code

MACHINES = Path(__file__).parent / "machines"
NAMES = sorted(path.stem for path in MACHINES.glob("*.json"))
TEXTS = {name: (MACHINES / f"{name}.json").read_text(encoding="utf-8") for name in NAMES}

JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=20),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
READING = st.one_of(
    st.just({"unknown": "permission denied"}),
    st.just({"absent": "no such file"}),
    st.builds(lambda text: {"found": text}, st.text(max_size=40)),
)
ENDED = st.builds(
    lambda code, out, err: {"found": {"returncode": code, "stdout": out, "stderr": err, "seconds": 1.0}},
    st.sampled_from((None, 0, 1, 3, -9, -11, -4, 3221225477)),
    st.text(max_size=60),
    st.text(max_size=60),
)


def spoilt_lines(stdout: str, draw) -> str:
    """The answer of a child with one of its values replaced by something else."""
    lines = stdout.split("\n")
    places = [place for place, line in enumerate(lines) if "{" in line]
    if not places:
        return stdout[: draw(st.integers(0, len(stdout)))]
    place = draw(st.sampled_from(places))
    head, brace, rest = lines[place].partition("{")
    try:
        document = json.loads(brace + rest)
    except ValueError:
        return stdout
    inside = document
    while isinstance(inside, dict) and inside:
        key = draw(st.sampled_from(sorted(inside)))
        if isinstance(inside[key], dict) and inside[key] and draw(st.booleans()):
            inside = inside[key]
            continue
        if isinstance(inside[key], list) and inside[key] and draw(st.booleans()):
            inside[key][draw(st.integers(0, len(inside[key]) - 1))] = draw(JUNK)
        else:
            inside[key] = draw(JUNK)
        break
    lines[place] = head + json.dumps(document)
    return "\n".join(lines)


@st.composite
def spoilt(draw) -> tuple[str, RecordedHost]:
    """A recorded machine, some of whose answers are other ones."""
    name = draw(st.sampled_from(NAMES))
    recording = recording_from_json(json.loads(TEXTS[name]))
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(sorted(k for k in recording.answers if k not in ("facts", "asked"))))
        if not recording.answers[kind]:
            continue
        question = draw(st.sampled_from(sorted(recording.answers[kind])))
        answer = recording.answers[kind][question]
        if kind == "env":
            recording.answers[kind][question] = draw(st.one_of(st.none(), st.text(max_size=30)))
        elif kind == "start":
            done = answer.get("found") if isinstance(answer, dict) else None
            if isinstance(done, dict) and draw(st.booleans()):
                done["stdout"] = spoilt_lines(str(done["stdout"]), draw)
            else:
                recording.answers[kind][question] = draw(st.one_of(ENDED, READING.filter(lambda r: "found" not in r)))
        elif kind in ("read", "link", "real", "which", "loadable"):
            recording.answers[kind][question] = draw(READING)
        else:
            recording.answers[kind][question] = draw(READING.filter(lambda r: "found" not in r))
    return name, RecordedHost(recording)


def whole_answer(machine: tuple[str, RecordedHost]) -> None:
    name, host = machine
    try:
        diagnosis = examine(host)
    except UsageError as error:  # a Python that was named and does not start
        assert error.hint, name
        return
    broken = [verdict.message for verdict in diagnosis.verdicts if verdict.message.startswith("this check broke")]
    assert not broken, name
    failed = any(verdict.status is Status.FAIL for verdict in diagnosis.verdicts)
    assert (diagnosis.status is Status.FAIL) is failed is bool(exit_code(diagnosis.verdicts))
    assert all(v.hint for v in diagnosis.verdicts if v.status in (Status.FAIL, Status.WARN))
    for shown in (diagnosis, without_names(diagnosis, host)):
        screen = render(shown, Style())
        assert screen.count("copy this line:") + screen.count("\nNext (") <= 1
        document = json.loads(dumps(doctor_to_json(shown)))
        assert document["status"] == diagnosis.status.value
        assert (document["next_step"] is None) is (shown.next_step is None)
        pages = (render_posting(shown), render_html(shown), render_junit("envtool doctor", shown.verdicts))
        assert all(pages)
    homes = [page for page in (screen, json.dumps(document), *pages) if "/home/ana" in page or "/Users/ana" in page]
    assert not homes  # the last ones were redacted


FUZZ = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}


@settings(max_examples=8, **FUZZ)
@given(spoilt())
def test_spoilt_answers_give_an_answer(machine) -> None:
    whole_answer(machine)


@pytest.mark.slow
@settings(max_examples=150, **FUZZ)
@given(spoilt())
def test_many_spoilt_answers_give_an_answer(machine) -> None:
    whole_answer(machine)
