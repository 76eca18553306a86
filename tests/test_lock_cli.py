"""`envtool lock` as its users meet it: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")

from jsonschema import Draft202012Validator
from lock_channel import numpy, records, write_channel

from envtool.cli.app import main
from envtool.data import FOLDER
from envtool.errors import ToolError
from envtool.write import write_texts

SPEC = """\
name = "course"
python = ">=3.12,<3.14"
torch = ["torch>=2.6", "torchvision"]
packages = ["numpy"]
"""
SCHEMA = Path(FOLDER) / "schemas" / "lock-1.json"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    write_channel(folder, records())
    return folder


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my course"
    folder.mkdir()
    (folder / "envtool.toml").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


class Ran:
    def __init__(self, capsys: pytest.CaptureFixture[str], channel: Path) -> None:
        self.capsys, self.channel = capsys, channel
        self.out = self.err = ""

    def __call__(self, *words: str, mirror: Path | None = None) -> int:
        place = ["--mirror", f"conda-forge={mirror or self.channel}"]
        solves = not {"--check", "--diff"} & set(words)
        code = main(["lock", *words, *(place if solves else [])])
        self.out, self.err = self.capsys.readouterr()
        return code

    def document(self, *words: str, mirror: Path | None = None) -> tuple[int, dict[str, object]]:
        code = self(*words, "--json", mirror=mirror)
        found = json.loads(self.out)
        Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(found)
        return code, found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], channel: Path) -> Ran:
    return Ran(capsys, channel)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "lockfiles").iterdir())}


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "lockfiles").iterdir()}


def add(course: Path, old: str, new: str) -> None:
    path = course / "envtool.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_first_lock_writes_everything_and_says_what_is_next(course: Path, run: Ran) -> None:
    assert run() == 0
    assert len(contents(course)) == 15
    assert "Wrote 15 files to lockfiles." in run.out
    assert run.out.splitlines()[-1] == "  envtool install --lock " + os.path.join(
        "lockfiles", "course-cpu.conda-lock.yml"
    )
    assert "osx-arm64 has no CUDA" in run.err
    assert max(map(len, run.out.splitlines())) <= 80
    assert "\x1b" not in run.out + run.err


def test_in_a_course_anyone_runs_its_start_py(course: Path, run: Ran) -> None:
    (course / "start.py").touch()
    assert run() == 0
    assert "Delete a .venv\nthat was made before. Then anyone runs:\n" in run.out
    assert run.out.endswith(f"\n  {'py' if os.name == 'nt' else 'python3'} start.py\n")
    assert max(map(len, run.out.splitlines())) <= 80
    add(course, "numpy", "numpy>=1.26")
    assert run() == 0
    assert "start.py" in run.out
    assert ".venv" not in run.out, "an environment of the last lockfile is brought up to date"


def test_an_unchanged_spec_touches_no_file_and_no_channel(course: Path, run: Ran, tmp_path: Path) -> None:
    assert run() == 0
    before, when = contents(course), times(course)
    assert run(mirror=tmp_path) == 0  # there is no channel
    assert "Nothing changed" in run.out
    assert (contents(course), times(course)) == (before, when)
    add(course, "[", "  [")  # another layout of the same spec
    assert run(mirror=tmp_path) == 0
    assert contents(course) == before


def test_adding_a_package_shows_what_moved_and_check_says_why_it_is_stale(course: Path, run: Ran) -> None:
    assert run() == 0
    assert run("--check") == 0
    assert "are what envtool.toml says" in run.out
    add(course, '"numpy"', '"numpy", "tqdm>=4"')
    assert run("--check") == 1
    assert "packages: tqdm>=4 is new" in run.out
    before = contents(course)
    assert run("--dry-run") == 0
    assert contents(course) == before
    assert "Nothing was written" in run.out
    assert run() == 0
    assert "2 packages moved" in run.out
    assert run("--check") == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('python = ">=3.12,<3.14"', 'python = ">=3.13,<3.14"', "python: >=3.12,<3.14 became >=3.13,<3.14"),
        ('["numpy"]', "[]", "packages: numpy is gone"),
        ('["numpy"]', '["numpy"]\nvariants = ["cpu"]', "variants: cuda is gone"),
        ('["numpy"]', '["numpy"]\nplatforms = ["linux-64"]', "platforms: win-64 is gone"),
        ('["numpy"]', '["numpy"]\n[gpu]\ndriver = "550.54.14"', "[gpu] driver: nothing became 550.54.14"),
        ('"course"', '"other"', "name: course became other"),
    ],
)
def test_check_tells_what_changed(old: str, new: str, told: str, course: Path, run: Ran) -> None:
    assert run() == 0
    add(course, old, new)
    code, document = run.document("--check")
    assert (code, document["result"]) == (1, "stale")
    assert told in document["changes"]  # type: ignore[operator]


def test_check_finds_a_file_that_was_edited_or_lost(course: Path, run: Ran) -> None:
    assert run() == 0
    path = course / "lockfiles" / "course-cpu.conda-lock.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("sha256: ", "sha256: 0", 1), encoding="utf-8")
    (course / "lockfiles" / "course-cuda-win-64.txt").unlink()
    assert run("--check") == 1
    assert "course-cpu.conda-lock.yml is not what pixi.lock says" in run.out
    assert "course-cuda-win-64.txt is missing" in run.out
    before = (course / "lockfiles" / "pixi.lock").read_bytes()
    assert run() == 0  # writes both anew
    assert run("--check") == 0
    assert (course / "lockfiles" / "pixi.lock").read_bytes() == before


def test_check_without_any_lockfile(course: Path, run: Ran) -> None:
    assert run("--check") == 1
    assert "holds no lockfile" in run.out


def test_a_dropped_platform_takes_its_files_along_and_no_others(course: Path, run: Ran) -> None:
    assert run() == 0
    mine = course / "lockfiles" / "course-cpu-notes.txt"
    mine.write_text("my own", encoding="utf-8")
    of_windows = [one.name for one in (course / "lockfiles").glob("*win-64*")]
    stray = (course / "lockfiles" / of_windows[0]).read_bytes()
    add(course, '["numpy"]', '["numpy"]\nplatforms = ["linux-64", "osx-arm64", "linux-aarch64"]')
    assert run("--dry-run") == 0
    assert f"and {len(of_windows)} files would go. Nothing was written." in run.out
    assert run() == 0
    assert f"and removed {len(of_windows)} files. Commit them" in run.out
    names = set(contents(course))
    assert not any("win-64" in name for name in names)
    assert mine.name in names
    assert run("--check") == 0
    (course / "lockfiles" / of_windows[0]).write_bytes(stray)  # as a merge brings it back
    assert run("--check") == 1
    assert run() == 0
    assert "Removed 1 file from lockfiles" in run.out
    assert run("--check") == 0


def test_files_that_belong_together_are_written_together(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "missing" / "bad.txt"
    good.write_text("old", encoding="utf-8")
    with pytest.raises(ToolError, match=r"cannot write .*bad\.txt"):
        write_texts({str(good): "new", str(bad): "new"})
    assert [(one.name, one.read_text(encoding="utf-8")) for one in tmp_path.iterdir()] == [("good.txt", "old")]


@pytest.mark.slow
def test_update_upgrade_and_diff(course: Path, run: Ran, tmp_path: Path) -> None:
    assert run() == 0
    old = tmp_path / "old"
    (course / "lockfiles").rename(old)
    (course / "lockfiles").mkdir()
    for name, text in {path.name: path.read_bytes() for path in old.iterdir()}.items():
        (course / "lockfiles" / name).write_bytes(text)
    newer = tmp_path / "newer"
    write_channel(newer, records(extra=numpy("2.2.0")))
    assert run("--update", "numpy", "--platform", "win-64", mirror=newer) == 0
    assert "numpy    2.1.0  2.2.0  newer" in run.out
    assert "win-64" in run.out.split("newer", 1)[1]
    assert run("--upgrade", mirror=newer) == 0
    assert run("--diff", str(old)) == 0
    assert "1 package moved:" in run.out
    code, document = run.document("--diff", str(old / "pixi.lock"))
    assert (code, document["result"]) == (0, "different")
    assert [move["package"] for move in document["moved"]] == ["numpy"]  # type: ignore[attr-defined]
    assert run.document("--diff", "lockfiles")[1]["result"] == "same"
    assert run("--diff", "nowhere") == 2
    theirs = tmp_path / "conda-lock.yml"  # made by somebody else, who calls the variant nothing
    theirs.write_bytes((old / "course-cuda.conda-lock.yml").read_bytes())
    assert run("--diff", str(theirs)) == 0
    assert "numpy" in run.out
    theirs.write_text("version: 1\nmetadata: {channels: [], platforms: []}\npackage: []\n", encoding="utf-8")
    assert run("--diff", str(theirs)) == 2


def test_a_date_is_of_that_run_alone(course: Path, run: Ran, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    write_channel(newer, records(extra=numpy("2.2.0")))
    assert run(mirror=newer) == 0
    assert b"numpy-2.2.0" in contents(course)["course-cpu-win-64.txt"]
    assert run("--exclude-newer", "2025-07-01", mirror=newer) == 0
    assert b"numpy-2.1.0" in contents(course)["course-cpu-win-64.txt"]
    before = contents(course)
    assert run("--check") == 0
    assert run(mirror=newer) == 0
    assert contents(course) == before


def test_what_can_not_be_locked_changes_nothing(course: Path, run: Ran) -> None:
    assert run() == 0
    before = contents(course)
    add(course, '"numpy"', '"numpy", "unixly"')
    assert run() == 3
    assert contents(course) == before
    assert "error: 2 of 8 can't be locked; nothing was written" in run.err
    assert "cpu on win-64, cuda on win-64:" in run.err
    assert "the channel has no package 'unixly' for win-64" in run.err
    assert "--keep-going" in run.err.splitlines()[-1]
    code, document = run.document()
    assert (code, document["result"]) == (3, "refused")
    assert {one["subdir"] for one in document["refused"]} == {"win-64"}  # type: ignore[attr-defined]


def test_keep_going_names_what_is_left_out_and_check_accepts_it(course: Path, run: Ran) -> None:
    add(course, '"numpy"', '"numpy", "unixly"')
    assert run("--keep-going") == 0
    assert "left out: cpu on win-64: the channel has no package 'unixly'" in run.err
    assert run("--check") == 0
    assert '"subdir": "win-64"' in (course / "lockfiles" / "pixi.lock").read_text(encoding="utf-8")
    assert run("--platform", "win-64") == 3  # whoever names it wants it


def test_a_part_of_the_spec(course: Path, run: Ran) -> None:
    assert run("--platform", "linux-64", "--variant", "cpu") == 0
    assert "course-cpu-linux-64.txt" in contents(course)
    assert not any("win-64" in name for name in contents(course))
    assert run("--check") == 1
    assert "win-64 is not locked" in run.out
    assert run() == 0
    assert run("--check") == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--platform", "win-32"), 2, "--platform win-32: the spec has linux-64"),
        (("--variant", "cu118"), 2, "--variant cu118: the spec has cpu, cuda"),
        (("--channel", "https://me:pw@example.org/x"), 2, "a password or a token"),
        (("--channel", "https://example.org/t/abc/x"), 2, "a password or a token"),
        (("--channel", "."), 2, "is a folder of this machine"),
        (("--exclude-newer", "yesterday"), 2, "'yesterday' is no date"),
        (("--check", "--upgrade"), 2, "can't be used together"),
        (("--update", "numpy"), 2, "no lockfile to update yet"),
        (("--spec", "nowhere.toml"), 2, "nowhere.toml"),
        (("--mirror", "conda-forge"), 2, "names no address"),
        (("--mirror", "conda-forg=https://example.org"), 2, "--mirror conda-forg: no such channel is in use"),
        (("--channel", "https://example.org/x?token=a"), 2, "example.org has something after its address\n"),
    ],
)
def test_a_wrong_command_line(words: tuple[str, ...], code: int, told: str, course: Path, run: Ran) -> None:
    assert run(*words) == code
    assert told in run.err
    assert run.err.splitlines()[-1].startswith("hint: ")
    assert not (course / "lockfiles").exists()


def test_without_a_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Ran) -> None:
    monkeypatch.chdir(tmp_path)
    assert run() == 2
    assert "there is no envtool.toml here or above" in run.err


def test_without_py_rattler_the_line_that_installs_it(course: Path, run: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rattler", None)
    assert run() == 4
    assert "-m pip install 'envtool[lock]>=0.9'" in run.err


def test_a_damaged_lockfile_is_not_overwritten(course: Path, run: Ran) -> None:
    assert run() == 0
    path = course / "lockfiles" / "pixi.lock"
    path.write_text(path.read_text(encoding="utf-8")[:9000], encoding="utf-8")
    before = contents(course)
    add(course, '"numpy"', '"numpy", "tqdm"')
    assert run() == 2
    assert "restore it, or remove it" in run.err
    assert contents(course) == before
    path.write_text("<<<<<<< HEAD\n# name: 1\n=======\n# name: 2\n>>>>>>> branch\n", encoding="utf-8")
    assert run("--check") == 2
    assert "marks of a merge that was not ended\nhint: mend the spec, take one side" in run.err


def test_windows_line_ends_make_no_lockfile_stale(course: Path, run: Ran) -> None:
    """Git may have checked them out so."""
    assert run() == 0
    for path in (course / "lockfiles").iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert run("--check") == 0


def test_the_document_of_a_lock(course: Path, run: Ran) -> None:
    code, document = run.document()
    assert (code, document["result"], document["name"]) == (0, "locked", "course")
    assert len(document["targets"]) == 8  # type: ignore[arg-type]
    assert len(document["files"]) == 15  # type: ignore[arg-type]
    assert run.document()[1]["result"] == "unchanged"


def test_another_folder(course: Path, run: Ran) -> None:
    assert run("--output", "elsewhere/deep down") == 0
    assert "deep down" + os.sep + "course-cpu.conda-lock.yml'" in run.out, "quoted"
    assert (course / "elsewhere" / "deep down" / "pixi.lock").exists()
    assert run("--check", "--output", "elsewhere/deep down") == 0


def test_a_folder_that_can_not_be_made(course: Path, run: Ran) -> None:
    (course / "lockfiles").write_text("a file", encoding="utf-8")
    assert run() == 4


ENVIRONMENT = """\
name: course
channels: [conda-forge]
dependencies:
  - python >=3.12,<3.14
  - pytorch >=2.6
  - torchvision
  - numpy
