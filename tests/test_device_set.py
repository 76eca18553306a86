"""`envtool device` as a command: screens, documents, exit codes, and --set, which changes a name and not a byte more."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from envtool.cli.app import main
from envtool.data import FOLDER

LINE = 'DEVICE = "cpu"      # change this one line: "cuda", "mps", "xpu" or "auto"\n'


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["device", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ── screens, documents, exit codes ───────────────────────────────────────────────────────────────


def test_the_screen(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "src").mkdir()
    (here / "src" / "train.py").write_text(LINE + "x = x.cuda()\n")
    (here / "tour.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": "y.to('cuda')"}]}))
    code, out, err = run(capsys)
    assert code == 0
    assert out.splitlines() == [
        "src/train.py:1: " + LINE.strip(),
        "src/train.py:2: x = x.cuda()",
        "tour.ipynb:cell_1:1: y.to('cuda')",
        "",
        "3 lines name a device, in 2 of 2 files.",
    ]
    assert err.startswith("hint: keep one line")


def test_nothing_to_find(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys)[1] == "No Python file and no notebook here.\n"
    (here / "code.py").write_text("x = 1\n")
    assert run(capsys) == (0, "No line names a device: 0 of 1 file.\n", "")


@pytest.mark.parametrize(("most", "expected"), [("0", 1), ("1", 1), ("2", 0), ("99", 0)])
def test_max(here: Path, capsys: pytest.CaptureFixture[str], most: str, expected: int) -> None:
    (here / "code.py").write_text(LINE + "x = x.cuda()\n")
    code, _, err = run(capsys, "--max", most)
    assert code == expected
    assert ("too many: 2 lines, and --max allows" in err) == bool(expected)


def test_what_cannot_be_read_is_no_pass(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "code.py").write_text(LINE)
    (here / "odd.py").write_bytes(b"\xff\n")
    code, _, err = run(capsys, "--max", "1")
    assert code == 4
    assert "not read: odd.py: not UTF-8, and no other encoding is declared" in err
    assert run(capsys, "--max", "0")[0] == 1


def test_the_document(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "build").mkdir()
    (here / "odd.py").write_bytes(b"\xff\n")
    (here / "code.py").write_text(LINE)
    schema = json.loads((Path(FOLDER) / "schemas" / "device-1.json").read_text(encoding="utf-8"))
    code, out, err = run(capsys, "--json", "--max", "3")
    document = json.loads(out)
    Draft202012Validator(schema).validate(document)
    assert (code, err) == (4, "")
    assert document == {
        "schema": "envtool.device/1",
        "count": 1,
        "max": 3,
        "places": [{"file": "code.py", "cell": None, "line": 1, "text": LINE.strip()}],
        "files": 2,
        "skipped": [{"file": "odd.py", "cell": None, "reason": "not UTF-8, and no other encoding is declared"}],
        "left_out": ["build"],
        "set": None,
    }


def test_the_document_after_set(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "code.py").write_text(LINE)
    schema = json.loads((Path(FOLDER) / "schemas" / "device-1.json").read_text(encoding="utf-8"))
    code, out, _ = run(capsys, "--json", "--set", "mps", "--max", "1")
    document = json.loads(out)
    Draft202012Validator(schema).validate(document)
    assert code == 0
    assert document["places"][0]["text"] == document["set"]["after"] == LINE.strip().replace('"cpu"', '"mps"')
    assert document["set"]["before"] == LINE.strip()


def test_an_error_is_a_document_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "nowhere", "--json")
    assert code == 2
    assert json.loads(out)["schema"] == "envtool.error/1"
    assert "no such file or folder" in err


def test_no_text_steers_the_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "code.py").write_text("DEVICE = 'cpu'  # \x1b[2J\x9b\n")
    assert run(capsys)[1].splitlines()[0] == "code.py:1: DEVICE = 'cpu'  # ?[2J?"


# ── --set ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1", "mps", "xpu", "xpu:0", "auto"])
@pytest.mark.parametrize(
    "data",
    [
        LINE.encode(),
        b"\xef\xbb\xbfimport os\r\n\r\n" + LINE.strip().encode() + b"\r\nx = 1",
        "# -*- coding: latin-1 -*-\nname = 'Jos\xe9'; DEVICE = 'cpu'  # \xe9\n".encode("latin-1"),
        "名 = '装置'; DEVICE = '''cpu'''  # 装置\n".encode(),
        b'x = 1\r\tDEVICE = "gpu"\r'.replace(b"\t", b"").replace(b"gpu", b"cpu"),
        b'x = 1\x0c\nDEVICE = r"cpu"\n\n\n',
        b'parser.add_argument("--device", default="cpu")\n',
        b'DEVICE = os.environ.get("DEVICE", "cpu")\n',
        b'class C:\n    device: str = "cpu"  \t \n',
    ],
    ids=["plain", "mark and CRLF", "latin-1", "wide", "CR", "form feed", "option", "environment", "field"],
)
def test_set_changes_the_name_and_not_a_byte_beside_it(
    here: Path, capsys: pytest.CaptureFixture[str], data: bytes, name: str
) -> None:
    path = here / "code.py"
    path.write_bytes(data)
    before, after = data.rsplit(b"cpu", 1) if b"change this" not in data else data.split(b"cpu", 1)
    code, out, _ = run(capsys, "--set", name)
    assert code == 0
    assert path.read_bytes() == before + name.encode() + after
    assert ("it says so already" in out) == (name == "cpu")
    assert run(capsys, "--set", "cpu")[0] == 0
    assert path.read_bytes() == data
    assert os.listdir(here) == ["code.py"]


CELL = ["# Gerät 🎓\n", "name = '🎓\\t'; " + LINE, "x = x.to(DEVICE)"]


@pytest.mark.parametrize("indent", [None, 1, 2, "\t"])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_set_in_a_notebook_keeps_its_json(
    here: Path, capsys: pytest.CaptureFixture[str], indent: int | str | None, ascii_only: bool, together: bool
) -> None:
    source = "".join(CELL) if together else CELL
    cells = [
        {"cell_type": "markdown", "source": ['DEVICE = "cpu"']},
        {"outputs": [{"text": ['DEVICE = "cpu"']}], "source": source, "cell_type": "code", "metadata": {"a": [{}]}},
    ]
    document = {"metadata": {"source": "cells"}, "nbformat": 4, "cells": cells, "nbformat_minor": 5}
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only).replace("\n", "\r\n") + "\r\n"
    path = here / "tour.ipynb"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    code, out, _ = run(capsys, "tour.ipynb", "--set", "cuda:1")
    assert code == 0
    assert out.startswith("tour.ipynb:cell_2:2: ")
    written = path.read_bytes()
    at = text.index("name = '")
    expected = text[:at] + text[at:].replace("cpu", "cuda:1", 1)
    assert written == b"\xef\xbb\xbf" + expected.encode()
    assert run(capsys, "tour.ipynb", "--set", "cpu")[0] == 0
    assert path.read_bytes() == b"\xef\xbb\xbf" + text.encode()


def test_set_in_an_old_notebook_and_behind_a_magic(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [{"cell_type": "code", "input": "!ls\n%time DEVICE = 'cpu'"}]
    path = here / "old.ipynb"
    text = json.dumps({"nbformat": 3, "worksheets": [{"cells": []}, {"cells": cells}]})
    path.write_text(text)
    assert run(capsys, "--set", "mps")[0] == 0
    assert path.read_text() == text.replace("cpu", "mps")


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("x = 1\n", "cuda", "no line names a device"),
        (LINE + 'x.to("cuda")\n', "cuda", "2 lines name a device"),
        ("x = x.cuda()\n", "cpu", "no single name in quotes"),
        ('device = "cuda" if torch.cuda.is_available() else "cpu"\n', "cpu", "no single name in quotes"),
        ('device = f"cuda:{rank}"\n', "cpu", "no single name in quotes"),
        ('a, b = x.to("cuda"), y.to("cuda")\n', "cpu", "no single name in quotes"),
        ('device = torch.device("cuda", 1)\n', "cpu", "no single name in quotes"),
        ('device = torch.device("cuda")\n', "auto", "no device called auto"),
        ('x = x.to("cuda")\n', "auto", "no device called auto"),
        ('def train(device="cuda"): pass\n', "auto", "no device called auto"),
        ('with torch.autocast("cuda"): pass\n', "cuda:1", "without a number"),
        ('trainer = Trainer(accelerator="gpu")\n', "cuda:1", "without a number"),
        ('DEVICE = "cu" "da"\n', "cpu", "put together from parts"),
        ('DEVICE = "c\\x70u"\n', "cuda", "put together from parts"),
        (LINE, "gpu", "no device that PyTorch knows"),
        (LINE, "cuda:one", "no device that PyTorch knows"),
        (LINE, 'cpu"; import os #', "no device that PyTorch knows"),
        (LINE, "", "no device that PyTorch knows"),
    ],
)
def test_set_refuses(here: Path, capsys: pytest.CaptureFixture[str], text: str, name: str, words: str) -> None:
    path = here / "code.py"
    path.write_text(text)
    code, _, err = run(capsys, "--set", name)
    assert code == 2
    assert words in err and "hint: " in err
    assert path.read_text() == text


def test_set_refuses_where_something_cannot_be_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "code.py").write_text(LINE)
    (here / "odd.py").write_bytes(b"\xff\n")
    assert run(capsys, "--set", "cuda")[0] == 4
    assert (here / "code.py").read_text() == LINE
    assert run(capsys, "code.py", "--set", "cuda")[0] == 0


def test_auto_needs_a_line_that_knows_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "code.py").write_text(LINE)
    assert "warning: no other line knows" in run(capsys, "--set", "auto")[2]
    (here / "code.py").write_text(LINE + 'if DEVICE == "auto":\n    pass\n')
    assert run(capsys, "--set", "auto")[2] == ""


def test_set_keeps_the_mode_and_follows_a_link(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if os.name == "nt":
        pytest.skip("modes and links of POSIX")
    (here / "real").mkdir()
    real = here / "real" / "script.py"
    real.write_text(LINE)
    real.chmod(0o750)
    (here / "link.py").symlink_to(real)
    assert run(capsys, "link.py", "--set", "cuda")[0] == 0
    assert (here / "link.py").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o750
    assert '"cuda"' in real.read_text()
