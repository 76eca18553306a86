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
    (tmp_path / "train.py").write_text('DEVICE = "cuda"\n', encoding="utf-8")
    assert main(["device"]) == 0
    assert f"{START} device --set " in capsys.readouterr().err
