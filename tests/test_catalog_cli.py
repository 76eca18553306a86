"""`envtool catalog`: its screens, documents and exit codes, and the file that an update leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_index import Index, tomorrow
from test_schemas import validate

import envtool
from envtool.catalog import FILES, load
from envtool.catalog.place import NAME, data_folder
from envtool.catalog.updated import SCHEMA, Updated, dumps, read_updated
from envtool.cli.app import main

NOWHERE = "http://127.0.0.1:1/whl"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "new" / "data"
    monkeypatch.setenv("ENVTOOL_DATA", str(folder))
    return folder


@pytest.fixture
def index() -> Iterator[Index]:
    pytest.importorskip("pypi_simple")
    made = tomorrow()
    yield made
    made.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["catalog", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def update(capsys: pytest.CaptureFixture[str], index: Index, *more: str) -> tuple[int, str, str]:
    places = ("--index-url", f"{index.root}/pypi", "--pytorch-index-url", NOWHERE)
    return run(capsys, "update", *places, *more)


def texts() -> dict[str, str]:
    return {name: load().text(name) for name in FILES}


# ── show ─────────────────────────────────────────────────────────────────────────────────────────


def test_show_begins_with_the_newest(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    code, out, _ = run(capsys, "show")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines() if line.startswith("torch ")] == [
        release.torch for release in load().releases[:5]
    ]
    assert max(len(line) for line in out.splitlines()) <= 80
    for words in ("torchvision 0.29.2", "PyPI cu132", "cu130?", "Python 3.11", "CUDA 12 525.60.13", "--all"):
        assert words in out, words


def test_show_all(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    _, out, _ = run(capsys, "show", "--all")
    assert sum(line.startswith("torch ") for line in out.splitlines()) == len(load().releases)


def test_show_one_release_with_its_sources_and_doubts(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    code, out, _ = run(capsys, "show", "--torch", "2.15.0")
    one = " ".join(out.split())
    assert code == 0
    for words in (
        "code for 7.5, 8.0", "driver linux 580.65.06", "glibc 2.28 or newer", "https://download.pytorch.org/whl/cu132",
        "1,649 wheels", "(2026-11-23)", "Not verified", "nobody has seen it on its index", "Requires-Python >=3.11",
        "torchaudio 2.11.0 has not been seen on that index",
    ):  # fmt: skip
        assert words in one, words


def test_show_a_release_that_is_not_there(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    code, out, err = run(capsys, "show", "--torch", "2.15.9")
    assert (code, out) == (2, "")
    assert "the catalog has no torch 2.15.9" in err
    assert "envtool catalog update" in err


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--torch", "2.14.1")])
def test_show_json(capsys: pytest.CaptureFixture[str], data: Path, more: tuple[str, ...]) -> None:
    _, out, err = run(capsys, "show", "--json", *more)
    document = json.loads(out)
    validate("catalog", document)
    assert err == ""
    assert len(document["releases"]) == (1 if more else len(load().releases))
    builds = [b for r in document["releases"] for b in r["builds"] if r["torch"] == "2.14.1"]
    found = next(
        b for b in builds if (b["variant"], b["platform"], b["source"]) == ("cu126", "linux_x86_64", "pytorch-index")
    )
    assert found["compute_capabilities"][0] == "5.0"
    assert found["driver"] == {"linux": "525.60.13", "windows": "528.33"}


# ── verify ───────────────────────────────────────────────────────────────────────────────────────


def test_verify(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    code, out, _ = run(capsys, "verify")
    assert code == 0
    assert "laws hold" in out
    code, out, _ = run(capsys, "verify", "--json")
    validate("catalog-verify", json.loads(out))
    assert code == 0


def test_verify_names_each_breach(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    bad = texts()
    bad["sources"] += "\n[nobody]\ntitle = 'x'\n"
    bad["releases"] = bad["releases"].replace("torchaudio = '2.11.0'", "torchaudio = '2.11.9'", 1)
    data.mkdir(parents=True)
    (data / NAME).write_text(dumps(Updated("2999-01-01", bad)), encoding="utf-8")
    code, out, _ = run(capsys, "verify")
    assert code == 1
    assert "every-row-has-a-source: sources.toml: 'nobody' is the source of nothing" in out
    assert "torchaudio 2.11.9, which has no wheel" in out
    code, out, _ = run(capsys, "verify", "--json")
    assert code == 1
    assert sum(len(law["breaches"]) for law in json.loads(out)["laws"]) >= 2


@pytest.mark.slow
def test_verify_of_rows_that_cannot_be_read(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    data.mkdir(parents=True)
    (data / NAME).write_text(
        dumps(Updated("2999-01-01", {**texts(), "builds": "[[builds]]\nx = 1\n"})), encoding="utf-8"
    )
    code, out, _ = run(capsys, "verify")
    assert code == 1
    assert "builds.toml, builds[0]" in out


# ── update ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_update_writes_what_every_command_then_uses(
    capsys: pytest.CaptureFixture[str], data: Path, index: Index
) -> None:
    before = load()
    code, out, err = update(capsys, index, "--check")
    assert (code, data.exists()) == (1, False)
    assert "added    torch 2.16.0:" in out
    assert "nothing was written" in out
    assert "not read: the PyTorch index at http://127.0.0.1:1/whl: cannot be reached; its builds stay" in err
    code, out, _ = update(capsys, index)
    assert code == 0
    assert f"written to {data / NAME}" in out
    assert [path.name for path in data.iterdir()] == [NAME]
    after = load()
    assert (after.origin, after.releases[0].torch, after.problem) == ("updated", "2.16.0", None)
    assert after.date >= before.date
    assert after.digest != before.digest
    code, out, _ = update(capsys, index, "--check")
    assert code == 0
    assert "What could be read agrees with the catalog." in out
    assert "envtool catalog update` wrote it" in run(capsys, "show")[1]
    assert run(capsys, "verify")[0] == 0
    code, out, _ = run(capsys, "update", "--reset")
    assert (code, load().origin, list(data.iterdir())) == (0, "packaged", [])
    assert "Removed" in out
    assert "no update" in run(capsys, "update", "--reset")[1]


@pytest.mark.slow
def test_update_json(capsys: pytest.CaptureFixture[str], data: Path, index: Index) -> None:
    code, out, err = update(capsys, index, "--json")
    document = json.loads(out)
    validate("catalog-update", document)
    assert (code, err, document["written"]) == (0, "", str(data / NAME))
    assert {change["kind"] for change in document["changes"]} == {"added"}
    assert len(document["unread"]) == 1
    code, out, _ = run(capsys, "update", "--reset", "--json")
    validate("catalog-update", json.loads(out))
    assert json.loads(out)["removed"] == str(data / NAME)


@pytest.mark.slow
def test_a_write_that_fails_leaves_the_old(
    capsys: pytest.CaptureFixture[str], data: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    assert update(capsys, index)[0] == 0
    old = (data / NAME).read_bytes()
    index.pypi["torch"] = [f for f in index.pypi["torch"] if "win" not in f.name]
    for file in index.pypi["torch"]:
        file.name = file.name.replace("2.16.0", "2.16.9").replace("2.16.1", "2.16.2")
    index.pypi["torchvision"][0].requires = ("torch>=2.16.0",)
    monkeypatch.setattr(os, "replace", refuse)
    code, _, err = update(capsys, index)
    assert code == 4
    assert "No space left" in err
    assert (data / NAME).read_bytes() == old
    assert [path.name for path in data.iterdir()] == [NAME]


@pytest.mark.slow
def test_a_folder_that_cannot_be_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("ENVTOOL_DATA", str(tmp_path / "file" / "data"))
    code, _, err = update(capsys, index)
    assert code == 4
    assert "set ENVTOOL_DATA to a folder" in err


def test_nothing_can_be_read(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    pytest.importorskip("pypi_simple")
    code, out, err = run(
        capsys,
        "update",
        "--index-url",
        "http://user:s3cret@127.0.0.1:1/simple",
        "--pytorch-index-url",
        NOWHERE,
        "--json",
    )
    assert code == 4
    assert "no index could be read" in err
    assert "s3cret" not in out + err
    validate("error", json.loads(out))
    assert not data.exists()


@pytest.mark.parametrize("missing", ["pypi_simple", "requests"])
def test_without_the_extra_the_line_that_installs_it(
    capsys: pytest.CaptureFixture[str], data: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    code, _, err = run(capsys, "update")
    assert code == 4
    assert f"needs {missing}, which is not installed" in err
    assert "-m pip install 'envtool[catalog]>=0.9'" in err


@pytest.mark.parametrize(
    "arguments",
    [("update", "--reset", "--check"), ("update", "--index-url", "file:///srv"), ("update", "--timeout", "0"),
     ("update", "--pytorch-index-url", "ftp://x"), ("shew",), ("show", "2.15.0")],
)  # fmt: skip
def test_usage(capsys: pytest.CaptureFixture[str], data: Path, arguments: tuple[str, ...]) -> None:
    assert run(capsys, *arguments)[0] == 2


# ── which catalog is used ────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not JSON, or is damaged"),
        (dumps(Updated("2999-01-01", dict.fromkeys(FILES, "")))[:-200], "is not JSON, or is damaged"),
        ("[" * 100_000, "is not JSON, or is damaged"),
        ("\udcff", "is not JSON, or is damaged"),
        ("[]", "was written by another version of envtool"),
        ('{"schema": "envtool.catalog-data/2"}', "was written by another version of envtool"),
        (json.dumps({"schema": SCHEMA, "date": 3, "files": {}}), "has no date or no files"),
        (json.dumps({"schema": SCHEMA, "date": "2999-01-01", "files": {}}), "holds other files"),
        (dumps(Updated("2020-01-01", dict.fromkeys(FILES, ""))), "is newer than the update"),
    ],
)
def test_an_update_that_cannot_be_used_is_passed_over_and_named(
    capsys: pytest.CaptureFixture[str], data: Path, content: str, problem: str
) -> None:
    data.mkdir(parents=True)
    (data / NAME).write_bytes(content.encode("utf-8", "surrogateescape"))
    catalog = load()
    assert catalog.origin == "packaged"
    assert problem in (catalog.problem or "")
    assert len(catalog.releases) >= 30
    assert " ".join(problem.split()) in " ".join(run(capsys, "show")[1].split())
    assert run(capsys, "verify")[0] == 1


def test_a_folder_in_place_of_the_file(data: Path) -> None:
    (data / NAME).mkdir(parents=True)
    assert load().problem


def test_where_the_data_lie() -> None:
    assert data_folder({"ENVTOOL_DATA": "/here"}) == "/here"
    if sys.platform == "linux":
        assert data_folder({"XDG_DATA_HOME": "/x"}) == "/x/envtool"
        assert data_folder({"XDG_DATA_HOME": "relative"}).endswith("/.local/share/envtool")
    assert read_updated("/nowhere/at/all", FILES) is None


def test_without_an_update_nothing_more_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from envtool.catalog import load; load(); load().release;"
        "print(*({'json', 'pypi_simple', 'requests', 'hashlib', 'pathlib', 'envtool.update', 'envtool.catalog.updated'} & set(sys.modules)))"
    )
    environ = {
        **os.environ,
        "ENVTOOL_DATA": str(tmp_path),
        "PYTHONPATH": os.path.dirname(os.path.dirname(envtool.__file__)),
    }
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=environ, check=False)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


def test_show_tells_what_conda_forge_has(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    _, out, _ = run(capsys, "show", "--torch", "2.13.0")
    line = " ".join(out.partition("conda-forge  ")[2].split()[:20])
    assert "linux-64 cpu cuda129" in line
    _, out, _ = run(capsys, "show", "--torch", "2.15.0")
    assert "conda-forge  " not in out
