"""The machine document: the contract's example, what may be missing, and what a wrong value is told."""

from __future__ import annotations

import json

import pytest

from envtool.errors import UsageError
from envtool.machine import (
    NOT_ASKED,
    Absent,
    Amd,
    AmdGpu,
    Apple,
    DeviceNode,
    Found,
    Gpu,
    HostPython,
    Intel,
    Libc,
    Machine,
    Nvidia,
    Unknown,
)
from envtool.machine_document import machine_from_json, machine_to_json

EXAMPLE = {
    "schema": "envtool.machine/1",
    "os": "linux",
    "os_version": "Debian GNU/Linux 12",
    "arch": "x86_64",
    "libc": {"name": "glibc", "version": "2.36"},
    "wsl": False,
    "container": None,
    "python": {"version": "3.12.4", "abi": "cp312", "executable": "/usr/bin/python3"},
    "nvidia": {
        "status": "found",
        "reason": None,
        "nvml_error": None,
        "driver": "550.54.14",
        "cuda_driver": "12.4",
        "gpus": [
            {
                "index": 0,
                "name": "NVIDIA GeForce RTX 4090",
                "uuid": "GPU-1",
                "compute_capability": "8.9",
                "memory_mib": 24564,
                "mig": False,
            }
        ],
    },
    "amd": {"status": "absent", "reason": None, "gpus": []},
    "intel": {"status": "absent", "reason": None, "gpus": []},
    "apple": {"status": "absent", "reason": None, "chip": None},
}


def minimal(**more):
    return {"schema": "envtool.machine/1", "os": "linux", "arch": "x86_64", **more}


def test_the_contract_s_example_is_read():
    machine = machine_from_json(EXAMPLE)
    assert machine.os_version == Found("Debian GNU/Linux 12")
    assert machine.libc == Found(Libc("glibc", "2.36"))
    assert machine.wsl == Absent("")
    assert machine.container == Absent("")
    assert machine.python == Found(HostPython("3.12.4", "cp312", "/usr/bin/python3"))
    assert machine.nvidia.driver == Found("550.54.14")
    assert machine.nvidia.gpus[0].compute_capability == Found((8, 9))
    assert machine.nvidia.gpus[0].mig == Found(False)
    assert machine.nvidia.gpus[0].persistence == NOT_ASKED
    assert machine.amd == Amd("absent")
    assert machine.apple == Apple("absent")


def test_the_contract_s_keys_are_always_written():
    document = machine_to_json(Machine("macos", "arm64", nvidia=Nvidia(gpus=(Gpu(0),)), amd=Amd(gpus=(AmdGpu(),))))
    for key in EXAMPLE:
        assert key in document
    for key in EXAMPLE["nvidia"]:
        assert key in document["nvidia"]
    for key in EXAMPLE["nvidia"]["gpus"][0]:
        assert key in document["nvidia"]["gpus"][0]
    assert document["amd"]["gpus"][0] == {"name": None, "gfx": None}
    assert document["apple"] == {"status": "unknown", "reason": None, "chip": None}
    assert "jetpack" not in document


def test_reasons_tell_absent_from_unknown():
    machine = Machine(
        "linux",
        "x86_64",
        kernel=Unknown("permission denied"),
        nvidia=Nvidia("absent", "no NVIDIA card", driver=Absent("no NVIDIA driver")),
    )
    document = machine_to_json(machine)
    assert document["kernel"] is None
    assert document["reasons"]["kernel"] == {"unknown": "permission denied"}
    assert document["nvidia"]["driver"] is None
    assert document["nvidia"]["reasons"]["driver"] == {"absent": "no NVIDIA driver"}
    assert machine_from_json(document) == machine


def test_wsl_is_true_or_false_and_has_its_version_beside_it():
    document = machine_to_json(Machine("linux", "x86_64", wsl=Found(1)))
    assert (document["wsl"], document["wsl_version"]) == (True, 1)
    assert machine_to_json(Machine("linux", "x86_64", wsl=Absent("no")))["wsl"] is False
    assert machine_to_json(Machine("linux", "x86_64", wsl=Unknown("?")))["wsl"] is None
    assert machine_from_json(minimal(wsl=True)).wsl == Found(2)
    assert machine_from_json(minimal(wsl=True, wsl_version=1)).wsl == Found(1)
    assert machine_from_json(minimal(wsl=None)).wsl == NOT_ASKED


def test_missing_means_unknown():
    machine = machine_from_json(minimal())
    assert machine.nvidia.status == "unknown"
    assert isinstance(machine.container, Unknown)
    assert isinstance(machine.libc, Unknown)
    assert isinstance(machine.nvidia.visible_devices, Unknown)
    assert isinstance(machine_from_json(minimal(nvidia={"status": "found"})).nvidia.driver, Unknown)


