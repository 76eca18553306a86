"""`envtool install --lock` over a network that fails, in every way that one can: one message, exit 4, the way on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")
pytest.importorskip("zstandard", reason="zstandard is not installed")

from conda_lockfiles import locked, lockfile, write
from conda_packages import GREETER, OLD, TELLER, Made, newer, packages, python_package, write_packages
from conda_server import Channel

from envtool.cli.app import main
from envtool.lock.model import LockedWheel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the Python of these environments is a link")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("channel")
    write_packages(found, [*packages(), newer(OLD, "1.0")])
    return found


@pytest.fixture
def channel(folder: Path) -> Iterator[Channel]:
    found = Channel(folder)
    yield found
    found.close()


class Room:
    def __init__(self, folder: Path, channel: Channel, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.channel, self.capsys = folder, channel, capsys
        self.out = self.err = ""

    def lock(self, *made: Made, **more: object) -> str:
        return write(self.folder, lockfile([locked(self.channel.folder, one) for one in made], **more), "v1")  # type: ignore[arg-type]

    def words(self, lock: str, *words: str) -> list[str]:
        return ["install", "--lock", lock, "--no-smoke", "--mirror", f"conda-forge={self.channel.url}", *words]

    def run(self, lock: str, *words: str) -> int:
        code = main(self.words(lock, *words))
        self.out, self.err = self.capsys.readouterr()
        return code

    def start(self, lock: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "envtool", *self.words(lock)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder)

    @property
    def env(self) -> Path:
        return self.folder / ".conda"

    def greets(self) -> bool:
        done = subprocess.run([str(self.env / "bin" / "greet")], capture_output=True, text=True)
        return done.stdout.startswith("hello")


@pytest.fixture
def room(tmp_path: Path, channel: Channel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Room:
    folder = tmp_path / "course"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ENVTOOL_HTTP_TIMEOUT", "20")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent))
    monkeypatch.delenv("RATTLER_AUTH_FILE", raising=False)
    return Room(folder, channel, capsys)


FAULTS = [
    (404, "the mirror http://{host}/channel lacks oldstyle-0.9-0.tar.bz2"),
    (401, "{host} asks for a token or a password (401)"),
    (403, "{host} refuses to answer (403)"),
    ("loop", "{host} leads in a circle"),
    ("stall", "{host} stopped answering"),
    pytest.param(500, "{host} has trouble of its own (5xx)", marks=pytest.mark.slow),
    pytest.param(503, "{host} has trouble of its own (5xx)", marks=pytest.mark.slow),
    pytest.param("truncated", "the download of oldstyle-0.9-0.tar.bz2 broke off", marks=pytest.mark.slow),
    pytest.param(b"<html>a proxy's page</html>", "oldstyle-0.9-0.tar.bz2 is damaged", marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "told"), FAULTS)
def test_one_message_and_nothing_half_made(
    fault: object, told: str, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVTOOL_HTTP_TIMEOUT", "1" if fault == "stall" else "20")  # it tries more than once
    room.channel.faults = {"oldstyle": fault}
    lock = room.lock(OLD, TELLER)
    assert room.run(lock) == 4
    lines = room.err.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == ["error: " + told.format(host=room.channel.host)]
    assert lines[-1].startswith("hint: ")
    assert os.listdir(room.folder) == [lock]
    room.channel.faults = {}
    assert room.run(lock) == 0  # the next run is not hindered by what was left
    assert room.channel.fetched("prefix-teller") <= 2


@pytest.mark.slow
def test_another_file_than_the_locked_one(room: Room, folder: Path) -> None:
    lock = room.lock(OLD, TELLER)
    other = (folder / "noarch" / newer(OLD, "1.0").file_name).read_bytes()
    room.channel.faults = {"oldstyle-0.9": other}
    assert room.run(lock) == 4
    assert "error: oldstyle-0.9-0.tar.bz2 is not the file that was locked: its hash differs" in room.err
    assert not room.env.exists()
    assert "envtool lock" in room.err.splitlines()[-1]


def test_another_file_than_the_locked_one_in_a_folder(room: Room, folder: Path, tmp_path: Path) -> None:
    """py-rattler itself takes whatever lies in a folder."""
    place = tmp_path / "copy" / "noarch"
    place.mkdir(parents=True)
    (place / OLD.file_name).write_bytes((folder / "noarch" / newer(OLD, "1.0").file_name).read_bytes())
    lock = room.lock(OLD)
    code = main(["install", "--lock", lock, "--mirror", f"conda-forge={place.parent}"])
    err = room.capsys.readouterr().err
    assert (code, room.env.exists()) == (4, False)
    assert "is not the file that was locked" in err
    (place / OLD.file_name).unlink()
    assert main(["install", "--lock", lock, "--mirror", f"conda-forge={place.parent}"]) == 4
    err = room.capsys.readouterr().err
    assert f"error: the mirror {place.parent} lacks oldstyle-0.9-0.tar.bz2\n" in err
    assert err.splitlines()[-1] == "hint: leave `--mirror` out, or bring the mirror up to date"


@pytest.mark.slow
def test_slow_but_steady_is_good_enough(room: Room) -> None:
    """No limit for the whole: only for how long nothing comes."""
    room.channel.faults = {"/channel/": "drip"}
    started = time.monotonic()
    assert room.run(room.lock(*packages())) == 0
    assert room.greets()
    assert time.monotonic() - started > 0.3


def test_a_redirect_is_followed(room: Room) -> None:
    room.channel.faults = {"/channel/": "redirect"}
    assert room.run(room.lock(*packages())) == 0
    assert room.channel.fetched("/moved/") == 5
    assert room.greets()


@pytest.mark.slow
def test_a_server_that_is_not_there(room: Room) -> None:
    lock = room.lock(OLD)
    room.channel.close()
    assert room.run(lock) == 4
    assert f"error: {room.channel.host} can't be reached" in room.err
    assert "--mirror" in room.err.splitlines()[-1]


def test_offline_from_the_cache(room: Room) -> None:
    lock = room.lock(*packages())
    assert room.run(lock, "--into", "one") == 0
    room.channel.close()
    assert room.run(lock, "--into", "two") == 0
    assert "All 5 packages are in the cache." in room.err
    assert subprocess.run([str(room.folder / "two" / "bin" / "greet")], capture_output=True).returncode == 0


@pytest.mark.slow
def test_a_channel_with_a_token(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = room.lock(*packages())
    room.channel.token = "tk-SECRET-1"
    assert room.run(lock) == 4
    assert "asks for a token or a password (401)" in room.err
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"127.0.0.1": {"CondaToken": "tk-SECRET-1"}}), encoding="utf-8")
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(auth))
    room.channel.faults = {"oldstyle": 404}
    assert room.run(lock) == 4
    assert "404" in room.err
    told = room.out + room.err
    room.channel.faults = {}
    assert room.run(lock) == 0
    assert room.greets()
    assert "SECRET" not in told + room.out + room.err
    assert not _files_with(b"SECRET", room.folder, tmp_path / "cache")


def test_a_channel_with_a_password(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = room.lock(OLD)
    room.channel.password = "me:pw-SECRET-2"
    auth = tmp_path / "auth.json"
    told = {"127.0.0.1": {"BasicHTTP": {"username": "me", "password": "pw-SECRET-2"}}}
    auth.write_text(json.dumps(told), encoding="utf-8")
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(auth))
    assert room.run(lock) == 0, room.err
    assert "SECRET" not in room.out + room.err
    assert not _files_with(b"SECRET", room.folder, tmp_path / "cache")


def _files_with(text: bytes, *folders: Path) -> list[Path]:
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in files if text in path.read_bytes()]


# ── interrupted ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGINT, signal.SIGTERM))],
)
def test_interrupted_it_goes_on_where_it_stopped_and_the_old_environment_works(number: int, room: Room) -> None:
    old = room.lock(python_package(), GREETER, TELLER)
    assert room.run(old) == 0
    before = sorted(str(path.relative_to(room.env)) for path in room.env.rglob("*"))
    more = Made("later", "1.0", files={"share/later.txt": "x"})
    (room.channel.folder / "noarch" / more.file_name).write_bytes(_archive(more))
    lock = room.lock(python_package(), GREETER, TELLER, OLD, more)
    room.channel.faults = {"later": "stall"}
    room.channel.asked.clear()
    process = room.start(lock)
    _wait(lambda: room.channel.fetched("later") and _in_cache(room, "oldstyle-0.9-0"))
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (130 if number != signal.SIGKILL else -signal.SIGKILL), err
    assert room.greets()
    assert (
        sorted(str(path.relative_to(room.env)) for path in room.env.rglob("*") if "__pycache__" not in str(path))
        == before
    )
    if number != signal.SIGKILL:
        assert sorted(os.listdir(room.folder)) == [".conda", lock]
    room.channel.faults = {}
    room.channel.asked.clear()
    assert room.run(lock) == 0
    assert room.channel.asked == ["/channel/noarch/later-1.0-h0_0.conda"]  # the others had been fetched
    assert (room.env / "share" / "later.txt").exists()
    assert sorted(os.listdir(room.folder)) == [".conda", lock]


def _archive(made: Made) -> bytes:
    from conda_packages import archive

    return archive(made)


def _in_cache(room: Room, name: str) -> bool:
    return (room.folder.parent / "cache" / "pkgs" / name / "info" / "index.json").exists()


def _wait(what: object, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():  # type: ignore[operator]
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.mark.slow
def test_two_at_once_on_one_folder(room: Room) -> None:
    room.channel.faults = {"oldstyle": "stall"}
    lock = room.lock(OLD)
    first = room.start(lock)
    _wait(lambda: room.channel.fetched("oldstyle"))
    assert room.run(lock) == 4
    assert "another `envtool install` is at work" in room.err
    first.kill()
    first.communicate()


# ── the pip section ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def wheel(room: Room) -> LockedWheel:
    """A small wheel, served beside the channel."""
    import hashlib
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("frompip.py", "def main():\n    print('from pip')\n")
        about = "frompip-1.5.dist-info"
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: frompip\nVersion: 1.5\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/entry_points.txt", "[console_scripts]\nfrompip = frompip:main\n")
        archive.writestr(f"{about}/RECORD", f"frompip.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    name = "frompip-1.5-py3-none-any.whl"
    (room.channel.folder / "wheels").mkdir(exist_ok=True)
    (room.channel.folder / "wheels" / name).write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    return LockedWheel("frompip", "1.5", f"{room.channel.url}/wheels/{name}", digest)


@pytest.mark.slow
def test_the_pip_section_is_laid_down_by_uv(room: Room, wheel: LockedWheel, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uv", reason="there is no uv")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    lock = room.lock(python_package(), OLD, wheels=(wheel,))
    assert room.run(lock) == 0, room.err
    done = subprocess.run([str(room.env / "bin" / "frompip")], capture_output=True, text=True)
    assert done.stdout == "from pip\n"
    assert room.run(lock) == 0
    assert "nothing: all of it" in room.out
    assert not (room.env / "bin" / "pip").exists()


@pytest.mark.slow
def test_a_wheel_that_is_not_the_locked_one_leaves_the_old_environment(
    room: Room, wheel: LockedWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uv", reason="there is no uv")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    assert room.run(room.lock(python_package(), GREETER, TELLER)) == 0
    wrong = LockedWheel(wheel.name, wheel.version, wheel.url, "0" * 64)
    assert room.run(room.lock(python_package(), OLD, wheels=(wrong,))) == 4
    assert "frompip" in room.err and "hash differs" in room.err
    assert "put back" not in room.err  # nothing had been touched yet
    assert room.greets()
    assert not (room.env / "share" / "oldstyle").exists()


@pytest.mark.slow
def test_killed_while_pip_fetches_the_old_environment_is_untouched(
    room: Room, wheel: LockedWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uv", reason="there is no uv")
    monkeypatch.setenv("UV_CACHE_DIR", str(room.folder.parent / "uv"))
    assert room.run(room.lock(python_package(), GREETER, TELLER)) == 0
    lock = room.lock(python_package(), OLD, wheels=(wheel,))
    room.channel.faults = {"/wheels/": "stall"}
    process = room.start(lock)
    _wait(lambda: room.channel.fetched("/wheels/"))
    process.kill()
    process.communicate()
    assert room.greets()
    assert not (room.env / "share" / "oldstyle").exists()
    room.channel.close()  # uv, which still waits, holds the lock
    _wait(lambda: subprocess.run(["pgrep", "-f", str(room.folder)], capture_output=True).returncode == 1)


@pytest.mark.slow
def test_a_change_that_fails_in_its_last_step_is_taken_back(
    room: Room, wheel: LockedWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uv", reason="there is no uv")
    monkeypatch.setenv("UV_NO_CACHE", "1")  # so that the wheel is fetched once more at the end
    assert room.run(room.lock(python_package(), GREETER, TELLER)) == 0
    channel = room.channel
    answer = channel.answer

    def once(http: object, *, body: bool) -> None:
        if (room.env / "share" / "oldstyle").exists():  # the new environment is in its place
            channel.faults = {"/wheels/": 404}
        answer(http, body=body)  # type: ignore[arg-type]

    monkeypatch.setattr(channel, "answer", once)
    assert room.run(room.lock(python_package(), OLD, wheels=(wheel,))) == 4
    assert "The change failed: the old environment was put back." in room.err
    assert room.greets()
    assert not (room.env / "share" / "oldstyle").exists()
    assert not (room.folder / ".conda.envtool").exists()
