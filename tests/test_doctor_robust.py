"""Whatever is wrong with a machine, the doctor ends with an answer, within its limit, and says what it could not see."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doctor_room import Done, Room
from interpreters import distribution, script

posix = pytest.mark.skipif(os.name == "nt", reason="programs and paths of POSIX")
CHATTER = "import sys\nfor _ in range(1000): sys.stdout.write('x' * 99999 + {end!r})\n"


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "home")


def answered(done: Done, *, within: float = 20.0) -> str:
    """The screen of an answer; every run must give one."""
    assert done.code in (0, 1), done.err
    assert "Traceback" not in done.err and "itself failed" not in done.err
    assert done.out.startswith("Environment  ") and done.seconds < within
    return done.out


def refused(done: Done, *words: str, within: float = 20.0) -> None:
    """A named Python that is none is the user's error, and says what it did."""
    assert done.code == 2 and not done.out, done.out
    assert "Traceback" not in done.err and "hint: " in done.err and done.seconds < within
    assert all(word in done.err for word in words), done.err


def site_code(room: Room, text: str) -> None:
    """Code that this environment's Python runs whenever it starts plainly or alone."""
    (room.site / "sitecustomize.py").write_text(text)


# ── what a Python says ───────────────────────────────────────────────────────────────────────────


def test_a_python_that_prints_at_start_up(room: Room) -> None:
    site_code(room, "import sys; print('hello', {'a': 1}); sys.stderr.write('warning: x\\n')")
    distribution(room.site, "numpy", "2.1.0")
    done = room.doctor("--json", "--python", room.prefix)
    document = json.loads(done.out)
    assert document["environment"]["packages"]["numpy"] == "2.1.0"
    assert "found" in document["imports"] and not done.err


@posix
@pytest.mark.parametrize("end", ["\n", pytest.param("", marks=pytest.mark.slow)])
def test_100_mb_of_output_is_no_100_mb_of_memory(room: Room, tmp_path: Path, end: str) -> None:
    site_code(room, CHATTER.format(end=end))
    distribution(room.site, "numpy", "2.1.0")
    measured = tmp_path / "peak"
    code = (
        "import resource, subprocess, sys\ncode = subprocess.call(sys.argv[2:])\n"
        "open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))\nsys.exit(code)"
    )
    done = room.doctor("--json", "--no-import", "--python", room.prefix, under=(sys.executable, "-c", code, measured))
    assert json.loads(done.out)["environment"]["packages"]["numpy"] == "2.1.0"
    assert int(measured.read_text()) < (150_000 if sys.platform == "linux" else 150_000_000)


@posix
@pytest.mark.slow
def test_output_without_end_is_cut_off(room: Room, tmp_path: Path) -> None:
    program = script(tmp_path / "endless", "exec yes 'prints and prints'")
    refused(room.doctor("--python", program), "did not answer within 10 s")


@posix
@pytest.mark.slow
def test_a_python_that_hangs(room: Room) -> None:
    site_code(room, "import time; time.sleep(600)")
    done = room.doctor("--python", room.prefix)
    refused(done, "did not answer within 10 s")
    assert "waiting for this machine" in done.err or "importing torch" in done.err


@posix
@pytest.mark.parametrize("signal", ["SEGV", *(pytest.param(name, marks=pytest.mark.slow) for name in ("KILL", "ABRT"))])
def test_a_python_that_is_killed(room: Room, signal: str) -> None:
    site_code(room, f"import os, signal; os.kill(os.getpid(), signal.SIG{signal})")
    refused(room.doctor("--python", room.prefix), f"killed by SIG{signal}")
    active = room.doctor(VIRTUAL_ENV=str(room.prefix))  # not named: a finding, not an error of the command line
    assert active.code == 1 and "python-does-not-start" in answered(active) and f"SIG{signal}" in active.out


