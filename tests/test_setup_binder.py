"""`envtool setup binder`: what repo2docker makes of the files."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envtool.catalog import load
from envtool.cli.app import main
from envtool.course import Course
from envtool.errors import UsageError
from envtool.plan import resolve
from envtool.setup.binder import address, binder, estimate
from envtool.setup.places import facts
from envtool.target import read_target

COURSE = Course("deep-learning", packages=("numpy", "matplotlib"), pip_packages=("torchinfo>=1.8",))
FACTS = facts("binder")
PLAN = resolve(read_target("linux-64,py3.12,glibc=2.35,gpu=none", load()), COURSE.request(accelerator="cpu"), load())


def files(course=COURSE):
    return {file.path: file.text for file in binder(course, PLAN, "3.12", FACTS, spec=True)}


def envtool(capsys, *words):
    code = main(["setup", "binder", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_torch_is_pinned_to_its_cpu_build():
    lines = files()[".binder/requirements.txt"].splitlines()
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in lines
    family = [line for line in lines if line.startswith("torch") and "==" in line]
    assert len(family) == 3 and all(line.endswith("+cpu") for line in family)
    assert {"numpy", "matplotlib", "torchinfo>=1.8"} <= set(lines)


def test_the_same_course_gives_the_same_bytes():
    assert files() == files() and all(text.endswith("\n") and "\r" not in text for text in files().values())
    assert files()[".binder/runtime.txt"] == "python-3.12\n"


@given(
    st.one_of(
        st.sampled_from(['x"; rm -rf ~', "$(touch x)", "`x`", "x\n--index-url http://evil", "-r /etc/passwd"]),
        st.text(),
    )
)
def test_a_line_is_a_requirement_or_refused(text):
    try:
        lines = files(replace(COURSE, pip_packages=(text,)))[".binder/requirements.txt"].splitlines()
    except UsageError as error:
        assert error.hint
        return
    assert len(lines) == len(files()[".binder/requirements.txt"].splitlines()) and not lines[-1].startswith("-")


@given(st.text())
def test_a_name_appears_in_no_file(name):
    assert files(replace(COURSE, name=name)) == files()


def test_the_courses_own_code_is_installed_as_it_stands():
    assert files(replace(COURSE, editable=(".",)))[".binder/requirements.txt"].endswith("\n-e .\n")
    assert files(replace(COURSE, editable=("a/b",)))[".binder/requirements.txt"].endswith("\n-e ./a/b\n")
    with pytest.raises(UsageError, match="can't stand in a requirements file"):
        files(replace(COURSE, editable=("a b",)))


def test_a_constraint_of_the_plan_is_said_once():
    course = replace(COURSE, packages=("numpy>=2",))
    plan = resolve(
        read_target("linux-64,py3.12,glibc=2.35,gpu=none", load()), course.request(accelerator="cpu"), load()
    )
    text = binder(course, plan, "3.12", FACTS, spec=False)[0].text
    assert "numpy>=2" in text and "from envtool.toml" not in text


def test_the_estimate_tells_what_nobody_measured():
    found = estimate(COURSE, FACTS)
    assert found.unknown == ("torchinfo",) and 900 < found.disk_mb < 1100
    assert found.memory_mib < found.limit_mib == 2048


def test_the_link_starts_the_repository():
    assert address("a/b", "main", None) == "https://mybinder.org/v2/gh/a/b/main"
    assert address("a/b", "x/y", "n/a b.ipynb") == "https://mybinder.org/v2/gh/a/b/x%2Fy?labpath=n%2Fa%20b.ipynb"


def test_the_command_writes_the_folder_and_tells_the_sizes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("envtool.toml").write_text('name = "x"\npython = ">=3.10,<3.13"\n')
    code, out, err = envtool(capsys, "--repo", "a/b")
    assert code == 0 and "written .binder/requirements.txt" in out and len(out.splitlines()) == 5
    assert Path(".binder/runtime.txt").read_text() == "python-3.12\n"
    assert "On the disk: about" in err and "In memory: about" in err and "https://mybinder.org/v2/gh/a/b/main" in err
    assert Path(".binder/start").read_bytes().startswith(b"#!/bin/bash\n")


def test_the_assignments_of_a_course_are_installed(folder, capsys):
    Path("envtool.toml").write_text('name = "x"\n')
    Path("start.py").touch()
    for week in ("week-2", "week-1"):
        Path(week).mkdir()
        Path(week, "pyproject.toml").touch()
    assert envtool(capsys)[0] == 0
    assert Path(".binder/requirements.txt").read_text().endswith("\n-e ./week-1\n-e ./week-2\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("python", "words", "code", "problem"),
    [
        (">=3.10", ("--python", "2.7"), 2, "Binder has no Python 2.7"),
        (">=3.12", ("--python", "3.10"), 2, "the course is made for Python >=3.12"),
        ("<3.9", (), 3, "no Python on Binder is <3.9"),
        (">=3.10", ("--repo", "x"), 2, "is no repository"),
    ],
)
def test_what_cannot_be_had_is_told(folder, capsys, python, words, code, problem):
    Path("envtool.toml").write_text(f'name = "x"\npython = "{python}"\n')
    found, _, err = envtool(capsys, *words)
    assert found == code and problem in err and "hint:" in err and not Path(".binder").exists()


def test_a_torch_that_no_python_there_has_is_no_plan(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("envtool.toml").write_text('name = "x"\npython = ">=3.13"\ntorch = ["torch==2.0.1"]\n')
    code, _, err = envtool(capsys)
    assert code == 3 and "no build fits Binder" in err and "hint:" in err


# ── repo2docker itself ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def repository(tmp_path):
    """A project with the files, its own code included."""
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n[project]\nname = "own"\nversion = "1"\n'
    )
    (tmp_path / "envtool.toml").write_text(
        'name = "own"\npython = ">=3.10,<3.13"\npackages = ["numpy"]\n[pip]\neditable = ["."]\n'
    )
    (tmp_path / "environment.yml").write_text("dependencies: [pytorch-cuda]\n")  # for laptops: not read beside .binder
    (tmp_path / "Dockerfile").write_text("FROM broken\n")
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert main(["setup", "binder"]) == 0
    finally:
        os.chdir(here)
    return tmp_path


@pytest.mark.slow
def test_repo2docker_makes_a_dockerfile_of_it(repository):
    pytest.importorskip("repo2docker", reason="jupyter-repo2docker reads the files")
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "--user-id", "1000", "--user-name", "ada", "."],
        cwd=repository, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Building conda environment for python=3.12" in done.stdout + done.stderr
    docker = (done.stdout + done.stderr).partition("\nFROM ")[2]
    order = [
        "COPY --chown=1000:1000 src/ ${REPO_DIR}/",  # pip needs the project's own code, which -e . names
        '/bin/pip install --no-cache-dir -r ".binder/requirements.txt"',
        "RUN chmod +x .binder/postBuild",
        "RUN ./.binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/.binder/start"',
    ]
    places = [docker.find(line) for line in order]
    assert -1 not in places and places == sorted(places), places
    assert "environment.yml" not in docker and "broken" not in docker


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="bash runs these")
def test_the_scripts_do_what_they_say(repository, tmp_path_factory):
    stub = tmp_path_factory.mktemp("stub")
    (stub / "torch.py").write_text(
        "import os\n__version__ = '2'\nclass version: cuda = os.environ.get('CUDA') or None\n"
        "class ones(float):\n    def __new__(cls, n): return float.__new__(cls, n)\n    def sum(self): return self\n"
    )
    (stub / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (stub / "python").chmod(0o755)
    around = {**os.environ, "PYTHONPATH": str(stub), "PATH": f"{stub}:{os.environ['PATH']}"}
    post = ["bash", str(repository / ".binder" / "postBuild")]
    good = subprocess.run(post, env=around, capture_output=True, text=True)
    assert good.returncode == 0 and "computes on the CPU" in good.stdout
    bad = subprocess.run(post, env={**around, "CUDA": "12.8"}, capture_output=True, text=True)
    assert bad.returncode != 0 and "is built for CUDA" in bad.stderr
    start = ["bash", str(repository / ".binder" / "start"), "sh", "-c", 'echo "$DEVICE $1"', "x", "a b"]
    assert subprocess.run(start, capture_output=True, text=True).stdout == "cpu a b\n"
