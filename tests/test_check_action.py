"""The composite GitHub Action and the pre-commit hooks: valid, safe against what is put in, and really run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
STEPS = {step["id"]: step for step in ACTION["runs"]["steps"]}
NASTY = """a b"; rm -rf ~ $(touch bad) `touch bad` ' $HOME"""
posix = pytest.mark.skipif(os.name != "posix", reason="the step's script is run by bash")


def program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.path.dirname(sys.executable))


def schema(name: str) -> dict[str, object]:
    package = pytest.importorskip("check_jsonschema", reason="there is no check-jsonschema, which brings the schemas")
    path = Path(package.__file__).parent / "builtin_schemas" / "vendor" / name
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_action_is_valid_by_the_schema():
    from jsonschema import Draft7Validator

    assert [e.message for e in Draft7Validator(schema("github-actions.json")).iter_errors(ACTION)] == []


def test_no_input_is_pasted_into_a_script_and_each_is_used():
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), "an input in a script is a hole"
    given = re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", json.dumps(ACTION["runs"]))
    assert set(given) == set(ACTION["inputs"])
    for step in ACTION["runs"]["steps"]:
        for name in step.get("env", {}):
            assert name in step["run"], f"{name} is not used"


def test_the_words_of_the_script_are_options_of_the_command():
    from envtool.cli.check import command

    known = {name for option in command.params for name in option.opts}
    words = set(re.findall(r"(?<=[( ])--[a-z-]+", STEPS["check"]["run"]))
    assert words <= known and {"--lock", "--fail-on", "--json-file"} <= words


STUB = """#!/bin/sh
if [ "$2" = -c ]; then exec {python} "$@"; fi
printf '%s\\n' "$@" > words.txt
if [ -n "$STUB_CODE" ] && [ "$STUB_CODE" -gt 1 ]; then exit "$STUB_CODE"; fi
while [ "$1" != --json-file ]; do shift; done
echo '{{"status": "warn"}}' > "$2"
exit "${{STUB_CODE:-0}}"
"""


def run_step(step: str, folder: Path, **more: str) -> tuple[int, dict[str, str], str]:
    """A step as the runner runs it: its script in a file, bash with -e and pipefail, the outputs in a file."""
    inputs = {name: str(told.get("default", "")) for name, told in ACTION["inputs"].items()}
    env = {}
    for name, value in STEPS[step]["env"].items():
        found = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", value)
        env[name] = inputs[found[1]] if found else ""
    temp = folder / "temp"
    temp.mkdir(exist_ok=True)
    output = temp / "output.txt"
    output.write_text("")
    script = temp / "step.sh"
    script.write_text(STEPS[step]["run"])
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "GITHUB_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)], capture_output=True, text=True,
        cwd=folder, timeout=200, env={**clean, **env, "RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(output), **more},
    )  # fmt: skip
    told = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return done.returncode, told, done.stdout + done.stderr


