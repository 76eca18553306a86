"""`envtool install --lock`: which part of a lockfile is taken, and what is refused before anything is done."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")
pytest.importorskip("zstandard", reason="zstandard is not installed")

from conda_lockfiles import locked, lockfile, target, write
from conda_packages import OLD, TELLER, Made, packages, python_package, write_packages
from conda_room import Room, clean_room, tree

from envtool.cli.app import main
from envtool.lock.model import LockedWheel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the Python of these environments is a link")


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    write_packages(folder, packages())
    return folder


@pytest.fixture
def room(tmp_path: Path, channel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(clean_room(tmp_path, monkeypatch), channel, capsys)


# ── which part of a lockfile ─────────────────────────────────────────────────────────────────────

CUDA = Made("cudathing", "1.0", "h0_0", depends=("__cuda >=12",))


@pytest.mark.parametrize(
    ("driver", "words", "taken"),
    [
        ("", (), "cpu"), ("12.4", (), "cuda"), ("11.8", (), "cpu"), ("13.0", (), "cuda"),
        ("12.4", ("--variant", "cpu"), "cpu"), ("", ("--variant", "cuda"), "cuda"), ("", ("--variant", "cuda128"), "cuda"),
    ],
)  # fmt: skip
def test_the_variant_that_fits_the_driver(
    driver: str, words: tuple[str, ...], taken: str, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", driver)
    made = locked(room.channel, OLD)
    both = lockfile([made], more=(target([made], variant="cuda", build="cuda128"),))
    write(room.folder / "lockfiles", both, "pixi")
    code, document = room.document("lockfiles", "--dry-run", *words)
    assert (code, document["lock"]["variant"]) == (0, taken)  # type: ignore[index]
    assert bool(document["notes"]) == (not words)


def test_a_gpu_build_without_a_gpu_is_allowed_and_said(
    room: Room, channel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "")
    (channel / "noarch" / CUDA.file_name).write_bytes(b"x")
    assert room.run(room.lock(CUDA), "--dry-run") == 0
    assert "for an NVIDIA GPU (__cuda >=12), and its driver was not found" in room.err


def test_a_machine_that_is_too_old_is_told_so(room: Room, channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("this is about glibc")
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.17")
    new = Made("newthing", "1.0", depends=("__glibc >=2.28,<3.0.a0",))
    (channel / "noarch" / new.file_name).write_bytes(b"x")
    assert room.run(room.lock(new)) == 3
    assert "newthing 1.0 needs glibc >=2.28,<3.0.a0, and this machine has glibc 2.17" in room.err
    assert not room.env.exists()


def test_a_lockfile_for_other_platforms_is_refused_and_says_what_it_holds(room: Room) -> None:
    for kind in ("pixi", "v1", "explicit"):
        assert room.run(room.lock(OLD, subdir="osx-64", kind=kind)) == 3
        assert "it holds osx-64" in room.err
        assert "envtool lock" in room.err.splitlines()[-1]
    assert not room.env.exists()


def test_an_environment_for_another_platform_is_laid_down_when_it_is_asked_for(room: Room) -> None:
    lock = room.lock(OLD, TELLER, subdir="osx-64")
    assert room.run(lock, "--platform", "osx-64") == 0
    assert (room.env / "share" / "oldstyle" / "readme.txt").exists()
    assert "source" not in room.out  # it does not run here


# ── refused ──────────────────────────────────────────────────────────────────────────────────────

WHEEL = LockedWheel("torch", "2.9.0", "https://files.example.org/torch-2.9.0-py3-none-any.whl", "0" * 64)


def test_pytorch_from_pip_is_not_laid_beside_condas(room: Room, channel: Path) -> None:
    torch = Made("pytorch", "2.9.0", "cpu_0")
    (channel / "noarch" / torch.file_name).write_bytes(b"x")
    assert room.run(room.lock(torch, python_package(), wheels=(WHEEL,))) == 2
    assert "pytorch from conda and torch from pip, which don't go together" in room.err
    assert not room.env.exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("https://example.org/x/noarch/a-1-0.conda", "line 2: a has no hash"),
        ("https://example.org/x/noarch/a-1-0.conda#", "line 2: a has no hash"),
        ("https://example.org/x/noarch/a-1-0.conda#abc", "line 2: a has no hash"),
        (
            "https://me:secret@example.org/x/noarch/a-1-0.conda#" + "a" * 32,
            "a at example.org holds a password or a token",
        ),
        (
            "https://example.org/t/secret/x/noarch/a-1-0.conda#" + "a" * 32,
            "a at example.org holds a password or a token",
        ),
        ("https://example.org/t/secret/x/noarch/nothing", "is no address of a conda package"),
        ("noarch/a-1-0.conda#" + "a" * 32, "is no address of a conda package"),
        ("# pip a @ https://example.org/a-1-py3-none-any.whl", "line 2: a has no sha256"),
        (
            f"https://example.org/x/noarch/a-1-0.conda#{'a' * 32}\nhttps://example.org/x/noarch/a-2-0.conda#{'a' * 32}",
            "twice",
        ),
    ],
)
def test_a_list_that_can_not_be_trusted(line: str, told: str, room: Room) -> None:
    (room.folder / "list.txt").write_text(f"@EXPLICIT\n{line}\n", encoding="utf-8")
    code = main(["install", "--lock", "list.txt", "--platform", "noarch"])
    room.out, room.err = room.capsys.readouterr()
    assert code == 2
    assert told in room.err
    assert "secret" not in room.err
    assert not room.env.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("torch",), "a SPEC can't be used with it"),
        (("--python", "3.12"), "--python can't be used with it"),
        (("--find-links", "."), "--find-links can't be used with it"),
        (("--variant", "cu118"), "has no cu118 for"),
        (("--into", "pixi.lock"), "is a file, not a folder"),
        (("--into", "venv"), "is a venv"),
        (("--into", "full"), "not an environment"),
        (("--into", "base"), "base environment of conda"),
        (("--into", " "), "--into needs a folder"),
        (("--mirror", "conda-forge"), "names no address"),
        (("--mirror", "conda-forge=https://me:secret@example.org"), "a password or a token"),
    ],
)
def test_a_wrong_command_line(words: tuple[str, ...], told: str, room: Room) -> None:
    for name in ("venv", "full", "base/conda-meta", "base/condabin"):
        (room.folder / name).mkdir(parents=True)
    for name in ("venv/pyvenv.cfg", "full/file", "base/conda-meta/history"):
        (room.folder / name).write_text("", encoding="utf-8")
    before = tree(room.folder)
    assert room.run(room.lock(OLD), *words) == 2
    assert told in room.err
    assert "secret" not in room.err
    assert room.err.splitlines()[-1].startswith("hint: ")
    assert set(tree(room.folder)) == set(before) | {"pixi.lock"}


def test_platform_without_lock(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "--platform", "linux-64"]) == 2
    assert "go with --lock" in capsys.readouterr().err


def test_envtools_own_environment_is_left_alone(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    assert room.run(room.lock(OLD)) == 0
    monkeypatch.setattr(sys, "prefix", str(room.env))
    assert room.run(room.lock(TELLER)) == 2
    assert "that envtool itself runs in" in room.err


def test_without_py_rattler_the_line_that_installs_it(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = room.lock(OLD)
    monkeypatch.setitem(sys.modules, "rattler", None)
    assert room.run(lock) == 4
    assert "-m pip install 'envtool[lock]>=0.9'" in room.err


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(97 + i)}: &{chr(97 + i)} [*{chr(96 + i)}, *{chr(96 + i)}]\n" for i in range(1, 20)
)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.yml", BOMB, "an alias has no place in a lockfile"),
        ("a.yml", "[" * 100, "a list in a list in a list"),
        ("a.yml", "version: 1\nmetadata: {", "is not YAML"),
        ("a.yml", "just words", "is no lockfile"),
        ("a.yml", "version: 9", "its version is 9, not 1"),
        ("a.yml", "version: 1\npackage: []", "is no conda-lock file"),
        ("a.yml", "version: 1\nmetadata: {channels: [], platforms: [linux-64]}\npackage: [{platform: linux-64, name: a, "
                  "version: '1', url: 'https://h/c/noarch/a-1-0.conda', hash: {}}]", "a has no hash"),
        ("pixi.lock", "version: 7\nenvironments:\n  - nonsense", "can't be read"),
        ("pixi.lock", "version: 99\nenvironments: {}\npackages: []", "can't be read"),
        ("nowhere.lock", None, "there is no lockfile"),
        ("empty", "", "holds no lockfile"),
    ],
)  # fmt: skip
def test_a_lockfile_that_is_none(name: str, text: str | None, told: str, room: Room) -> None:
    if name == "empty":
        (room.folder / name).mkdir()
    elif text is not None:
        (room.folder / name).write_text(text, encoding="utf-8")
    assert room.run(name) == 2, room.err
    assert told in room.err
    assert not room.env.exists()


def test_a_pixi_lock_without_hashes(room: Room) -> None:
    path = room.folder / room.lock(*packages())
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"\n  (sha256|md5): .*", "", text), encoding="utf-8")
    assert room.run(path.name) == 2
    assert "pixi.lock: " in room.err
    assert "has no hash, so nobody could check it" in room.err
    path.write_text(re.sub(r"\n  md5: .*", "", text), encoding="utf-8")  # as some channels have it
    assert room.run(path.name) == 0, room.err


@pytest.mark.slow
def test_a_lockfile_of_fifty_megabytes_is_not_read(room: Room) -> None:
    for name in ("big.yml", "pixi.lock"):
        (room.folder / name).write_bytes(b"environments:\n- [" + b"1," * (25 << 20) + b"1]\n")
        assert room.run(name) == 2
        assert "larger than any lockfile" in room.err
