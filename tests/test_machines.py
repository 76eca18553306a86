"""Every recorded machine through the whole doctor: what it finds, what it says, and what stands on the screen."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import jsonschema
import nvml_stub_build as stub
import pytest
from healthy_machines import ALLOWED, FACTS

from envtool import data
from envtool.diagnosis import Diagnosis
from envtool.examination import examine
from envtool.machine_document import machine_from_json, machine_to_json
from envtool.probe.recording import RecordedHost, recording_from_json
from envtool.report.json import doctor_to_json
from envtool.report.text import Style, render
from envtool.verdicts import Status

MACHINES = Path(__file__).parent / "machines"
RECORDED = sorted(path.stem for path in MACHINES.glob("*.json"))
SCHEMAS = Path(data.FOLDER) / "schemas"
INDEX = "--index-url https://download.pytorch.org/whl/"
CPU_TRIO = f"python -m pip install torch==2.14.1+cpu torchvision==0.29.1+cpu torchaudio==2.11.0+cpu {INDEX}cpu"
CU126_TRIO = (
    f"python -m pip install torch==2.14.1+cu126 torchvision==0.29.1+cu126 torchaudio==2.11.0+cu126 {INDEX}cu126"
)


@dataclass(frozen=True)
class Case:
    """What the doctor must say. ``step`` is the whole line where ``command``, else words of it; None: all is well.

    ``facts`` are values of the machine document by dotted path.
    """

    fail: str = ""
    warn: str = ""
    unknown: str = ""
    step: str | None = None
    command: bool = True
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        if self.fail:
            return Status.FAIL
        return Status.WARN if self.warn or self.unknown else Status.PASS


UBUNTU = {
    "os": "linux",
    "arch": "x86_64",
    "os_version": "Ubuntu 24.04.1 LTS",
    "libc.name": "glibc",
    "libc.version": "2.39",
}
NONE = {"nvidia.status": "absent", "nvidia.nvml_state": "not-asked", "nvidia.driver": None, "nvidia.gpus": []}
LAPTOP = {**UBUNTU, **NONE, "intel.status": "found", "intel.gpus.0.name": "Intel Iris Xe Graphics"}


def gpu(driver: str, cuda: str, name: str, capability: str, **more: object) -> dict[str, object]:
    """The facts of an NVIDIA machine whose driver answers."""
    facts: dict[str, object] = {
        "nvidia.status": "found",
        "nvidia.nvml_error": None,
        "nvidia.driver": driver,
        "nvidia.cuda_driver": cuda,
        "nvidia.gpus.0.name": name,
        "nvidia.gpus.0.compute_capability": capability,
    }
    return facts | {f"nvidia.{key}": value for key, value in more.items()}


def silent(code: int | None, state: str, module: str = "580.95.05") -> dict[str, object]:
    """The facts of an NVIDIA machine whose driver doesn't answer: nothing is made up."""
    return {
        "nvidia.status": "unknown",
        "nvidia.nvml_error": code,
        "nvidia.nvml_state": state,
        "nvidia.driver": None,
        "nvidia.cuda_driver": None,
        "nvidia.gpus": [],
        "nvidia.kernel_module": module,
    }


T4 = gpu("550.54.15", "12.4", "Tesla T4", "7.5", nvml_library_version="550.54.15")
V100 = gpu("580.95.05", "13.0", "Tesla V100-SXM2-32GB", "7.0", **{"gpus.7.memory_mib": 32768})
H100 = gpu("570.133.20", "12.8", "NVIDIA H100 80GB HBM3", "9.0", **{"gpus.0.mig": True, "open_kernel_module": True})
RTX_3080 = gpu("566.36", "12.7", "NVIDIA GeForce RTX 3080", "8.6") | {
    "wsl": True,
    "wsl_version": 2,
    "libc.version": "2.35",
}
RTX_5090 = {"nvidia.gpus.0.name": "NVIDIA GeForce RTX 5090", "nvidia.gpus.0.compute_capability": "12.0"}
CARD = {"nvidia.cards.0.name": "NVIDIA GeForce GTX 1650 Mobile / Max-Q", "nvidia.nvml_state": "library-not-found"}
RADEON = {**UBUNTU, **NONE, "amd.status": "found", "amd.gpus.0.gfx": "gfx1100"}
MAC = {"os": "macos", "libc": None, "container": None, "nvidia.status": "absent"}

