"""A course's start.py: what it says where it can't go on, and that it installs envtool once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from interpreters import interpreters
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


def start(path, *arguments, python=sys.executable, **env):
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [python, str(path), *arguments], capture_output=True, text=True, cwd=path.parent, env={**clean, **env}
    )


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


def test_a_failure_ends_it_with_pips_exit_code(tmp_path):
    path = course(tmp_path, "./no-such-file.whl")
    done = start(path, "--version")
    assert done.returncode != 0 and "no-such-file.whl" in done.stderr and "Ready" not in done.stdout
    assert not (tmp_path / ".envtool" / "installed.txt").exists()


@pytest.mark.slow
def test_envtool_is_installed_once_and_gets_the_arguments(tmp_path):
    root = Path(envtool.__file__).resolve().parent.parent
    if not (root / "pyproject.toml").exists():
        root = Path(__file__).resolve().parent.parent
    path = course(tmp_path, str(root))
    done = start(path, "--version")
    if "Could not find a version" in done.stderr or "No matching distribution" in done.stderr:
        pytest.skip("what envtool needs can't be had")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"envtool {envtool.__version__}\n", "what start.py itself says belongs to stderr"
    assert "installing " in done.stderr
    again = start(path, "explain", "no-such-check")
    assert again.returncode == 2 and "installing " not in again.stderr
    toml = tmp_path / "envtool.toml"
    toml.write_text(toml.read_text("utf-8").replace(">=3.10,<3.14", ">=9"), encoding="utf-8")
    done = start(path)
    assert done.returncode in (2, 3) and "Ready" not in done.stdout, done.stdout
    assert not (tmp_path / ".venv").exists()
