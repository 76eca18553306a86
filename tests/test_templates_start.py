"""A course's start.py: what it says where it can't go on, and that it installs envtool once."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from interpreters import interpreters, make_venv, python_of
from templates_rendered import COURSE, rendered

import envtool
from envtool.scaffold.names import checked_source
from envtool.scaffold.templates import questions

pytest.importorskip("cookiecutter")


def course(folder: Path, source: str) -> Path:
    answers = {question.key: question.default for question in questions("course")}
    files = rendered("course", {**COURSE, **answers, "envtool": checked_source(source)})
    for name in ("start.py", "envtool.toml"):
        (folder / name).write_text(files[name], encoding="utf-8")
    return folder / "start.py"


def start(path, *arguments, python=sys.executable, cwd=None, **env):
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [python, str(path), *arguments], capture_output=True, text=True, cwd=cwd or path.parent, env={**clean, **env}
    )


def venv_without_torch(folder):
    """A PATH on which there is but a Python that has no packages."""
    return str(Path(python_of(make_venv(folder))).parent)


@pytest.mark.slow
def test_an_old_python_is_told_so(tmp_path):
    found = interpreters()
    old = [found[version] for version in ("3.6", "3.7", "3.8", "3.9") if version in found]
    if not old:
        pytest.skip("there is no Python older than 3.10")
    path = course(tmp_path, "envtool")
    for python in old:
        done = start(path, python=python)
        assert done.returncode == 1 and not done.stdout
        assert done.stderr.startswith("This needs Python 3.10 or newer, and this is 3.")
    assert sorted(os.listdir(tmp_path)) == ["envtool.toml", "start.py"]


@pytest.mark.slow
def test_a_failure_ends_it_with_pips_exit_code(tmp_path):
    path = course(tmp_path, "./no-such-file.whl")
    done = start(path, "--version")
    assert done.returncode != 0 and "no-such-file.whl" in done.stderr and "Ready" not in done.stdout
    assert not (tmp_path / ".envtool" / "installed.txt").exists()


@pytest.mark.parametrize("is_locked", [False, True])
def test_the_steps_in_their_order(is_locked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = runpy.run_path(str(course(tmp_path, "envtool")), run_name="start")
    steps = []
    for name in ("week-1", "assignment", ".venv/bin", "lockfiles", "page"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("week-1/pyproject.toml", "assignment/pyproject.toml", ".venv/bin/python"):
        (tmp_path / name).touch()
    if is_locked:
        (tmp_path / "lockfiles/pixi.lock").touch()
    globals_of = module["main"].__globals__
    monkeypatch.setitem(globals_of, "run", lambda *words: steps.append([os.path.basename(words[0]), *words[1:]]))
    monkeypatch.setitem(globals_of, "envtool", lambda verb: f"envtool for {verb}")
    module["main"]([])
    if is_locked:
        lockfile = os.path.join("lockfiles", "pixi.lock")
        assert steps.pop(0) == ["envtool for lock", "install", "--lock", lockfile, "--into", ".venv"]
    else:
        assert steps.pop(0) == ["envtool for install", "install", "--into", ".venv"]
    assert [step[-2:] for step in steps[:2]] == [["--editable", "assignment"], ["--editable", "week-1"]]
    assert all(step[3:5] == ["--python", os.path.join(".venv", "bin/python")] for step in steps[:2])
    assert steps[2:] == [["envtool for doctor", "doctor", "--python", ".venv"]]


def test_an_environment_from_before_the_lockfiles_is_to_be_deleted(tmp_path):
    path = course(tmp_path, "envtool")
    for name in (".venv", "lockfiles"):
        (tmp_path / name).mkdir()
    for name in (".venv/pyvenv.cfg", "lockfiles/pixi.lock"):
        (tmp_path / name).touch()
    done = start(path)
    assert done.returncode == 1 and not (tmp_path / ".envtool").exists()
    assert done.stderr.endswith("\nhint: delete the folder .venv and run this again\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_envtool_is_installed_once_and_gets_the_arguments(tmp_path):
    root = Path(envtool.__file__).resolve().parent.parent
    if not (root / "pyproject.toml").exists():
        root = Path(__file__).resolve().parent.parent
    (tmp_path / "tools").symlink_to(root)
    path = course(tmp_path, "./tools")
    (tmp_path / "week-1").mkdir()
    done = start(path, "--version", cwd=tmp_path / "week-1")
    if "Could not find a version" in done.stderr or "No matching distribution" in done.stderr:
        pytest.skip("what envtool needs can't be had")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"envtool {envtool.__version__}\n", "what start.py itself says belongs to stderr"
    assert "installing " in done.stderr
    again = start(path, "explain", "no-such-check")
    assert again.returncode == 2 and "installing " not in again.stderr
    assert "`envtool " not in again.stderr, "a student has no envtool to call"
    bare = venv_without_torch(tmp_path / "bare")
    found = start(path, "doctor", "--no-import", "--only", "torch-not-installed", PATH=bare)
    assert found.returncode == 1 and found.stdout.endswith(f"copy this line:\n\npython3 {path}\n"), found.stdout
    toml = tmp_path / "envtool.toml"
    toml.write_text(toml.read_text("utf-8").replace(">=3.10,<3.14", ">=9"), encoding="utf-8")
    done = start(path)
    assert done.returncode in (2, 3) and "Ready" not in done.stdout, done.stdout
    assert not (tmp_path / ".venv").exists()
