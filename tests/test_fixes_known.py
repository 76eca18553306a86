"""What the reference says of how each fix is proven is so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import evidence
from fix_table import CASES
from test_checks import BAD

from envtool.checks import ALL, every
from envtool.data import read_table

TESTS = Path(__file__).parent
KNOWN = read_table("fixes.toml")
RUN = {code for codes in KNOWN["run"].values() for code in codes}


def lines():
    """What each check of the doctor prints in its sample: the hint, and whether it is a line to copy."""
    judges = {check.code: check.judge for check in ALL}
    for code, (arguments, _, _) in BAD.items():
        verdict = judges[code](evidence(**arguments))
        yield code, arguments.get("machine"), verdict.hint, verdict.command


def test_the_table_names_checks_once_each():
    codes = [*(code for codes in KNOWN["run"].values() for code in codes), *KNOWN["read"]]
    assert len(codes) == len(set(codes)) and set(codes) <= {check.code for check in every()}


def test_what_is_said_to_be_run_is_run():
    assert set(KNOWN["run"]["tests/test_fixes_run.py"]) == {case.partition(":")[0] for case in CASES}
    text = (TESTS / "test_check_drift.py").read_text(encoding="utf-8")
    assert [code for code in KNOWN["run"]["tests/test_check_drift.py"] if f'"{code}"' not in text] == []


def test_no_line_is_called_words():
    of_words = [(code, hint) for code, _, hint, command in lines() if command and code not in RUN | set(KNOWN["read"])]
    assert not of_words


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no bash for certain")
def test_every_line_for_linux_and_macos_is_one_that_a_shell_understands():
    for code, machine, hint, command in lines():
        if command and (machine is None or machine.os != "windows"):
            done = subprocess.run(["bash", "-n", "-c", hint], capture_output=True, text=True, env=dict(os.environ))
            assert done.returncode == 0 and not done.stderr, (code, hint, done.stderr)
