"""Rendered projects, really used: installed, linted, tested, trained, and their notebook run. Slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from templates_rendered import COURSE, PROJECT

from envtool.scaffold.make import make
from envtool.scaffold.templates import questions

TORCH = os.environ.get("ENVTOOL_TORCH_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TORCH, reason="ENVTOOL_TORCH_PYTHON names no Python with torch"),
    pytest.mark.timeout(600),
]
pytest.importorskip("cookiecutter")

HIDDEN = ("PYTHON", "DEVICE", "SLURM_", "CUDA_", "COLAB_", "VIRTUAL_ENV")


def run(*command, cwd=None, **env):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(HIDDEN)}
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, encoding="utf-8", cwd=cwd, timeout=500,
        env={**clean, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", **env},
    )  # fmt: skip


def good(*command, cwd=None, **env):
    done = run(*command, cwd=cwd, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def project(folder: Path, name: str, **answers):
    defaults = {question.key: question.default for question in questions("project")}
    names = {**PROJECT, "project": name, "package": name}
    make("project", {**names, **defaults, **answers}, str(folder / name))
    return folder / name


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An environment that sees the packages of the torch environment, for the projects' own install."""
    folder = tmp_path_factory.mktemp("env") / "venv"
    good(TORCH, "-m", "venv", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site, theirs = good(python, "-c", where).strip(), good(TORCH, "-c", where).strip()
    Path(site, "torch-environment.pth").write_text(theirs + "\n", encoding="utf-8")
    return str(python)


@pytest.fixture(scope="module")
def installed(python, tmp_path_factory):
    """The default project, installed as its README says for pip; torch is there already."""
    folder = project(tmp_path_factory.mktemp("projects"), "cats", container="docker", cluster=True)
    done = run(python, "-m", "pip", "install", "--quiet", "--no-compile", "--editable", ".[dev]", cwd=folder)
    if done.returncode != 0:
        pytest.skip(f"its packages can't be had: {done.stderr[-200:]}")
    return folder


def test_lint_and_tests(installed, python):
    good(python, "-m", "ruff", "check", ".", cwd=installed)
    good(python, "-m", "ruff", "format", "--check", ".", cwd=installed)
    out = good(python, "-m", "pytest", "-q", cwd=installed)
    assert " passed" in out and "failed" not in out and "skipped" not in out


def test_train_evaluate_and_go_on(installed, python):
    out = good(python, "-m", "cats.train", "--epochs", "2", "--workers", "2", cwd=installed)
    assert out.count("\n") == 2 and out.startswith("epoch 1/2  loss ")
    out = good(python, "-m", "cats.evaluate", cwd=installed)
    share = float(out.split(", ")[1].split("%")[0])
    assert out.startswith("after 2 epochs, ") and share > 60
    out = good(python, "-m", "cats.train", "--epochs", "3", "--resume", cwd=installed, DEVICE="auto")
    assert "this runs on" in out and "going on after epoch 2 of 3\nepoch 3/3" in out


@pytest.mark.skipif(os.name == "nt", reason="an image is Linux")
def test_the_test_of_the_image_passes(installed, python, tmp_path):
    lines = (installed / "Dockerfile").read_text(encoding="utf-8").split("\n")
    (line,) = [line.removeprefix("RUN ") for line in lines if line.startswith("RUN DEVICE=cpu ")]
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    assert "epoch 1/1" in good("sh", "-ec", line.replace("/tmp/", f"{tmp_path}/"), cwd=installed, PATH=path)
    assert not list(tmp_path.iterdir())


def test_it_would_run_on_a_gpu(installed, python):
    out = good(
        sys.executable, "-m", "envtool", "rehearse", "--python", python, "src/cats/train.py", "--epochs", "1",
        cwd=installed, PYTHONPATH=os.pathsep.join(p for p in sys.path if p),
    )  # fmt: skip
    assert "would run on an accelerator" in out


@pytest.mark.skipif(os.name == "nt", reason="the job script is for bash")
def test_the_job_script_trains_and_goes_on(installed, python, tmp_path):
    """Without Slurm: srun is a script here that runs what it is given."""
    (tmp_path / "srun").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    if not (installed / ".venv").exists():
        (installed / ".venv").symlink_to(Path(python).parent.parent)
    job = installed / "jobs/train.sbatch"
    env = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SLURM_SUBMIT_DIR": str(installed)}
    done = run("bash", job, cwd=tmp_path, **env)
    assert done.returncode != 0 and "DEVICE is 'cuda', but" in done.stderr, "a job without a GPU must stop"
    (installed / "runs/model.pt").unlink(missing_ok=True)
    short = tmp_path / "short.sbatch"
    short.write_text(job.read_text().replace("--epochs 20", "--epochs 1"))
    assert "epoch 1/1" in good("bash", short, cwd=tmp_path, DEVICE="cpu", **env)
    short.write_text(job.read_text().replace("--epochs 20", "--epochs 2"))
    assert "going on after epoch 1 of 2\nepoch 2/2" in good("bash", short, cwd=tmp_path, DEVICE="cpu", **env)


def test_the_notebook_runs_from_top_to_bottom(installed, python):
    here = Path(python).parent  # as an active environment: its programs go before those of the tests' own
    path = os.pathsep.join((str(here), os.environ["PATH"]))
    good(here / "jupyter", "execute", "--inplace", "notebooks/tour.ipynb", cwd=installed, PATH=path)
    notebook = json.loads((installed / "notebooks/tour.ipynb").read_text(encoding="utf-8"))
    text = "".join(
        "".join(output.get("text", [])) for cell in notebook["cells"] for output in cell.get("outputs", [])
    )  # fmt: skip
    assert "the same answers: True" in text and "45.5625 and by hand 45.5625" in text
    pictures = [o for cell in notebook["cells"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    assert len(pictures) == 2


TRY_EACH = """
import json, os, sys
from cats.device import get_device
said = {}
for name in ("cuda", "cuda:1", "mps", "xpu", "gpu", "cpu"):
    os.environ["DEVICE"] = name
    try:
        said[name] = get_device().type
    except RuntimeError as error:
        said[name] = str(error)
json.dump(said, sys.stdout)
"""


def test_a_device_that_is_not_there_stops_with_the_reason(installed, python):
    said = json.loads(good(python, "-c", TRY_EACH, cwd=installed))
    assert said.pop("cpu") == "cpu"
    for name, words in said.items():
        there = words == name.split(":")[0]
        assert there or (words.startswith(f"DEVICE is '{name}'") and words.endswith("."))
    assert said["gpu"] != "gpu"
    done = run(python, "-m", "cats.train", cwd=installed, DEVICE="gpu")
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.endswith(f"RuntimeError: {said['gpu']}\n")


# Each row: what pretends to be there, and the words that name the cause.
CAUSES = [
    ("cpu build", "version.cuda = None", {}, "is built for the CPU only"),
    ("hidden", "version.cuda = '12.6'", {"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES hides every GPU"),
    ("in a job", "version.cuda = '12.6'", {"SLURM_JOB_ID": "7"}, "this job has no GPU"),
    (
        "in a job on a node with GPUs",
        "version.cuda = '12.6'",
        {"SLURM_JOB_ID": "7", "DRIVER": "1"},
        "this job has no GPU",
    ),
    (
        "in a job with a GPU",
        "version.cuda = '12.6'",
        {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "0", "DRIVER": "1"},
        "PyTorch says: ",
    ),
    ("on a login node", "version.cuda = '12.6'", {"PATH": "slurm"}, "looks like a login node"),
    ("in a container", "version.cuda = '12.6'", {"CONTAINER": "1"}, "this container has no GPU"),
    ("no driver", "version.cuda = '12.6'", {}, "there is no NVIDIA driver"),
    ("on Colab", "version.cuda = None", {"COLAB_RELEASE_TAG": "x"}, "this Colab runtime has no GPU"),
    ("on Kaggle", "version.cuda = None", {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, "this Kaggle session has no GPU"),
    ("an AMD build", "version.hip = '7.2'", {}, "PyTorch says: "),
]


PRETEND = """
import json, os, sys, torch
from cats.device import why_not
said = []
exists = os.path.exists
pretended = {{"/.dockerenv": "CONTAINER", "/proc/driver/nvidia/version": "DRIVER"}}
os.path.exists = lambda path: pretended[path] in os.environ if path in pretended else exists(path)
for setting, env in {rows}:
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_JOB_GPUS", "CONTAINER", "DRIVER", "COLAB_RELEASE_TAG",
                 "KAGGLE_KERNEL_RUN_TYPE"):
        os.environ.pop(name, None)
    os.environ.update(env)
    exec("torch." + setting)
    said.append(why_not("cuda"))
json.dump(said, sys.stdout)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the causes are those of Linux")
def test_the_cause_is_named(installed, python, tmp_path):
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    rows = [
        (setting, {**env, "PATH": str(tmp_path) if "PATH" in env else "/nonexistent"}) for _, setting, env, _ in CAUSES
    ]
    said = json.loads(good(python, "-c", PRETEND.format(rows=rows), cwd=installed))
    for (label, _, _, words), told in zip(CAUSES, said, strict=True):
        assert words in told, label


def test_a_gpu_project_without_a_notebook_with_lightning(python, tmp_path):
    folder = project(tmp_path, "dogs", device="gpu", framework="lightning", notebook=False, ci="gitlab")
    done = run(python, "-m", "pip", "install", "--quiet", "--no-compile", "--editable", ".[dev]", cwd=folder)
    if done.returncode != 0:
        pytest.skip(f"lightning can't be had: {done.stderr[-200:]}")
    good(python, "-m", "ruff", "check", ".", cwd=folder)
    assert " passed" in good(python, "-m", "pytest", "-q", "tests/test_train.py", "tests/test_device.py", cwd=folder)
    assert "epoch 1/1  loss " in good(python, "-m", "dogs.train", "--epochs", "1", cwd=folder)


def test_the_assignment_of_a_course_runs(python, tmp_path):
    defaults = {question.key: question.default for question in questions("course")}
    make("course", {**COURSE, **defaults}, str(tmp_path / "deep-learning"))
    source = str(tmp_path / "deep-learning" / "assignment" / "src")
    assert "epoch 1/1" in good(python, "-m", "assignment.train", "--epochs", "1", cwd=tmp_path, PYTHONPATH=source)
