"""What comes from a package index: the pip section beside conda's packages, and the twins for pip and uv."""
# ruff: noqa: E402

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")
pytest.importorskip("uv", reason="uv is not installed")
tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
pylock_reader = pytest.importorskip("packaging.pylock", reason="packaging before 25.1 reads no pylock")

from lock_channel import CHANNEL, catalog, records, write_channel
from loopback_wheels import Index, Wheel
from test_lock_engine import BASE, ONE, lock

from envtool.cli.app import main
from envtool.errors import ToolError
from envtool.lock.difference import moves
from envtool.lock.from_course import request_of
from envtool.lock.model import LockedTarget, Lockfile, Target
from envtool.lock.pip_files import checked_file, file_of, supported
from envtool.lock.pip_part import pypi_versions
from envtool.lock.place import merged
from envtool.lock.pylock import PipQuestion, answer, file_name, fingerprint, held_torch, question, state
from envtool.lock.request import checked

SMALL = [
    Wheel("pure", "1.0", ("numpy>=1", "helper")),
    Wheel("pure", "1.1", ("numpy>=1", "helper")),
    Wheel("helper", "0.5", ("torch",)),
    Wheel("wantsold", "1.0", ("numpy<1",)),
    Wheel("linuxonly", "1.0", (), "cp313-cp313-manylinux_2_17_x86_64"),
    Wheel("toonew", "1.0", (), "cp313-cp313-manylinux_2_34_x86_64"),
    Wheel("seesall", "1.0", ("torchvision",)),
    Wheel("torchvision", "0.1"),
    Wheel("watcher", "1.0", ("nvidia-ml-py",)),
    Wheel("nvidia-ml-py", "12.0"),
    Wheel("numpy", "9.9", ("never",)),
    Wheel("torch", "99.0", ("never",)),
]


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    write_channel(folder, records())
    return folder


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    found = Index(list(SMALL))
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{found.root}/pypi")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for name in ("UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    yield found
    found.close()


# ── beside conda ─────────────────────────────────────────────────────────────────────────────────


def test_pip_brings_what_conda_does_not_and_nothing_twice(channel: Path, index: Index) -> None:
    outcome = lock(channel, replace(BASE, subdirs=("linux-64", "win-64"), variants=("cpu",), pip_packages=("pure",)))
    assert not outcome.refused
    for one in outcome.locked:
        assert [(wheel.name, wheel.version) for wheel in one.wheels] == [("helper", "0.5"), ("pure", "1.1")]
        assert all(wheel.url.startswith(index.root) and len(wheel.sha256) == 64 for wheel in one.wheels)
        assert one.package("pip") is not None
        assert one.pip_specs == ("pure",)
    assert not any("/numpy/" in path or "/torch/" in path for path in index.asked), "conda has these"


@pytest.mark.slow
def test_what_does_not_go_with_conda_is_refused_in_words(channel: Path, index: Index) -> None:
    (one,) = lock(channel, replace(ONE, pip_packages=("wantsold",))).refused
    assert one.message == "the packages under [pip] don't go with what conda brings on linux-64"
    assert any("numpy" in line for line in one.details)


@pytest.mark.slow
def test_a_platform_for_which_there_is_no_wheel(channel: Path, index: Index) -> None:
    request = replace(BASE, subdirs=("linux-64", "win-64"), variants=("cpu",), pip_packages=("linuxonly",))
    outcome = lock(channel, request)
    assert [one.target.subdir for one in outcome.locked] == ["linux-64"]
    assert [one.target.subdir for one in outcome.refused] == ["win-64"]
    assert lock(channel, replace(ONE, pip_packages=("toonew",))).refused, "its glibc is above the floor"


