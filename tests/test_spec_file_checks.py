"""The checks that an envtool.toml brings: each where it fails, where it passes and where it has nothing to say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import (
    CondaPackage,
    Lines,
    NoLines,
    build,
    dist,
    environment,
    evidence,
    gpu,
    laptop,
    server,
    silent,
)

from envtool.checks import ALL, COURSE, every, of_course, run
from envtool.checks.mend import EnvironmentMender
from envtool.course import Course, Floors
from envtool.environment import BrokenEnvironment
from envtool.machine import Absent, Amd, AmdGpu, Apple, Found, Slurm, Unknown

CPU = build("torch", "2.14.1+cpu", "cpu")
CUDA = build("torch", "2.14.1+cu130", "cu130")
ROCM = build("torch", "2.14.1+rocm7.2", "rocm7.2")
VISION = build("torchvision", "0.29.1+cpu", "cpu")
ONE = Course("dl", torch=("torch>=2.6",))
GPU_ONLY = replace(ONE, variants=("cuda",))
FLOORS = replace(ONE, gpu=Floors(16, (8, 0), "550.54"))
STRICT = replace(FLOORS, variants=("cuda",))
WEAK = server(driver="535.54", gpus=[gpu(name="Tesla P4", capability=(6, 1), memory_mib=Found(7680))])
MAC = laptop(os="macos", arch="x86_64", os_version=Found("13.6"), libc=Absent("macOS"), apple=Apple("absent"))
CONDA = {
    "manager": "conda",
    "prefix": "/opt/conda/envs/dl",
    "conda_packages": (CondaPackage("opencv", "4.9.0", "0", "conda-forge"), CondaPackage("make", "4.4", "0", "c")),
}


def login(machine):
    return replace(machine, slurm=Found(Slurm(None, None)))


# code: (course, machine, environment, status, words that must be there)
CASES = [
    ("spec-platform", ONE, laptop(), None, "pass", ("linux-64",)),
    ("spec-platform", ONE, laptop(arch="aarch64"), None, "pass", ("linux-aarch64",)),
    ("spec-platform", ONE, MAC, None, "warn", ("this is osx-64",)),
    ("spec-platform", replace(ONE, runs_on=("laptop", "colab")), MAC, None, "warn", ("colab",)),
    ("spec-platform", ONE, laptop(arch="riscv64"), None, "warn", ("linux on riscv64",)),
    ("spec-python", ONE, None, None, "skip", ()),
    ("spec-python", replace(ONE, python=">=3.10,<3.14"), None, None, "pass", ("3.12.4",)),
    ("spec-python", replace(ONE, python="==3.11.*"), None, None, "fail", ("==3.11.*", "3.12.4", "envtool install --python 3.11")),
    ("spec-python", replace(ONE, python="<3.6"), None, None, "fail", ("ask whoever",)),
    ("spec-torch", ONE, None, environment(CPU), "pass", ("torch 2.14.1",)),
    ("spec-torch", replace(ONE, torch=("torch>=2.15",)), None, environment(CPU), "fail",
        ("torch is 2.14.1 (asked: >=2.15)", "REINSTALL")),
    ("spec-torch", replace(ONE, torch=("torch", "torchvision")), None, environment(CPU), "fail",
        ("torchvision is missing", "REINSTALL")),
    ("spec-torch", replace(ONE, torch=("torch", "TorchVision<1")), None, environment(CPU, VISION), "pass", ()),
    ("spec-torch", ONE, None, environment(), "skip", ("not checked, because of torch-not-installed",)),
    ("spec-torch", replace(ONE, python="<3.10"), None, environment(CPU), "skip", ("not checked, because of spec-python",)),
    ("spec-variant", ONE, None, environment(CPU), "pass", ("cpu",)),
    ("spec-variant", ONE, None, environment(CUDA), "pass", ("cu130",)),
    ("spec-variant", ONE, laptop(amd=Amd("found", gpus=(AmdGpu(Found("RX")),))), environment(ROCM), "warn",
        ("made for cpu, cuda", "ROCm 7.2")),
    ("spec-variant", ONE, None, environment(ROCM), "skip", ("because of xpu-or-rocm-wheel-elsewhere",)),
    ("spec-variant", replace(ONE, variants=("cpu", "cu126")), None, environment(CUDA), "warn", ("CUDA 13.0",)),
    ("spec-variant", GPU_ONLY, None, environment(CPU), "fail", ("made for cuda", "CPU", "REINSTALL")),
    ("spec-variant", ONE, None, environment(build("torch", "2.14.1", None)), "unknown", ("don't tell",)),
    ("spec-packages", ONE, None, None, "pass", ("0 packages",)),
    ("spec-packages", replace(ONE, packages=("tqdm",)), None, environment(CPU, distributions=(dist("tqdm"),)),
        "pass", ("1 package",)),
    ("spec-packages", replace(ONE, packages=("tqdm", "einops", "numpy>=2")), None,
        environment(CPU, distributions=(dist("numpy", "1.26.4"),)), "fail",
        ("tqdm and einops are missing; numpy is 1.26.4 (asked: >=2)", "INSTALL tqdm einops numpy>=2")),
    ("spec-packages", replace(ONE, packages=("opencv",), pip_names=(("opencv", "opencv-python"),)), None,
        environment(CPU, distributions=(dist("opencv-python"),)), "pass", ()),
    ("spec-packages", replace(ONE, packages=("opencv",), pip_names=(("opencv", "opencv-python"),)), None,
        environment(CPU), "fail", ("opencv-python is missing", "INSTALL opencv-python")),
    ("spec-packages", replace(ONE, packages=("Scikit_Learn",)), None,
        environment(CPU, distributions=(dist("scikit-learn"),)), "pass", ()),
    ("spec-packages", replace(ONE, pip_packages=("pywin32; sys_platform == 'win32'",)), None, None, "pass", ("0",)),
    ("spec-packages", replace(ONE, pip_packages=("x; python_version >= '3.12'",)), None, None, "fail", ("x is",)),
    ("spec-packages", replace(ONE, pip_packages=("d2l @ git+https://example.org/d2l",)), None,
        environment(CPU, distributions=(dist("d2l"),)), "pass", ()),
    ("spec-packages", replace(ONE, conda_packages=("make",)), None, None, "pass", ("0 packages",)),
    ("spec-packages", replace(ONE, packages=("opencv>=4",), conda_packages=("make>=4",)), None,
        environment(CPU, **CONDA), "pass", ()),
    ("spec-packages", replace(ONE, packages=("tqdm",), conda_packages=("ffmpeg>=6",), channels=("c", "conda-forge")),
        None, environment(CPU, **CONDA), "fail", ("tqdm and ffmpeg are missing",
        "conda install --prefix /opt/conda/envs/dl -c c -c conda-forge tqdm 'ffmpeg>=6'")),
    ("spec-packages", replace(ONE, pip_packages=("torchinfo",)), None, environment(CPU, **CONDA), "fail",
        ("INSTALL torchinfo",)),
    ("spec-gpu", ONE, laptop(), None, "skip", ("the CPU, too",)),
    ("spec-gpu", GPU_ONLY, server(), None, "pass", ()),
    ("spec-gpu", GPU_ONLY, laptop(), None, "fail", ("needs a GPU (cuda)",)),
    ("spec-gpu", GPU_ONLY, login(laptop()), None, "skip", ("login node",)),
    ("spec-gpu", GPU_ONLY, silent("crashed"), None, "unknown", ("could not be told",)),
    ("spec-gpu", GPU_ONLY, silent("driver-not-loaded"), None, "skip", ("because of driver-not-loaded",)),
    ("spec-gpu", replace(ONE, variants=("rocm",)), laptop(amd=Amd("found", gpus=(AmdGpu(Found("RX")),))), None, "pass", ()),
    ("spec-gpu", replace(ONE, variants=("rocm",)), server(), None, "fail", ("needs a GPU (rocm)",)),
    ("spec-driver", ONE, server(), None, "skip", ()),
    ("spec-driver", FLOORS, laptop(), None, "skip", ("no NVIDIA GPU answers",)),
    ("spec-driver", FLOORS, silent("driver-not-loaded"), None, "skip", ("not checked, because of the NVIDIA driver",)),
    ("spec-driver", FLOORS, server(driver="550.54.14"), None, "pass", ("550.54.14",)),
    ("spec-driver", FLOORS, WEAK, None, "warn", ("550.54 or newer; found 535.54",)),
    ("spec-driver", STRICT, WEAK, None, "fail", ("update the NVIDIA driver to 550.54",)),
    ("spec-driver", FLOORS, server(driver="9"), None, "warn", ()),
    ("spec-driver", FLOORS, replace(WEAK, wsl=Found(2)), None, "skip", ("Windows",)),
    ("spec-driver", FLOORS, replace(WEAK, nvidia=replace(WEAK.nvidia, driver=Unknown("why"))), None, "unknown", ("why",)),
    ("spec-capability", FLOORS, server(), None, "pass", ("8.9",)),
    ("spec-capability", FLOORS, WEAK, None, "warn", ("8.0; the best here is 6.1 (Tesla P4)",)),
    ("spec-capability", STRICT, WEAK, None, "fail", ()),
    ("spec-capability", FLOORS, server(gpus=[gpu(compute_capability=Unknown("x"))]), None, "unknown", ()),
    ("spec-capability", FLOORS, server(gpus=[gpu(compute_capability=Unknown("x")), gpu(1)]), None, "pass", ()),
    ("spec-capability", replace(FLOORS, variants=("cpu", "rocm")), WEAK, None, "skip", ("no NVIDIA GPU",)),
    ("low-vram", ONE, WEAK, None, "skip", ()),
    ("low-vram", FLOORS, server(), None, "pass", ("24 GiB",)),
    ("low-vram", FLOORS, server(gpus=[gpu(memory_mib=Found(15360))]), None, "pass", ("asks for 16",)),
    ("low-vram", FLOORS, server(gpus=[gpu(memory_mib=Found(4096)), gpu(1)]), None, "pass", ()),
    ("low-vram", FLOORS, WEAK, None, "warn", ("16 GiB; the largest here has 7.5",)),
    ("low-vram", STRICT, WEAK, None, "fail", ()),
    ("low-vram", FLOORS, server(gpus=[gpu(mig=Found(True))]), None, "unknown", ()),
    ("low-vram", FLOORS, server(gpus=[gpu(memory_mib=Unknown("x"))]), None, "unknown", ()),
]  # fmt: skip
CODES = [check.code for check in of_course()]


def judged(course, machine=None, env=None, mender=None):
    found = replace(
        evidence(machine, env if env is not None else environment(CPU), None, mender or Lines()), course=course
    )
    return {verdict.code: verdict for verdict in run(every(), found)}


@pytest.mark.parametrize(("code", "course", "machine", "env", "status", "words"), CASES)
def test_a_check_of_the_course(code, course, machine, env, status, words):
    verdict = judged(course, machine, env)[code]
    assert verdict.status.value == status, verdict.message
    for word in words:
        assert word in f"{verdict.message} {verdict.hint}"
    assert verdict.status.value not in ("warn", "fail") or verdict.hint


@pytest.mark.parametrize("code", CODES)
def test_every_check_has_a_case_that_fails_and_one_that_passes(code):
    found = {status for c, _, _, _, status, _ in CASES if c == code}
    assert found & {"fail", "warn"} and found & {"pass"}, found


@pytest.mark.parametrize("code", CODES)
def test_without_an_envtool_toml_they_have_nothing_to_say(code):
    assert judged(None)[code].status.value == "skip"


def test_they_come_last_and_have_a_group_of_their_own():
    assert every()[: len(ALL) + len(of_course())] == (*ALL, *of_course())
    assert {check.group for check in of_course()} == {COURSE}
    codes = [check.code for check in every()]
    assert len(set(codes)) == len(codes)
    assert all(codes.index(need) < codes.index(check.code) for check in of_course() for need in check.needs)


@pytest.mark.parametrize("kind", ["dangling", "does-not-start"])
def test_a_python_that_does_not_start_is_told_by_others(kind):
    env = BrokenEnvironment("/x/bin/python", "--python", kind, "No such file")
    course = replace(ONE, python=">=3.10", packages=("tqdm",))
    found = judged(course, env=env)
    assert {found[code].status.value for code in CODES if code not in ("spec-platform",)} == {"skip"}


def test_a_course_that_nothing_fits_says_so_without_a_line():
    found = judged(GPU_ONLY, laptop(), environment(CPU), NoLines())
    assert found["spec-variant"].status.value == "fail" and not found["spec-variant"].command
    found = judged(replace(ONE, torch=("torch>=9",)), mender=NoLines())
    assert "envtool pick" in found["spec-torch"].hint


# ── machines as they were recorded ───────────────────────────────────────────────────────────────

RECORDED = {
    "laptop-cpu": "pass pass pass pass skip skip skip skip",
    "colab-t4": "pass pass pass pass skip pass pass pass",
    "server-8xv100": "pass pass pass pass skip pass warn pass",
    "gtx1060-driver-470": "pass pass pass pass skip warn warn warn",
    "h100-mig": "pass pass pass pass skip pass pass unknown",
    "amd-rx7900xtx": "pass pass pass warn skip skip skip skip",
    "macos-m2": "pass pass pass pass skip skip skip skip",
    "macos-intel": "warn pass fail skip skip skip skip skip",
    "windows-rtx4060": "pass pass pass pass skip skip pass warn",
    "wsl2-rtx3080": "pass pass pass pass skip skip pass warn",
    "nvml-hangs": "pass pass pass pass skip skip skip skip",
    "slurm-login-node": "pass pass pass pass skip skip skip skip",
    "venv-dangling": "pass skip skip skip skip skip skip skip",
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_machine_in_a_course(name):
    import json

    from envtool.examination import examine
    from envtool.probe.recording import RecordedHost, recording_from_json

    path = Path(__file__).parent / "machines" / f"{name}.json"
    course = Course("dl", ">=3.10", ("torch>=2.6",), gpu=Floors(15.5, (7, 5), "525.60.13"))
    host = RecordedHost(recording_from_json(json.loads(path.read_text(encoding="utf-8"))))
    asked = host.recording.answers.get("asked", {})
    alone = examine(RecordedHost(host.recording), python=asked.get("python"), do_import=False)
    found = examine(host, python=asked.get("python"), do_import=False, course=course)
    status = {verdict.code: verdict.status.value for verdict in found.verdicts}
    codes = [code for code in CODES if code != "spec-packages"]
    assert " ".join(status[code] for code in codes) == RECORDED[name]
    assert [v.status for v in alone.verdicts] == [v.status for v in found.verdicts][: len(alone.verdicts)]


# ── the line that mends ──────────────────────────────────────────────────────────────────────────


def line(course, env, machine=None):
    from envtool.catalog import load

    return EnvironmentMender(machine or laptop(), env, load(), course).reinstall()


def test_the_line_brings_what_the_course_asks_for():
    course = replace(ONE, torch=("torch<2.9", "torchvision"))
    assert "torch==2.8.0+cpu torchvision==0.23.0+cpu" in line(course, environment(CPU))


def test_the_line_keeps_a_torch_that_the_course_allows():
    env = environment(build("torch", "2.8.0+cpu", "cpu"))
    assert "torch==2.8.0+cpu torchvision==0.23.0+cpu" in line(replace(ONE, torch=("torch>=2.6", "torchvision")), env)


def test_the_line_takes_a_companion_along_that_the_course_does_not_name():
    env = environment(build("torch", "2.14.1+cpu", "cpu"), build("torchaudio", "2.11.0+cpu", "cpu"))
    assert "torchaudio==2.8.0+cpu" in line(replace(ONE, torch=("torch==2.8.0",)), env)


def test_the_line_is_of_the_course_s_variant():
    course = replace(ONE, gpu=Floors(compute_capability=(7, 0), driver="525.60.13"))
    assert "+cu126" in line(course, environment(CPU), server())
    assert line(GPU_ONLY, environment(CPU), laptop()) is None


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "envtool install --python 3.11 --into .venv-3.11"),  # ./.venv is this very environment
        ({"prefix": "/opt/tools"}, "envtool install --python 3.11"),
        ({"prefix": "/opt/tools", "local_venv": Found(".venv")}, "envtool install --python 3.11 --into .venv-3.11"),
    ],
)
def test_another_python_goes_where_no_environment_is(changes, line):
    here = replace(environment(), working_directory="/home/ana/course", **changes)
    found = judged(replace(ONE, python="==3.11.*"), None, here)
    assert (found["spec-python"].hint, found["spec-python"].command) == (line, True)
