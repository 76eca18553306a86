"""What the doctor says beside an environment that an interrupted install left behind."""

import sys
from types import SimpleNamespace

from envtool.cli.half_done import note_of_half_done
from envtool.environment import BrokenEnvironment
from envtool.install.transaction import work_folder


def broken(prefix):
    python = prefix / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    return SimpleNamespace(environment=BrokenEnvironment(str(python), "--python", "does-not-start", "it is half there"))


def test_a_run_that_was_killed_is_told_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ENVTOOL_PROGRAM", raising=False)
    prefix = tmp_path / ".venv"
    note_of_half_done(broken(prefix))
    assert capsys.readouterr() == ("", "")
    (tmp_path / work_folder(".venv")).mkdir()
    note_of_half_done(broken(prefix))
    out, err = capsys.readouterr()
    assert out == "" and "was interrupted in .venv, or is still at work. Run it again first" in err
    note_of_half_done(broken(tmp_path / "other"))
    assert capsys.readouterr() == ("", "")