def test_a_part_of_pytorch_never_comes_from_pip(channel: Path, index: Index) -> None:
    (one,) = lock(channel, replace(ONE, torch=("torch",), pip_packages=("seesall",))).refused
    assert one.message == "a package under [pip] needs torchvision, and pip's does not go with conda's PyTorch"
    assert one.hint.startswith("write torchvision under torch in the spec, so that conda brings it")
    (two,) = lock(channel, replace(ONE, pip_packages=("seesall", "watcher"))).locked
    assert [wheel.name for wheel in two.wheels] == ["nvidia-ml-py", "seesall", "watcher"]


def test_a_package_that_the_index_does_not_have(channel: Path, index: Index) -> None:
    (one,) = lock(channel, replace(ONE, pip_packages=("nowhere",))).refused
    assert any("nowhere" in line for line in one.details)


def test_an_index_that_fails_is_no_reason_to_blame_the_spec(channel: Path, index: Index) -> None:
    index.faults["/pypi/pure/"] = 500
    with pytest.raises(ToolError, match="uv could not solve"):
        lock(channel, replace(ONE, pip_packages=("pure",)))


@pytest.mark.slow
def test_what_pip_brought_stays_and_update_moves_it(channel: Path, index: Index) -> None:
    request = replace(ONE, pip_packages=("pure<1.1",))
    before = merged(checked(request), None, lock(channel, request).locked, ())
    wider = replace(ONE, pip_packages=("pure",))

    def after(moving: tuple[str, ...]) -> Lockfile:
        return merged(checked(wider), None, lock(channel, wider, before, moving).locked, ())

    assert moves(before, after(())) == ()
    assert [(move.package, move.old, move.new) for move in moves(before, after(("pure",)))] == [("pure", "1.0", "1.1")]


def test_conda_names_are_told_to_uv_as_pypi_knows_them(channel: Path) -> None:
    (one,) = lock(channel, ONE).locked
    assert isinstance(one, LockedTarget)
    found = pypi_versions(one, replace(ONE, pip_names=(("tzdata", "time-zones"),)))
    assert set(found) == {"torch", "torchvision", "numpy", "time-zones"}, "python and python's own needs are not there"


# ── which file ───────────────────────────────────────────────────────────────────────────────────

HASH = {"sha256": "0" * 64}


def file(name: str, **more: object) -> dict[str, object]:
    return {"url": f"https://files.example.org/{name}", "hashes": HASH, **more}


def wheels(*tags: str) -> dict[str, object]:
    return {"name": "x", "version": "1.0", "wheels": [file(f"x-1.0-{tag}.whl") for tag in tags]}


ALL = wheels(
    "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp312-cp312-manylinux_2_28_x86_64",
    "cp312-cp312-manylinux_2_34_x86_64", "cp312-cp312-manylinux_2_28_aarch64", "cp312-cp312-macosx_11_0_arm64",
    "cp312-cp312-macosx_14_0_arm64", "cp312-cp312-win_amd64", "cp313-cp313-win_amd64", "cp39-abi3-win_amd64",
    "cp312-cp312-musllinux_1_2_x86_64", "py3-none-any",
)  # fmt: skip


@pytest.mark.parametrize(
    ("subdir", "python", "tag"),
    [
        ("linux-64", "3.12", "cp312-cp312-manylinux_2_28_x86_64"),
        ("linux-aarch64", "3.12", "cp312-cp312-manylinux_2_28_aarch64"),
        ("osx-arm64", "3.12", "cp312-cp312-macosx_11_0_arm64"),
        ("win-64", "3.12", "cp312-cp312-win_amd64"),
        ("win-64", "3.13", "cp313-cp313-win_amd64"),
        ("win-64", "3.11", "cp39-abi3-win_amd64"),
        ("linux-64", "3.13", "py3-none-any"),
        ("osx-64", "3.12", "py3-none-any"),
    ],
)
def test_the_file_for_a_platform(subdir: str, python: str, tag: str) -> None:
    assert file_of(ALL, subdir, python).url == f"https://files.example.org/x-1.0-{tag}.whl"