CASES: dict[str, Case] = {
    "laptop-cpu": Case(facts=LAPTOP),
    "laptop-pip-of-today": Case("torchaudio-cuda-mismatch", "no-nvidia-gpu", step=CPU_TRIO, facts=LAPTOP),
    "laptop-cuda-build": Case(warn="no-nvidia-gpu", step=CPU_TRIO, facts=LAPTOP),
    "macos-m2": Case(facts={**MAC, "arch": "arm64", "os_version": "14.5", "apple.chip": "Apple M2", "rosetta": False}),
    "macos-m1-rosetta": Case(
        "rosetta-python", step="install an arm64 Python", command=False,
        facts={**MAC, "arch": "x86_64", "apple.chip": "Apple M1", "rosetta": True},
    ),
    "macos-intel": Case(
        "numpy2-old-torch", step="python -m pip install 'numpy<2'",
        facts={**MAC, "arch": "x86_64", "os_version": "13.6.9", "apple.status": "absent", "rosetta": False},
    ),
    "windows-rtx4060": Case(
        "cpu-wheel-on-gpu-box", step=CU126_TRIO,
        facts=gpu("566.36", "12.7", "NVIDIA GeForce RTX 4060 Laptop GPU", "8.9", nvml_library="nvml.dll")
        | {"os": "windows", "arch": "x86_64", "libc": None, "os_version": "Windows 11 23H2 (build 22631)", "nvidia.cards.0.address": "0000:01:00.0"},
    ),
    "wsl2-rtx3080": Case(facts=RTX_3080 | {"nvidia.nvml_library": "libnvidia-ml.so.1"}),
    "wsl2-library-path": Case(
        "wsl-lib-path", step="echo /usr/lib/wsl/lib | sudo tee /etc/ld.so.conf.d/ld.wsl.conf && sudo ldconfig",
        facts=RTX_3080 | {"nvidia.nvml_library": "/usr/lib/wsl/lib/libnvidia-ml.so.1"},
    ),
    "colab-t4": Case(facts=T4 | {"container": "colab", "colab": True, "libc.version": "2.35"}),
    "server-8xv100": Case(facts=V100),
    "server-8xv100-cu130": Case("gpu-dropped", step=CU126_TRIO, facts=V100),
    "h100-mig": Case(facts=H100 | {"nvidia.gpus.0.mig_instances.2": "MIG-0f2c7a1e-64d3-5b8e-9a17-c0d4e1f2a3b2"}),
    "h100-mig-empty": Case(
        "mig-no-instances", step="sudo nvidia-smi -i 0 -mig 0", facts=H100 | {"nvidia.gpus.0.mig_instances": []}
    ),
    "rtx5090-torch-2.6": Case(
        "sm-not-in-wheel", step="python -m pip install torch==2.14.1 torchvision==0.29.1 torchaudio==2.11.0",
        facts=RTX_5090 | {"nvidia.driver": "595.71.05", "nvidia.cuda_driver": "13.2"},
    ),
    "rtx5090-driver-570": Case(
        "driver-too-old-for-wheel",
        step="python -m pip install torch==2.13.0+cu129 torchvision==0.28.0+cu129 torchaudio==2.11.0+cu129 "
        f"{INDEX}cu129",
        facts=RTX_5090 | {"nvidia.driver": "570.86.16", "nvidia.cuda_driver": "12.8"},
    ),
    "gtx1060-driver-470": Case(
        "driver-too-old-for-wheel",
        step=f"python -m pip install torch==2.7.1+cu118 torchvision==0.22.1+cu118 torchaudio==2.7.1+cu118 {INDEX}cu118",
        facts=gpu("470.256.02", "11.4", "NVIDIA GeForce GTX 1060 6GB", "6.1") | {"libc.version": "2.31"},
    ),
    "optimus-no-driver": Case(warn="driver-missing", step="sudo ubuntu-drivers install && sudo reboot", facts=UBUNTU | CARD),
    "optimus-nouveau": Case(
        "nouveau-loaded", step="non-free", command=False,
        facts=CARD | {"nvidia.cards.0.driver": "nouveau", "nvidia.nouveau_loaded": True, "libc.version": "2.36"},
    ),
    "docker-without-gpus": Case(
        "container-without-gpus", "shm-small", step="--gpus all", command=False,
        facts=silent(12, "library-not-found") | {"container": "docker", "nvidia.nodes": None},
    ),
    "driver-library-mismatch": Case(
        "driver-library-mismatch", step="sudo reboot",
        facts=silent(18, "library-mismatch", "580.82.07") | {"nvidia.nvml_library_version": "580.95.05"},
    ),
    "no-permission": Case(
        "dev-nvidia-permission", step="sudo usermod -aG video $USER",
        facts=silent(4, "no-permission") | {"nvidia.nodes.0.readable": False, "nvidia.nodes.0.group": "video"},
    ),
    "gpu-lost": Case(
        "gpu-lost", step="export CUDA_VISIBLE_DEVICES=0, until", command=False,
        facts=gpu("580.95.05", "13.0", "NVIDIA GeForce RTX 4090", "8.9")
        | {"nvidia.gpus.1.error_code": 15, "nvidia.gpus.1.name": None},
    ),
    "nvml-hangs": Case("nvml-error", step="if it hangs too, restart", command=False, facts=silent(None, "timeout")),
    "amd-rx7900xtx": Case(facts=RADEON),
    "amd-cpu-torch": Case(
        warn="rocm-wheel-missing",
        step="python -m pip install torch==2.14.1+rocm7.2 torchvision==0.29.1+rocm7.2 torchaudio==2.11.0+rocm7.2 "
        f"{INDEX}rocm7.2",
        facts=RADEON,
    ),
    "jetson-orin": Case(
        "jetson-wheel", step="JetPack 6.2", command=False,
        facts={"arch": "aarch64", "jetpack": "6.2", "l4t": "36.4.3", "nvidia.gpus.0.compute_capability": "8.7"},
    ),
    "slurm-without-gres": Case(
        "slurm-no-gres", step="srun --gres=gpu:1", command=False,
        facts={"slurm.job_id": "4711", "slurm.gpus": None, "nvidia.status": "found", "nvidia.gpus": []},
    ),
    "slurm-login-node": Case(facts={"slurm.job_id": None, "nvidia.status": "absent", "libc.version": "2.34"}),
    "cuda-visible-devices-empty": Case(
        "cvd-empty", step="unset CUDA_VISIBLE_DEVICES",
        facts=gpu("580.95.05", "13.0", "NVIDIA GeForce RTX 4090", "8.9", visible_devices=""),
    ),
    "alpine-musl": Case(
        "musl", "shm-small", step="python:3.12-slim", command=False,
        facts={"libc.name": "musl", "libc.version": "1.2.5", "container": "docker"},
    ),
    "random-py": Case("stdlib-shadow", step="mv -i random.py my_random.py", facts=LAPTOP),
    "venv-dangling": Case("venv-broken", step="python3 -m venv --clear /home/ana/course/.venv", facts={"python": None}),
    "conda-and-pip": Case("conda-plus-pip", step="make a new environment", command=False, facts={"python.version": "3.12.12"}),
}  # fmt: skip

