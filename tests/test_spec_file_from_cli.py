"""`envtool init --from` on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from test_spec_file_from import CS

from envtool.cli.app import main
from envtool.cli.spec_option import read


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(["init", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_init_from_writes_the_file_and_its_schema(run, tmp_path):
    Path("environment.yml").write_text(CS, encoding="utf-8")
    code, out, err = run("--from", "environment.yml")
    assert (code, out) == (0, "")
    assert err.startswith("Written  envtool.toml, cs-course:") and err.rstrip().endswith("run `envtool pick`.")
    assert all(len(line) <= 80 for line in err.splitlines())
    assert read("envtool.toml").name == "cs-course"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".envtool.schema.json",
        "environment.yml",
        "envtool.toml",
    ]
    assert Path("envtool.toml").read_text(encoding="utf-8").startswith("#:schema ./.envtool.schema.json\n")


def test_nothing_that_exists_is_overwritten(run):
    Path("requirements.txt").write_text("torch\n", encoding="utf-8")
    Path("envtool.toml").write_text("mine", encoding="utf-8")
    code, _, err = run("--from", "requirements.txt")
    assert code == 2 and "is there already" in err
    assert Path("envtool.toml").read_text(encoding="utf-8") == "mine"
    assert run("--from", "requirements.txt", "--output", "other.toml", "--no-schema", "--name", "b")[0] == 0
    assert read("other.toml").name == "b" and not Path(".envtool.schema.json").exists()


@pytest.mark.parametrize("option", [["--dry-run"], ["--output", "-"]])
def test_a_dry_run_prints_the_file_and_writes_nothing(run, option, tmp_path):
    Path("requirements.txt").write_text("torch\n", encoding="utf-16")  # as PowerShell's > writes it
    code, out, _ = run("--from", "requirements.txt", *option)
    assert code == 0 and 'torch = ["torch"]' in out and "#:schema" not in out
    assert [path.name for path in tmp_path.iterdir()] == ["requirements.txt"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "none.txt"], "cannot read none.txt"),
        (["--from", "a.txt", "--name", "a b"], "--name: 'a b' is not a name"),
        (["--name", "x"], "--name needs --from"),
        (["--from", "a.txt", "project", "x"], "--from stands alone, without project"),
        (["--dry-run", "course"], "--dry-run stands alone, without course"),
    ],
)
def test_a_wrong_command_line(run, arguments, words):
    Path("a.txt").write_text("torch\n", encoding="utf-8")
    code, _, err = run(*arguments)
    assert code == 2 and words in err


def test_without_yaml_the_extra_is_named(run, monkeypatch):
    Path("environment.yml").write_text(CS, encoding="utf-8")
    monkeypatch.setitem(sys.modules, "yaml", None)
    code, _, err = run("--from", "environment.yml")
    assert code == 4 and "envtool[init]" in err
