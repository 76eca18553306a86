"""A false alarm counts as much as a miss: on machines that work nothing fails, and each warning has its reason."""

from __future__ import annotations

import pytest
from healthy_machines import ALLOWED
from test_machines import CASES, MACHINES, at, diagnosis

from envtool.machine import Found
from envtool.machine_document import machine_to_json
from envtool.report.text import Style, render
from envtool.verdicts import Status

# Every machine of the table that works, those of before and those of healthy_machines.py.
HEALTHY = sorted(name for name, case in CASES.items() if not case.fail and (not case.warn or name in ALLOWED))
KINDS = {
    "system": {"linux x86_64", "linux aarch64", "macos arm64", "macos x86_64", "windows x86_64"},
    "build": {"cpu", "cu124", "cu126", "cu130", "rocm7.2", "xpu"},
    "manager": {"venv", "uv", "conda", "system", "hosted"},
    "place": {"", "docker", "colab", "kaggle", "kubernetes", "wsl", "slurm job", "login node", "jetson"},
    "gpu": {"none", "6.0", "6.1", "7.0", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0", "12.0", "amd", "intel", "apple"},
    "gpus": {0, 1, 2, 8},
    "python": {"3.10", "3.11", "3.12", "3.13", "3.14"},
}


def test_there_are_many_and_of_every_kind():
    """Counted by what the doctor reads there, not by the names of the files."""
    seen: dict[str, set[object]] = {kind: set() for kind in KINDS}
    for name in HEALTHY:
        for kind, value in kinds(name).items():
            seen[kind].add(value)
    assert len(HEALTHY) >= 48
    assert {kind: wanted - seen[kind] for kind, wanted in KINDS.items()} == {kind: set() for kind in KINDS}


def kinds(name: str) -> dict[str, object]:
    found = diagnosis(name)
    machine, env = found.machine, found.environment
    gpus, torch = machine.nvidia.gpus, env.build("torch")
    others = {"amd": machine.amd, "intel": machine.intel, "apple": machine.apple}
    other = next((vendor for vendor, it in others.items() if it.status == "found"), "none")
    return {
        "system": f"{machine.os} {machine.arch}",
        "build": torch.variant,
        "manager": env.manager,
        "place": place(machine),
        "gpu": ".".join(map(str, gpus[0].compute_capability.value)) if gpus else other,
        "gpus": len(gpus),
        "python": ".".join(env.version.split(".")[:2]),
    }


def place(machine) -> str:
    if isinstance(machine.slurm, Found):
        return "slurm job" if machine.slurm.value.job_id else "login node"
    if isinstance(machine.l4t, Found):
        return "jetson"
    if isinstance(machine.wsl, Found):
        return "wsl"
    return machine.container.value if isinstance(machine.container, Found) else ""


def test_a_machine_that_works_is_left_in_peace():
    for name in HEALTHY:
        found = diagnosis(name)
        loud = {(verdict.status, verdict.code) for verdict in found.problems}
        right = {(Status.WARN, ALLOWED[name][0])} if name in ALLOWED else set()
        assert loud == right, (name, [verdict.message for verdict in found.problems])
        assert (found.next_step is None) is (name not in ALLOWED), name
        assert isinstance(found.imports, Found), f"{name}: torch was not even imported"


def test_a_warning_on_a_machine_that_works_has_a_reason():
    assert all(len(reason.split()) > 5 for _, reason in ALLOWED.values())
    assert set(ALLOWED) <= set(HEALTHY)


def test_each_is_the_machine_that_it_is_said_to_be():
    for name in HEALTHY:
        document = machine_to_json(diagnosis(name).machine)
        wanted = CASES[name].facts
        assert wanted and {path: at(document, path) for path in wanted} == wanted, name


def test_a_machine_that_works_gets_a_short_screen():
    for name in HEALTHY:
        screen = render(diagnosis(name), Style())
        assert screen == (MACHINES / "screens" / f"{name}.txt").read_text(encoding="utf-8"), name
        if name not in ALLOWED:
            assert screen.splitlines()[-1].startswith("All is well: "), name
            assert len(screen.splitlines()) <= 14, name


@pytest.mark.parametrize("name", [pytest.param("docker-pytorch-image"), pytest.param("jupyterhub-pod")])
def test_the_conda_of_an_image_is_there_to_be_used(name):
    """It is the only environment of that container; a course's packages belong nowhere else."""
    verdict = next(v for v in diagnosis(name).verdicts if v.code == "conda-base")
    assert verdict.status is Status.PASS and "image" in verdict.message


@pytest.mark.parametrize("name", ["laptop-uv", "macos-m4-uv"])
def test_uv_needs_no_pip(name):
    verdict = next(v for v in diagnosis(name).verdicts if v.code == "wrong-interpreter")
    assert verdict.status is Status.PASS and verdict.message.startswith("uv installs here")
