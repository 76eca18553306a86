"""The line that the doctor prints is run as it stands, in a shell, and the doctor looks again."""

from __future__ import annotations

import sys

import pytest
from fix_room import FixRoom, Tunnel
from fix_table import CASES, Case
from loopback_wheels import SMALL, Index

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the lines are run in a shell of Linux"),
]
RANK = {"pass": 0, "skip": 0, "unknown": 1, "warn": 2, "fail": 3}


@pytest.fixture
def room(tmp_path):
    index = Index(pypi=list(SMALL))
    tunnel = Tunnel(index)
    yield FixRoom(tmp_path / "home", index, tunnel, "my course")
    tunnel.close()
    index.close()


def problems(verdicts):
    return {code: verdict for code, verdict in verdicts.items() if RANK[verdict["status"]] > 1}


def worse(before, after):
    """What is bad now and was not so bad before."""
    return {code: v["message"] for code, v in after.items() if RANK[v["status"]] > max(1, RANK[before[code]["status"]])}


@pytest.mark.parametrize("code", sorted(CASES))
def test_the_printed_line_mends_it(code: str, room: FixRoom) -> None:
    case: Case = CASES[code]
    code = code.partition(":")[0]
    case.plant(room)
    before = found = room.look()
    assert code in problems(found), {c: v["message"] for c, v in problems(found).items()} or found[code]
    asked, lines = code, []
    while True:
        line, is_command = found[asked]["hint"], found[asked]["command"]
        assert case.line is None or lines or line == case.line
        assert is_command and lines.count(line) < 3, line
        lines.append(line)
        room.serve(line)
        found = room.look("\n".join(lines) if case.one_shell else line)
        bad = problems(found)
        if asked in bad and case.repeat and asked == code:
            continue
        assert asked not in bad, f"{line}\n{bad[asked]['message']}\n{room.said}"
        asked = next((next_ for next_ in case.then if next_ in bad), None)
        if asked is None:
            break
    assert not worse(before, found), f"{lines}: {worse(before, found)}"
