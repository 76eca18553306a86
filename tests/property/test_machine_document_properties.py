"""Any machine survives its document: what the JSON says is all that was known."""

from __future__ import annotations

import dataclasses
import json
import types
import typing

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughness import examples

from envtool.machine import NVML_STATES, Absent, Found, Gpu, Libc, Machine, Unknown
from envtool.machine_document import machine_from_json, machine_to_json

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
STATUSES = st.sampled_from(["found", "absent", "unknown"])
SPECIAL = {
    (Machine, "os"): st.sampled_from(["linux", "macos", "windows"]),
    (Machine, "wsl"): st.sampled_from([1, 2]),
    (Gpu, "compute_capability"): st.tuples(st.integers(0, 99), st.integers(0, 9)),
    (Libc, "version"): WORDS.filter(bool),
}


BASIC = {
    str: WORDS,
    int: st.integers(0, 1 << 60),
    bool: st.booleans(),
    float: st.floats(0, 1e6),
    type(None): st.none(),
    Absent: st.builds(Absent, WORDS),
    Unknown: st.builds(Unknown, WORDS),
}


def values(hint, special=None):
    """A strategy for a type hint of the machine's dataclasses; ``special`` replaces that of the innermost value."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(argument, special) for argument in arguments])
    if origin is Found:
        return st.builds(Found, special if special is not None else values(arguments[0]))
    if origin is tuple:  # every tuple in these classes is of one kind; pairs have a strategy in SPECIAL
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if hint in (Absent, Unknown) or special is None:
        return BASIC[hint] if hint in BASIC else objects(hint)
    return special


def objects(kind):
    hints = typing.get_type_hints(kind)
    fields = {}
    for field in dataclasses.fields(kind):
        special = SPECIAL.get((kind, field.name))
        if field.name == "status":
            special = STATUSES
        if field.name == "nvml_state":
            special = st.sampled_from(NVML_STATES)
        fields[field.name] = values(hints[field.name], special)
    return st.builds(kind, **fields)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(objects(Machine))
def test_a_machine_survives_its_document(machine):
    text = json.dumps(machine_to_json(machine))
    assert machine_from_json(json.loads(text)) == machine


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(objects(Machine), st.data())
def test_any_key_but_three_may_be_missing(machine, data):
    document = json.loads(json.dumps(machine_to_json(machine)))
    here = document
    while True:
        keys = [key for key in here if here is not document or key not in ("schema", "os", "arch")]
        key = data.draw(st.sampled_from(keys))
        below = here[key][0] if isinstance(here[key], list) and here[key] else here[key]
        if not isinstance(below, dict) or not below or key == "reasons" or data.draw(st.booleans()):
            break
        here = below
    del here[key]
    read = machine_from_json(document)
    assert (read.os, read.arch) == (machine.os, machine.arch)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(objects(Machine))
def test_the_document_is_the_same_after_a_second_turn(machine):
    document = machine_to_json(machine)
    assert machine_to_json(machine_from_json(document)) == document
