"""What is left of an environment when an installation is broken off, runs out of disk, or meets another one."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from install_room import HAS_UV, TORCH, Room, index_of, picked, wheels_of

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="signals, mounts and builds for CUDA as Linux has them"),
    pytest.mark.slow,
]
FAMILY = (f"torch=={TORCH}", "torchvision", "torchaudio")
CPU = ("--variant", "cpu", "--no-smoke", *FAMILY)
CUDA = ("--variant", "cu126", "--no-smoke", *FAMILY)
TOOLS = [pytest.param("uv", marks=pytest.mark.skipif(not HAS_UV, reason="there is no uv")), "pip"]


@pytest.fixture(scope="module")
def index():
    found = index_of("cpu", "cu126", size=3_000_000)
    yield found
    found.close()


@pytest.fixture
def room(tmp_path, index):
    index.faults, index.tells_sizes = {}, True
    return Room(tmp_path, index)


def slow_torch(room):
    """From when on the environment changes, the download takes its time; an old pip fetches all before that, too."""

    def fault():
        slow = journal(room) in {"changing", "making"}
        room.slowed = room.slowed or slow
        return "slow" if slow else None

    room.slowed = False
    room.index.faults = {f"/files/{wheels_of('cu126')[0].filename}$": fault}


def journal(room):
    try:
        return (room.folder / ".venv.envtool" / "journal").read_text().strip()
    except OSError:
        return None


def wait_for(condition, seconds=40.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come so far"
        time.sleep(0.02)


def changing(room):
    return room.slowed and journal(room) == "changing"


def asked_for_torch(room):
    return room.slowed and journal(room) == "making"


def snapshot(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.read_bytes()[:2048])
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def printed_line(room):
    """The one fix that the doctor names for what was killed here."""
    words = [sys.executable, "-m", "envtool", "doctor", "--no-spec", "--json", "--python", str(room.venv)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=room.folder, env=room.env, timeout=60)
    document = json.loads(done.stdout)
    failing = [verdict["code"] for verdict in document["verdicts"] if verdict["status"] == "fail"]
    assert failing == ["install-interrupted"] == [document["next_step_code"]]
    return shlex.split(document["next_step"])


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


# ── Ctrl-C and a scheduler's signal ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_it_changes(room, tool, number):
    room.furnish(tool)
    before = snapshot(room.venv)
    room.index.asked.clear()
    slow_torch(room)
    process = room.start("--installer", tool, *CUDA)
    wait_for(lambda: changing(room))
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "error: interrupted"
    assert snapshot(room.venv) == before
    assert room.names() == {".venv"}
    assert room.version("torch") == picked("cpu")["pins"]["torch"]


def test_interrupted_while_it_makes_a_new_one(room):
    room.index.asked.clear()
    slow_torch(room)
    process = room.start(*CUDA)
    wait_for(lambda: asked_for_torch(room))
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert room.names() == set()


# ── kill -9 and a power cut ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tool", TOOLS)
def test_killed_while_it_changes_the_next_run_puts_the_old_one_back(room, tool):
    room.furnish(tool)
    before = snapshot(room.venv)
    room.index.asked.clear()
    slow_torch(room)
    process = room.start("--installer", tool, *CUDA)
    wait_for(lambda: changing(room))
    kill(process)
    # as if it had got further: the old torch is gone, the new one half there
    site = next(room.venv.glob("lib/*/site-packages"))
    next(site.glob("torch-*.dist-info")).rename(site / "~orch.dist-info")
    (site / "torch" / "__init__.py").unlink()
    (site / "torch" / "__init__.py").write_text("raise ImportError('half of it')")
    room.index.faults = {}
    refused = room.run("--installer", tool, "--dry-run", *CPU)
    assert refused.code == 4 and "was interrupted" in refused.err
    line = printed_line(room)
    assert line[:4] == ["envtool", "install", "--into", str(room.venv)]
    done = room.run(*line[2:], "--installer", tool, *CPU)
    assert done.code == 0, done.err
    assert "An earlier run was interrupted: the old environment was put back." in done.err
    assert "nothing: all of it is installed" in done.out
    assert snapshot(room.venv) == before
    assert room.names() == {".venv"}


def test_killed_while_it_makes_a_new_one_the_next_run_clears_it_away(room):
    room.index.asked.clear()
    slow_torch(room)
    process = room.start(*CUDA)
    wait_for(lambda: asked_for_torch(room))
    kill(process)
    assert room.venv.exists()
    room.index.faults = {}
    done = room.run(*CPU)
    assert done.code == 0, done.err
    assert "what there was of the new environment was removed" in done.err
    assert room.version("torch") == picked("cpu")["pins"]["torch"]
    assert room.names() == {".venv"}


def test_while_the_tool_of_a_killed_run_lives_nobody_else_begins(room):
    room.furnish("uv")
    room.index.asked.clear()
    slow_torch(room)
    process = room.start(*CUDA)
    wait_for(lambda: changing(room))
    os.kill(process.pid, signal.SIGKILL)  # envtool alone: uv goes on
    refused = room.run(*CPU)
    assert refused.code == 4
    assert "another `envtool install` is at work" in refused.err
    kill(process)
    room.index.faults = {}
    assert "the old environment was put back" in room.run(*CPU).err


def test_two_at_once(room):
    room.furnish("uv")
    room.index.asked.clear()
    slow_torch(room)
    first = room.start(*CUDA)
    wait_for(lambda: changing(room))
    second = room.run("pandas", *CPU)
    assert second.code == 4
    assert "another `envtool install` is at work" in second.err
    os.killpg(first.pid, signal.SIGINT)
    first.communicate(timeout=30)
    assert first.returncode == 130


# ── no room ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(place)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("no disk of a few MB can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def fill(disk, left):
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with open(disk / "cache" / "filler", "wb") as file:
        file.write(bytes(free - left))


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(room, small_disk):
    big = index_of("cpu", size=9_000_000)
    there = Room(small_disk, big)
    (small_disk / "cache").mkdir()
    fill(small_disk, 12_000_000)
    done = there.run(*CPU)
    assert done.code == 4
    assert "not enough room: this needs about" in done.err, done.err
    assert f"/files/{wheels_of('cpu')[0].filename}" not in big.asked
    assert there.names() == set()
    big.close()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_disk_that_fills_up(room, small_disk, tool):
    there = Room(small_disk, room.index, {"TMPDIR": str(small_disk)})
    there.furnish(tool)
    (small_disk / "cache").mkdir(exist_ok=True)
    before = snapshot(there.venv)
    big = index_of("cu126", size=9_000_000)
    big.tells_sizes = False
    there.index = big
    fill(small_disk, 7_000_000)
    done = there.run("--installer", tool, *CUDA)
    assert done.code == 4
    assert "error: the disk is full" in done.err, done.err
    assert snapshot(there.venv) == before
    assert there.names() == {".venv"}
    big.close()


def test_a_limit_on_the_size_of_files(room):
    import resource

    assert room.run("--variant", "cpu", "--no-smoke", f"torch=={TORCH}").code == 0
    before = snapshot(room.venv)
    limit = (1_000_000, 1_000_000)
    done = room.run("--variant", "cu126", "--no-smoke", f"torch=={TORCH}",
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))  # fmt: skip
    assert done.code == 4
    assert "larger than may be written" in done.err, done.err
    assert snapshot(room.venv) == before
