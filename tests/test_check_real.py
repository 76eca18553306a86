"""A project as `envtool init` makes it, with a real PyTorch: checked green, then with a torch that does not import."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from install_room import ROOT, clean
from templates_rendered import PROJECT

TORCH = os.environ.get("ENVTOOL_TORCH_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.name != "posix", reason="the environment is laid out as on POSIX"),
    pytest.mark.skipif(not TORCH, reason="ENVTOOL_TORCH_PYTHON names no Python with torch"),
]
pytest.importorskip("cookiecutter")
WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def said(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=200, env=clean())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def link(source, target):
    try:
        return os.link(source, target)
    except OSError:  # another disk; a copy of a CUDA build would be gigabytes
        return os.symlink(source, target)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project, its environment with the packages of the torch environment, and a frozen list of them."""
    from envtool.scaffold.make import make
    from envtool.scaffold.templates import questions

    folder = tmp_path_factory.mktemp("real") / "cats"
    answers = {question.key: question.default for question in questions("project")}
    make("project", {**PROJECT, "project": "cats", "package": "cats", **answers, "notebook": False}, str(folder))
    spec = folder / "envtool.toml"
    text = spec.read_text()
    few = text[: text.index("packages = [")] + 'packages = ["numpy>=1.26"]' + text[text.index("]\nplatforms") + 1 :]
    spec.write_text(few)
    said(TORCH, "-m", "venv", "--without-pip", folder / ".venv")
    python = folder / ".venv" / "bin" / "python"
    site = Path(said(python, "-I", "-c", WHERE))
    shutil.rmtree(site)
    shutil.copytree(said(TORCH, "-I", "-c", WHERE), site, copy_function=link)
    listed = "import importlib.metadata as m; [print(d.metadata['Name'] + '==' + d.version) for d in m.distributions()]"
    (folder / "requirements.lock").write_text(said(python, "-I", "-c", listed) + "\n")
    return folder


def check(folder, *words):
    command = [sys.executable, "-m", "envtool", "check", "--python", ".venv", "--lock", "requirements.lock", "--json"]
    done = subprocess.run(
        [*command, *words], capture_output=True, text=True, cwd=folder, env=clean() | {"PYTHONPATH": ROOT}, timeout=200
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_it_is_green_smoke_tests_and_all(project):
    code, document = check(project, "--strict", "--max-devices", "1", "--junit", "check.xml")
    wrong = [v for v in document["verdicts"] if v["status"] == "fail"]
    assert code == 0 and not wrong, wrong
    found = {v["code"]: v["status"] for v in document["verdicts"]}
    assert found["torch-import"] == found["locked-variant"] == found["device-lines"] == "pass"
    assert document["smoke"]["status"] in ("pass", "warn")
    assert sum(name.startswith("smoke-") and status == "pass" for name, status in found.items()) > 15
    assert 'failures="0"' in (project / "check.xml").read_text()


def test_a_broken_import_is_named_with_one_fix(project):
    site = Path(said(project / ".venv" / "bin" / "python", "-I", "-c", WHERE))
    file = site / "torch" / "functional.py"
    kept = file.read_bytes()
    file.unlink()  # a link to the torch environment's own, which stays as it is
    try:
        file.write_text("raise ImportError('damaged')\n")
        code, document = check(project)
        assert code == 1 and document["next_step_code"] == "torch-import"
        assert "torch" in document["next_step"] and document["smoke"]["status"] is None
        file.unlink()
        code, document = check(project, "--no-smoke")
        assert document["next_step_code"] == "locked-files"
        version = next(
            line for line in (project / "requirements.lock").read_text().split() if line.startswith("torch==")
        )
        assert f"--force-reinstall --no-deps {version.replace('==', '===')}" in document["next_step"]
    finally:
        file.unlink(missing_ok=True)
        file.write_bytes(kept)
