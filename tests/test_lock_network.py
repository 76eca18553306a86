"""`envtool lock` and `lock --verify` against channels on this machine: every kind of index, and every way to fail."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")
pytest.importorskip("zstandard", reason="zstandard is not installed")

from conda_packages import Made, this_subdir, write_packages
from conda_server import Channel
from jsonschema import Draft202012Validator
from lock_channel import Record, records
from loopback_wheels import Index, Wheel

from envtool.cli.app import main
from envtool.data import FOLDER

SPEC = """\
name = "course"
python = ">=3.12,<3.14"
torch = ["torch>=2.6", "torchvision"]
packages = ["numpy", "tqdm"]
"""
SMALL = f'{SPEC}platforms = ["linux-64", "osx-arm64"]\nvariants = ["cpu"]\n'
SCHEMA = Path(FOLDER) / "schemas" / "lock-1.json"


def package(one: Record) -> Made:
    """A record of the small channel as a real package."""
    return Made(
        str(one["name"]), str(one["version"]), str(one["build"]), str(one["subdir"]), tuple(one["depends"]),  # type: ignore[call-overload]
        tuple(one.get("constrains", ())), str(one.get("noarch") or "generic"),  # type: ignore[call-overload]
        {f"share/{one['name']}.txt": f"{one['version']}\n"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("channel")
    write_packages(found, map(package, records()))
    return found


@pytest.fixture
def channel(folder: Path) -> Iterator[Channel]:
    found = Channel(folder)
    yield found
    found.close()


class Course:
    def __init__(self, folder: Path, channel: Channel, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.channel, self.capsys = folder, channel, capsys
        self.out = self.err = ""

    def run(self, *words: str, mirror: str | None = None) -> int:
        code = main(["lock", *words, "--mirror", f"conda-forge={mirror or self.channel.url}"])
        self.out, self.err = self.capsys.readouterr()
        return code

    def files(self) -> dict[str, str]:
        place = self.folder / "lockfiles"
        return {p.name: p.read_text(encoding="utf-8") for p in sorted(place.iterdir())} if place.exists() else {}

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / "lockfiles" / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def course(
    tmp_path: Path, channel: Channel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Course:
    folder = tmp_path / "course"
    folder.mkdir()
    (folder / "envtool.toml").write_text(SMALL, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ENVTOOL_HTTP_TIMEOUT", "20")
    monkeypatch.delenv("RATTLER_AUTH_FILE", raising=False)
    return Course(folder, channel, capsys)


# ── every kind of index ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "kind", [*(pytest.param(kind, marks=pytest.mark.slow) for kind in ("plain", "zst")), "sharded"]
)
def test_the_same_bytes_from_every_kind_of_index(kind: str, course: Course, tmp_path: Path) -> None:
    (course.folder / "envtool.toml").write_text(SPEC, encoding="utf-8")
    course.channel.indexes = (kind,)
    assert course.run() == 0, course.err
    over_http = course.files()
    assert len(over_http) > 8
    assert course.channel.fetched({"plain": "repodata.json", "zst": "json.zst", "sharded": "/shards/"}[kind])
    (course.folder / "lockfiles").rename(tmp_path / "first")
    assert course.run(mirror=str(course.channel.folder)) == 0
    assert course.files() == over_http
    assert "127.0.0.1" not in "".join(over_http.values())
    assert str(course.channel.folder) not in "".join(over_http.values())


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["redirect", "drip"])
def test_elsewhere_or_slow_but_all_of_it(fault: str, course: Course) -> None:
    course.channel.faults = {"/channel/": fault}
    assert course.run("--platform", "linux-64") == 0, course.err
    assert course.run("--verify") in {0, 1}  # 1: only a part of the spec is locked


FAULTS = [
    ({"/channel/": 404}, "has that platform"),
    ({"/channel/": "loop"}, "check the network"),
    ({"/channel/": 401}, "rattler auth login"),
    ({"/shards/": "truncated"}, "try again"),
    ({"/shards/": b"x" * 50}, "try again"),
    ({"/channel/": "stall"}, "ENVTOOL_HTTP_TIMEOUT"),
    pytest.param({"/channel/": 500}, "try again later", marks=pytest.mark.slow),
    pytest.param({"shards.msgpack": 404, "json.zst": "truncated"}, "try again", marks=pytest.mark.slow),
    pytest.param({"shards.msgpack": 404, "repodata.json": b"<html>"}, "try again", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("faults", "hint"), FAULTS)
@pytest.mark.parametrize("words", [(), pytest.param(("--verify",), marks=pytest.mark.slow)])
def test_one_message_and_nothing_overwritten(
    words: tuple[str, ...], faults: dict[str, object], hint: str, course: Course, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if words:
        assert course.run(mirror=str(course.channel.folder)) == 0
    before = course.files()
    monkeypatch.setenv("ENVTOOL_HTTP_TIMEOUT", "1" if "stall" in faults.values() else "20")
    course.channel.faults = faults
    assert course.run(*words) == 4
    lines = course.err.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == [
        f"error: the channel {course.channel.url} can't be read"
    ]
    assert lines[-1].startswith("hint: ") and hint in lines[-1], course.err
    assert course.files() == before


@pytest.mark.slow
def test_a_channel_that_is_not_there(course: Course) -> None:
    course.channel.close()
    assert course.run() == 4
    assert "can't be read" in course.err
    assert "--offline" in course.err.splitlines()[-1]
    assert course.files() == {}


def test_offline_from_what_was_read_before(course: Course) -> None:
    assert course.run("--offline") == 4
    assert "run it once without `--offline`" in course.err.splitlines()[-1]
    assert course.channel.asked == []
    assert course.run() == 0
    before = course.files()
    course.channel.close()
    assert course.run("--offline", "--upgrade") == 0, course.err
    assert course.files() == before
    assert course.run("--offline", "--verify") == 0, course.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("tk-SECRET-1", {"CondaToken": "tk-SECRET-1"}),
        ("me:pw-SECRET", {"BasicHTTP": {"username": "me", "password": "pw-SECRET"}}),
    ],
)
def test_a_channel_with_a_token_or_a_password_tells_it_to_nobody(
    secret: str, told: dict[str, object], course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.channel.token, course.channel.password = (None, secret) if ":" in secret else (secret, None)
    assert course.run() == 4
    assert "rattler auth login" in course.err.splitlines()[-1]
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"127.0.0.1": told}), encoding="utf-8")
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(auth))
    course.channel.faults = {"/shards/": 404}
    assert course.run() == 4
    said = course.out + course.err
    course.channel.faults = {}
    assert course.run() == 0, course.err
    assert course.run("--verify") == 0, course.err
    assert "SECRET" not in said + course.out + course.err + "".join(course.files().values())
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p != auth and b"SECRET" in p.read_bytes()]


# ── verify ───────────────────────────────────────────────────────────────────────────────────────


def test_what_was_locked_is_what_the_channel_says(course: Course) -> None:
    assert course.run() == 0
    course.channel.asked.clear()
    assert course.run("--verify", "--json") == 0
    document = json.loads(course.out)
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)
    assert (document["result"], document["changes"]) == ("verified", [])


def line_of(course: Course, start: str) -> str:
    """A line of the entry of numpy for linux-64."""
    text = course.files()["pixi.lock"]
    entry = text.split("\n- conda: https://conda.anaconda.org/conda-forge/linux-64/numpy", 1)[1].split("\n- ", 1)[0]
    return next(line for line in entry.splitlines() if line.startswith(start))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "change", "told"),
    [
        ("  sha256: ", lambda line: line[:-4] + "0bad", "sha256 is"),
        ("  md5: ", lambda line: line[:-4] + "0bad", "md5 is"),
        ("  size: ", lambda line: line + "1", "size is"),
        ("  - python ", lambda line: line + "\n  - evil", "depends: 'evil' is only in the lockfile"),
    ],
)
def test_a_tampered_entry_is_found(start: str, change: object, told: str, course: Course) -> None:
    assert course.run() == 0
    line = line_of(course, start)
    course.edit("pixi.lock", line, change(line))  # type: ignore[operator]
    assert course.run("--verify") == 1
    assert any(one.strip().startswith("numpy ") and told in one for one in course.out.splitlines()), course.out
    assert "Install nothing from it" in course.out.splitlines()[-1]


def test_an_entry_from_elsewhere_is_found(course: Course) -> None:
    assert course.run() == 0
    course.edit(
        "pixi.lock", "https://conda.anaconda.org/conda-forge/noarch/tqdm", "https://evil.example.org/noarch/tqdm"
    )
    assert course.run("--verify", "--json") == 1
    document = json.loads(course.out)
    assert document["result"] == "tampered"
    assert not any("pixi.lock is not what pixi.lock says" in line for line in document["changes"])
    assert any("tqdm" in line and "is in none of the channels conda-forge" in line for line in document["changes"])


def test_a_tampered_file_beside_the_pixi_lock_is_found(course: Course) -> None:
    assert course.run() == 0
    name = "course-cpu.conda-lock.yml"
    course.edit(name, "    sha256: ", "    sha256: 0")
    assert course.run("--verify") == 1
    assert f"{name} is not what pixi.lock says" in course.out


@pytest.mark.slow
def test_a_package_that_the_channel_took_away_is_found(course: Course, tmp_path: Path) -> None:
    assert course.run() == 0
    write_packages(tmp_path / "less", [package(one) for one in records() if one["name"] != "tqdm"])
    assert course.run("--verify", mirror=str(tmp_path / "less")) == 1
    assert "the channel has no tqdm-4.67.1-pyhd8ed1ab_0.conda" in course.out


@pytest.mark.slow
def test_wheels_against_the_package_index(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uv", reason="there is no uv")
    index = Index(pypi=[Wheel("pure", "1.0")])
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.root}/pypi")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    (course.folder / "envtool.toml").write_text(
        SPEC + 'platforms = ["linux-64"]\nvariants = ["cpu"]\n[pip]\npackages = ["pure"]\n', encoding="utf-8"
    )
    assert course.run() == 0, course.err
    assert course.run("--verify") == 0, course.out + course.err
    entry = course.files()["pixi.lock"].split("\n- pypi: ", 1)[1]
    line = next(line for line in entry.splitlines() if line.startswith("  sha256: "))
    course.edit("pixi.lock", line, line[:-4] + "0bad")
    assert course.run("--verify") == 1
    assert "pure 1.0 (pip): sha256 is" in course.out
    index.close()
    assert course.run("--verify") == 4


def test_verify_without_a_lockfile(course: Course) -> None:
    assert course.run("--verify") == 2
    assert "there is no lockfile in lockfiles" in course.err


# ── from the spec to the environment ─────────────────────────────────────────────────────────────


@pytest.mark.skipif(os.name != "posix" or this_subdir() not in ("linux-64", "osx-arm64"), reason="not locked for here")
def test_what_was_locked_can_be_installed(course: Course, capsys: pytest.CaptureFixture[str]) -> None:
    assert course.run() == 0
    words = ["install", "--mirror", f"conda-forge={course.channel.url}", "--no-smoke", "--variant", "cpu"]
    lock = os.path.join("lockfiles", "course-cpu.conda-lock.yml")
    assert main([*words, "--lock", lock]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "pytorch 2." in out and "(cpu)" in out
    assert (course.folder / ".conda" / "share" / "tqdm.txt").read_text(encoding="utf-8") == "4.67.1\n"
    for other in ("lockfiles", os.path.join("lockfiles", f"course-cpu-{this_subdir()}.txt")):
        assert main([*words, "--lock", other]) == 0
        assert "nothing: all of it" in capsys.readouterr().out
    script = ". .conda/bin/activate && echo $CONDA_PREFIX"
    done = subprocess.run(["sh", "-c", script], cwd=course.folder, capture_output=True, text=True)
    assert done.stdout.strip() == str(course.folder / ".conda")
