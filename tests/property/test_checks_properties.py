"""No machine, environment or import report, however odd, breaks a check or a report."""

from __future__ import annotations

import json
import sys
import types
import typing
from dataclasses import MISSING, fields, replace
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughness import examples

sys.path.insert(0, str(Path(__file__).parent.parent))

from builders import build, environment, server, verdicts

from envtool.catalog import load
from envtool.diagnosis import Diagnosis
from envtool.environment import BrokenEnvironment, Environment, ImportReport
from envtool.examination import judge
from envtool.machine import Absent, Found, Machine, Unknown
from envtool.report import html, junit, text
from envtool.report.json import doctor_to_json, dumps
from envtool.verdicts import Status

# Words that the checks look for, so that they are met more often than by chance.
WORDS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "linux",
            "windows",
            "macos",
            "x86_64",
            "aarch64",
            "arm64",
            "found",
            "absent",
            "unknown",
            "ok",
            "driver-not-loaded",
            "library-mismatch",
            "timeout",
            "torch",
            "torchvision",
            "torchaudio",
            "numpy",
            "nvidia-cublas-cu11",
            "nvidia-cublas-cu12",
            "nouveau",
            "nova_core",
            "vfio-pci",
            "default",
            "prohibited",
            "exclusive-process",
            "2.14.1",
            "2.13.0+cpu",
            "0.28.0+cu130",
            "2.11.0",
            "cpu",
            "cu130",
            "cu126",
            "rocm7.2",
            "xpu",
            "13.0",
            "595.71.05",
            "470.82.01",
            "glibc",
            "musl",
            "venv",
            "conda",
            "uv",
            "system",
            "dangling",
            "error",
            "crash",
            "timeout",
            "not-reached",
            "SIGSEGV",
            "cuda:0",
            "mps",
            "working-directory",
            "PYTHONPATH",
            "user-site",
            "0",
            "-1",
            "0,1",
            "gfx1100",
            "3.12.4",
            "cp312",
            "/dev/nvidiactl",
        ]
    ),
)
BASIC = {str: WORDS, int: st.integers(0, 2**40), bool: st.booleans(), float: st.floats(0, 1e6), type(None): st.none()}
BASIC |= {kind: WORDS.map(kind) for kind in (Absent, Unknown)}


def values(hint):
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(values(one) for one in inner))
    if origin is Found:
        return values(inner[0]).map(Found)
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return st.lists(values(inner[0]), max_size=3).map(tuple)
        return st.tuples(*(values(one) for one in inner))
    return BASIC[hint] if hint in BASIC else objects(hint)


def objects(kind):
    hints = typing.get_type_hints(kind)
    given_fields = {f.name: values(hints[f.name]) for f in fields(kind)}
    needed = {n: s for n, s in given_fields.items() if _required(kind, n)}
    free = {n: s for n, s in given_fields.items() if n not in needed}
    return st.fixed_dictionaries(needed, optional=free).map(lambda chosen: kind(**chosen))


def _required(kind, name):
    field = next(f for f in fields(kind) if f.name == name)
    return field.default is MISSING and field.default_factory is MISSING


PYTHONS = st.one_of(
    objects(Environment).map(lambda e: replace(e, version="3.12.4")), objects(Environment), objects(BrokenEnvironment)
)
IMPORTS = st.one_of(objects(ImportReport).map(Found), WORDS.map(Absent), WORDS.map(Unknown))
ODD = settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@ODD
@given(machine=objects(Machine), env=PYTHONS, imports=IMPORTS)
def test_no_facts_break_a_check_or_a_report(machine, env, imports):
    diagnosis = judge(machine, env, imports)
    assert not [v.message for v in diagnosis.verdicts if v.message.startswith("this check broke")]
    assert all(v.hint for v in diagnosis.verdicts if v.status in (Status.FAIL, Status.WARN))
    assert not [
        v
        for v in diagnosis.verdicts
        if "None" in f"{v.message} {v.hint}" and "None" not in repr((machine, env, imports))
    ]
    json.loads(dumps(doctor_to_json(diagnosis)))
    ElementTree.fromstring(junit.render("x", diagnosis.verdicts).encode("utf-8", "replace"))
    assert html.render(diagnosis)
    assert text.render(diagnosis, text.Style(unicode=False)).isascii()


@ODD
@given(first=st.integers(400, 700), more=st.integers(0, 200), minor=st.integers(0, 120))
def test_a_newer_driver_is_never_worse(first, more, minor):
    def status(driver):
        env = environment(build("torch", "2.14.1+cu130", "cu130"))
        return verdicts(server(driver=driver), env)["driver-too-old-for-wheel"].status

    order = [Status.FAIL, Status.PASS]
    assert order.index(status(f"{first + more}.{minor:02}.06")) >= order.index(status(f"{first}.{minor:02}.06"))


def test_the_same_facts_give_the_same_verdicts():
    machine, env = server(), environment(build("torch", "2.14.1+cu130", "cu130"))
    first, second = judge(machine, env, Absent("x")), judge(machine, env, Absent("x"))
    assert isinstance(first, Diagnosis) and first == second and load() is not None
