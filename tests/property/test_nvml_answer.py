"""Whatever the child leaves behind, the NVIDIA probe makes facts of it and believes no more than it was told."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import examples

from envtool.machine import NVML_STATES, Absent, Found, Nvidia, Unknown
from envtool.probe import nvidia
from envtool.probe.child import Completed
from envtool.probe.nvml_answer import parse
from envtool.probe.nvml_lines import MARKER
from envtool.probe.recording import RecordedHost, Recording

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
garbage = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
plausible = (
    st.integers(-1, 14000)
    | st.sampled_from(["550.54.14", "Tesla T4", "00000000:01:00.0", "12.550.54.14", "", "\ud800"])
    | st.lists(st.integers(-1, 9), max_size=4)
    | st.fixed_dictionaries({"total": st.integers(), "used": scalars})
    | st.lists(st.fixed_dictionaries({"pid": scalars, "memory": scalars, "command": scalars}), max_size=3)
)
values = plausible | garbage
answers = (
    st.fixed_dictionaries({"value": values})
    | st.fixed_dictionaries(
        {"code": st.sampled_from([1, 3, 4, 9, 12, 13, 15, 16, 18, 999]) | scalars, "words": scalars}
    )
    | st.fixed_dictionaries({"error": scalars})
    | garbage
)
STEPS = ("pynvml", "library", "init", "nvml-version", "driver", "cuda", "count", "xids", "end", "nonsense")
FACTS = (
    *("handle", "name", "uuid", "pci", "compute_capability", "memory", "mig", "mig_instances", "compute_mode"),
    *("persistence", "ecc", "ecc_uncorrected", "remapped_rows", "retired_pages_pending", "utilization", "processes"),
)
steps = st.fixed_dictionaries(
    {"step": st.sampled_from(STEPS), "answer": answers},
    optional={
        "ready": scalars,
        "old": scalars,
        "path": scalars,
        "file": scalars,
        "loader": scalars,
        "seconds": scalars,
    },
)
facts = st.fixed_dictionaries(
    {"gpu": st.integers(-1, 300) | scalars, "fact": st.sampled_from(FACTS), "answer": answers}
)
asks = st.fixed_dictionaries({"ask": st.sampled_from(FACTS) | scalars}, optional={"gpu": scalars})
events = steps | facts | asks | garbage
lines = st.lists(
    events.map(lambda event: MARKER + json.dumps(event))
    | st.text(max_size=40)
    | st.text(max_size=20).map(MARKER.__add__),
    max_size=25,
)
endings = st.none() | st.integers(-70, 300) | st.just(0xC0000005)


def said_ready(text: str) -> bool:
    """Did the last word on the start say that NVML is ready?"""
    ready = False
    for line in text.split("\n"):
        if line.startswith(MARKER):
            try:
                event = json.loads(line[len(MARKER) :])
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("step") == "init" and event.get("gpu") is None:
                ready = event.get("ready") is True
    return ready


def printable(here: Nvidia) -> bool:
    repr(here).encode("utf-8")
    for word in (here.reason, here.nvml_message, *(gpu.error for gpu in here.gpus)):
        (word or "").encode("utf-8")
    return True


@settings(max_examples=examples(150), deadline=None)
@given(lines, endings)
def test_any_lines_make_facts_and_found_needs_nvmls_word(said, ending):
    text = "\n".join(said)
    answer = parse(Found(Completed(ending, text, "", 0.1)), 1.0)
    assert answer.ready == said_ready(text)
    assert answer.state in NVML_STATES
    assert len({gpu.index for gpu in answer.gpus}) == len(answer.gpus) <= 256
    assert answer.ready or answer.gpus == ()
    # an answer that isn't whole has a reason
    assert answer.state == "ok" or answer.reason


@settings(max_examples=examples(150), deadline=None)
@given(lines, endings)
def test_through_the_whole_probe(said, ending):
    text = "\n".join(said)
    completed = {"returncode": ending, "stdout": text, "stderr": "", "seconds": 0.1}
    recorded = Recording(
        {
            "facts": {"": {"sys_platform": "linux"}},
            "read": {
                "/proc/driver/nvidia/version": {"found": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.1\n"}
            },
            "start": {"nvml": {"found": completed}},
        }
    )
    here = nvidia.start(RecordedHost(recorded), Unknown("not asked"), wsl=False)()
    assert here.status in ("found", "unknown")  # a kernel driver is here: never absent
    assert here.status == "unknown" or (said_ready(text) and (here.gpus or isinstance(here.driver, Found)))
    assert here.status == "found" or here.reason
    assert printable(here)


@given(scalars.filter(lambda value: value is not True))
def test_only_true_is_ready(word):
    events = [
        {"step": "init", "answer": {"value": None}, "ready": word},
        {"step": "driver", "answer": {"value": "550.54.14"}},
        {"step": "count", "answer": {"value": 1}},
        {"step": "end"},
    ]
    text = "\n".join(MARKER + json.dumps(event) for event in events)
    answer = parse(Found(Completed(0, text, "", 0.1)), 1.0)
    assert (answer.ready, answer.gpus) == (False, ())


@given(st.sampled_from([Absent("no such file"), Unknown("permission denied")]))
def test_a_child_that_never_started(reading):
    answer = parse(reading, 1.0)
    assert (answer.ready, answer.state, answer.gpus) == (False, "other", ())
    assert reading.reason in (answer.reason or "")


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 400), st.none() | st.just(-11))
def test_an_answer_cut_short_keeps_a_beginning(length, ending):
    events = [
        {"step": "init", "answer": {"value": None}, "ready": True},
        {"step": "driver", "answer": {"value": "550.54.14"}},
        {"step": "count", "answer": {"value": 2}},
        {"gpu": 0, "fact": "name", "answer": {"value": "Tesla T4"}},
        {"gpu": 1, "fact": "name", "answer": {"value": "Tesla T4"}},
    ]
    whole = "\n".join(MARKER + json.dumps(event) for event in events)
    cut = whole[:length]
    answer = parse(Found(Completed(ending, cut, "", 0.1)), 1.0)
    names = cut.count('"Tesla T4"}}')
    assert sum(isinstance(gpu.name, Found) for gpu in answer.gpus) == names
    assert answer.state == ("crashed" if ending else "timeout")
    assert isinstance(answer.driver, Found) == ('"550.54.14"}}' in cut)
