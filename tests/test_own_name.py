"""What screens tell people to type: the program as they started it, and a course's set-up where it has one."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from builders import environment, laptop

from envtool.cli.own_name import shown, typed
from envtool.cli.parent_shell import parent_shell
from envtool.cli.terminal import program
from envtool.diagnosis import Diagnosis
from envtool.environment import Workplace
from envtool.machine import Absent
from envtool.report.text import Style, render
from envtool.shell import in_a_cell, in_csh, in_fish
from envtool.verdicts import failed, passed, warned

START = "python3 start.py"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("envtool lock", f"{START} lock"),
        ("run `envtool pick`, which says why", f"run `{START} pick`, which says why"),
        ("envtool --help", f"{START} --help"),
        ("reinstall envtool, then envtool doctor", f"reinstall envtool, then {START} doctor"),
        ("python -m envtool doctor", "python -m envtool doctor"),
        ("/opt/envtool lock", "/opt/envtool lock"),
        ("what envtool installs is its own", "what envtool installs is its own"),
    ],
)
def test_only_what_is_typed_is_named_so(text, said):
    assert typed(text, START) == said and typed(text, "envtool") == text


def test_the_program_as_it_was_started(monkeypatch, tmp_path):
    monkeypatch.delenv("ENVTOOL_PROGRAM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [os.path.join("site", "envtool", "__main__.py")])
    word = program()
    assert word.endswith(" -m envtool") and sys.executable in word, "no name leads the shell to this Python"
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    if not (Path(sys.executable).parent / "envtool").exists() and os.name != "nt":
        assert program().split()[0] in ("python", "python3", sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [os.path.join("site", "pytest", "__main__.py")])
    assert program() == "envtool"
    monkeypatch.setenv("ENVTOOL_PROGRAM", START)
    assert program() == START


@pytest.mark.parametrize(
    ("line", "cell"),
    [
        ("python -m pip install 'numpy<2'", "!python -m pip install 'numpy<2'"),
        ("a -m pip uninstall -y b && a -m pip install c", "!a -m pip uninstall -y b && a -m pip install c"),
        ("mv -i random.py my_random.py", "!mv -i random.py my_random.py"),
        ("export CUDA_VISIBLE_DEVICES=0,1", "%env CUDA_VISIBLE_DEVICES=0,1"),
        ("unset CUDA_VISIBLE_DEVICES", 'import os; os.environ.pop("CUDA_VISIBLE_DEVICES", None)'),
        ("unset A B", 'import os; os.environ.pop("A", None); os.environ.pop("B", None)'),
        ("export LD_LIBRARY_PATH=/x${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}", None),
        ("source .venv/bin/activate", None),
        ("python3 -m venv .venv && source .venv/bin/activate", None),
        ("echo /usr/lib/wsl/lib | sudo tee /etc/ld.so.conf.d/ld.wsl.conf && sudo ldconfig", None),
        ("cd ..", None),
        ("ulimit -n 4096", None),
    ],
)
def test_a_line_for_a_cell(line, cell):
    assert in_a_cell(line) == cell


@pytest.mark.parametrize(
    ("line", "fish", "csh"),
    [
        ("unset A B", "set -e A B", "unsetenv A; unsetenv B"),
        ("export A=1,2", "set -gx A 1,2", "setenv A 1,2"),
        (
            "export LD_LIBRARY_PATH=/x${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}", "set -gx LD_LIBRARY_PATH /x $LD_LIBRARY_PATH",
            "export LD_LIBRARY_PATH=/x${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}",
        ),
        ("source .venv/bin/activate", "source .venv/bin/activate.fish", "source .venv/bin/activate.csh"),
        (
            "a -m venv .venv && source .venv/bin/activate", "a -m venv .venv && source .venv/bin/activate.fish",
            "a -m venv .venv && source .venv/bin/activate.csh",
        ),
        ("ulimit -n 4096", "ulimit -n 4096", "limit descriptors 4096"),
        ("pip install 'numpy<2'", "pip install 'numpy<2'", "pip install 'numpy<2'"),
    ],
)  # fmt: skip
def test_fish_and_csh_have_words_of_their_own(line, fish, csh):
    assert (in_fish(line), in_csh(line)) == (fish, csh)


def test_the_shell_is_the_nearest_process_that_is_one(tmp_path, monkeypatch):
    for process, name, parent in ((9, "envtool", 8), (8, "python (3) x", 7), (7, "-tcsh", 1), (5, "init", 0)):
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "stat").write_text(f"{process} ({name}) S {parent} 9 9 0")
    assert parent_shell(9, str(tmp_path)) == "tcsh"
    assert parent_shell(5, str(tmp_path)) is None and parent_shell(4, str(tmp_path)) is None
    line = told("cvd-empty", failed("x", hint="unset CUDA_VISIBLE_DEVICES", command=True))
    diagnosis = replace(found(), verdicts=(line,))
    monkeypatch.setattr("envtool.cli.parent_shell.parent_shell", lambda start: "fish")
    assert shown(diagnosis).verdicts[0].hint == "set -e CUDA_VISIBLE_DEVICES"
    assert shown(diagnosis, here=False) == diagnosis
    monkeypatch.setattr("envtool.cli.parent_shell.parent_shell", lambda start: "bash")
    assert shown(diagnosis) == diagnosis


def test_in_a_notebook_the_line_is_one_for_a_cell():
    place = Workplace(variables=(("JPY_PARENT_PID", "17"),))
    said = shown(found(workplace=place)).verdicts
    assert [verdict.hint for verdict in said] == ["!pip install torch", None, "run `envtool pick`"]
    screen = render(shown(found(workplace=place)), Style())
    assert screen.endswith("copy this line into a cell:\n\n!pip install torch\n")
    windows = replace(found(workplace=place), machine=replace(laptop(), os="windows"))
    assert shown(windows).verdicts[0].hint == "pip install torch", "a cell there starts another shell"
    assert "copy this line into PowerShell:" in " ".join(render(windows, Style()).split())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no sudo of this kind")
def test_root_without_sudo_gets_no_sudo(monkeypatch, tmp_path):
    line = failed("x", hint="sudo apt install g++ && sudo reboot", command=True)
    diagnosis = replace(found(), verdicts=(told("compile-no-cxx", line), told("spec-gpu", passed("x"))))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shown(diagnosis).verdicts[0].hint == "apt install g++ && reboot"
    assert "Fix (you; why: " in render(shown(diagnosis), Style())
    assert shown(diagnosis, here=False) == diagnosis
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert shown(diagnosis) == diagnosis
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "sudo").touch(0o755)
    assert shown(diagnosis) == diagnosis


def told(code, verdict):
    return replace(verdict, code=code)


def found(**changes):
    verdicts = (
        told("torch-not-installed", failed("PyTorch is not installed.", hint="pip install torch", command=True)),
        told("spec-packages", passed("all there")),
        told("wrong-index", warned("See `envtool explain x`.", hint="run `envtool pick`")),
    )
    return Diagnosis(laptop(), environment(**changes), Absent("not imported"), verdicts)


def test_a_course_is_set_up_by_its_own_program(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVTOOL_PROGRAM", START)
    missing, there, other = shown(found()).verdicts
    assert (missing.hint, missing.command) == (START, True) and "set-up" in missing.message
    assert there.hint is None and there.message == "all there"
    assert (other.message, other.hint) == (f"See `{START} explain x`.", f"run `{START} pick`")
    elsewhere = found(chosen_by="--python", executable="/opt/python")
    assert shown(elsewhere).verdicts[0].hint == "pip install torch", "a Python that was named is not the course's"
    own = found(chosen_by="--python", executable=str(tmp_path / ".venv" / "bin" / "python"))
    assert shown(own).verdicts[0].hint == START
    for name in (".venv/pyvenv.cfg", "lockfiles/pixi.lock"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert shown(own).verdicts[0].hint == "pip install torch", "start.py would only say that this folder must go"


def test_the_place_of_start_py_is_found(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    course = tmp_path / "my course"
    for name in (".venv/pyvenv.cfg", "lockfiles/pixi.lock"):
        (course / name).parent.mkdir(parents=True)
        (course / name).touch()
    monkeypatch.setenv("ENVTOOL_PROGRAM", 'python3 "my course/start.py"')
    assert shown(found()).verdicts[0].hint == "pip install torch"


def test_another_program_sets_nothing_up(monkeypatch):
    monkeypatch.setenv("ENVTOOL_PROGRAM", "envtool")
    assert [verdict.hint for verdict in shown(found()).verdicts] == ["pip install torch", None, "run `envtool pick`"]
    monkeypatch.setenv("ENVTOOL_PROGRAM", "uvx envtool")
    hints = [verdict.hint for verdict in shown(found()).verdicts]
    assert hints == ["pip install torch", None, "run `uvx envtool pick`"]
