"""`envtool install --lock`: real conda packages, made by the tests, are fetched, checked, laid down and run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")
pytest.importorskip("zstandard", reason="zstandard is not installed")

from conda_lockfiles import PUBLIC, locked
from conda_packages import (
    GREETER,
    MINOR,
    OLD,
    SCRIPTED,
    TELLER,
    newer,
    packages,
    python_package,
    this_subdir,
    write_packages,
)
from conda_room import Room, clean_room, tree
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from envtool.data import FOLDER

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the Python of these environments is a link")
SCHEMAS = Path(FOLDER) / "schemas"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    write_packages(folder, [*packages(), newer(OLD, "1.0"), newer(GREETER, "3.0", depends=("python",))])
    return folder


@pytest.fixture
def room(tmp_path: Path, channel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(clean_room(tmp_path, monkeypatch), channel, capsys)


# ── it works ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["pixi", "v1", "explicit"])
def test_an_environment_is_made_and_its_programs_run(room: Room, kind: str) -> None:
    assert room.run(room.lock(*packages(), kind=kind)) == 0, room.err
    assert room.says("bin/prefix-teller") == str(room.env)  # the placeholder became the path
    assert (room.env / "lib" / "prefix-teller.bin").read_bytes().startswith(b"\0\1" + os.fsencode(room.env) + b"\0")
    assert room.says("bin/greet") == f"hello from {room.env}/lib/python{MINOR}/site-packages/greeter/__init__.py"
    assert room.says("bin/python", "-c", "import sys; print(sys.prefix)") == str(room.env)
    assert (room.env / "share" / "oldstyle" / "readme.txt").exists()
    record = json.loads((room.env / "conda-meta" / "greeter-2.0-py_0.json").read_text(encoding="utf-8"))
    assert record["url"] == f"{PUBLIC}/noarch/greeter-2.0-py_0.conda"  # not the mirror's
    assert record["channel"].rstrip("/") == PUBLIC
    assert (sorted(record["depends"]), record["noarch"], record["license"]) == (
        ["prefix-teller", "python >=3.8"],
        "python",
        "MIT",
    )
    assert (room.env / "conda-meta" / "greeter-2.0-py_0.json").stat().st_mode & 0o044
    assert room.out.splitlines()[-1] == "source .conda/bin/activate"
    assert len(os.listdir(room.folder)) == 2  # the lockfile and the environment
    assert max(map(len, room.out.splitlines())) <= 80


def test_link_scripts_are_never_run(room: Room) -> None:
    assert room.run(room.lock(SCRIPTED)) == 0
    assert room.run(room.lock(OLD)) == 0  # scripted goes
    assert not (room.env / "post-link-ran").exists()
    assert not list(room.folder.rglob("*unlink-ran"))
    assert not (room.env / "share" / "scripted.txt").exists()


def test_a_second_run_does_nothing_and_needs_neither_channel_nor_cache(room: Room, tmp_path: Path) -> None:
    lock = room.lock(*packages())
    assert room.run(lock) == 0
    before = tree(room.env)
    (tmp_path / "cache").rename(tmp_path / "gone")
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert room.run(lock, mirror=str(nowhere)) == 0
    assert "nothing: all of it is as pixi.lock says" in room.out
    assert tree(room.env) == before


def test_what_is_locked_now_comes_and_what_is_not_goes(room: Room) -> None:
    assert room.run(room.lock(python_package(), GREETER, TELLER, OLD)) == 0
    assert room.run(room.lock(python_package(), newer(GREETER, "3.0", depends=("python",)), newer(OLD, "1.0"))) == 0
    assert "greeter 2.0 -> 3.0, oldstyle 0.9 -> 1.0" in room.out
    assert "Removed" in room.out
    assert not (room.env / "bin" / "prefix-teller").exists()
    assert room.says("bin/greet").startswith("hello")


def test_what_the_user_laid_there_stays_and_what_pip_brought_is_named(room: Room) -> None:
    assert room.run(room.lock(python_package(), OLD)) == 0
    (room.env / "homework").mkdir()
    (room.env / "homework" / "one.ipynb").write_text("mine", encoding="utf-8")
    about = room.env / "lib" / f"python{MINOR}" / "site-packages" / "byhand-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: byhand\nVersion: 1.0\n", encoding="utf-8")
    assert room.run(room.lock(python_package(), OLD)) == 0
    assert "nothing: all of it" in room.out
    assert "not in the lockfile: byhand" in room.out
    assert room.run(room.lock(python_package(), newer(OLD, "1.0"))) == 0
    assert (room.env / "homework" / "one.ipynb").read_text(encoding="utf-8") == "mine"
    assert "byhand 1.0" in room.out
    assert not about.exists()


def test_a_file_that_is_gone_is_mended_from_the_cache(room: Room, tmp_path: Path) -> None:
    lock = room.lock(TELLER, OLD)
    assert room.run(lock) == 0
    (room.env / "bin" / "prefix-teller").unlink()
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert room.run(lock, mirror=str(nowhere)) == 0
    assert "a file is missing: bin/prefix-teller" in room.err
    assert "All 2 packages are in the cache." in room.err
    assert room.says("bin/prefix-teller") == str(room.env)


def test_an_environment_that_was_moved_is_made_again(room: Room) -> None:
    """Somebody renamed the folder: its packages are there, and its programs begin with a path that is not."""
    lock = room.lock(*packages())
    assert room.run(lock) == 0
    (room.env / "notes.txt").write_text("mine", encoding="utf-8")
    room.env.rename(room.folder / "moved")
    assert room.run(lock, "--into", "moved") == 0
    assert "it was made in .conda and moved, and its programs still point there" in room.err
    greeted = subprocess.run([str(room.folder / "moved" / "bin" / "greet")], capture_output=True, text=True)
    assert "moved" in greeted.stdout
    assert (room.folder / "moved" / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert room.run(lock, "--into", "moved") == 0
    assert "nothing: all of it is as" in room.out
    assert room.run(lock, "--into", "x" * 120 + "/" + "y" * 130) == 4
    assert "the path of the environment is too long for prefix-teller" in room.err


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh"])
def test_activation_sets_what_packages_ask_for_and_deactivation_takes_it_back(room: Room, shell: str) -> None:
    import shutil

    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    assert room.run(room.lock(*packages(), kind="v1")) == 0
    script = """
    before="$PATH"; PS1='$ '
    . .conda/bin/activate
    echo "$TELLER $TELLER_COLOR $CONDA_PREFIX"; greet; echo "$PS1"
    . .conda/bin/activate
    deactivate
    echo "[$TELLER][$TELLER_COLOR][${CONDA_PREFIX-}]"; [ "$PATH" = "$before" ] && echo same; echo "$PS1"
    [ "$(command -v deactivate)" = deactivate ] || echo gone
    """
    words = [shell, "-c", script] if shell != "bash" else [shell, "--norc", "-c", script]
    done = subprocess.run(words, cwd=room.folder, capture_output=True, text=True)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == f"on green {room.env}"
    assert lines[1].startswith(f"hello from {room.env}")
    assert lines[2:] == ["(.conda) $ ", "[][][]", "same", "$ ", "gone"]


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_activation_in_a_job_that_stops_at_errors(room: Room, shell: str) -> None:
    """conda-forge has scripts that read variables which nobody set, and some that end in a test that is false."""
    assert room.run(room.lock(*packages(), kind="v1")) == 0
    for folder in ("activate.d", "deactivate.d"):
        (room.env / "etc" / "conda" / folder / "careless.sh").write_text(
            '[ -n "$NOBODY_SET_THIS" ]\n', encoding="utf-8"
        )
    script = """
    set -eu
    . .conda/bin/activate
    greet; case "$-" in *e*u*) echo strict ;; *u*e*) echo strict ;; esac
    deactivate
    echo "$-" | tr -cd eu | wc -c; echo "$NOBODY_SET_THIS_EITHER"; echo not reached
    """
    done = subprocess.run([shell, "-c", script], cwd=room.folder, capture_output=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["hello", "strict", "2"], done.stderr
    assert "NOBODY_SET_THIS_EITHER" in done.stderr


def test_the_scripts_for_windows_and_fish() -> None:
    from envtool.install.conda_activate import package_variables, scripts

    found = scripts("C:\\Users\\O'Neil 100%\\.conda", "win-64", {"MODE": "it's 5%"})
    assert "'C:\\Users\\O''Neil 100%\\.conda'" in found["Scripts/Activate.ps1"]
    assert "$Env:MODE = 'it''s 5%'" in found["Scripts/Activate.ps1"]
    assert '@set "CONDA_PREFIX=C:\\Users\\O\'Neil 100%%\\.conda"\r\n' in found["Scripts/activate.bat"]
    assert '@set "MODE=it\'s 5%%"\r\n' in found["Scripts/activate.bat"]
    assert "\\.conda\\Library\\bin;" in found["Scripts/activate.bat"]
    fish = scripts("/home/o'neil/.conda", "linux-64", {"MODE": "a\\b'"})["bin/activate.fish"]
    assert "set -gx CONDA_PREFIX '/home/o\\'neil/.conda'" in fish
    assert "set -gx MODE 'a\\\\b\\''" in fish
    told = package_variables({"b.json": '{"A": "2", "bad name": "x", "C": 1}', "a.json": '{"A": "1"}', "c.json": "{"})
    assert told == {"A": "2", "C": "1"}


# ── what other tools wrote ───────────────────────────────────────────────────────────────────────


def test_a_lockfile_of_pixis_own_and_the_environment_that_is_named(room: Room) -> None:
    both = [locked(room.channel, made) for made in (OLD, TELLER)]

    def entry(package: object) -> str:
        return (
            f"- conda: {package.url}\n  sha256: {package.sha256}\n  md5: {package.md5}\n"  # type: ignore[attr-defined]
            f"  size: {package.size}\n  license: MIT\n"  # type: ignore[attr-defined]
        )

    subdir = this_subdir()
    parts = "".join(
        f"  {name}:\n    channels:\n    - url: {PUBLIC}/\n    packages:\n      {subdir}:\n"
        + "".join(f"      - conda: {package.url}\n" for package in held)
        for name, held in (("default", both[:1]), ("dev", both))
    )
    (room.folder / "pixi.lock").write_text(
        f"version: 6\nenvironments:\n{parts}packages:\n" + "".join(map(entry, both)), encoding="utf-8"
    )
    assert room.run("pixi.lock") == 0, room.err
    assert not (room.env / "bin" / "prefix-teller").exists()
    assert room.run("pixi.lock", "--variant", "dev") == 0
    assert room.says("bin/prefix-teller") == str(room.env)
    assert room.run("pixi.lock", "--variant", "test") == 2
    assert "has no test for" in room.err and "it has default, dev" in room.err


def test_a_list_as_conda_writes_it(room: Room) -> None:
    """`conda list --explicit --md5`, and `--sha256` of newer ones: no platform, no needs."""
    old, teller = (locked(room.channel, made) for made in (OLD, TELLER))
    for end in (f"#{teller.md5}", f"#sha256:{teller.sha256}", f"#{teller.sha256}", f"#md5:{teller.md5.upper()}"):
        (room.folder / "spec.txt").write_text(
            f"# This file may be used to create an environment using:\n@EXPLICIT\n{teller.url}{end}\n{old.url}#{old.md5}\n",
            encoding="utf-8",
        )
        assert room.run("spec.txt") == 0, room.err
        assert room.says("bin/prefix-teller") == str(room.env)
        subprocess.run(["rm", "-rf", str(room.env)], check=True)


@pytest.mark.parametrize("kind", ["v1", "explicit"])
def test_the_sizes_are_taken_from_the_pixi_lock_beside(room: Room, kind: str) -> None:
    lock = room.lock(*packages(), kind=kind)
    assert room.run(lock, "--dry-run", "--json") == 0
    assert json.loads(room.out)["download"]["unknown_sizes"] == 5
    room.lock(*packages())
    assert room.run(lock, "--dry-run", "--json") == 0
    download = json.loads(room.out)["download"]
    assert download["unknown_sizes"] == 0 and download["known_bytes"] > 1000
    (room.folder / "pixi.lock").write_text("# Made by `envtool lock`\nnonsense", encoding="utf-8")
    assert room.run(lock) == 0  # nothing is asked of it


# ── documents and dry runs ───────────────────────────────────────────────────────────────────────


def test_the_document_holds_to_its_schema(room: Room) -> None:
    store = Registry().with_resources(
        (path.name, Resource.from_contents(json.loads(path.read_text(encoding="utf-8")))) for path in SCHEMAS.iterdir()
    )
    schema = json.loads((SCHEMAS / "install-1.json").read_text(encoding="utf-8"))
    lock = room.lock(*packages())
    for words, result in ((("--dry-run",), "dry-run"), ((), "installed"), ((), "nothing-to-do")):
        code, document = room.document(lock, *words)
        assert (code, document["result"]) == (0, result)
        Draft202012Validator(schema, registry=store).validate(document)
        assert len(document["changes"]) == (0 if result == "nothing-to-do" else 5)  # type: ignore[arg-type]
        assert document["lock"]["variant"] == "cpu"  # type: ignore[index]


def test_a_dry_run_changes_nothing(room: Room, tmp_path: Path) -> None:
    lock = room.lock(*packages())
    assert room.run(lock, "--dry-run") == 0
    assert "Would hold" in room.out
    assert not room.env.exists()
    assert not (tmp_path / "cache").exists()
    assert room.run(lock) == 0
    before = tree(room.env)
    assert room.run(room.lock(OLD), "--dry-run") == 0
    assert "Removed" in room.out
    assert tree(room.env) == before
