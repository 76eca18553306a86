"""The runner's lines read into a report: rubbish is passed over, and what did not end well is never a pass."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import examples

from envtool.report import junit
from envtool.report.smoke import (
    list_to_json,
    render,
    render_list,
    render_page,
    seconds_by_code,
    smoke_to_json,
    summary,
)
from envtool.report.text import Style
from envtool.smoke.events import Asked, announced, event_of, report_of, started
from envtool.smoke_report import SmokeReport, SmokeTest
from envtool.verdicts import Status

ASKED = Asked("/env/bin/python", "auto", False)


def told(code, family="made"):
    return {
        "code": code,
        "family": family,
        "sentence": f"{code} is so.",
        "mend": f"Mend {code}.",
        "limit": 20.0,
        "fresh": False,
    }


def hello(*codes):
    return {"event": "hello", "tests": [told("torch", "import"), told("device", "import"), *map(told, codes)]}


def end(code, status="pass", message=None, seconds=0.5, **more):
    return {"event": "end", "code": code, "status": status, "message": message, "seconds": seconds, **more}


TORCH = end("torch", message="torch 9", evidence={"version": "9.9"})
DEVICE = {
    "event": "device",
    "device": "cpu",
    "name": None,
    "accelerators": [],
    "torch": "9.9",
    "reasons": {"cuda": "no"},
}
DONE = {"event": "done", "seconds": 3.25}


def report(*events, ending="killed by signal 9"):
    return report_of(events, ASKED, ending)


def by_code(found):
    return {v.code: (v.status.value, v.message) for v in found.verdicts}


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_run():
    found = report(hello("a"), TORCH, DEVICE, end("device"), end("a", message="shown"), DONE)
    assert found.status is Status.PASS and found.next_step is None
    assert (found.torch, found.device, found.device_name, found.seconds) == ("9.9", "cpu", None, 3.25)
    assert by_code(found)["smoke-a"] == ("pass", "shown")
    assert by_code(found)["smoke-device"] == ("pass", "device is so."), "a test that says nothing: its sentence"
    assert found.outcomes[2].verdict.title == "a is so." and found.outcomes[2].family == "made"
    assert found.reasons == {"cuda": "no"}


def test_a_failure_brings_the_mend_and_its_lines():
    found = report(hello("a"), TORCH, DEVICE, end("device"), end("a", "fail", "no", lines=["File x"]), DONE)
    assert found.status is Status.FAIL
    assert found.next_step.hint == "Mend a." and found.next_step.code == "smoke-a"
    assert found.outcomes[2].lines == ("File x",)


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ((), {"torch": "fail", "device": "unknown", "a": "unknown"}),
        (({"event": "begin", "code": "torch"},), {"torch": "fail", "device": "unknown", "a": "unknown"}),
        ((TORCH,), {"torch": "pass", "device": "fail", "a": "unknown"}),
        ((TORCH, end("device"), {"event": "begin", "code": "a"}), {"torch": "pass", "device": "pass", "a": "fail"}),
        ((TORCH, end("device", "skip"), end("a", "warn", "x")), {"torch": "pass", "device": "skip", "a": "warn"}),
        ((end("a"), end("torch"), end("device")), {"torch": "pass", "device": "pass", "a": "pass"}),
        ((end("a", "splendid"), TORCH, end("device")), {"torch": "pass", "device": "pass", "a": "fail"}),
        ((end("a", None), TORCH, end("device")), {"torch": "pass", "device": "pass", "a": "fail"}),
        (
            (end("a", "fail", "1"), end("a", "pass"), TORCH, end("device")),
            {"torch": "pass", "device": "pass", "a": "fail"},
        ),
        ((end("unheard", "fail"), TORCH, end("device"), end("a")), {"torch": "pass", "device": "pass", "a": "pass"}),
    ],
)
def test_a_run_that_was_cut_off_is_no_pass(events, wanted):
    found = report(hello("a"), *events)
    assert {v.code.removeprefix("smoke-"): v.status.value for v in found.verdicts} == wanted


def test_the_end_of_the_runner_is_told():
    found = by_code(report(hello("a", "b"), TORCH, end("device"), {"event": "begin", "code": "a"}))
    assert found["smoke-a"][1] == "the runner ended while this test ran: killed by signal 9"
    assert found["smoke-b"] == ("unknown", "the runner ended before this test: killed by signal 9")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "null",
        "[]",
        '"x"',
        '{"event": 3}',
        "{}",
        "[" * 100000,
        '{"event"' + "x" * 3000000,
        "rubbish",
        '{"a": NaN}',
    ],
)
def test_what_is_no_event_is_passed_over(line):
    assert event_of(line) is None


def test_an_event_is_read():
    assert event_of('{"event": "begin", "code": "a"}\n') == {"event": "begin", "code": "a"}


def test_a_list_of_tests_that_is_none():
    assert (
        announced({"event": "hello"}) == announced({"tests": 3}) == announced({"tests": [3, {"code": "a"}, None]}) == ()
    )
    assert not started([{"event": "hello", "tests": []}, {"event": "begin"}])
    assert started([{"event": "begin"}, hello()])
    twice = announced({"tests": [told("a"), told("a", "other")]})
    assert [test.family for test in twice] == ["made"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["code", "status", "message", "seconds", "lines", "evidence", "tests", "device", "torch", "name", "reasons"]
)
EVENT = st.builds(
    lambda kind, rest: {**rest, "event": kind},
    st.sampled_from(["hello", "begin", "end", "device", "done", "other"]),
    st.dictionaries(KEYS, JSON | st.sampled_from(["a", "b", "torch", "pass", "fail", "skip"]), max_size=6),
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(EVENT, max_size=8))
def test_any_events_make_a_report_that_can_be_shown(events):
    found = report(hello("a", "b"), *events)
    assert [v.code for v in found.verdicts] == ["smoke-torch", "smoke-device", "smoke-a", "smoke-b"]
    for text in (render(found, Style(), everything=True), json.dumps(smoke_to_json(found)), summary(found)):
        text.encode("utf-8")
    ended = [e.get("code") for e in events if e["event"] == "end" and e.get("status") in ("pass", "skip", "warn")]
    for verdict in found.verdicts:
        if verdict.status is Status.PASS:
            assert verdict.code.removeprefix("smoke-") in ended


@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=60) | st.builds(json.dumps, JSON))
def test_any_line_is_an_event_or_none(line):
    found = event_of(line)
    assert found is None or isinstance(found["event"], str)


@given(st.lists(st.sampled_from(["pass", "fail", "skip", "warn"]), min_size=1, max_size=6), st.integers(0, 6))
def test_fewer_lines_never_make_it_better(statuses, cut):
    """A run that breaks off is never healthier than the whole one was."""
    codes = [f"t{number}" for number in range(len(statuses))]
    events = [TORCH, end("device"), *(end(code, status, "x") for code, status in zip(codes, statuses, strict=True))]
    whole, part = report(hello(*codes), *events), report(hello(*codes), *events[:cut])
    order = [Status.PASS, Status.WARN, Status.FAIL]
    assert len(events) <= cut or part.status is Status.FAIL
    assert order.index(part.status) >= order.index(whole.status) or len(events) > cut


# ── showing ──────────────────────────────────────────────────────────────────────────────────────

MIXED = (
    hello("a", "b", "c"), TORCH, DEVICE, end("device"), end("a", "fail", "it is not so " * 12, lines=["File \"x.py\", line 3, in a"]),
    end("b", "fail", "nor this"), end("c", "skip", "not here"), DONE,
)  # fmt: skip


def test_failures_are_shown_whole_and_one_next_step_last():
    text = render(report(*MIXED), Style())
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "FAIL  smoke-a",
        "a is so.",
        "it is not so",
        'File "x.py", line 3',
        "FAIL  smoke-b",
        "nor this",
        "Mend: Mend b.",
    ):
        assert words in text
    assert text.count("Mend a.") == 1
    assert text.endswith("Next (why: envtool explain smoke-a):\n\nMend a.\n")


def test_a_healthy_run_is_a_line_a_family():
    text = render(report(hello("a"), TORCH, DEVICE, end("device"), end("a"), DONE), Style())
    assert text == (
        "Python   /env/bin/python\nPyTorch  torch 9.9\nDevice   cpu; CUDA can't be used: no\n\n"
        "ok    import     2 passed                                               1.0 s\n"
        "ok    made       1 passed                                               0.5 s\n\n"
        "All is well: 3 smoke tests passed, on cpu, in 3.2 s.\n"
    )


def test_a_torch_that_does_not_import_is_no_wall_of_failures():
    skipped = [end(code, "skip", "torch does not import", None) for code in ("device", "a", "b")]
    text = render(report(hello("a", "b"), end("torch", "fail", "ImportError: no"), *skipped, DONE), Style())
    assert "PyTorch  torch does not import\nDevice   none was reached" in text
    assert "--    made: skipped, torch does not import" in text
    assert text.count("FAIL") == 2, "the family and the test"


def test_a_warning_is_shown_and_is_no_success():
    text = render(report(hello("a"), TORCH, DEVICE, end("device"), end("a", "warn", "it costs"), DONE), Style())
    assert "All is well" not in text and "warn  smoke-a" in text and text.endswith("Mend a.\n")


@pytest.mark.parametrize(
    ("asked", "device", "reasons", "line"),
    [
        ("auto", "cuda", {}, "cuda (GPU)"),
        ("auto", "cpu", {"cuda": "this torch (9) is built without CUDA"}, "cpu (GPU): this torch has no accelerator that can be used"),
        ("auto", "cpu", {"cuda": "RuntimeError: Found no NVIDIA driver on it. Please"}, "cpu (GPU); CUDA can't be used: Found no NVIDIA driver on it"),
        ("cpu", "cpu", {"cuda": "RuntimeError: x"}, "cpu (GPU)"),
        ("auto", None, {}, "none was reached"),
    ],
)  # fmt: skip
def test_the_device_line_is_never_silent_about_the_cpu(asked, device, reasons, line):
    found = replace(report(*MIXED), asked=asked, device=device, device_name="GPU", reasons=reasons)
    assert f"Device   {line}" in " ".join(
        render(found, Style()).split("\n\n")[0].replace("\n         ", " ").splitlines()
    )


def test_every_test_is_listed_when_asked():
    text = render(report(*MIXED), Style(), everything=True)
    assert "ok    smoke-torch: torch 9 (0.50 s)" in text and "--    smoke-c: not here\n" in text


def test_ascii_where_the_terminal_needs_it():
    found = report(hello("a"), TORCH, DEVICE, end("device"), end("a", "fail", "naïve “no” …"), DONE)
    assert 'na?ve "no" ...' in render(found, Style(unicode=False))


def test_the_document():
    document = smoke_to_json(report(*MIXED))
    assert (document["schema"], document["status"], document["torch"], document["device"]) == (
        "envtool.smoke/1",
        "fail",
        "9.9",
        "cpu",
    )
    assert document["next_step"] == "Mend a." and document["next_step_code"] == "smoke-a"
    first = document["verdicts"][2]
    assert (first["code"], first["status"], first["seconds"], first["family"]) == ("smoke-a", "fail", 0.5, "made")
    assert first["url"] == "docs/reference/smoke-tests.md#smoke-a" and first["hint"] == "Mend a."
    assert first["lines"] == ['File "x.py", line 3, in a']


def test_junit_tells_the_seconds():
    found = report(*MIXED)
    text = junit.render("envtool smoke", found.verdicts, seconds_by_code(found))
    assert 'tests="5" failures="2" errors=\'0\' skipped="1"' in text
    assert '<testcase classname="envtool smoke" name="smoke-torch" time="0.500">' in text


def test_lists_and_pages():
    test = SmokeTest("a", "made", "It is so. " * 20, "Mend it.", True, 20.0, False)
    assert max(map(len, render_list((test, replace(test, code="b" * 21))).splitlines())) <= 80
    page = render_page(test)
    assert page.startswith("smoke-a\n") and "envtool smoke --only a" in page and "Mend it." in page
    assert "in a process of its own" in render_page(replace(test, fresh=True, quick=False))
    assert list_to_json((test,))["tests"][0]["code"] == "smoke-a"


def test_an_empty_report_says_nothing_good():
    assert render(SmokeReport("p", "auto", False, (), 0.0), Style()).count("0 smoke tests passed") == 1


@given(st.text(alphabet="abc/.", max_size=200), st.sampled_from(["relu", "<module>"]))
def test_where_it_happened_fits_on_a_line(path, name):
    line = f'File "{path}", line 30, in {name}'
    found = report(hello("a"), TORCH, end("device"), end("a", "fail", "no", lines=[line]), DONE)
    shown = next(row for row in render(found, Style()).splitlines() if "line 30" in row)
    assert len(shown) <= 80 and shown.endswith(f'", line 30, in {name}')
    assert path in shown or "…" in shown
