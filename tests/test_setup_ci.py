"""Workflows for GitHub and pipelines for GitLab: valid by the services' own schemas, whatever the course is called."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from test_setup_containers import names

from envtool.cli.setup import command
from envtool.course import Course
from envtool.data import read_table
from envtool.errors import EnvtoolError
from envtool.setup.github import PATH, Row, github
from envtool.setup.gitlab import gitlab
from envtool.setup.recipe import Recipe

yaml = pytest.importorskip("yaml")
FACTS = read_table("ci.toml")["github"]
SPEC = 'name = "cats"\npython = ">=3.10,<3.14"\ntorch = ["torch>=2.4"]\n'
sources = st.one_of(st.sampled_from(["envtool[install]", "envtool[install]==1.2"]), names)


def read(text: str) -> dict:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.path.dirname(sys.executable))


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str, spec: str | None = SPEC):
    monkeypatch.chdir(folder)
    if spec is not None:
        (folder / "envtool.toml").write_text(spec)
    done = CliRunner().invoke(command, list(words))
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def matrix(folder: Path) -> dict[str, object]:
    found: dict[str, object] = read((folder / PATH).read_text())["jobs"]["environment"]["strategy"]["matrix"]
    return found


# ── whatever the name ────────────────────────────────────────────────────────────────────────────


def recipe(name: str, source: str) -> Recipe:
    return Recipe(Course(name), "envtool.toml", "3.12", envtool=source)


@settings(max_examples=30, deadline=None)
@given(names, sources)
def test_a_workflow_is_the_same_whatever_the_name(name, source):
    (file,) = github(recipe(name, source), (Row("ubuntu-latest", "3.12"),), FACTS["actions"], weekly=True)
    (plain,) = github(recipe("x", "y"), (Row("ubuntu-latest", "3.12"),), FACTS["actions"], weekly=True)
    found, expected = read(file.text), read(plain.text)
    own = found["jobs"]["environment"]["env"].pop("ENVTOOL")
    expected["jobs"]["environment"]["env"].pop("ENVTOOL")
    assert found == expected
    # what GitHub makes of it: the one expression there may be stands for its own beginning
    assert own.replace("${{ '${{' }}", "${{") == source.encode("utf-8", "replace").decode() or "\ud800" in source
    assert "${{" not in own.replace("${{ '${{' }}", "")
    assert found["permissions"] == {"contents": "read"}
    assert file.text.count("\n") == plain.text.count("\n")


@settings(max_examples=40, deadline=None)
@given(names)
def test_a_pipeline_is_the_same_whatever_the_name(name):
    (file,), (plain,) = gitlab(recipe(name, "envtool"), ("3.12",)), gitlab(recipe("x", "envtool"), ("3.12",))
    assert read(file.text) == read(plain.text)
    assert file.text.count("\n") == plain.text.count("\n")


# ── the matrix ───────────────────────────────────────────────────────────────────────────────────


def test_every_system_of_the_course_with_its_oldest_and_newest_python(tmp_path, monkeypatch):
    made(tmp_path, monkeypatch, "github")
    assert matrix(tmp_path) == {
        "os": ["ubuntu-latest", "ubuntu-24.04-arm", "macos-latest", "windows-latest"], "python": ["3.10", "3.13"],
    }  # fmt: skip


def test_where_a_system_lacks_a_python_the_rows_are_listed(tmp_path, monkeypatch):
    spec = SPEC.replace("2.4", "2.2") + 'platforms = ["linux-64", "osx-64"]\n'
    made(tmp_path, monkeypatch, "github", spec=spec)
    rows = [(row["os"], row["python"]) for row in matrix(tmp_path)["include"]]
    assert rows == [
        ("ubuntu-latest", "3.10"), ("ubuntu-latest", "3.13"), ("macos-15-intel", "3.10"), ("macos-15-intel", "3.12"),
    ]  # fmt: skip


def test_options_narrow_the_matrix_and_drop_the_schedule(tmp_path, monkeypatch):
    words = ("--python", "3.12", "--platform", "linux-64", "--platform", "win-64", "--no-weekly")
    done = made(tmp_path, monkeypatch, "github", *words)
    assert matrix(tmp_path) == {"os": ["ubuntu-latest", "windows-latest"], "python": ["3.12"]}
    assert "schedule" not in (tmp_path / PATH).read_text() and "Each push is 2 jobs" in done.output


def test_a_lockfile_has_one_python_and_is_checked(tmp_path, monkeypatch):
    (tmp_path / "lockfiles").mkdir()
    (tmp_path / "lockfiles/pixi.lock").write_text("version: 6\n")
    made(tmp_path, monkeypatch, "github", "--lock", "lockfiles/pixi.lock")
    text = (tmp_path / PATH).read_text()
    assert matrix(tmp_path)["python"] == ["3.13"]
    assert "what envtool.toml and lockfiles/pixi.lock say, and does it work?" in text
    assert "run: envtool install --lock lockfiles/pixi.lock --into .venv --no-smoke\n" in text
    assert "run: envtool check --lock lockfiles/pixi.lock --python .venv --junit" in text
    assert "hashFiles('envtool.toml', 'lockfiles/pixi.lock')" in text and '"envtool[install,lock]>=0.9"' in text


def test_the_matrix_is_what_is_locked(tmp_path, monkeypatch):
    (tmp_path / "lockfiles").mkdir()
    lines = ["# Made by `envtool lock`; do not edit.", '# name: "cats"', '# channels: ["x"]']
    for subdir in ("linux-64", "osx-arm64"):
        told = {"variant": "cpu", "subdir": subdir, "build": "cpu", "python": "3.11", "fingerprint": "0"}
        lines.append(f"# target: {json.dumps(told)}")
    (tmp_path / "lockfiles/pixi.lock").write_text("\n".join([*lines, "version: 7", ""]))
    done = made(tmp_path, monkeypatch, "github")
    assert matrix(tmp_path) == {"os": ["ubuntu-latest", "macos-latest"], "python": ["3.11"]}
    assert "left out, as the lockfile holds nothing for it: linux-aarch64, win-64" in done.output
    done = CliRunner().invoke(command, ["github", "--platform", "win-64", "--force"])
    assert str(done.exception) == "the lockfile holds nothing for win-64"


@pytest.mark.parametrize(
    ("words", "spec", "told"),
    [
        (["github", "--platform", "linux-ppc64le"], SPEC, "no runner for linux-ppc64le"),
        (["github", "--python", "3.14"], SPEC, "no build fits"),
        (["gitlab"], SPEC + 'platforms = ["osx-arm64"]\n', "not for Linux"),
        (["gitlab", "--python", "3"], SPEC, "no version of Python"),
        (["gitlab"], 'name = "x"\ntorch = ["torch==2.2.2"]\npython = ">=3.13"\n', "no build fits"),
    ],
)
def test_what_can_t_be_set_up_is_said(words, spec, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envtool.toml").write_text(spec)
    done = CliRunner().invoke(command, words)
    assert isinstance(done.exception, EnvtoolError) and told in done.exception.message and done.exception.hint
    assert len(list(tmp_path.iterdir())) == 1


# ── other people's tools ─────────────────────────────────────────────────────────────────────────


def schema(name: str) -> dict[str, object]:
    package = pytest.importorskip("check_jsonschema", reason="there is no check-jsonschema, which brings the schemas")
    path = Path(package.__file__).parent / "builtin_schemas" / "vendor" / name
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


KINDS = [[], ["--no-spec", "--name", '"; rm -rf ~ ${{ github.token }}'], ["--lock", "lockfiles/pixi.lock"]]


@pytest.mark.slow
@pytest.mark.parametrize("words", KINDS)
@pytest.mark.parametrize("target", ["github", "gitlab"])
def test_the_services_schemas_have_nothing_to_say(target, words, tmp_path, monkeypatch):
    from jsonschema import Draft7Validator

    (tmp_path / "lockfiles").mkdir()
    (tmp_path / "lockfiles/pixi.lock").write_text("version: 6\n")
    made(tmp_path, monkeypatch, target, *words)
    text = (tmp_path / (PATH if target == "github" else ".gitlab-ci.yml")).read_text()
    document = read(text)
    if target == "github":
        document["on"] = document.pop(True)  # YAML 1.1 reads the key as true
    name = "github-workflows.json" if target == "github" else "gitlab-ci.json"
    problems = [error.message for error in Draft7Validator(schema(name)).iter_errors(document)]
    assert not problems, problems


@pytest.mark.skipif(program("actionlint") is None, reason="there is no actionlint")
@pytest.mark.parametrize("words", KINDS)
def test_actionlint_has_nothing_to_say(words, tmp_path, monkeypatch):
    (tmp_path / "lockfiles").mkdir()
    (tmp_path / "lockfiles/pixi.lock").write_text("version: 6\n")
    made(tmp_path, monkeypatch, "github", *words)
    shellcheck = program("shellcheck")
    words = [str(program("actionlint")), "-no-color", *(["-shellcheck", shellcheck] if shellcheck else []), PATH]
    said = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr


def template_ci() -> list[tuple[str, str]]:
    """What the templates hold for GitHub and GitLab, each different text once."""
    from templates_rendered import combinations, rendered

    found: dict[tuple[str, str], None] = {}
    for kind in ("project", "course"):
        for answers in combinations(kind):
            if answers["device"] == "cpu" and answers["container"] == "none" and not answers["cluster"]:
                files = rendered(kind, answers)
                found |= {(p, files[p]): None for p in files if p.startswith(".github/") or p == ".gitlab-ci.yml"}
    return list(found)


def test_the_templates_suit_the_services_too(tmp_path):
    pytest.importorskip("cookiecutter")
    from jsonschema import Draft7Validator

    texts = template_ci()
    assert len(texts) > 4
    for path, text in texts:
        document = read(text)
        if path.startswith(".github/"):
            document["on"] = document.pop(True)
        name = "github-workflows.json" if path.startswith(".github/") else "gitlab-ci.json"
        problems = [error.message for error in Draft7Validator(schema(name)).iter_errors(document)]
        assert not problems, (path, problems)
    actionlint = program("actionlint")
    if actionlint is not None:
        workflows = [text for path, text in texts if path.startswith(".github/")]
        for number, text in enumerate(workflows):
            (tmp_path / f"{number}.yml").write_text(text)
        files = [f"{number}.yml" for number in range(len(workflows))]
        said = subprocess.run([actionlint, "-no-color", *files], capture_output=True, text=True, cwd=tmp_path)
        assert said.returncode == 0, said.stdout + said.stderr


def test_actions_are_github_s_own_by_their_major_version(tmp_path, monkeypatch):
    made(tmp_path, monkeypatch, "github")
    used = re.findall(r"uses: (\S+)", (tmp_path / PATH).read_text())
    assert len(used) == 4 and all(re.fullmatch(r"actions/[a-z-]+@v\d+", one) for one in used)


def test_a_template_uses_the_same_actions():
    from templates_rendered import combinations, rendered

    pytest.importorskip("cookiecutter")
    known = set(FACTS["actions"].values())
    for kind in ("project", "course"):
        answers = next(one for one in combinations(kind) if one["ci"] == "github")
        text = "".join(text for path, text in rendered(kind, answers).items() if path.startswith(".github/"))
        assert set(re.findall(r"uses: (\S+)", text)) <= known, "envtool/data/ci.toml and the templates name others"
