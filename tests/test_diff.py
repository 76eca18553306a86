"""`envtool diff`: what matters is named first, what is not known is not called equal, and the exit code tells."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders import build, dist, environment, evidence, gpu, laptop, server
from test_schemas import validate

from envtool.checks import ALL, run
from envtool.cli.app import main
from envtool.contrast import contrasts, not_compared, side
from envtool.diagnosis import Diagnosis
from envtool.machine import Found, Unknown
from envtool.machine_document import machine_to_json
from envtool.report.diff import render, to_json
from envtool.report.json import doctor_to_json
from envtool.report.text import Style

CPU, CUDA = build("torch", "2.14.1+cpu", "cpu"), build("torch", "2.14.1+cu130", "cu130")


def doctor(machine=None, env=None):
    found = evidence(machine or laptop(), env or environment(CPU))
    return doctor_to_json(Diagnosis(found.machine, found.environment, found.imports, run(ALL, found)))


def told(a, b):
    return [(c.section, c.what, c.a, c.b) for c in contrasts(side(a, "a.json"), side(b, "b.json")) if c.matters]


CASES = [
    (doctor(), doctor(), []),
    (
        doctor(),
        doctor(env=environment(CUDA)),
        [("PyTorch", "torch", "2.14.1, build cpu", "2.14.1, build cu130")],
    ),
    (
        doctor(env=environment(CPU)),
        doctor(env=environment(CPU, version="3.13.0")),
        [("PyTorch", "Python", "3.12", "3.13")],
    ),
    (doctor(env=environment(CPU)), doctor(env=environment(CPU, version="3.12.9")), []),
    (
        doctor(env=environment(CPU, distributions=(dist("numpy", "2.1.0"), dist("pip", "24")))),
        doctor(env=environment(CPU, distributions=(dist("numpy", "2.3.0"), dist("tqdm", "4"), dist("pip", "25")))),
        [("Packages", "numpy", "2.1.0", "2.3.0"), ("Packages", "tqdm", "none", "4")],
    ),
]


@pytest.mark.parametrize(("a", "b", "found"), CASES)
def test_what_matters(a, b, found):
    named = [row for row in told(a, b) if row[0] != "Verdicts"]
    assert named == found


def test_a_laptop_and_a_server_differ_in_the_machine_and_in_verdicts():
    rows = told(doctor(), doctor(server()))
    assert ("Machine", "GPU", "none", "NVIDIA GeForce RTX 4090, 24 GiB, sm_89") in rows
    assert ("Machine", "NVIDIA driver", "none", "595.71.05") in rows
    assert any(section == "Verdicts" and what == "cpu-wheel-on-gpu-box" and b == "fail" for section, what, _, b in rows)
    sections = [section for section, *_ in rows]
    assert sections == sorted(sections, key=["PyTorch", "Machine", "Verdicts", "Packages"].index)


def test_two_gpus_are_counted_and_a_smaller_one_is_another():
    two = machine_to_json(server(gpus=[gpu(), gpu(1)]))
    one = machine_to_json(server(gpus=[gpu(memory_mib=Found(12288))]))
    rows = told(two, one)
    assert rows == [
        ("Machine", "GPU", "2 x NVIDIA GeForce RTX 4090, 24 GiB, sm_89", "NVIDIA GeForce RTX 4090, 12 GiB, sm_89")
    ]


def test_what_is_not_known_is_not_what_is_absent():
    silent = replace(laptop().nvidia, driver=Unknown("no answer"))
    rows = told(machine_to_json(laptop()), machine_to_json(laptop(nvidia=silent)))
    assert rows == [("Machine", "NVIDIA driver", "none", "not known")]


def test_a_machine_and_a_doctor_are_compared_as_far_as_both_tell():
    a, b = side(machine_to_json(laptop()), "m.json"), side(doctor(), "d.json")
    assert [c for c in contrasts(a, b) if c.matters] == []
    assert not_compared(a, b) == ("the environment: only in d.json", "verdicts: only in d.json")


def test_an_environment_that_does_not_start():
    from envtool.environment import BrokenEnvironment

    broken = doctor(env=BrokenEnvironment("/x/bin/python", "--python", "dangling", "gone"))
    rows = told(doctor(), broken)
    assert ("PyTorch", "Python", "3.12", "does not start") in rows


def test_the_rest_does_not_count_and_is_in_a_fixed_order():
    a, b = doctor(), doctor(laptop(cpus=Found(96), memory_mib=Found(1)))
    first = contrasts(side(a, "a"), side(b, "b"))
    assert first == contrasts(side(a, "a"), side(b, "b"))
    assert not [c for c in first if c.matters]


def test_the_screen():
    a, b = side(doctor(), "laptop.json"), side(doctor(server(), environment(CUDA)), "cluster.json")
    found = contrasts(a, b)
    text = render(a, b, found, (), Style())
    assert text.startswith("A  laptop.json (doctor: ") and "\n\nPyTorch\n" in text
    assert text.index("PyTorch") < text.index("Machine") < text.index("The rest")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.rstrip().endswith("differences that matter.")
    assert "No difference." in render(a, a, (), (), Style())
    validate("diff", to_json(a, b, found, ("x",)))


def test_the_command_and_its_exit_codes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, document in (
        ("a.json", doctor()),
        ("b.json", doctor(env=environment(CUDA))),
        ("c.json", {"schema": "x/1"}),
    ):
        (tmp_path / name).write_text(json.dumps(document))
    assert main(["diff", "a.json", "a.json"]) == 0
    assert main(["diff", "a.json", "b.json"]) == 1
    capsys.readouterr()
    assert main(["diff", "--json", "a.json", "b.json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["same"] is False and document["differences"][0]["what"] == "torch"
    for words, said in (
        (["a.json", "c.json"], "its schema is 'x/1'"),
        (["a.json", "no.json"], "cannot read no.json"),
        (["-", "-"], "only one of the two"),
    ):
        assert main(["diff", *words]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_document_as_powershell_writes_it(encoding, tmp_path, monkeypatch, capsys):
    plain, other = tmp_path / "a.json", tmp_path / "b.json"
    plain.write_text(json.dumps(doctor()), encoding="utf-8")
    other.write_text(json.dumps(doctor()), encoding=encoding)
    assert main(["diff", str(plain), str(other)]) == 0
    assert "No difference." in capsys.readouterr().out
