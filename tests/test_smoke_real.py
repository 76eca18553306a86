"""`envtool smoke` on real PyTorch: healthy, and broken as students break it. Slow: imports torch a dozen times."""

import json
import os
import subprocess
import sys

import pytest

TORCH = os.environ.get("ENVTOOL_TORCH_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TORCH, reason="ENVTOOL_TORCH_PYTHON names no Python with torch"),
    pytest.mark.timeout(240),
]


def smoke(*arguments, cwd, **environment):
    command = [sys.executable, "-m", "envtool", "smoke", "--json", "--python", TORCH, *arguments]
    environment = {**os.environ, "PYTHONPATH": "", **environment}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=230, env=environment)
    document = json.loads(done.stdout)
    assert "verdicts" in document, document
    assert (done.returncode == 1) == (document["status"] == "fail"), done.stderr
    return document, {v["code"]: v for v in document["verdicts"]}


def failed(verdicts):
    return {code for code, verdict in verdicts.items() if verdict["status"] == "fail"}


def test_a_healthy_environment_passes_the_quick_tests_in_seconds(tmp_path):
    document, verdicts = smoke("--quick", "--device", "cpu", cwd=tmp_path)
    assert document["status"] == "pass", failed(verdicts)
    assert document["device"] == "cpu" and document["torch"] == verdicts["smoke-torch"]["evidence"]["version"]
    after = sum(verdict["seconds"] or 0.0 for code, verdict in verdicts.items() if code != "smoke-torch")
    assert after < 20, "five seconds on two cores that have nothing else to do"
    assert os.listdir(tmp_path) == []


def test_cuda_is_never_replaced(tmp_path):
    asked = "import sys, torch; sys.exit(torch.cuda.is_available())"
    if subprocess.run([TORCH, "-c", asked]).returncode != 0:
        pytest.skip("CUDA can be used here")
    document, verdicts = smoke("--quick", "--device", "cuda", cwd=tmp_path)
    assert failed(verdicts) == {"smoke-device"} and document["device"] is None
    assert "the device cuda can't be used: " in verdicts["smoke-device"]["message"]
    assert verdicts["smoke-neuron"]["status"] == "skip"


def test_a_students_random_py_is_named(tmp_path):
    (tmp_path / "random.py").write_text("print('my dice')\n")
    document, verdicts = smoke("--quick", cwd=tmp_path)
    assert failed(verdicts) == {"smoke-torch"} and document["torch"] is None
    told = verdicts["smoke-torch"]
    assert "random" in told["message"] + " ".join(told["lines"])


def test_a_torchvision_for_another_torch_fails_alone(tmp_path):
    """What `import torchvision` does there, in a package of our own: it registers for an operator that is missing."""
    package = tmp_path / "torchvision"
    package.mkdir()
    package.joinpath("__init__.py").write_text(
        "import torch\n__version__ = '0.1'\nops = torch.ops.torchvision\nops.nms\n", encoding="utf-8"
    )
    _, verdicts = smoke("--only", "import", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert failed(verdicts) == {"smoke-torchvision"}
    assert "nms" in verdicts["smoke-torchvision"]["message"]


def test_the_one_file_runs_by_itself(tmp_path):
    file = tmp_path / "smoke.pyz"
    made = subprocess.run(
        [sys.executable, "-m", "envtool", "smoke", "--script", str(file)], capture_output=True, timeout=60
    )
    assert made.returncode == 0
    done = subprocess.run([TORCH, str(file), "--quick", "--device", "cpu"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "smoke tests passed" in done.stdout and done.stderr == ""


def test_the_doctor_runs_the_quick_ones(tmp_path):
    command = [sys.executable, "-m", "envtool", "doctor", "--smoke", "--json", "--python", TORCH]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, timeout=230, env={**os.environ, "PYTHONPATH": ""}
    )
    document = json.loads(done.stdout)
    assert document["smoke"]["quick"] is True and document["smoke"]["torch"]
    assert not [v for v in document["smoke"]["verdicts"] if v["status"] == "fail"]
