"""What the command line says to who typed too little, or calls envtool through a course's start.py."""

from __future__ import annotations

import pytest

from envtool.cli.app import main

START = "python3 ../course/start.py"


@pytest.mark.parametrize("arguments", [[], ["init"], ["setup"], ["catalog"]])
def test_a_group_alone_shows_its_help(arguments, capsys):
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.startswith(" ".join(["Usage: envtool", *arguments])) and not err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["setup", "slurm", "--verify"], "setup slurm"),
        (["catalog", "show", "--torch"], "catalog show"),
        (["lock", "--spec"], "lock"),
    ],
)
def test_a_missing_value_points_to_the_help_of_its_command(arguments, command, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith(f"hint: see `envtool {command} --help`\n")


def test_hints_name_the_program_that_was_called(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ENVTOOL_PROGRAM", START)
    monkeypatch.chdir(tmp_path)
    assert main(["lock", "--spec"]) == 2
    assert capsys.readouterr().err.endswith(f"hint: see `{START} lock --help`\n")
    assert main(["nonsense"]) == 2
    assert capsys.readouterr().err.endswith(f"hint: see `{START} --help`\n")
    (tmp_path / "train.py").write_text('DEVICE = "cuda"\n', encoding="utf-8")
    assert main(["device"]) == 0
    assert f"{START} device --set " in capsys.readouterr().err
    (tmp_path / "envtool.toml").write_text('name = "x"\npackages = ["tqdm"]\n', encoding="utf-8")
    assert main(["pick"]) == 0
    assert f"other package; `{START} install` brings it, too" in capsys.readouterr().err
    assert main(["lock", "--check"]) == 1
    assert f"Run `{START} lock`, and commit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/home/me/envtool", "on your machine only"),
        ("../envtool", "on your machine only"),
        ("file:///home/me/envtool", "on your machine only"),
        ("tools/envtool-0.9.0-py3-none-any.whl", "--wheel-dir tools"),
        ("git+https://git.example.org/tools/envtool", None),
        ("envtool", None),
    ],
)
def test_a_course_tells_what_its_students_would_lack(source, words, tmp_path):
    from envtool.scaffold.names import beyond_the_course, checked_source

    told = beyond_the_course(checked_source(source), str(tmp_path))
    assert told is None if words is None else words in str(told)
    if source.startswith("tools/"):
        (tmp_path / "tools").mkdir()
        (tmp_path / source).touch()
        assert beyond_the_course(checked_source(source), str(tmp_path)) is None


@pytest.mark.parametrize(("variant", "warned"), [("cpu", True), ("cuda", False), ("cu126", False)])
def test_a_job_with_a_build_beside_the_course_is_told_of(variant, warned, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envtool.toml").write_text(f'name = "x"\nvariants = ["{variant}"]\n', encoding="utf-8")
    assert main(["setup", "slurm", "--site", "della"]) == 0
    err = capsys.readouterr().err
    assert ("warning: the job installs cu126, and the course is made for cpu" in err) is warned
    assert "Next, on the cluster:" in err.splitlines()[-1]


def test_a_spec_with_a_wrong_key_is_told_which_there_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envtool.toml").write_text('name = "x"\nfolder = "y"\n', encoding="utf-8")
    assert main(["pick"]) == 2
    err = capsys.readouterr().err
    assert "runs-on" in err and "[gpu]" in err and "docs/" not in err
