"""Who can mend a problem, what not to do about it, and that no screen offers what its reader can't do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import laptop

from envtool.checks import ALL, of_course
from envtool.data import read_row, read_table
from envtool.examination import examine
from envtool.machine import Found, Slurm
from envtool.mending import PROBLEMS, what_not, who_mends, who_words
from envtool.probe.recording import RecordedHost, recording_from_json
from envtool.report.html import render as render_html
from envtool.report.json import doctor_to_json
from envtool.report.text import Style, render
from envtool.symptoms import WHO, failures
from envtool.verdicts import Status, Verdict, failed, passed, unknown, warned

MACHINES = Path(__file__).parent / "machines"


def told(code: str, verdict: Verdict) -> Verdict:
    return replace(verdict, code=code)


def diagnosis_of(name: str):
    text = (MACHINES / f"{name}.json").read_text(encoding="utf-8")
    return examine(RecordedHost(recording_from_json(json.loads(text))))


def test_of_every_check_it_is_known_who_can_mend_it() -> None:
    table = read_table("who.toml")["who"]
    assert set(table.values()) <= set(WHO)
    codes = {check.code for check in (*ALL, *of_course())}
    assert codes == codes & (set(table) | set(failures())), "give these a line in who.toml"
    assert not set(table) & set(failures()), "symptoms.toml says it of these"
    assert set(table) <= codes


def test_one_row_is_what_the_whole_table_holds() -> None:
    table = read_table("symptoms.toml")
    rows = {code: row for group in table["groups"] for code, row in table[group].items()}
    assert all(read_row("symptoms.toml", code) == row for code, row in rows.items()) and len(rows) > 100
    assert read_row("symptoms.toml", "no-such") is None


@pytest.mark.parametrize(
    ("code", "verdict", "who"),
    [
        ("driver-library-mismatch", failed("x", hint="sudo reboot", command=True), "sudo"),
        ("torch-not-installed", failed("x", hint="pip install torch", command=True), "you"),
        ("wsl-lib-path", failed("x", hint="echo a | sudo tee b && sudo ldconfig", command=True), "sudo"),
        ("mig-no-instances", failed("x", hint="sudo nvidia-smi -mig 0", command=True), "administrator"),
        ("driver-ancient", failed("x", hint="use the CPU"), "nobody"),
        ("no-nvidia-gpu", warned("x", hint="pip install torch", command=True), "you"),
        ("driver-missing", unknown("x", hint="install a driver"), "sudo"),
        ("driver-missing", unknown("x"), None),
        ("torch-not-installed", passed("x"), None),
        ("smoke-nms", failed("x", hint="y"), None),
    ],
)
def test_who(code: str, verdict: Verdict, who: str | None) -> None:
    assert who_mends(told(code, verdict), laptop()) == who


def test_on_a_cluster_nobody_has_sudo_but_the_administrator() -> None:
    cluster = replace(laptop(), slurm=Found(Slurm("17", "1")))
    verdict = told("driver-library-mismatch", failed("x", hint="sudo reboot", command=True))
    assert who_mends(verdict, cluster) == "administrator"
    assert who_words("sudo", laptop()) == "you, with sudo"
    assert who_words("sudo", replace(laptop(), os="windows")) == "you, as administrator"


def test_what_not_to_do_begins_so() -> None:
    for code, failure in failures().items():
        words = what_not(told(code, failed("x", hint="y")))
        assert words is None or (words == failure.avoid and words.startswith("Do not"))
        assert what_not(told(code, passed("x"))) is None
    assert "reinstall" in (what_not(told("driver-library-mismatch", failed("x", hint="y"))) or "")


def test_text_page_and_document_say_both() -> None:
    diagnosis = diagnosis_of("driver-library-mismatch")
    text = " ".join(render(diagnosis, Style()).split())
    assert "Do not reinstall PyTorch or the driver: a restart is enough. Fix (you, with sudo; why: " in text
    assert text.endswith("copy this line: sudo reboot")
    page = render_html(diagnosis)
    assert "Do not reinstall PyTorch or the driver" in page and "(you, with sudo)" in page
    verdicts = doctor_to_json(diagnosis)["verdicts"]
    assert isinstance(verdicts, list)
    one = next(v for v in verdicts if isinstance(v, dict) and v["code"] == "driver-library-mismatch")
    assert isinstance(one, dict) and one["who"] == "sudo" and str(one["not"]).startswith("Do not reinstall")


QUICK = ("driver-library-mismatch", "windows-rtx4060", "slurm-without-gres")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if path.stem in QUICK else pytest.mark.slow)
        for path in sorted(MACHINES.glob("*.json"))
    ],
)
def test_who_is_told_with_every_fix_of_every_recorded_machine(path: Path) -> None:
    diagnosis = diagnosis_of(path.stem)
    for verdict in diagnosis.problems:
        who = who_mends(verdict, diagnosis.machine)
        assert (who is not None) is (verdict.hint is not None), verdict.code
        if verdict.command and "sudo " in str(verdict.hint):
            assert who in ("sudo", "administrator"), verdict.code
    assert all(v.status in PROBLEMS for v in diagnosis.problems)
    if diagnosis.next_step is not None:
        words = ("you", "you, with sudo", "you, as administrator", "your administrator", "nobody can mend the cause")
        text = " ".join(render(diagnosis, Style()).split())
        assert any(f"({word}; why: envtool explain" in text for word in words)
    else:
        assert diagnosis.status in (Status.PASS, Status.WARN)
