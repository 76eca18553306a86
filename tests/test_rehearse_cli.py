"""The command line of `envtool rehearse` where nothing is run, or no torch is there."""

import json
import sys

import pytest

from envtool.cli.app import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.py"], "there is no script nowhere.py"),
        (["folder"], "folder is a folder"),
        (["book.ipynb"], "is a notebook"),
        (["book two.ipynb"], "--to script 'book two.ipynb'`"),
        (["-m", "train.py"], "no module's name"),
        (["-m", "a-b"], "no module's name"),
        ([], "missing argument"),
        (["--limit", "0", "s.py"], "--limit"),
        (["--device", "tpu", "s.py"], "--device"),
        (["--python", "/no/such/python", "s.py"], "does not exist"),
    ],
)
def test_what_can_not_be_rehearsed_is_a_usage_error(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "s.py").write_text("")
    (tmp_path / "book.ipynb").write_text("{}")
    (tmp_path / "book two.ipynb").write_text("{}")
    assert main(["rehearse", *arguments]) == 2
    assert words in capsys.readouterr().err.lower()


def test_a_python_without_torch_is_a_tools_failure(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torch.py").write_text("raise ImportError('this torch is broken')\n")
    (tmp_path / "s.py").write_text("print('never reached')\n")
    assert main(["rehearse", "--json", "--python", sys.executable, "s.py"]) == 4
    out, err = capfd.readouterr()
    assert json.loads(out)["error"]["exit_code"] == 4
    assert "can't import torch: ImportError: this torch is broken" in err and "envtool doctor --python" in err
    assert "never reached" not in err


def test_a_module_that_is_not_there_is_a_usage_error(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["rehearse", "--python", sys.executable, "-m", "no_such_module.train"]) == 2
    err = capfd.readouterr().err
    assert "-m no_such_module.train" in err and "finds no module" in err and "Traceback" not in err


def test_a_python_that_does_nothing_is_a_tools_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text("")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 7\n")
    python.chmod(0o755)
    if sys.platform == "win32":
        pytest.skip("a shell script is no program there")
    assert main(["rehearse", "--python", str(python), "s.py"]) == 4
    assert "ended before the rehearsal began (exit code 7)" in capsys.readouterr().err