STEPS = {"colab-no-gpu": "Runtime > Change runtime type", "shm-small": "--shm-size"}
for _name, _facts in FACTS.items():
    _warn = ALLOWED[_name][0] if _name in ALLOWED else ""
    CASES[_name] = Case(warn=_warn, step=STEPS.get(_warn), command=False, facts=_facts)

# These are looked at together in test_healthy_machines.py, and one by one in the slow run.
WORKS = {name for name, case in CASES.items() if name in FACTS or case.status is Status.PASS}
each_machine = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in WORKS else ()) for name in RECORDED]
)


@cache
def diagnosis(name: str) -> Diagnosis:
    """What the doctor finds there; a question that the recording doesn't answer is an error."""
    document = json.loads((MACHINES / f"{name}.json").read_text(encoding="utf-8"))
    return examine(RecordedHost(recording_from_json(document), strict=True))


def codes(name: str, status: Status) -> list[str]:
    return [verdict.code for verdict in diagnosis(name).verdicts if verdict.status is status]


def at(document: object, path: str) -> object:
    """A value of a document by its dotted path."""
    for key in path.split("."):
        if isinstance(document, list):
            document = document[int(key)]
        else:
            assert isinstance(document, dict), path
            document = document[key]
    return document


def test_every_recording_has_its_case_and_every_case_its_recording():
    assert len(RECORDED) >= 20
    assert set(CASES) == set(RECORDED)
    assert {path.stem for path in (MACHINES / "screens").glob("*.txt")} == set(RECORDED)


