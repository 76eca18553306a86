"""A machine's facts on the terminal: found, absent, or unknown with the reason."""

from __future__ import annotations

from collections.abc import Iterator

from envtool.machine import Absent, Found, Gpu, Libc, Machine, Reading, Unknown
from envtool.report.facts import GIB
from envtool.report.text import Style, hanging


def render(machine: Machine, style: Style) -> str:
    """One fact a line, in groups."""
    blocks = [
        _block("System", _system(machine)),
        _block("NVIDIA", _nvidia(machine)),
        *(_block(f"GPU {gpu.index}", _gpu(gpu)) for gpu in machine.nvidia.gpus),
        _block("Other GPUs", _others(machine)),
    ]
    return style.safe("\n\n".join(block for block in blocks if block) + "\n")


def _block(title: str, rows: Iterator[tuple[str, str]]) -> str:
    lines = [hanging(f"  {name:<22} ", text, 80) for name, text in rows]
    return "\n".join([title, *lines]) if lines else ""


def say(reading: Reading[object]) -> str:
    """A reading in words: the value, "none (why)", or "unknown: why"."""
    match reading:
        case Found(value):
            return _value(value)
        case Absent(reason):
            return f"none ({reason})" if reason else "none"
        case Unknown(reason):
            return f"unknown: {reason}"


def _value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Libc(name, version):
            return f"{name} {version}"
        case (int(major), int(minor)):
            return f"{major}.{minor}"
        case tuple():
            return ", ".join(str(item) for item in value) or "none"
        case _:
            return str(value)


def _system(machine: Machine) -> Iterator[tuple[str, str]]:
    yield "operating system", f"{say(machine.os_version)}, {machine.arch}"
    rows: tuple[tuple[str, Reading[object]], ...] = (
        ("kernel", machine.kernel),
        ("C library", machine.libc),
        ("WSL", machine.wsl),
        ("container", machine.container),
        ("Rosetta", machine.rosetta),
        ("processor", machine.cpu_model),
        ("usable cores", machine.cpus),
        ("memory, MiB", machine.memory_mib),
    )
    for name, reading in rows:
        if not isinstance(reading, Absent):
            yield name, say(reading)
    if isinstance(machine.python, Found):
        yield "Python", f"{machine.python.value.version} ({machine.python.value.abi})"
    for place in machine.storage:
        yield place.purpose, f"{place.free_bytes / GIB:.1f} of {place.total_bytes / GIB:.1f} GiB free in {place.path}"
    if isinstance(machine.shared_memory, Found):
        yield "shared memory", f"{machine.shared_memory.value.total_bytes / GIB:.1f} GiB in /dev/shm"
    if isinstance(machine.slurm, Found):
        yield "Slurm", f"job {machine.slurm.value.job_id}" if machine.slurm.value.job_id else "login node"
    if isinstance(machine.l4t, Found):
        yield "Jetson", f"L4T {machine.l4t.value}, JetPack {say(machine.jetpack)}"


def _nvidia(machine: Machine) -> Iterator[tuple[str, str]]:
    nvidia = machine.nvidia
    yield "status", nvidia.status + (f" ({nvidia.reason})" if nvidia.reason else "")
    if nvidia.status == "absent" and not nvidia.cards:
        return
    code = f" ({nvidia.nvml_error})" if nvidia.nvml_error is not None else ""
    yield "NVML", nvidia.nvml_state + code
    rows: tuple[tuple[str, Reading[object]], ...] = (
        ("driver version", nvidia.driver),
        ("CUDA driver API", nvidia.cuda_driver),
        ("kernel module", nvidia.kernel_module),
        ("open kernel module", nvidia.open_kernel_module),
        ("libcuda", nvidia.libcuda),
        ("CUDA_VISIBLE_DEVICES", nvidia.visible_devices),
    )
    for name, reading in rows:
        yield name, say(reading)
    for card in nvidia.cards:
        yield f"PCI {card.address}", f"{say(card.name)}, kernel driver: {say(card.driver)}"


def _gpu(gpu: Gpu) -> Iterator[tuple[str, str]]:
    if gpu.error_code is not None:
        yield "error", f"{gpu.error} ({gpu.error_code})"
    rows: tuple[tuple[str, Reading[object]], ...] = (
        ("name", gpu.name),
        ("UUID", gpu.uuid),
        ("compute capability", gpu.compute_capability),
        ("memory, MiB", gpu.memory_mib),
        ("memory used, MiB", gpu.memory_used_mib),
        ("MIG", gpu.mig),
        ("MIG instances", gpu.mig_instances),
        ("compute mode", gpu.compute_mode),
        ("persistence mode", gpu.persistence),
        ("ECC", gpu.ecc),
        ("newest Xid", gpu.xid),
    )
    for name, reading in rows:
        yield name, say(reading)
    if isinstance(gpu.processes, Found):
        for process in gpu.processes.value:
            yield f"process {process.pid}", f"{process.command or 'unknown'}, {process.memory_mib or '?'} MiB"


def _others(machine: Machine) -> Iterator[tuple[str, str]]:
    for amd in machine.amd.gpus:
        yield "AMD", f"{say(amd.name)}, {say(amd.gfx)}"
    for intel in machine.intel.gpus:
        yield "Intel", f"{say(intel.name)}, XPU: {say(intel.xpu_supported)}"
    if machine.apple.status == "found":
        yield "Apple", say(machine.apple.chip)
    for name, family in (("AMD", machine.amd), ("Intel", machine.intel), ("Apple", machine.apple)):
        if family.status == "unknown":
            yield name, f"unknown: {family.reason or 'not asked'}"
