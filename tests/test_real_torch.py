"""The doctor on real PyTorch: healthy, and broken in the ways that students break it. Slow: imports torch many times."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

TORCH = os.environ.get("ENVTOOL_TORCH_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TORCH, reason="ENVTOOL_TORCH_PYTHON names no Python with torch"),
    pytest.mark.timeout(600),
]


def run(*command, cwd=None, **env):
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=cwd, timeout=500, env={**os.environ, **env}
    )


def doctor(python, *arguments, cwd=None, **env):
    env = {"PYTHONPATH": "", **env}
    done = run(sys.executable, "-m", "envtool", "doctor", "--json", "--python", python, *arguments, cwd=cwd, **env)
    document = json.loads(done.stdout)
    bad = {v["code"]: v for v in document["verdicts"] if v["status"] in ("fail", "warn", "unknown")}
    assert (done.returncode == 1) == (document["status"] == "fail"), done.stderr
    return document, bad


@pytest.fixture(scope="module")
def version():
    return run(TORCH, "-c", "import torch; print(torch.__version__)").stdout.strip()


@pytest.fixture
def child(tmp_path):
    """A venv of its own that sees the packages of the torch environment, so that packages can be added to it."""
    folder = tmp_path / "env"
    assert run(TORCH, "-m", "venv", folder).returncode == 0
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = run(python, "-c", where).stdout.strip()
    theirs = run(TORCH, "-c", where).stdout.strip()
    with open(os.path.join(site, "torch-environment.pth"), "w", encoding="utf-8") as file:
        file.write(theirs + "\n")
    return python


def test_a_cpu_build_on_a_machine_without_a_gpu_is_healthy(tmp_path, version):
    document, bad = doctor(TORCH, cwd=tmp_path)
    if document["machine"]["nvidia"]["status"] == "absent":
        assert not set(bad) - {"shm-small", "disk-full", "tmpdir-small", "conda-base"}
        assert document["next_step"] is None or bad
    assert document["environment"]["packages"]["torch"] == version
    computed = {v["code"]: v["status"] for v in document["verdicts"]}
    assert computed["torch-import"] == computed["cpu-computes"] == computed["numpy-bridge"] == "pass"


def test_a_students_random_py_is_named(tmp_path):
    (tmp_path / "random.py").write_text("print('my dice')\n")
    document, bad = doctor(TORCH, cwd=tmp_path)
    assert "random.py" in bad["stdlib-shadow"]["message"]
    assert document["next_step"] == "mv -i random.py my_random.py"
    assert run("bash", "-c", document["next_step"], cwd=tmp_path).returncode == 0
    _, bad = doctor(TORCH, cwd=tmp_path)
    assert "stdlib-shadow" not in bad


def test_a_file_called_torch_py_is_named(tmp_path):
    (tmp_path / "torch.py").write_text("x = 1\n")
    _, bad = doctor(TORCH, cwd=tmp_path)
    assert str(tmp_path / "torch.py") in bad["file-named-torch"]["message"]


def test_pythonpath_that_leads_elsewhere_is_named(tmp_path):
    other = tmp_path / "other" / "numpy-1.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    _, bad = doctor(TORCH, cwd=tmp_path, PYTHONPATH=str(tmp_path / "other"))
    assert "numpy 1.0" in bad["pythonpath-leak"]["message"]


def test_pypis_torchvision_beside_a_cpu_torch_is_a_variant_mismatch(child, version):
    if version != "2.13.0+cpu" or not sys.platform.startswith("linux"):
        pytest.skip(f"torchvision 0.28.0 goes with torch 2.13.0+cpu, this is {version}")
    got = run(child, "-m", "pip", "install", "--quiet", "--no-deps", "torchvision==0.28.0", "pillow")
    if got.returncode != 0:
        pytest.skip(f"torchvision can't be had: {got.stderr[-200:]}")
    document, bad = doctor(child)
    assert "torchvision-mismatch" in bad
    assert "torchvision::nms does not exist" in bad["torchvision-mismatch"]["message"]
    assert "torchvision==0.28.0+cpu" in document["next_step"]
    assert "--index-url https://download.pytorch.org/whl/cpu" in document["next_step"]
    _, unseen = doctor(child, "--no-import")
    assert "torchvision-mismatch" in unseen, "the files alone must tell"


def test_a_damaged_library_is_named(child, tmp_path):
    """A torch whose compiled half can't be loaded: the words of the loader reach the student."""
    package = tmp_path / "broken" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import ctypes; ctypes.CDLL('libcudart.so.99')\n")
    (package / "version.py").write_text("__version__ = '2.14.1+cu130'\ncuda = '13.0'\n")
    site = run(child, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    os.rename(package, os.path.join(site, "torch"))
    _, bad = doctor(child)
    assert "libcudart.so.99" in json.dumps(bad)
