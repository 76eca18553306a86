"""A driver that is only described: a stub of NVML, one of libcuda, and an nvidia-smi that says the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.append(os.path.join(ROOT, "tests"))

import nvml_stub_build as stub  # noqa: E402, I001


class CannotMakeError(Exception):
    """Why a room can't be made here."""


# What nvidia-smi shows, as a program; FACTS is put before it.
SMI = r'''
import sys

words = sys.argv[1:]
if FACTS["exit"]:
    print("\n".join(FACTS["lines"]))
    sys.exit(FACTS["exit"])
gpu = FACTS["gpu"]
values = {
    "index": "0", "name": gpu["name"], "gpu_name": gpu["name"], "driver_version": FACTS["driver"], "count": "1",
    "uuid": FACTS["uuid"], "gpu_uuid": FACTS["uuid"], "compute_cap": gpu["cc"], "pci.bus_id": "00000000:01:00.0",
    "memory.total": f"{gpu['memory']} MiB", "memory.used": "412 MiB", "memory.free": f"{gpu['memory'] - 412} MiB",
}
query = [word.partition("=")[2] for word in words if word.startswith("--query-gpu=")]
if query:
    fields = [name.strip() for name in query[0].split(",")]
    unknown = [name for name in fields if name not in values]
    if unknown:
        sys.exit(f'Field "{unknown[0]}" is not a valid field to query.')
    style = " ".join(words)
    if "noheader" not in style:
        print(", ".join(fields))
    row = ", ".join(values[name] for name in fields)
    print(row.replace(" MiB", "") if "nounits" in style else row)
elif "-L" in words:
    print(f"GPU 0: {gpu['name']} (UUID: {FACTS['uuid']})")
elif "--version" in words:
    print(f"NVIDIA-SMI version  : {FACTS['driver']}\nNVML version        : {FACTS['driver'].rpartition('.')[0]}")
    print(f"DRIVER version      : {FACTS['driver']}\nCUDA Version        : {FACTS['cuda']}")
elif "-x" in words:
    print(f"""<?xml version="1.0" ?>
<nvidia_smi_log>
    <driver_version>{FACTS['driver']}</driver_version>
    <cuda_version>{FACTS['cuda']}</cuda_version>
    <attached_gpus>1</attached_gpus>
    <gpu id="00000000:01:00.0">
        <product_name>{gpu['name']}</product_name>
        <uuid>{FACTS['uuid']}</uuid>
        <fb_memory_usage><total>{gpu['memory']} MiB</total><used>412 MiB</used></fb_memory_usage>
    </gpu>
</nvidia_smi_log>""")
else:
    version = f"| NVIDIA-SMI {FACTS['driver']}    Driver Version: {FACTS['driver']}    CUDA Version: {FACTS['cuda']} |"
    print("+" + "-" * (len(version) - 2) + "+")
    print(version)
    print(f"|   0  {gpu['name']}    Off | 00000000:01:00.0 Off |    412MiB / {gpu['memory']}MiB |")
    print("+" + "-" * (len(version) - 2) + "+")
'''


def put_machine(folder: str, described: Mapping[str, Any]) -> list[str]:
    """The card, the kernel module and the device nodes; the words that start a command where they are seen."""
    place = os.path.join(folder, "machine")
    card = os.path.join(place, "pci", "0000:01:00.0")
    os.makedirs(card)
    for name, text in (("vendor", "0x10de"), ("device", described["pci"]), ("class", "0x030000")):
        _write(os.path.join(card, name), f"{text}\n")
    os.makedirs(os.path.join(place, "module", "nvidia" if "module" in described else "loop"))
    os.makedirs(os.path.join(place, "proc", "nvidia" if "module" in described else "none"))
    if "module" in described:
        module = described["module"]
        os.symlink("/sys/bus/pci/drivers/nvidia", os.path.join(card, "driver"))
        _write(os.path.join(place, "module", "nvidia", "version"), f"{module}\n")
        text = f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {module}  Tue Nov  5 23:09:12 UTC 2024\n"
        _write(os.path.join(place, "proc", "nvidia", "version"), text)
        _write(os.path.join(place, "nodes"), str(described.get("nodes", "666")))
    unshare = shutil.which("unshare")
    if unshare is None:
        raise CannotMakeError("there is no `unshare` here to imitate a card with")
    enter = [unshare, "-m" if os.geteuid() == 0 else "-rm", "/bin/sh", os.path.join(HERE, "enter.sh"), place]
    done = subprocess.run([*enter, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMakeError(f"a card can't be imitated here: {done.stderr.strip()}")
    return enter


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def put_driver(folder: str, programs: str, described: Mapping[str, Any]) -> dict[str, str]:
    """The libraries and ``nvidia-smi`` of a described driver; the variables with which they are found and answer."""
    why_not = stub.why_not()
    if why_not:
        raise CannotMakeError(why_not)
    libraries = os.path.join(folder, "driver")
    version = version_of(described)
    stub.build(Path(libraries), version=version)
    scenario = stub.write(Path(folder) / "scenario", _machine(described, version), dict(described.get("nvml", {})))
    variables = {"LD_LIBRARY_PATH": libraries, stub.SCENARIO: str(scenario)}
    if "cuda" in described:
        _libcuda(libraries, version)
        variables["CUDA_STUB_INIT"] = str(described["cuda"]["init"])
        variables["CUDA_STUB_VERSION"] = str(described["cuda"]["version"])
    _nvidia_smi(os.path.join(programs, "nvidia-smi"), described, version)
    return variables


def version_of(described: Mapping[str, Any]) -> str:
    """Of the driver's libraries."""
    return str(described.get("version", "550.163.01"))


def _machine(described: Mapping[str, Any], version: str) -> dict[str, object]:
    facts = stub.machine(1, version, int(described.get("cuda", {}).get("version", 13000)))
    if "gpu" in described:
        gpu = described["gpu"]
        facts |= {"gpu.*.name": gpu["name"], "gpu.*.cc": gpu["cc"], "gpu.*.memory": f"{gpu['memory']} 412"}
    return facts


def _libcuda(libraries: str, version: str) -> None:
    file = os.path.join(libraries, f"libcuda.so.{version}")
    program = stub.compiler()
    assert program is not None
    source = os.path.join(HERE, "libcuda.c")
    flags = ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wl,-soname,libcuda.so.1"]
    subprocess.run([program, *flags, "-o", file, source], check=True, timeout=60)
    os.symlink(os.path.basename(file), os.path.join(libraries, "libcuda.so.1"))


def _nvidia_smi(path: str, described: Mapping[str, Any], version: str) -> None:
    number = int(described.get("cuda", {}).get("version", 13000))
    facts = {
        "exit": described.get("smi_exit", 0), "lines": described.get("smi", []), "gpu": described.get("gpu", {}),
        "driver": version, "cuda": f"{number // 1000}.{number % 1000 // 10}",
        "uuid": "GPU-00000000-0000-0000-0000-000000000000",
    }  # fmt: skip
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!{python} -I\nFACTS = {json.dumps(facts)}\n{SMI}")
    os.chmod(path, 0o755)