def test_a_source_is_taken_where_there_is_no_wheel() -> None:
    package = {**wheels("cp312-cp312-win_amd64"), "sdist": file("x-1.0.tar.gz")}
    assert file_of(package, "linux-64", "3.12").url.endswith("x-1.0.tar.gz")
    with pytest.raises(ToolError, match="no file on the package index that linux-64"):
        file_of(wheels("cp312-cp312-win_amd64", "not-a-wheel"), "linux-64", "3.12")


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"path": "x-1.0-py3-none-any.whl", "hashes": HASH}, "from a folder of this machine"),
        ({"url": "file:///home/me/x-1.0-py3-none-any.whl", "hashes": HASH}, "from a folder of this machine"),
        ({"url": "https://me:pw@example.org/x.whl", "hashes": HASH}, "carries a password"),
        ({"url": "https://example.org/x.whl", "hashes": {"md5": "0"}}, "no sha256"),
        ({"url": "https://example.org/x.whl"}, "no sha256"),
        (None, "from a folder"),
    ],
)
def test_a_file_that_nobody_else_has_or_could_check(known: object, told: str) -> None:
    with pytest.raises(ToolError, match=told) as caught:
        checked_file(known, "x")
    assert "pw" not in caught.value.message


def test_supported_tags_end_at_the_floors() -> None:
    names = {str(tag) for tag in supported("linux-64", "3.12")}
    assert "cp312-cp312-manylinux_2_28_x86_64" in names
    assert "cp312-cp312-manylinux2014_x86_64" in names
    assert not any("2_29" in name or "musllinux" in name for name in names)
    assert not any("macosx_14" in str(tag) for tag in supported("osx-arm64", "3.12"))


# ── the twins ────────────────────────────────────────────────────────────────────────────────────

SPEC = 'name = "course"\npython = "==3.13.*"\ntorch = ["torch", "torchvision"]\npackages = ["numpy"]\n'


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "envtool.toml").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(course: Path, variant: str, held: str | None = None) -> PipQuestion:
    from envtool.cli.spec_option import read

    spec = read(str(course / "envtool.toml"))
    found = question(spec, request_of(spec), variant, "3.13", catalog(), held)
    assert isinstance(found, PipQuestion), found
    return found


@pytest.fixture
def pytorch(course: Path, index: Index) -> Index:
    """The index of PyTorch as far as the questions name it: every version from the index it is asked from."""
    index.pypi += [Wheel("numpy", "2.3.0")]
    index.pypi = [wheel for wheel in index.pypi if wheel.version not in ("9.9", "99.0")]
    for variant in ("cpu", "cuda"):
        for name, version, local in re.findall(
            r'"?(torch|torchvision)==([0-9.]+)(?:\+(\w+))? ;', asked(course, variant).project
        ):
            place = index.whl.setdefault(local, []) if local else index.pypi
            one = Wheel(name, f"{version}+{local}" if local else version)
            if one not in place:
                place.append(one)
    return index


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_a_twin_takes_torch_from_the_right_index(variant: str, course: Path, pytorch: Index) -> None:
    text = answer(asked(course, variant), None, "envtool.toml", f"{pytorch.root}/whl", None)
    found = pylock_reader.Pylock.from_dict(tomllib.loads(text))
    torches = {str(package.version): str(package.marker) for package in found.packages if package.name == "torch"}
    local = next(version.partition("+")[2] for version in torches if "+" in version)
    assert local == "cpu" if variant == "cpu" else local.startswith("cu1")
    linux = next(marker for version, marker in torches.items() if "+" in version)
    assert "linux" in linux
    assert ("win32" in linux) == (variant == "cuda")
    assert "darwin" not in linux
    assert len({version.partition("+")[0] for version in torches}) == 1
    assert {package.name for package in found.packages} >= {"torch", "torchvision", "numpy"}
    assert pylock_reader.is_valid_pylock_path(Path(file_name(variant)))
    assert answer(asked(course, variant), text, "envtool.toml", f"{pytorch.root}/whl", None) == text


