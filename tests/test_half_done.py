"""What the doctor says of an environment that an interrupted install left behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from doctor_room import Room

from envtool.install.transaction import work_folder


@pytest.mark.slow
@pytest.mark.parametrize("broken", [False, True])
def test_a_run_that_was_killed_is_the_one_cause(tmp_path, broken):
    room = Room(tmp_path / "home")
    (room.site / "torch").mkdir()
    (room.site / "torch" / "__init__.py").write_text("raise ImportError('half of it is there')\n")
    os.mkdir(work_folder(str(room.prefix)))
    python = Path(room.python)
    if broken:
        python.unlink()
        python.symlink_to("/nowhere/python")
    done = room.doctor("--json", VIRTUAL_ENV=str(room.prefix), PATH=f"{python.parent}:/usr/bin:/bin")
    document = json.loads(done.out)
    assert done.code == 1 and document["next_step_code"] == "install-interrupted"
    failing = [verdict["code"] for verdict in document["verdicts"] if verdict["status"] == "fail"]
    assert failing == ["install-interrupted"]
    assert document["next_step"] == f"envtool install --into {room.prefix}"
