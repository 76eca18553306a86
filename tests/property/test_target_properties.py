"""Properties of `--target` and of JSON lines: any text is read or refused, and order changes nothing."""

from __future__ import annotations

import contextlib
import io
import json
import random
from unittest import mock

from described import machine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_schemas import validate
from thoroughness import examples

from envtool import plan
from envtool.catalog import load
from envtool.cli.machine_lines import Lines, answer_lines
from envtool.errors import UsageError
from envtool.machine import Found
from envtool.machine_document import machine_from_json, machine_to_json
from envtool.plan import Plan, judge, resolve
from envtool.plan_document import document_of, plan_from_json
from envtool.spec import Request
from envtool.target import SUBDIRS, read_target, target_text

CATALOG = load()
KEYS = [
    "linux-64",
    "win-64",
    "osx-arm64",
    "py3.12",
    "py",
    "driver=",
    "gpu=",
    "glibc=",
    "macos=",
    "musl",
    "wsl",
    "jetpack=",
]
VALUES = [
    "",
    "550.54.14",
    "V100",
    "sm_70",
    "7.0x8",
    "none",
    "x8",
    "RTX",
    "gfx1100",
    "M2",
    "13.6",
    "²",
    "x" * 300,
    "9" * 50,
]
PARTS = st.one_of(
    st.text(max_size=12), st.sampled_from(KEYS), st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)).map("".join),
    st.tuples(st.sampled_from(KEYS), st.text(max_size=12)).map("".join),
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PARTS, max_size=6).map(",".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read_target(text, CATALOG)
    except UsageError as error:
        assert error.message.startswith("--target") and error.hint
        assert len(error.details) <= text.count(",") + 3
        return
    document = machine_to_json(found)
    validate("machine", document)
    assert machine_from_json(document) == found
    validate("plan", document_of(resolve(found, Request(), CATALOG), CATALOG))


GOOD = {
    "python": ["py3.9", "py3.12", "py3.13t", "py3.14.1"],
    "driver": ["driver=450.80.02", "driver=550.54.14", "driver=595.71.05", "driver=none"],
    "gpu": ["gpu=V100", "gpu=sm_120", "gpu=8.9x2", "gpu=GTX 1080 Ti", "gpu=gfx1100", "gpu=Arc B580"],
    "libc": ["glibc=2.17", "glibc=2.35", "musl"],
    "wsl": ["wsl"],
}


@st.composite
def facts(draw: st.DrawFn) -> list[str]:
    """Facts that go together, each at most once but GPUs."""
    subdir = draw(st.sampled_from(sorted(SUBDIRS)))
    kinds = ["python", "driver", "gpu"] + (["libc", "wsl"] if subdir.startswith("linux") else [])
    chosen = [draw(st.sampled_from(GOOD[kind])) for kind in kinds if draw(st.booleans())]
    return [subdir, *chosen]


@given(facts(), st.randoms())
def test_the_order_of_facts_does_not_matter(parts: list[str], chance: random.Random) -> None:
    shuffled = list(parts)
    chance.shuffle(shuffled)
    assert read_target(",".join(shuffled), CATALOG) == read_target(",".join(parts), CATALOG)


@given(facts())
def test_a_machine_written_in_a_line_gets_the_same_answer(parts: list[str]) -> None:
    first = read_target(",".join(parts), CATALOG)
    assume("driver=none" not in parts)  # which target_text has no need to tell
    text = target_text(first, CATALOG)
    assert text is not None
    again = read_target(text, CATALOG)
    one, other = (resolve(box, Request(), CATALOG) for box in (first, again))
    assert type(one) is type(other)
    if isinstance(one, Plan) and isinstance(other, Plan):
        assert (one.pins, one.build) == (other.pins, other.build)


@given(facts())
def test_a_fact_more_is_a_fact_found(parts: list[str]) -> None:
    found = read_target(",".join(parts), CATALOG)
    assert isinstance(found.python, Found) == any(part.startswith("py") for part in parts)
    assert isinstance(found.libc, Found) == any(part.startswith(("glibc", "musl")) for part in parts)
    assert isinstance(found.wsl, Found) == ("wsl" in parts)


@given(facts(), st.sampled_from(["auto", "gpu", "cpu"]))
def test_a_document_is_read_as_it_was_written(parts: list[str], accelerator: str) -> None:
    answer = resolve(read_target(",".join(parts), CATALOG), Request(("torch",), accelerator), CATALOG)
    document = document_of(answer, CATALOG)
    validate("plan", document)
    assert plan_from_json(json.loads(json.dumps(document)), CATALOG) == answer


# ── JSON lines ───────────────────────────────────────────────────────────────────────────────────

ROWS = [
    json.dumps(machine_to_json(machine(gpus=[capability], driver=driver, python=python)))
    for capability in ("6.1", "8.9", "12.0")
    for driver in ("470.223.02", "550.54.14", "595.71.05")
    for python in ("3.9", "3.12")
] + ["garbage", "{}", json.dumps({"machine": machine_to_json(machine()), "request": {"packages": ["torch<2.5"]}})]


def answered(rows: list[str]) -> list[str]:
    """The answers, without the number of the line."""
    out = io.StringIO()
    with mock.patch("sys.stdout", out), contextlib.redirect_stderr(io.StringIO()):
        answer_lines(Lines((7, row.encode()) for row in rows), Request(), CATALOG)
    return out.getvalue().splitlines()


@settings(max_examples=examples(30), deadline=None)
@given(st.permutations(ROWS))
def test_lines_in_any_order_get_the_same_answers(rows: list[str]) -> None:
    alone = {row: answered([row]) for row in ROWS}
    assert answered(rows) == [answer for row in rows for answer in alone[row]]


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    """All that is kept between machines is thrown away for one and not for the other."""
    chance = random.Random(7)
    boxes = [
        machine(f"linux {arch}", python, gpus=gpus, driver=driver, system=system)
        for arch in ("x86_64", "aarch64")
        for python in ("3.9", "3.13")
        for gpus in (["7.0"], ["9.0"], ["6.1", "12.0"])
        for driver in ("470.223.02", "550.54.14", "595.71.05")
        for system in ("2.17", "2.35")
    ]
    cases = [(box, Request(packages, installer=name)) for box in boxes for packages in ((), ("torch",))
             for name in ("pip", "conda")]  # fmt: skip
    chance.shuffle(cases)
    warm = [document_of(resolve(box, request, CATALOG), CATALOG) for box, request in cases]
    for index in range(0, len(cases), 3):
        plan._ANSWERS.clear()
        for kept in (plan._place, judge.shelf, judge.refused, judge._code_of, judge.newest_system):
            kept.cache_clear()
        box, request = cases[index]
        assert document_of(resolve(box, request, CATALOG), CATALOG) == warm[index]


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSONS, st.sampled_from(["machine", "request", "packages", "python", "driver", "gpus", "libc", "version"]))
def test_any_json_on_a_line_gets_one_document(value: object, key: str) -> None:
    whole = json.loads(ROWS[0])
    rows = {
        "machine": {"machine": value},
        "request": {"machine": whole, "request": value},
        "packages": {"machine": whole, "request": {"packages": value}},
        "python": {**whole, "python": value},
        "libc": {**whole, "libc": value},
        "driver": {**whole, "nvidia": {**whole["nvidia"], "driver": value}},
        "gpus": {**whole, "nvidia": {**whole["nvidia"], "gpus": value}},
        "version": {**whole, "python": {"version": value}},
    }
    (answer,) = answered([json.dumps(rows[key])])
    document = json.loads(answer)
    validate(document["schema"].removeprefix("envtool.").removesuffix("/1"), document)