def test_a_twin_of_a_variant_that_windows_lacks_is_refused(course: Path) -> None:
    from envtool.cli.spec_option import read

    spec = replace(read(str(course / "envtool.toml")), torch=("torch==2.4.0",), python="==3.13.*")
    found = question(spec, request_of(spec), "cpu", "3.13", catalog(), None)
    assert isinstance(found, tuple)
    assert all("2.4.0" in one.message or "3.13" in one.message for one in found)


def test_the_locked_torch_stays(course: Path) -> None:
    newest = asked(course, "cpu")
    held = asked(course, "cpu", "2.9.1")
    assert "torch==2.9.1" in held.project
    assert "torch==2.9.1" not in newest.project
    assert newest.fingerprint == held.fingerprint
    assert asked(course, "cpu", "0.1") == newest, "one that is not there any more"


@pytest.mark.slow
def test_the_command_writes_keeps_and_checks_them(
    course: Path, pytorch: Index, channel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        mirror = (
            []
            if "--check" in words
            else ["--mirror", f"conda-forge={channel}", "--pytorch-index-url", f"{pytorch.root}/whl/"]
        )
        code = main(["lock", *words, *mirror])
        found = capsys.readouterr()
        return code, found.out + found.err

    assert run()[0] == 0
    assert not list((course / "lockfiles").glob("pylock*"))
    assert run("--pylock")[0] == 0
    paths = sorted((course / "lockfiles").glob("pylock*"))
    assert [path.name for path in paths] == ["pylock.cpu.toml", "pylock.cuda.toml"]
    before = {path: path.read_bytes() for path in paths}
    assert b"download.pytorch.org" in before[paths[0]] or pytorch.root.encode() in before[paths[0]]
    assert held_torch(before[paths[0]].decode()) is not None
    pytorch.asked.clear()
    assert run()[0] == 0
    assert not pytorch.asked, "nothing changed, so nobody is asked"
    assert run("--check")[0] == 0
    (course / "envtool.toml").write_text(SPEC.replace('"numpy"', '"numpy", "tqdm"'), encoding="utf-8")
    code, told = run("--check")
    assert (code, "pylock.cpu.toml was locked from another spec" in told) == (1, True)
    pytorch.pypi.append(Wheel("tqdm", "4.67.1"))
    assert run()[0] == 0, "they are kept up to date once they are there"
    assert b'name = "tqdm"' in paths[0].read_bytes()
    paths[0].write_bytes(paths[0].read_bytes().replace(b"4.67.1", b"4.67.2", 1))
    code, told = run("--check")
    assert (code, "pylock.cpu.toml is not as `envtool lock` wrote it" in told) == (1, True)
    assert state(paths[1].read_text(encoding="utf-8"), "0" * 64) == "stale"


def test_an_index_that_is_not_there_changes_nothing(
    course: Path, pytorch: Index, channel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytorch.faults["/whl/"] = 500
    words = ["--mirror", f"conda-forge={channel}", "--pytorch-index-url", f"{pytorch.root}/whl"]
    assert main(["lock", "--pylock", "--json", *words]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["message"].startswith("uv could not lock the cpu variant")
    assert not (course / "lockfiles").exists()


def test_a_fingerprint_is_of_the_spec() -> None:
    request = checked(BASE)
    assert fingerprint(request, "cpu", "3.13") != fingerprint(request, "cuda", "3.13")
    assert fingerprint(replace(request, channels=(CHANNEL,)), "cpu", "3.13") == fingerprint(request, "cpu", "3.13")
    assert fingerprint(replace(request, packages=()), "cpu", "3.13") != fingerprint(request, "cpu", "3.13")
    assert file_name("rocm6.4") == "pylock.rocm6_4.toml"
    assert Target("cpu", "linux-64") != Target("cuda", "linux-64")
