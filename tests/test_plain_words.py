"""What a newcomer reads: a row for each thing that was asked, notes that ask for nothing, names that are near."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from check_samples import GOOD, SPEC
from test_check_report import TERM, report

from envtool.catalog import load
from envtool.cli.app import main
from envtool.cli.install import Asked
from envtool.drift import Drift
from envtool.machine import Found
from envtool.plan import Plan, resolve
from envtool.plan.advice import not_checked_yet
from envtool.plan.answers import Refusal
from envtool.report.check import render
from envtool.report.text import Style
from envtool.shell import shell_line
from envtool.spec import Request
from envtool.target import read_target

SHELL = "powershell" if sys.platform == "win32" else "posix"


def planned(*packages):
    catalog = load()
    found = resolve(read_target("linux-64,py3.12,glibc=2.35,gpu=none", catalog), Request(packages), catalog)
    assert isinstance(found, Plan)
    return found


def test_what_was_asked_beside_the_lockfile_has_a_row_of_its_own():
    most = replace(Drift(), most_devices=1, devices=Found(("a.py:1: x", "b.py:3: y")), term=TERM)
    text = render(report(most), Style())
    assert "FAIL  Device   2 lines name a device, and 1 may\n" in text
    assert "ok    Term     nothing in use ends until 2027-03-23\n" in text
    assert "FAIL  Lockfile" not in text
    none = render(report(replace(most, most_devices=0, devices=Found(("a.py:1: x",)))), Style())
    assert "FAIL  Device   1 line names a device, and 0 may\n" in none
    assert "  Device " not in render(report(GOOD), Style())  # not asked: no row


@pytest.mark.parametrize(
    ("kind", "reason", "told"),
    [
        ("no_such_variant", "torchvision 0.29.2 has not been verified on the index of torch 2.15.0 (cpu)", "its torchvision isn't checked yet"),
        ("no_such_variant", "has not been verified on its index", "; it isn't checked yet"),
        ("no_such_variant", "there is no such build", None),
        ("driver_too_old", "needs driver >= 580, found 550", None),
    ],
)  # fmt: skip
def test_a_newer_torch_that_only_waits_to_be_seen_asks_for_nothing(kind, reason, told):
    text = not_checked_yet(Refusal("2.15.0", "cpu", kind, reason), "2.14.1")
    if told is None:
        assert text is None
    else:
        assert told in text and text.endswith("so torch 2.14.1 is taken. Nothing to do.")


def test_a_page_says_that_its_title_is_what_should_be_true(capsys):
    assert main(["explain", "torch-not-installed"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["torch-not-installed", "  What should be true: PyTorch is installed."]
    assert main(["explain"]) == 0
    assert capsys.readouterr().out.startswith("What each check wants to be true; ")


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("nosuch-code", "`envtool explain` lists every check"),
        ("torch-not-instaled", "did you mean `envtool explain torch-not-installed`?"),
    ],
)
def test_only_a_near_name_is_suggested(code, hint, capsys):
    assert main(["explain", code]) == 2
    assert f"hint: {hint}\n" in capsys.readouterr().err


def test_the_kind_of_a_refusal_is_for_programs(tmp_path, monkeypatch, capsys):
    from test_schemas import validate

    monkeypatch.chdir(tmp_path)
    assert main(["install", "torch==99.0", "--into", "env", "--json"]) == 3
    out, err = capsys.readouterr()
    document = json.loads(out)
    validate("error", document)
    kind = document["error"]["kind"]
    assert kind and kind not in err and kind not in document["error"]["message"]


UV_LACKS = """  error: No solution found when resolving dependencies
    cause: Because filelock was not found in the provided package locations and all versions of torch
           depend on filelock, we can conclude that all versions of torch cannot be used.
"""
PIP_LACKS = """ERROR: Could not find a version that satisfies the requirement filelock (from torch) (from versions: none)
ERROR: No matching distribution found for filelock
"""


@pytest.mark.parametrize(("tool", "said"), [("uv", UV_LACKS), ("pip", PIP_LACKS)])
def test_a_folder_that_lacks_what_torch_needs_is_no_conflict(tool, said):
    from envtool.install.failures import explained
    from envtool.install.order import Question, Sources
    from envtool.install.tool import Ran
    from envtool.install.work import _with_way_on

    sources = Sources(find_links=("/opt/wheels",))
    question = Question(planned("torch"), (), (), sources, "python", "3.12", {})
    error = _with_way_on(explained(Ran(1, said), tool, doing="working out the packages"), question)
    assert (error.message, error.exit_code) == ("/opt/wheels has no filelock, which torch needs", 4)
    assert error.hint.startswith("add `--index-url URL` ") and "torch==" not in error.hint


def test_a_line_to_copy_keeps_what_was_typed():
    from envtool.cli.install import command
    from envtool.cli.install_parts import with_whole_line
    from envtool.install.failures import InstallError

    given = ["pandas", "torch==2.14.1", "--find-links", "usb stick", "--into", "env", "--no-spec", "--variant", "cpu"]
    asked = Asked(**command.make_context("install", given).params)
    hint = "ask for the torch that is there: `envtool install torch==2.13.0+cpu torchvision`"
    error = with_whole_line(InstallError("not-there", "x", hint=hint, details=(), code=4), asked)
    line = shell_line(["pandas", "--into", "env", "--find-links", "usb stick", "--no-spec"], SHELL)
    assert error.hint == f"{hint[:-1]} {line}`"
    other = InstallError("x", "x", hint="run `envtool doctor`", details=(), code=4)
    assert with_whole_line(other, asked).hint == other.hint


def test_what_the_course_asks_for_and_the_line_leaves_out_is_told():
    from envtool.cli.install_parts import left_out
    from envtool.cli.spec_option import Spec

    spec = Spec("envtool.toml", replace(SPEC, torch=("torch>=2.6", "torchvision")))
    assert left_out(planned("torch"), spec) == ("torchvision",)
    assert left_out(planned("torch", "torchvision"), spec) == left_out(planned("torch"), None) == ()
