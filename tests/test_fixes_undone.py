"""What `--fix` offers can be taken back by the line that it shows: run, and run back, the packages are those of before."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from fix_room import FixRoom, Tunnel
from fix_table import CASES
from loopback_wheels import SMALL, Index, Wheel
from test_doctor_fix import talk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the lines are run in a shell of Linux"),
]
OFFERED = (
    "stdlib-shadow", "cu11-cu12-mix", "no-deps-install", "torchvision-mismatch", "pynvml-wrong-package",
    "torch-not-installed", "torchvision-mismatch:uv",
)  # fmt: skip
CUDNN = Wheel("nvidia-cudnn-cu13", "9.1")


@pytest.fixture
def room(tmp_path):
    index = Index(pypi=list(SMALL))
    tunnel = Tunnel(index)
    yield FixRoom(tmp_path / "home", index, tunnel)
    tunnel.close()
    index.close()


def there(room):
    """Names and versions of what is installed, and the files of the folder."""
    records = {path.name for path in room.site.glob("*.dist-info") if (path / "METADATA").exists()}
    return records | {path.name for path in room.folder.glob("*.py")}


def shell(room, line):
    room.serve(line)
    env = {name: value for name, value in room.env.items() if name != "PIP_NO_INPUT"}
    words = ["/usr/bin/bash", "-c", line]
    done = subprocess.run(words, capture_output=True, text=True, cwd=room.folder, env=env, input="y\n" * 9, timeout=60)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_offered_is_taken_back(name, room):
    CASES[name].plant(room)
    before = there(room)
    code = name.partition(":")[0]
    _, said = talk(room, [b"n"], "--no-import", "--python", ".venv", "--only", code)
    line = re.search(r"This would run:  (.+)", said)
    undo = re.search(r"To undo it:      (.+)", said)
    assert line and undo, said
    assert there(room) == before
    shell(room, line[1])
    assert there(room) != before
    for wheel in room.laid:  # what was installed can still be had
        local = wheel.version.partition("+")[2]
        shelf = room.index.whl.setdefault(local, []) if local else room.index.pypi
        shelf += [wheel] if wheel.filename not in {one.filename for one in shelf} else []
    shell(room, undo[1])
    needed = {f"{wheel.name.replace('-', '_')}-{wheel.version}.dist-info" for wheel in [*SMALL, CUDNN]}
    assert there(room) - needed == before - needed, "what the packages need may stay"