@pytest.mark.parametrize(
    ("more", "read"),
    [
        ({"libc": {"name": "musl"}}, Machine("linux", "x86_64", libc=Found(Libc("musl", "")))),
        (
            {"libc": {"name": "glibc"}},
            Machine("linux", "x86_64", libc=Unknown("libc.version is missing in the document")),
        ),
        ({"python": {"version": "3.9.18"}}, Machine("linux", "x86_64", python=Found(HostPython("3.9.18", "cp39")))),
        (
            {"nvidia": {"gpus": [{}, {"name": "T4"}]}},
            Machine("linux", "x86_64", nvidia=Nvidia(gpus=(Gpu(0), Gpu(1, name=Found("T4"))))),
        ),
        ({"amd": None, "storage": None, "colab": None}, Machine("linux", "x86_64")),
        (
            {"amd": {"kfd_node": {"path": "/dev/kfd", "readable": False, "writable": False}}},
            Machine("linux", "x86_64", amd=Amd(kfd_node=Found(DeviceNode("/dev/kfd", False, False)))),
        ),
        ({"storage": [{"path": "/"}]}, Machine("linux", "x86_64", storage=())),
        (
            {"unheard_of": 1, "intel": {"status": "absent", "more": 2}},
            Machine("linux", "x86_64", intel=Intel("absent")),
        ),
    ],
)
def test_incomplete_documents_are_read(more, read):
    machine = machine_from_json(minimal(**more))
    for name in ("libc", "python", "nvidia", "storage", "amd", "intel"):
        if name == "nvidia" and more.get("nvidia"):
            assert machine.nvidia.gpus == read.nvidia.gpus
        elif name != "nvidia":
            assert getattr(machine, name) == getattr(read, name)


def gpu(**facts):
    return minimal(nvidia={"gpus": [{"index": 0}, {"index": 1, **facts}]})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            gpu(compute_capability="8,9"),
            'machine.json, nvidia.gpus[1].compute_capability: "8,9" is not a version; write "8.9"',
        ),
        (
            gpu(compute_capability=8.9),
            'machine.json, nvidia.gpus[1].compute_capability: 8.9 is not a version; write "8.9"',
        ),
        (
            gpu(compute_capability="sm"),
            'machine.json, nvidia.gpus[1].compute_capability: "sm" is not a version; write "8.9"',
        ),
        (gpu(memory_mib="24 GB"), 'machine.json, nvidia.gpus[1].memory_mib: "24 GB" is not a whole number'),
        (gpu(memory_mib=True), "machine.json, nvidia.gpus[1].memory_mib: true is not a whole number"),
        (gpu(mig="no"), 'machine.json, nvidia.gpus[1].mig: "no" is neither true nor false'),
        (gpu(reasons={"name": "gone"}), "machine.json, nvidia.gpus[1].reasons.name"),
        (gpu(reasons=[]), "machine.json, nvidia.gpus[1].reasons: [] is not an object"),
        (minimal(os="Linux"), 'machine.json, os: "Linux" is not one of linux, macos, windows'),
        (minimal(nvidia=[]), "machine.json, nvidia: [] is not an object"),
        (minimal(nvidia={"gpus": {}}), "machine.json, nvidia.gpus: {} is not a list"),
        (minimal(nvidia={"status": "yes"}), 'machine.json, nvidia.status: "yes" is not one of found, absent, unknown'),
        (minimal(nvidia={"driver": 550}), "machine.json, nvidia.driver: 550 is not a text"),
        (minimal(wsl=2), "machine.json, wsl: 2 is neither true nor false"),
        (minimal(wsl=True, wsl_version=3), "machine.json, wsl_version: 3 is neither 1 nor 2"),
        (minimal(libc="glibc"), 'machine.json, libc: "glibc" is not an object'),
        ({"schema": "envtool.machine/1", "arch": "x86_64"}, "machine.json, os: is missing"),
        ({"schema": "envtool.machine/1", "os": "linux"}, "machine.json, arch: is missing"),
        ({"schema": "envtool.plan/1"}, "machine.json, schema: "),
        ([], "machine.json: [] is not an object"),
        (None, "machine.json: null is not an object"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(document, message):
    with pytest.raises(UsageError) as raised:
        machine_from_json(document, "machine.json")
    assert raised.value.message.startswith(message)
    assert raised.value.hint
    assert raised.value.exit_code == 2


def test_the_document_is_plain_json():
    machine = machine_from_json(EXAMPLE)
    assert machine_from_json(json.loads(json.dumps(machine_to_json(machine)))) == machine