@each_machine
def test_these_checks_and_no_others_find_fault(name):
    case = CASES[name]
    assert codes(name, Status.FAIL) == case.fail.split()
    assert codes(name, Status.WARN) == case.warn.split()
    assert codes(name, Status.UNKNOWN) == case.unknown.split()
    assert diagnosis(name).status is case.status


@each_machine
def test_the_next_step(name):
    case, step = CASES[name], diagnosis(name).next_step
    if case.step is None:
        assert step is None
        return
    assert step is not None
    assert step.command is case.command
    assert (step.text == case.step) if case.command else (case.step in step.text)


@each_machine
def test_the_facts_of_the_machine(name):
    document = machine_to_json(diagnosis(name).machine)
    wanted = CASES[name].facts
    assert wanted
    assert {path: at(document, path) for path in wanted} == wanted


@cache
def _validator(kind):
    schema = json.loads((SCHEMAS / f"{kind}-1.json").read_text(encoding="utf-8"))
    made = jsonschema.validators.validator_for(schema)
    made.check_schema(schema)
    return made(schema)


@each_machine
def test_the_documents_keep_to_their_schemas(name):
    found = diagnosis(name)
    machine = machine_to_json(found.machine)
    _validator("machine").validate(machine)
    _validator("recording").validate(json.loads((MACHINES / f"{name}.json").read_text(encoding="utf-8")))
    assert machine_from_json(json.loads(json.dumps(machine))) == found.machine
    document = doctor_to_json(found)
    assert document["status"] == CASES[name].status.value
    assert document["machine"] == machine


# ── the screen ───────────────────────────────────────────────────────────────────────────────────


@each_machine
def test_the_screen(name):
    """`python tests/make_machines.py` writes the snapshots anew; read what it changed as a student would."""
    wanted = (MACHINES / "screens" / f"{name}.txt").read_text(encoding="utf-8")
    assert render(diagnosis(name), Style()) == wanted


@each_machine
@pytest.mark.parametrize("style", [Style(), Style(unicode=False), Style(width=60)], ids=["80", "ascii", "60"])
def test_only_the_line_to_copy_may_be_longer_than_the_screen(name, style):
    step = diagnosis(name).next_step
    lines = render(diagnosis(name), style).splitlines()
    copied = step.text if step is not None and step.command else None
    assert [line for line in lines if len(line) > style.width and line != copied] == []
    if copied is not None:
        assert lines[-1] == copied


@each_machine
def test_ascii_terminals_get_ascii_that_says_the_same(name):
    plain = render(diagnosis(name), Style(unicode=False))
    assert plain.isascii()
    assert "?" not in plain.replace("?     ", "")  # no sign was lost
    assert len(plain.split()) == len(render(diagnosis(name), Style()).split())


@each_machine
def test_a_screen_is_a_screen(name):
    text = render(diagnosis(name), Style())
    assert len(text.splitlines()) <= 25
    assert not [line for line in text.splitlines() if line.endswith(" ")]


# ── the recordings themselves ────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
def test_without_the_import_the_doctor_asks_nothing_new(name):
    """But how CUDA starts, where no calculation of PyTorch's tells it."""
    document = json.loads((MACHINES / f"{name}.json").read_text(encoding="utf-8"))
    document["answers"]["start"].setdefault("cuda", {"absent": "not recorded"})
    found = examine(RecordedHost(recording_from_json(document), strict=True), do_import=False)
    assert dataclasses.replace(found.machine, nvidia=diagnosis(name).machine.nvidia) == diagnosis(name).machine


needs_stub = pytest.mark.skipif(stub.why_not() is not None, reason=str(stub.why_not()))


@needs_stub
@pytest.mark.parametrize(
    "names",
    [("macos-m2", "gpu-lost", "windows-rtx4060", "random-py"), pytest.param((), id="all", marks=pytest.mark.slow)],
)
def test_the_recordings_are_what_the_doctor_hears_today(names, capsys):
    """The described machines are asked again: a probe that asks something new, or a child that answers otherwise."""
    import make_machines

    assert make_machines.main(["--check", *names]) == 0, capsys.readouterr().out