@posix
@pytest.mark.slow
def test_a_python_that_is_killed_only_on_a_plain_start(room: Room) -> None:
    (room.folder / "usercustomize.py").write_text("")
    site_code(room, "import os, sys\nif not sys.flags.isolated: os.kill(os.getpid(), 11)")
    done = room.doctor("--python", room.prefix)
    assert done.code == 1 and "python-plain-start" in answered(done)


@posix
@pytest.mark.slow
def test_an_import_that_is_killed_and_says_100_mb_before(room: Room) -> None:
    (room.site / "torch").mkdir()
    (room.site / "torch" / "__init__.py").write_text(CHATTER.format(end="\n") + "import os; os.kill(os.getpid(), 11)")
    distribution(room.site, "torch", "2.13.0")
    done = room.doctor("--only", "torch-import", "--python", room.prefix)
    assert done.code == 1 and "SIGSEGV" in answered(done)


# ── what lies on the disk ────────────────────────────────────────────────────────────────────────


@posix
def test_damaged_metadata_and_links_in_a_circle(room: Room) -> None:
    distribution(room.site, "numpy", "2.1.0")
    distribution(room.site, "half", "1.0", metadata=False)
    (room.site / "empty.dist-info").mkdir()
    (room.site / "a_file-1.0.dist-info").write_text("")
    (room.site / "bytes-1.0.dist-info").mkdir()
    (room.site / "bytes-1.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe\x00" * 99)
    (room.site / "loop").symlink_to(".")
    (room.site / "turn-1.0.dist-info").symlink_to("turn-1.0.dist-info")
    (room.site / "torch").symlink_to("torch")
    document = json.loads(room.doctor("--json", "--python", room.prefix).out)
    assert document["environment"]["packages"]["numpy"] == "2.1.0"
    assert any("half-1.0.dist-info" in name for name in document["environment"]["invalid"])


@posix
@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes UTF-8 names only")
def test_a_path_that_is_no_utf_8(room: Room, tmp_path: Path) -> None:
    bytes_path = os.fsencode(tmp_path) + b"/n\xe9\xff"
    try:
        os.mkdir(bytes_path)
        os.symlink(os.fsencode(room.folder), bytes_path + b"/course")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    folder = Path(os.fsdecode(bytes_path)) / "course"
    (folder / "random.py").write_text("")
    files = [tmp_path / name for name in ("r", "h", "j")]
    done = room.doctor(
        "--json", "--python", folder / ".venv", "--report", files[0], "--html", files[1], "--junit", files[2],
        cwd=folder, PYTHONPATH=str(folder),
    )  # fmt: skip
    assert done.code == 1, done.err
    assert "stdlib-shadow" in [v["code"] for v in json.loads(done.out)["verdicts"] if v["status"] == "fail"]
    assert all("stdlib-shadow" in file.read_text(encoding="utf-8") for file in files)
    assert "stdlib-shadow" in answered(room.doctor("--no-import", "--python", ".venv", cwd=folder))


@posix
@pytest.mark.slow
def test_no_home_at_all_and_a_home_that_cannot_be_written(room: Room, tmp_path: Path) -> None:
    bare = room.doctor("--python", room.prefix, HOME=None, USERPROFILE=None, PATH=None)
    assert "torch-not-installed" in answered(bare)
    nowhere = room.doctor("--python", room.prefix, "--report", tmp_path / "r", HOME="/nonexistent/home")
    assert "torch-not-installed" in answered(nowhere) and (tmp_path / "r").exists()
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    done = room.doctor("--python", room.prefix, HOME=str(locked), TMPDIR=str(locked), under=as_anybody())
    assert "torch-not-installed" in answered(done)
    assert "cache-not-writable" in done.out
    assert not list(locked.iterdir())


RIGHTS = "-dac_override,-dac_read_search"  # by which root passes over what a file's mode says


