"""What the templates render to, in every combination of answers: files that parse, agree with each other and say one
device. What runs is tested in test_templates_real.py."""

from __future__ import annotations

import ast
import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from templates_rendered import combinations, on_disk, rendered

from envtool.cli.spec_option import read
from envtool.course.parse import parse
from envtool.device import find
from envtool.scaffold.render import render

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytest.importorskip("cookiecutter")
yaml = pytest.importorskip("yaml")
nbformat = pytest.importorskip("nbformat")

LINE = 'DEVICE = "cpu"      # change this one line: "cuda", "mps", "xpu" or "auto"'
PROJECTS = combinations("project")
COURSES = combinations("course")
ASSIGNMENTS = [{**answers, "_course": True} for answers in PROJECTS]
EVERY = [("project", answers) for answers in PROJECTS + ASSIGNMENTS] + [("course", answers) for answers in COURSES]


@functools.cache
def every_text() -> dict[str, set[str]]:
    """Each different text that a file gets in any combination, by path."""
    found: dict[str, set[str]] = {}
    for kind, answers in EVERY:
        for name, text in rendered(kind, answers).items():
            found.setdefault(f"{kind}/{name}", set()).add(text)
    return found


def texts(pattern: str) -> dict[str, set[str]]:
    found = {name: every for name, every in every_text().items() if re.search(pattern, name)}
    assert found, f"no file is like {pattern}"
    return found


def test_there_are_as_many_combinations_as_answers():
    assert len(PROJECTS) == 2 * 2 * 2 * 3 * 3 * 2 == len({json.dumps(one) for one in PROJECTS})
    assert len(COURSES) == len(PROJECTS)


@pytest.mark.slow
def test_no_text_is_left_unrendered():
    for name, every in texts("").items():
        for text in every:
            assert "cookiecutter" not in text, name
            assert "{%" not in text.replace("${{", ""), name
            assert text.endswith("\n") and not text.endswith("\n\n"), name
            assert "\r" not in text and "\t" not in text, name
            assert not re.search(r"[ ]+$", text, re.MULTILINE), f"{name}: white space at the end of a line"


def test_prose_has_no_hole_where_a_part_was_left_out():
    for name, every in texts(r"\.(md|toml)$").items():
        for text in every:
            assert "\n\n\n" not in text, name
            assert not text.startswith("\n"), name


@pytest.mark.parametrize("pattern", [r"\.py$"])
def test_python_compiles_for_python_3_8(pattern):
    for name, every in texts(pattern).items():
        for text in every:
            ast.parse(text, name, feature_version=(3, 8))


def test_toml_yaml_and_json_parse():
    for every in texts(r"\.toml$").values():
        assert all(tomllib.loads(text) for text in every)
    for every in texts(r"\.ya?ml$").values():
        assert all(yaml.safe_load(text) for text in every)
    for every in texts(r"\.json$").values():
        assert all(json.loads(text) for text in every)


