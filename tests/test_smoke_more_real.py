"""The smoke tests in surroundings that are made for them: other start methods, a small /dev/shm, no compiler."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import envtool

CHILDREN = str(Path(envtool.__file__).parent / "smoke" / "children")
PYTHON = os.environ.get("ENVTOOL_TORCH_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not PYTHON, reason="ENVTOOL_TORCH_PYTHON names no Python with torch"),
    pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces, /proc and start methods are Linux's"),
]


def verdicts(*options, prefix=(), **environment):
    """The verdict of each test that ran."""
    command = [*prefix, PYTHON, CHILDREN, "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=280)
    found = json.loads(done.stdout)["verdicts"]
    return {verdict["code"].removeprefix("smoke-"): verdict for verdict in found}


def own_shared_memory(size):
    """What starts a command with a /dev/shm of its own, or a skip where that is not allowed."""
    inside = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
    for unshare in (["unshare", "-m"], ["unshare", "-rm"]):
        prefix = [*unshare, "bash", "-c", inside, "bash"]
        if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    pytest.skip("a mount namespace can't be made here")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_start_as_on_other_systems(tmp_path, method):
    line = f"import multiprocessing; multiprocessing.set_start_method({method!r}, force=True)\n"
    (tmp_path / "sitecustomize.py").write_text(line)
    found = verdicts("--only", "data-order", PYTHONPATH=str(tmp_path))["data-order"]
    assert found["status"] == "pass", found
    assert found["evidence"]["start_method"] == method


def test_a_small_shared_memory_is_measured():
    found = verdicts("--only", "data", prefix=own_shared_memory("64m"))
    assert found["data-shared-memory"]["status"] == "fail"
    assert "/dev/shm has 64 MiB free of 64" in found["data-shared-memory"]["message"]
    assert "--shm-size" in found["data-shared-memory"]["hint"]
    assert found["data-order"]["status"] == "pass"


def test_a_small_shared_memory_that_can_not_be_measured_fails_too(tmp_path):
    """Some torch gets a bus error there, some an error in the worker alone: both end in a failure."""
    program = tmp_path / "program.py"
    program.write_text(
        f"""import sys
sys.path.insert(0, {CHILDREN!r})
import family_data, harness, torch
family_data.PATIENCE = 10
answers = [lambda: None, family_data.room]
family_data.room = lambda: answers.pop(0)()
test = family_data.TESTS[1]
try:
    test.run(harness.Context(torch, "cpu", [], {str(tmp_path)!r}, 2))
except harness.Failure as failure:
    print("failure:", failure)
"""
    )
    done = subprocess.run(
        [*own_shared_memory("64m"), PYTHON, str(program)], capture_output=True, text=True, timeout=200
    )
    assert (
        "failure: /dev/shm has become too small" in done.stdout
        or "failure: the workers have too little shared" in done.stdout
    )


def test_without_a_compiler_inductor_is_skipped_with_the_hint(tmp_path):
    found = verdicts("--only", "compile-inductor", PATH=str(tmp_path), CXX="")["compile-inductor"]
    assert found["status"] == "skip" and "sudo apt install g++" in found["message"], found


def test_nothing_of_torchrun_is_left_when_the_time_is_over(tmp_path):
    """Its processes have sessions of their own; here they hang before their first line."""
    hang = "import os, time\nif 'LOCAL_RANK' in os.environ:\n    open(f'{0}/{os.getpid()}', 'w').close()\n    time.sleep(500)\n"
    (tmp_path / "sitecustomize.py").write_text(hang.replace("{0}", str(tmp_path)))
    found = verdicts("--only", "parallel-ddp", "--timeout", "25", PYTHONPATH=str(tmp_path))
    pids = [path.name for path in tmp_path.iterdir() if path.name.isdigit()]
    assert len(pids) == 2 and found["parallel-ddp"]["status"] == "fail", found
    stop = time.monotonic() + 15
    while left := [pid for pid in pids if Path("/proc", pid).exists()]:
        assert time.monotonic() < stop, left
        time.sleep(0.2)
