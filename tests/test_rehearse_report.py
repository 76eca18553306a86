"""From the child's lines to a report, a document and a screen: tables, and lines that are no events."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from envtool.data import FOLDER
from envtool.rehearse.events import Ended, events_in, report_of, without_torch
from envtool.rehearse.report import Report, next_step, to_json
from envtool.rehearse.text import Screen, render
from envtool.rehearse.words import KINDS, LIMITS, Told, say, say_limit

SCHEMA = json.loads((Path(FOLDER) / "schemas" / "rehearse-1.json").read_text(encoding="utf-8"))
EMPTY = Report("", "train.py", ("--epochs", "1"), "/venv/bin/python", limit=120.0)
TORCH = {"event": "torch", "version": "2.13.0"}
MOVED = {"event": "moved", "device": "meta", "place": {"file": "/p/train.py", "line": 3, "text": "model.to(DEVICE)"}}
END = {"event": "end", "outcome": "done", "seconds": 2.5, "accelerator": 90, "cpu": 10, "left_out": 0}
FAULT = {
    "event": "fault",
    "kind": "attribute",
    "place": {"file": "/p/train.py", "line": 9, "function": "forward", "text": "return x + self.mask"},
    "device": "cpu",
    "other_device": "meta",
    "name": "self.mask",
    "other_name": "x",
    "operation": "add",
    "owner": {"class": "Net", "name": "mask", "trained": False},
    "origin": {"file": "/p/train.py", "line": 5, "text": "self.mask = torch.ones(8)"},
    "maker": "torch.ones",
    "stack": [{"file": "/p/train.py", "line": 20, "text": "model(x)"}, "rubbish"],
}
ERROR = {"outcome": "error", "type": "ValueError", "message": "no\nmore", "place": {"file": "/p/train.py", "line": 4}}


def report(*events, code=0, timed_out=False):
    return report_of(tuple(events), Ended(code, 3.0, timed_out), EMPTY)


def validated(found):
    document = json.loads(json.dumps(to_json(found)))
    Draft202012Validator(SCHEMA).validate(document)
    return document


OUTCOMES = [
    ("pass", (TORCH, MOVED, END), {}),
    ("never-moved", (TORCH, END), {}),
    ("faults", (TORCH, MOVED, FAULT, END), {}),
    ("faults", (TORCH, MOVED, FAULT), {"code": -11}),
    ("faults", (TORCH, MOVED, FAULT, END | ERROR), {"code": 1}),
    ("script-failed", (TORCH, MOVED, END | ERROR), {"code": 1}),
    ("script-failed", (TORCH, MOVED, END | {"outcome": "exit", "code": 3}), {"code": 3}),
    ("pass", (TORCH, MOVED, END | {"outcome": "exit", "code": 0}), {}),
    ("never-moved", (TORCH, END | {"outcome": "exit", "code": 0}), {}),
    ("unfinished", (TORCH, MOVED, END | {"outcome": "limit", "place": {"file": "/p/train.py", "line": 7}}), {}),
    ("unfinished", (TORCH, MOVED), {"code": -9, "timed_out": True}),
    ("unfinished", (TORCH,), {"code": -9, "timed_out": True}),
    ("crashed", (TORCH, MOVED), {"code": -11}),
    ("crashed", (TORCH, MOVED), {"code": 0}),
    ("interrupted", (TORCH, MOVED, END | {"outcome": "interrupted"}), {"code": 130}),
]


@pytest.mark.parametrize(("outcome", "events", "how"), OUTCOMES)
def test_outcomes(outcome, events, how):
    found = report(*events, **how)
    assert found.outcome == outcome
    assert found.passed == (outcome == "pass")
    document = validated(found)
    assert document["status"] == ("pass" if outcome == "pass" else "fail")
    text = render(found, Screen(cwd="/p"))
    assert text.startswith("ok " if outcome == "pass" else "? " if outcome == "unfinished" else "FAIL ")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert (next_step(found) is None) == (outcome in ("pass", "interrupted"))


def test_a_fault_has_file_line_devices_and_mend():
    found = report(TORCH, MOVED, FAULT, FAULT, END)
    assert len(found.faults) == 1, "a forked worker tells again what its parent has told"
    fault = validated(found)["faults"][0]
    assert (fault["file"], fault["line"], fault["devices"]) == ("/p/train.py", 9, ["cpu", "meta"])
    assert 'self.register_buffer("mask", ...)' in fault["hint"]
    assert [place["line"] for place in fault["called_from"]] == [20]
    text = render(found, Screen(cwd="/p"))
    assert "  1  train.py:9 in forward  [attribute]" in text
    assert "from train.py:5: self.mask = torch.ones(8)" in text
    assert text.rstrip().endswith("next: mend train.py:9, then rehearse again")


def test_a_path_outside_of_the_folder_is_told_whole():
    assert "/p/train.py:9 in forward" in render(report(TORCH, MOVED, FAULT, END), Screen(cwd="/elsewhere/far"))


def test_faults_that_were_left_out_are_counted():
    found = report(TORCH, MOVED, FAULT, END | {"left_out": 4})
    assert found.faults_left_out == 4
    assert "5 faults" in render(found, Screen()) and "and 4 more" in render(found, Screen())


@pytest.mark.parametrize(
    ("on_cpu", "words", "step"),
    [(True, "It fails on the CPU, too", "make it run"), (False, "On the CPU it runs", "look at"), (None, "", "make")],
)
def test_an_exception_is_held_against_the_cpu(on_cpu, words, step):
    found = report(TORCH, MOVED, END | ERROR, code=1)
    found = replace(found, error=replace(found.error, on_cpu=on_cpu))
    text = " ".join(render(found, Screen()).split())
    assert "ValueError: no" in text and words in text
    assert next_step(found).startswith(step)
    assert validated(found)["error"]["fails_on_cpu"] is on_cpu


def test_a_library_that_knows_no_meta_is_sent_to_cuda():
    said = END | ERROR | {"message": "invalid accelerator 'meta'"}
    found = report(TORCH, MOVED, said, code=1)
    assert "--device cuda" in next_step(replace(found, error=replace(found.error, on_cpu=False)))


def test_a_spawned_process_is_the_likelier_cause():
    said = END | ERROR | {"message": 'on different device "meta"'}
    found = report(TORCH, MOVED, {"event": "limit", "name": "spawn"}, said, code=1)
    assert "main process" in next_step(replace(found, error=replace(found.error, on_cpu=False)))


def test_without_torch():
    lines = (
        json.dumps({"event": "start"}) + "\n" + json.dumps({"event": "no-torch", "type": "ImportError", "message": "x"})
    )
    assert without_torch(events_in(lines)) == "ImportError: x"
    assert without_torch(events_in("")) is None


@pytest.mark.parametrize("kind", [*KINDS, "something-new"])
@pytest.mark.parametrize(
    "told", [Told(), Told("y", "out", "torch.zeros", "Net", "masks[0]", "Linear", True, "add", "cuda:1")]
)
def test_every_kind_is_told_whole(kind, told):
    message, hint = say(kind, told)
    assert message and hint and "None" not in message + hint and "{" not in message


@pytest.mark.parametrize("name", [*LIMITS, "something-new"])
def test_every_limit_is_told(name):
    found = report(TORCH, MOVED, {"event": "limit", "name": name, "place": None}, END)
    assert say_limit(name).split(":")[0] in " ".join(render(found, Screen()).split())


def test_the_child_uses_no_kind_or_limit_without_words():
    import re

    folder = Path(__file__).resolve().parent.parent / "envtool" / "rehearse" / "children"
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    kinds = set(re.findall(r'telling\.fault\(\s*"([\w-]+)"', text)) | set(
        re.findall(r'return \(?"([a-z]+(?:-[a-z]+)+)"', text)
    )
    assert kinds - set(LIMITS) <= set(KINDS) and len(kinds) > 8
    limits = set(re.findall(r'telling\.limit\("([\w-]+)"', text)) | set(
        re.findall(r'_(?:limited|rested)\(.*, "([\w-]+)"\)', text)
    )
    assert limits <= set(LIMITS) and len(limits) > 8


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["kind", "place", "device", "name", "other_name", "owner", "origin", "stack", "outcome", "seconds", "message"]
EVENTS = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=8).flatmap(
    lambda facts: st.sampled_from(["fault", "limit", "moved", "end", "torch", "start", "?"]).map(
        lambda e: facts | {"event": e}
    )
)


@given(st.lists(EVENTS, max_size=6), st.integers(-70, 200), st.booleans())
def test_whatever_is_told_is_a_document(events, code, timed_out):
    found = report(*events_in("\n".join(json.dumps(event) for event in events)), code=code, timed_out=timed_out)
    validated(found)
    render(found, Screen())
    assert not (found.passed and any(event["event"] == "fault" for event in events))


@given(st.text(max_size=200))
def test_rubbish_is_no_event_and_no_pass(text):
    assert not report(*events_in(text)).passed


@pytest.mark.parametrize(
    ("origin", "word", "hint"),
    [
        ("for x, y in loader:", "device", "after line 5: y = y.to(device)"),
        ("for x, y in loader:", None, "after line 5: y = y.to(DEVICE)"),
        ("y = read()", "device", "move it before this line: y = y.to(device)"),
        ("y = read()", None, "move it before this line: y = y.to(x.device)"),
    ],
)
def test_the_mend_of_what_was_left_behind_is_a_line_of_the_program(origin, word, hint):
    fault = FAULT | {"kind": "left-behind", "name": "y", "device_word": word}
    fault |= {"origin": {"file": "/p/train.py", "line": 5, "text": origin}}
    assert report(TORCH, MOVED, fault, END).faults[0].hint == hint


def test_the_share_of_operations_says_where():
    assert "100 tensor operations, 90 % of them on the accelerator" in render(
        report(TORCH, MOVED, END), Screen(width=120)
    )