def test_the_notebook_is_valid_and_has_no_output():
    for every in texts(r"\.ipynb$").values():
        for text in every:
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
            assert all(cell.cell_type == "markdown" or not cell.outputs for cell in notebook.cells)
            ast.parse("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_job_scripts_are_right_for_bash():
    for name, every in texts(r"\.sbatch$").items():
        for text in every:
            done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
            assert done.returncode == 0, (name, done.stderr)
            first, *_ = text.split("\n")
            assert first == "#!/bin/bash"
            last = text.rindex("#SBATCH --")
            commands = [line for line in text[:last].split("\n") if line and not line.startswith("#")]
            assert not commands, f"{name}: a directive after the first command is ignored"
            if shutil.which("shellcheck"):
                done = subprocess.run(["shellcheck", "-"], input=text, capture_output=True, text=True)
                assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("answers", PROJECTS, ids=lambda a: "-".join(str(v) for v in list(a.values())[2:]))
def test_each_answer_brings_its_files_and_no_others(answers):
    files = rendered("project", answers)
    assert {"pyproject.toml", "README.md", "envtool.toml", "environment.yml", ".gitignore", ".gitattributes"} <= set(
        files
    )
    assert ("notebooks/tour.ipynb" in files) == answers["notebook"]
    assert (".github/workflows/ci.yml" in files) == (answers["ci"] == "github")
    assert (".gitlab-ci.yml" in files) == (answers["ci"] == "gitlab")
    assert ("Dockerfile" in files) == (".dockerignore" in files) == (answers["container"] == "docker")
    assert (".devcontainer/devcontainer.json" in files) == (answers["container"] == "devcontainer")
    assert ("jobs/train.sbatch" in files) == answers["cluster"]
    assert ("lightning" in files["pyproject.toml"]) == (answers["framework"] == "lightning")
    named = re.findall(r"`((?:src|notebooks|jobs|tests)/[\w./]+)`", files["README.md"])
    assert all(name in files or name == "tests/" for name in named), "the README names a file that isn't there"
    assert parse(files["envtool.toml"], "envtool.toml").name == answers["project"]


@pytest.mark.parametrize("answers", COURSES, ids=lambda a: "-".join(str(v) for v in list(a.values())[2:]))
def test_a_course_has_its_files(answers):
    files = rendered("course", answers)
    assert {"README.md", "INSTRUCTOR.md", "envtool.toml", "start.py", "page/set-up.md", "lockfiles/README.md"} <= set(
        files
    )
    assert (".github/workflows/environment.yml" in files) == (answers["ci"] == "github")
    assert (".gitlab-ci.yml" in files) == (answers["ci"] == "gitlab")
    course = parse(files["envtool.toml"], "envtool.toml")
    assert course.name == answers["project"]
    assert ("cuda" in course.variants) == (answers["device"] == "gpu" or answers["cluster"])


def test_an_assignment_uses_the_environment_of_its_course():
    for answers in ASSIGNMENTS:
        files = rendered("project", answers)
        assert "uv run" not in re.sub(r"(?s)<details>.*?</details>", "", files["README.md"])
        assert "../.venv" in files["README.md"] and "(.venv" not in files["README.md"]
        if answers["cluster"]:
            assert "source ../.venv/bin/activate" in files["jobs/train.sbatch"]


def test_the_line_is_literal_and_the_readme_shows_it():
    for answers in PROJECTS:
        files = rendered("project", answers)
        lines = [line for line in files["src/first_project/device.py"].split("\n") if line.startswith("DEVICE = ")]
        assert len(lines) == 1 and lines[0] in files["README.md"].split("\n")
        if answers["device"] == "cpu":
            assert lines == [LINE]


SPREAD = [
    {**answers, "ci": ci, "container": container, "cluster": True}
    for answers in PROJECTS
    if (answers["ci"], answers["container"], answers["cluster"]) == ("none", "none", False)
    for ci, container in [("github", "docker") if answers["notebook"] else ("gitlab", "devcontainer")]
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Projects by envtool's own renderer: all that differs in Python, and a name of the greatest length."""
    root = tmp_path_factory.mktemp("projects")
    for number, answers in enumerate(SPREAD):
        into = root / str(number)
        into.mkdir()
        made = render("project", answers, str(into))
        assert on_disk(made) == rendered("project", answers), "the two ways to render differ"
    long = "a" * 40
    (root / "long").mkdir()
    render("project", {**SPREAD[0], "project": long, "package": long}, str(root / "long"))
    return root


@pytest.mark.slow
def test_ruff_has_nothing_to_say(tree):
    ruff = shutil.which("ruff") or shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("there is no ruff")
    for arguments in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([ruff, *arguments, str(tree)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tree.rglob("device.py"))) == len(SPREAD) + 1 == 9


def test_one_line_names_the_device(tree):
    for folder in sorted(tree.glob("*/*")):
        found = find(str(folder))
        assert [place.text.strip().split(" ")[0] for place in found.places] == ["DEVICE"], found.places
        assert not found.skipped
        assert read(str(folder / "envtool.toml")).name == folder.name


def test_pyproject_and_the_other_files_ask_for_the_same():
    for answers in PROJECTS:
        files = rendered("project", answers)
        project = tomllib.loads(files["pyproject.toml"])["project"]
        dev = project["optional-dependencies"]["dev"]
        course = parse(files["envtool.toml"], "envtool.toml")
        assert sorted(project["dependencies"] + dev) == sorted(course.torch + course.packages)
        conda = yaml.safe_load(files["environment.yml"])["dependencies"]
        names = {re.split(r"[ <>=]", one)[0] for one in conda if isinstance(one, str)} - {"python", "pip"}
        wanted = {re.split(r"[ <>=]", one)[0] for one in project["dependencies"] + dev}
        other = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
        assert {other.get(name, name) for name in names} == wanted


def test_workflows_pin_what_they_use_and_may_only_read():
    for name, every in texts(r"\.github/workflows/").items():
        for text in every:
            workflow = yaml.safe_load(text)
            assert workflow["permissions"] == {"contents": "read"}, name
            assert True in workflow, "on:, which YAML 1.1 reads as true"
            for job in workflow["jobs"].values():
                assert job["timeout-minutes"] <= 60
                for step in job["steps"]:
                    assert ("uses" in step) != ("run" in step), step
                    assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/checkout@v1"))


def test_a_dockerfile_has_instructions_only():
    for text in texts("Dockerfile$")["project/Dockerfile"]:
        lines = re.sub(r"\\\n", " ", text).split("\n")
        words = [line.split(" ")[0] for line in lines if line and not line.startswith("#")]
        assert words[0] == "FROM" and words[-1] == "CMD"
        assert set(words) <= {"FROM", "ARG", "RUN", "WORKDIR", "ENV", "USER", "COPY", "CMD"}
        hadolint = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
        if hadolint:
            done = subprocess.run(
                [hadolint, "--failure-threshold", "warning", "-"], input=text, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout


def test_the_catalog_knows_the_indexes_of_the_template():
    from envtool.catalog import load

    indexes = tomllib.loads(rendered("project", PROJECTS[0])["pyproject.toml"])["tool"]["uv"]["index"]
    variants = {index["url"].removeprefix("https://download.pytorch.org/whl/") for index in indexes}
    assert variants == {"cpu", "cu126", "cu130"}
    catalog = load()
    for platform in ("linux_x86_64", "windows_x86_64"):
        assert variants <= {build.variant for build in catalog.builds(platform) if build.verified}
