"""For real: torch from a package index, gigabytes of it. ENVTOOL_REAL_INDEX names the index, as --index-url takes it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from install_room import BASE

INDEX = os.environ.get("ENVTOOL_REAL_INDEX")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not INDEX, reason="set ENVTOOL_REAL_INDEX to an index with torch 2.13.0"),
    pytest.mark.skipif(sys.platform != "linux", reason="PyPI's build is one for CUDA on Linux only"),
]
ROOT = str(Path(__file__).resolve().parent.parent)


def install(folder, *words, **more):
    words = [sys.executable, "-m", "envtool", "install", "--no-spec", *words]
    env = (
        {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX")} | {"PYTHONPATH": ROOT} | more
    )
    started = time.monotonic()
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
    return done, time.monotonic() - started


def test_torch_is_installed_tested_left_alone_and_mended(tmp_path):
    asked = ("torch==2.13.0", "--variant", "cu130")
    done, _ = install(tmp_path, *asked, "--index-url", INDEX, "--python", BASE, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["environment"]["created"] is True
    assert {c["name"] for c in document["changes"]} >= {"torch", "triton", "nvidia-cudnn-cu13", "sympy"}
    assert document["download"]["known_bytes"] > 2e9
    verdicts = {v["code"]: v["status"] for v in document["smoke"]["verdicts"]}
    assert document["smoke"]["status"] in {"pass", "warn"}, verdicts
    assert "pass" in verdicts.values()

    broken = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "UV_OFFLINE": "1"}
    again, seconds = install(tmp_path, *asked, **broken)
    assert (again.returncode, "nothing: all of it" in again.stdout) == (0, True), again.stderr
    assert seconds < 5  # 0.4 s of work; the rest is what else the machine does

    next(tmp_path.glob(".venv/lib/*/site-packages/torch/lib/libtorch_cpu.so")).unlink()
    mended, _ = install(tmp_path, *asked, "--index-url", INDEX, "--json")
    assert mended.returncode == 0, mended.stderr
    document = json.loads(mended.stdout)
    assert [c["name"] for c in document["changes"]] == ["torch"]
    assert document["smoke"]["status"] in {"pass", "warn"}
    assert {path.name for path in tmp_path.iterdir()} == {".venv"}
