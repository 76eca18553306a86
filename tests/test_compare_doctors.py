"""The comparison of doctors: its cases, its rule, its imitated driver and its page; two rooms for real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(ROOT, "scripts"))

import compare_doctors  # noqa: E402
from compare.doctors import driver as imitated  # noqa: E402
from compare.doctors import page, rooms, tools  # noqa: E402
from compare.doctors.rule import RIGHT, SILENT, WRONG, Case, Manner, Said, Verdict, cases, judge  # noqa: E402

DOCUMENT = compare_doctors.read()
CASES = {case.key: case for case in cases(DOCUMENT)}
LOUD = Manner(problem=r"^ERROR", calm=r"all good", codes=r"^\w+-code$")
BROKEN = Case("k", "t", "cpu", cause="c", named=["the cause"], symptoms=["import failed"])


def word(text: str, *, case: Case = BROKEN, control: str = "", code: int = 1, manner: Manner = LOUD) -> str:
    return judge(case, manner, [Said(text, code)], Said(control, 0)).word


# ── the cases ────────────────────────────────────────────────────────────────────────────────────


def test_the_cases_are_whole() -> None:
    assert len(CASES) == len(DOCUMENT["case"])
    assert sum(not case.healthy for case in CASES.values()) >= 15
    assert sum(case.healthy for case in CASES.values()) >= 3
    for case in CASES.values():
        assert case.base in DOCUMENT["base"], case.key
        assert not case.driver or case.driver in DOCUMENT["driver"], case.key
        assert set(case.unjudged) <= set(tools.TOOLS) - {tools.ENVTOOL}, case.key
        assert case.healthy or (case.cause and case.named and CASES[case.control].healthy), case.key
        for words in (*case.named, *case.symptoms):
            re.compile(words)


@pytest.mark.parametrize("case", [c for c in CASES.values() if not c.healthy], ids=lambda case: case.key)
def test_no_case_is_named_by_silence_or_by_a_healthy_screen(case: Case) -> None:
    screen = (
        "Environment  .venv\nok    Python   3.11.7\nok    PyTorch  torch 2.13.0 (CPU)\nAll is well: 44 checks passed."
    )
    assert judge(case, tools.MANNERS[tools.ENVTOOL], [Said(screen, 0)], None).word == WRONG
    assert judge(case, tools.MANNERS[tools.ENVTOOL], [Said("", 0)], None).word == SILENT


# ── the rule ─────────────────────────────────────────────────────────────────────────────────────


def test_the_cause_counts_wherever_it_stands() -> None:
    assert word("ERROR something else\nall good, but\nTHE   \x1b[1mcause\x1b[0m is this") == RIGHT
    assert word("│ the │\n│ cause │") == RIGHT


def test_calling_it_well_or_blaming_another_is_wrong() -> None:
    assert word("All good!", code=0) == WRONG
    assert word("ERROR your card is old") == WRONG
    assert word("warning: your card is old") == SILENT


def test_a_symptom_and_what_is_said_of_a_healthy_one_are_no_blame() -> None:
    assert word("ERROR import failed: no such symbol") == SILENT
    assert word("ERROR no GPU at /a/b (7)", control="ERROR no GPU at /c (8)") == SILENT
    assert word("ERROR no GPU\nERROR no driver", control="ERROR no GPU") == WRONG


def test_codes_are_not_words() -> None:
    named = replace(BROKEN, named=["some-code"])
    assert word("some-code\n", case=named) == SILENT
    assert word("there is some-code here\n", case=named) == RIGHT


def test_an_alarm_about_a_healthy_environment_is_false() -> None:
    well = Case("k", "t", "cpu", healthy=True)
    assert word("all good", case=well, code=0) == RIGHT
    assert word("ERROR no GPU", case=well) == WRONG
    assert word("Traceback (most recent call last):\n  …\nKeyError", case=well) == SILENT


def test_of_two_tries_the_better_one_counts_and_no_start_is_silence() -> None:
    tries = [Said("ERROR another", 1), Said("nothing", 0)]
    assert judge(BROKEN, LOUD, tries, None).word == SILENT
    assert judge(BROKEN, LOUD, [*tries, Said("the cause", 1)], None).word == RIGHT
    for case in (BROKEN, replace(BROKEN, healthy=True)):
        assert judge(case, LOUD, [Said("the cause: no such file", 127, started=False)], None).word == SILENT


# ── the page, and what is kept ───────────────────────────────────────────────────────────────────


def test_the_page_counts_and_names_what_is_missing(tmp_path: Path) -> None:
    verdicts = {tool: Verdict(WRONG if tool == "env-doctor" else RIGHT, "words | of it") for tool in tools.TOOLS}
    rows = [page.Row(BROKEN, verdicts), page.Row(replace(BROKEN, key="gone"), {}, "no uv")]
    text = page.page(rows, DOCUMENT, {"envtool": "1.2"}, "2026-01-02")
    assert "| env-doctor | 0 | 1 | 0 | 0 | 0 | 0 |" in text
    assert "- `gone`: no uv" in text
    assert "the same 1 broken environments" in text
    assert "{" not in text.replace("{room}", "")


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    heard = {"k": {"envtool": [Said("the cause …\n", 1, True, "envtool doctor")]}}
    compare_doctors.keep(str(tmp_path), heard, {"gone": "no uv"}, {"date": "2026-01-02"})
    assert compare_doctors.kept(str(tmp_path)) == (heard, {"gone": "no uv"}, {"date": "2026-01-02"})


# ── the imitated machine ─────────────────────────────────────────────────────────────────────────


def smi(tmp_path: Path, name: str, *words: str) -> tuple[int, str]:
    path = str(tmp_path / name)
    described = DOCUMENT["driver"][name]
    imitated._nvidia_smi(path, described, imitated.version_of(described))
    done = subprocess.run([path, *words], capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="nvidia-smi is imitated on Linux")
def test_the_imitated_nvidia_smi_says_what_the_driver_says(tmp_path: Path) -> None:
    query = ("--query-gpu=index,name,driver_version,memory.total", "--format=csv,noheader,nounits")
    assert smi(tmp_path, "t4", *query) == (0, "0, Tesla T4, 580.82.07, 15360\n")
    assert "CUDA Version: 11.4" in smi(tmp_path, "old")[1]
    code, out = smi(tmp_path, "mismatch")
    assert code == 18
    assert "Driver/library version mismatch" in out


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the rooms are made on Linux")
@pytest.mark.parametrize("key", ["healthy-cpu", "shadow-torch", "torch-not-installed", "base-gone"])
def test_envtool_is_right_in_a_real_room(key: str, tmp_path: Path) -> None:
    python = os.environ.get("ENVTOOL_TORCH_PYTHON")
    if not python:
        pytest.skip("ENVTOOL_TORCH_PYTHON names no Python with torch")
    prefix = os.path.dirname(os.path.dirname(python))
    if not os.path.exists(os.path.join(prefix, "pyvenv.cfg")):
        pytest.skip("ENVTOOL_TORCH_PYTHON is not in a venv")
    program = os.path.join(os.path.dirname(sys.executable), "envtool")
    room = rooms.Builder(str(tmp_path), {"cpu": prefix}, {}).make(CASES[key])
    bench = tools.Bench(str(tmp_path), [program])
    said = bench.said(tools.ENVTOOL, CASES[key], room)
    verdict = judge(CASES[key], tools.MANNERS[tools.ENVTOOL], said, None)
    assert verdict.word == RIGHT, said[0].text