"""


def test_an_environment_yml_is_a_spec_too(course: Path, run: Ran) -> None:
    (course / "environment.yml").write_text(ENVIRONMENT, encoding="utf-8")
    assert run("--spec", "environment.yml", "--platform", "linux-64", "--variant", "cpu") == 0
    assert "from environment.yml" in (course / "lockfiles" / "course-cpu.conda-lock.yml").read_text(encoding="utf-8")
    torch = next(line for line in contents(course)["course-cpu-linux-64.txt"].splitlines() if b"/pytorch-" in line)
    assert b"-cpu_" in torch


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a: &a [x]\nb: *a\n", "anchors and aliases"),
        (b"\0" * (2 << 20), "is larger than 1 MiB"),
        (b"\xff\xfea", "is not UTF-8"),
        (b"dependencies: [", "environment.yml"),
        (b"dependencies: {numpy: 2}", "dependencies is no list"),
    ],
)
def test_an_environment_yml_that_is_none(content: bytes, told: str, course: Path, run: Ran) -> None:
    (course / "environment.yml").write_bytes(content)
    assert run("--spec", "environment.yml") == 2
    assert told in run.err
    assert not (course / "lockfiles").exists()


def test_variants_that_conda_does_not_have(course: Path, run: Ran) -> None:
    add(course, '["numpy"]', '["numpy"]\nvariants = ["cpu", "rocm6.4"]')
    assert run() == 0
    assert "note: rocm6.4 is not locked: conda-forge has no PyTorch for it" in run.err
    assert run("--check") == 0
    add(course, "variants =", 'platforms = ["linux-64", "win-arm64"]\nvariants =')
    assert run() == 0
    assert "note: win-arm64 is not locked: conda-forge has no PyTorch for it" in run.err
    assert run("--check") == 0
    add(course, '["cpu", "rocm6.4"]', '["rocm6.4"]')
    assert run() == 2
    assert "so there is nothing to lock" in run.err
