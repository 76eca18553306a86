"""An environment that is as locked, for pip and for conda, and ways to let it drift."""

from __future__ import annotations

from dataclasses import replace

from builders import Lines, build, environment, evidence, laptop

from envtool.checks import of_lock, run
from envtool.course import Course
from envtool.drift import CONDA, PIP, Drift, Held, Locked, Pin
from envtool.machine import Found

SHA, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
INDEX = "https://files.example.org/"
NUMPY = Pin("numpy", "2.1.0", PIP, "", f"{INDEX}numpy-2.1.0-py3-none-any.whl", (SHA,))
TQDM = Pin("tqdm", "4.67.0", PIP)
TORCH = Pin("torch", "2.14.1+cpu", PIP)
GPU_TORCH = Pin("torch", "2.14.1+cu130", PIP)
PIP_LOCK = Locked("/c/pylock.cpu.toml", "pylock.cpu.toml", "pylock", PIP, (NUMPY, TQDM, TORCH), None, "cpu", ">=3.12")
HELD = (Held("numpy", "2.1.0", PIP), Held("tqdm", "4.67.0", PIP), Held("torch", "2.14.1+cpu", PIP))
CPU = environment(build("torch", "2.14.1+cpu", "cpu"))
GOOD = Drift(PIP_LOCK, pip=HELD, edited=Found(()))

PYTHON = Pin("python", "3.12.4", CONDA, "h0_0_cpython")
CONDA_NUMPY = Pin(
    "numpy",
    "2.1.0",
    CONDA,
    "py312_0",
    "https://conda.example.org/conda-forge/linux-64/numpy-2.1.0-py312_0.conda",
    ("md5:1",),
)
CONDA_TORCH = Pin("pytorch", "2.14.1", CONDA, "cpu_generic_0")
CONDA_LOCK = Locked(
    "/c/dl-cpu-linux-64.txt", "lockfiles/dl-cpu-linux-64.txt", "@EXPLICIT", CONDA, (PYTHON, CONDA_NUMPY, CONDA_TORCH),
    "linux-64", "cpu", "==3.12.*",
)  # fmt: skip
RECORDS = (
    Held("python", "3.12.4", CONDA, "h0_0_cpython"),
    Held("numpy", "2.1.0", CONDA, "py312_0", ("md5:1",), ("numpy",)),
    Held("pytorch", "2.14.1", CONDA, "cpu_generic_0", (), ("torch",)),
)
CONDA_GOOD = Drift(CONDA_LOCK, conda=RECORDS, pip=(Held("numpy", "2.1.0", CONDA), Held("torch", "2.14.1", CONDA)))
CONDA_ENV = replace(CPU, manager="conda", prefix="/opt/envs/dl")
AGAIN = "envtool install --lock lockfiles/dl-cpu-linux-64.txt --into /opt/envs/dl"
SPEC = Course("dl", ">=3.10", ("torch>=2.6",), ("numpy>=2",), variants=("cpu",))


def held(name, version, manager=PIP, drift=GOOD, **more):
    """The drift with another record of one package."""
    where = "conda" if more.pop("record", False) else "pip"
    rest = tuple(one for one in getattr(drift, where) if one.name != name)
    return replace(drift, **{where: (*rest, Held(name, version, manager, **more))})


def without(name, drift=GOOD):
    return replace(
        drift, pip=tuple(h for h in drift.pip if h.name != name), conda=tuple(h for h in drift.conda if h.name != name)
    )


def judged(drift, env=CPU, course=None, mender=None, machine=None):
    found = replace(evidence(machine or laptop(), env, None, mender or Lines()), drift=drift, course=course)
    return {verdict.code: verdict for verdict in run(of_lock(), found)}


EXACT = f"numpy @ {INDEX}numpy-2.1.0-py3-none-any.whl#sha256={'a' * 64}"