def as_anybody() -> tuple[str, ...]:
    """What makes root heed the modes of files, as everybody else must."""
    if os.getuid() != 0:
        return ()
    drop = ("setpriv", "--bounding-set", RIGHTS, "--inh-caps", RIGHTS)
    if shutil.which("setpriv") is None or subprocess.run([*drop, "true"], capture_output=True).returncode:
        pytest.skip("root may read and write everything, and there is no setpriv that takes that away")
    return drop


@posix
@pytest.mark.slow
def test_site_packages_that_cannot_be_read(room: Room) -> None:
    distribution(room.site, "numpy", "2.1.0")
    room.site.chmod(0)
    try:
        done = room.doctor("--python", room.prefix, under=as_anybody())
        assert "You may not read" in answered(done) and "can't be seen" in done.out.replace("\n      ", " ")
        assert "pip install" not in done.out  # nobody is told to install what may be there
    finally:
        room.site.chmod(0o755)


@posix
@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "torch-2.13.0.dist-info"])
def test_a_torch_that_cannot_be_read(room: Room, name: str) -> None:
    distribution(room.site, "torch", "2.13.0")
    (room.site / "torch").mkdir()
    (room.site / "torch" / "version.py").write_text("__version__ = '2.13.0'\n")
    (room.site / name).chmod(0)
    try:
        done = room.doctor("--json", "--python", room.prefix, under=as_anybody())
        verdicts = json.loads(done.out)["verdicts"]
        assert [v["code"] for v in verdicts if v["status"] == "fail"] == ["torch-not-installed"]
        assert f"/{name}: whether" in next(v["message"] for v in verdicts if v["code"] == "torch-not-installed")
    finally:
        (room.site / name).chmod(0o755)


@pytest.fixture
def full_disk(tmp_path: Path):
    """A file system without a free byte; mounting one takes root's rights."""
    place = tmp_path / "full"
    place.mkdir()
    mounted = sys.platform == "linux" and os.getuid() == 0
    if mounted:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True)
        mounted = done.returncode == 0
    if not mounted:
        pytest.skip("no tmpfs can be mounted here")
    try:
        with open(place / "filler", "wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
    except OSError:
        pass
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.slow
def test_a_full_disk_hides_no_answer(room: Room, full_disk: Path) -> None:
    env = {"HOME": str(full_disk), "TMPDIR": str(full_disk)}
    done = room.doctor("--python", room.prefix, cwd=full_disk, **env)
    assert "torch-not-installed" in answered(done)
    for option in ("--report", "--html", "--junit"):
        done = room.doctor("--no-import", "--python", room.prefix, option, "out", cwd=full_disk, **env)
        assert done.code == 4 and "No space left" in done.err and "Traceback" not in done.err
        assert "torch-not-installed" in done.out  # the answer stands on the screen all the same
    document = room.doctor("--json", "--python", room.prefix, "--report", "out", cwd=full_disk, **env)
    assert document.code == 4 and json.loads(document.out)["schema"] == "envtool.error/1"
    assert [path.name for path in full_disk.iterdir()] == ["filler"]


@posix
@pytest.mark.slow
def test_files_that_may_not_grow_hide_no_answer(room: Room) -> None:
    """A full disk for those who may mount none: a limit of nothing on each file that is written."""
    code = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); os.execv(sys.argv[1], sys.argv[1:])"
    under = (sys.executable, "-c", code)
    assert "torch-not-installed" in answered(room.doctor("--python", room.prefix, under=under))
    for option in ("--report", "--html", "--junit"):
        done = room.doctor("--no-import", "--python", room.prefix, option, "out", under=under)
        assert done.code == 4 and "File too large" in done.err and "Traceback" not in done.err
        assert "torch-not-installed" in done.out


# ── patience ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_what_takes_more_than_a_second_is_told_in_one_plain_line(room: Room) -> None:
    (room.folder / "torch.py").write_text("import time; time.sleep(1.4)")
    slow = room.doctor("--json", "--python", room.prefix)
    assert slow.err == "importing torch ...\n"
    json.loads(slow.out)
    quick = room.doctor("--json", "--no-import", "--python", room.prefix)
    assert not quick.err
