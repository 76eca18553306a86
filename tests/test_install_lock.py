"""`envtool install --lock`: real conda packages, made by the tests, are fetched, checked, laid down and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")
pytest.importorskip("zstandard", reason="zstandard is not installed")

from conda_lockfiles import PUBLIC, locked, lockfile, target, write
from conda_packages import GREETER, MINOR, OLD, SCRIPTED, TELLER, Made, newer, packages, python_package, write_packages
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from envtool.cli.app import main
from envtool.data import FOLDER
from envtool.lock.model import LockedWheel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the Python of these environments is a link")
SCHEMAS = Path(FOLDER) / "schemas"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    write_packages(folder, [*packages(), newer(OLD, "1.0"), newer(GREETER, "3.0", depends=("python",))])
    return folder


class Room:
    """A folder to install in; everything comes from the channel's folder, in the place of conda-forge."""

    def __init__(self, folder: Path, channel: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.channel, self.capsys = folder, channel, capsys
        self.out = self.err = ""

    def lock(self, *made: Made, kind: str = "pixi", **more: object) -> str:
        return write(self.folder, lockfile([locked(self.channel, one) for one in made], **more), kind)  # type: ignore[arg-type]

    def run(self, lock: str, *words: str, mirror: str | None = None) -> int:
        place = mirror or str(self.channel)
        code = main(["install", "--lock", lock, "--no-smoke", "--mirror", f"conda-forge={place}", *words])
        self.out, self.err = self.capsys.readouterr()
        return code

    def document(self, lock: str, *words: str) -> tuple[int, dict[str, object]]:
        code = self.run(lock, "--json", *words)
        return code, json.loads(self.out)

    @property
    def env(self) -> Path:
        return self.folder / ".conda"

    def says(self, *words: str) -> str:
        done = subprocess.run([str(self.env / words[0]), *words[1:]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def room(tmp_path: Path, channel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Room:
    folder = tmp_path / "my course"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    return Room(folder, channel, capsys)


def tree(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


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
    assert 'hint: pip install "envtool[lock]"' in room.err


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


def test_a_lockfile_of_fifty_megabytes_is_not_read(room: Room) -> None:
    for name in ("big.yml", "pixi.lock"):
        (room.folder / name).write_bytes(b"environments:\n- [" + b"1," * (25 << 20) + b"1]\n")
        assert room.run(name) == 2
        assert "larger than any lockfile" in room.err