def stub(folder: Path) -> str:
    path = folder / "stub"
    path.write_text(STUB.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


@posix
@pytest.mark.parametrize(("code", "status"), [("0", "warn"), ("1", "warn"), ("2", "error"), ("4", "error")])
def test_the_step_ends_as_the_check_does_and_names_the_document(code, status, tmp_path):
    ended, told, said = run_step("check", tmp_path, ENVTOOL_PYTHON=stub(tmp_path), STUB_CODE=code)
    assert (str(ended), told["status"]) == (code, status), said
    assert ("json" in told) is (status != "error")
    words = (tmp_path / "words.txt").read_text().split("\n")
    assert words[:4] == ["-I", "-m", "envtool", "check"]
    assert words[4:-1] == ["--fail-on", "fail", "--json-file", str(tmp_path / "temp" / "envtool-check.json")]


@posix
def test_whatever_is_put_in_is_one_word(tmp_path):
    more = dict.fromkeys(
        ("IN_PYTHON", "IN_SPEC", "IN_LOCK", "IN_VARIANT", "IN_MAX_DEVICES", "IN_TERM", "IN_JUNIT"), NASTY
    )
    ended, _, said = run_step(
        "check", tmp_path, ENVTOOL_PYTHON=stub(tmp_path), IN_STRICT="true", IN_SMOKE="false", IN_IGNORE="a b *", **more
    )
    assert ended == 0, said
    words = (tmp_path / "words.txt").read_text().split("\n")
    assert words.count(NASTY) == len(more)
    assert "--strict" in words and "--no-smoke" in words
    assert [words[i + 1] for i, word in enumerate(words) if word == "--ignore"] == ["a", "b", "*"]
    assert not (tmp_path / "bad").exists()


@posix
@pytest.mark.parametrize("step", ["install", "check"])
def test_shellcheck_has_nothing_to_say(step, tmp_path):
    if program("shellcheck") is None:
        pytest.skip("there is no shellcheck")
    script = tmp_path / "step.sh"
    script.write_text("#!/usr/bin/env bash\n" + STEPS[step]["run"])
    done = subprocess.run([program("shellcheck"), str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


WORKFLOW = """name: Check
on: push
permissions: {contents: read}
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - id: envtool
        uses: ./
        with:
          python: .venv
          max-devices: "1"
          fail-on: warn
      - run: cat "${{ steps.envtool.outputs.json }}"
        shell: bash
        if: always() && steps.envtool.outputs.status != 'error'
"""


def test_actionlint_knows_the_inputs_and_outputs(tmp_path):
    """It reads action.yml beside the workflow: an input or output that isn't there is an error."""
    actionlint = program("actionlint")
    if actionlint is None:
        pytest.skip("there is no actionlint")
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    shutil.copy(ROOT / "action.yml", tmp_path)
    for text, good in ((WORKFLOW, True), (WORKFLOW.replace("fail-on", "fial-on"), False)):
        (folder / "check.yml").write_text(text)
        done = subprocess.run([actionlint, "-no-color", "-shellcheck="], capture_output=True, text=True, cwd=tmp_path)
        assert (done.returncode == 0) is good, done.stdout + done.stderr


@posix
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_steps_install_envtool_from_the_checkout_and_check_this_python(tmp_path):
    """What a job does, but for setup-python: the package index must answer."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "envtool.toml").write_text('name = "cats"\ntorch = ["torch"]\nvariants = ["cpu"]\n')
    (project / "train.py").write_text('DEVICE = "cpu"\nmodel.to("cuda")\n')
    ended, told, said = run_step("install", project, OWN_PYTHON=sys.executable, ACTION_PATH=str(source(tmp_path)))
    if ended != 0 and re.search(
        r"No matching distribution|Could not find a version|Connection|Temporary failure", said
    ):
        pytest.skip(f"the package index does not answer: {said[-200:]}")
    assert ended == 0, said
    python = told["python"]
    summary = tmp_path / "summary.md"
    ended, told, said = run_step(
        "check", project, ENVTOOL_PYTHON=python, IN_PYTHON=python, IN_MAX_DEVICES="1", IN_SMOKE="false",
        GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    document = json.loads(Path(told["json"]).read_text())
    assert (ended, told["status"], document["status"]) == (1, "fail", "fail"), said
    failed = {v["code"] for v in document["verdicts"] if v["status"] == "fail"}
    assert {"device-lines", "torch-not-installed"} <= failed
    assert "::error file=train.py,line=2,title=device-lines::" in said
    assert "### envtool check: not as asked for" in summary.read_text()


# ── pre-commit ───────────────────────────────────────────────────────────────────────────────────


def source(folder: Path) -> Path:
    """The files of the checkout as a repository of their own, whatever is committed here by now."""
    made = folder / "envtool-source"
    made.mkdir()
    for name in (
        "envtool",
        "templates",
        "lockfiles",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        ".pre-commit-hooks.yaml",
    ):
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, made / name, ignore=shutil.ignore_patterns("__pycache__", "_carried"))
        else:
            shutil.copy(path, made / name)
    return made


def git(folder: Path, *words: str) -> str:
    who = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    names = {f"GIT_{role}_{what}": "x@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *words], capture_output=True, text=True, cwd=folder, env={**os.environ, **who, **names}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hooks_run_commands_that_exist():
    from envtool.cli.app import cli

    assert [hook["id"] for hook in HOOKS] == ["envtool-spec", "envtool-lock-check", "envtool-device"]
    for hook in HOOKS:
        words = hook["entry"].split()
        assert words[0] == "envtool" and hook["pass_filenames"] is False
        command = cli.get_command(None, words[1])
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= known
    extra = (ROOT / "pyproject.toml").read_text().partition("\nlock = [")[2].partition("\n]")[0]
    lock = next(hook for hook in HOOKS if hook["id"] == "envtool-lock-check")
    assert all(f'"{needed}"' in extra for needed in lock["additional_dependencies"])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_pre_commit_runs_them(tmp_path):
    """But the one for lockfiles, whose environment is large; what it runs is tested with the lockfiles."""
    pre_commit = program("pre-commit")
    if pre_commit is None or shutil.which("git") is None:
        pytest.skip("there is no pre-commit, or no git")
    made = source(tmp_path)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "x")):
        git(made, *words)
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q")
    (project / "envtool.toml").write_text('name = "cats"\ntorch = ["torch>=2.4"]\nvariants = ["cpu"]\n')
    (project / "train.py").write_text('DEVICE = "cpu"\n')
    rev = git(made, "rev-parse", "HEAD")
    (project / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {made}\n  rev: {rev}\n  hooks: [{{id: envtool-spec}}, {{id: envtool-device}}]\n"
    )
    git(project, "add", "-A")

    def run(*hooks: str) -> tuple[int, str]:
        env = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home"), "GIT_CONFIG_GLOBAL": os.devnull}
        env.pop("PYTHONPATH", None)
        done = subprocess.run(
            [pre_commit, "run", "--all-files", "--color", "never", *hooks], capture_output=True, text=True, cwd=project,
            env=env, timeout=250,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    code, said = run()
    if "An unexpected error has occurred" in said and re.search(
        r"No matching distribution|Could not find a version", said
    ):
        pytest.skip(f"the package index does not answer: {said[-200:]}")
    ends = [line.rpartition(".")[2] for line in said.splitlines() if line.endswith(("Passed", "Failed"))]
    assert (code, ends) == (0, ["Passed", "Passed"]), said
    (project / "train.py").write_text('DEVICE = "cpu"\nmodel.to("cuda")\n')
    (project / "envtool.toml").write_text('name = "cats"\ntorch = ["torch>=9"]\nvariants = ["cpu"]\n')
    code, said = run("envtool-device")
    assert code == 1 and "train.py:2" in said
    code, said = run("envtool-spec")
    assert code == 1 and "envtool.toml:2" in said
