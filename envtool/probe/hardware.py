"""Processor, memory and the places where files will go."""

from __future__ import annotations

import re
from collections.abc import Mapping

from envtool.machine import Absent, Found, Reading, Storage, Unknown
from envtool.probe.host import Host
from envtool.probe.surroundings import board_model

MIB = 1 << 20
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
PROCESSOR_KEY = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"


def cpu_model_linux(host: Host) -> Reading[str]:
    """The processor's name; ARM kernels don't tell it, so there it is the board's."""
    text = host.read("/proc/cpuinfo")
    if not isinstance(text, Found):
        return Unknown(f"/proc/cpuinfo: {text.reason}")
    # model name	: AMD Ryzen 9 7950X 16-Core Processor
    found = re.search(r"^(?:model name|Model)\s*:\s*(\S.*)$", text.value, re.MULTILINE)
    if found:
        return Found(found[1].strip())
    board = board_model(host)
    return board if isinstance(board, Found) else Unknown("/proc/cpuinfo names no model")


def memory_linux(host: Host) -> Reading[int]:
    """MiB of memory, or of the container's limit where that is less: past it, Linux kills the process."""
    text = host.read("/proc/meminfo")
    if not isinstance(text, Found):
        return Unknown(f"/proc/meminfo: {text.reason}")
    found = re.search(r"^MemTotal:\s*(\d+) kB", text.value, re.MULTILINE)
    if found is None:
        return Unknown("/proc/meminfo names no MemTotal")
    total = int(found[1]) // 1024
    for path in CGROUP_LIMITS:
        limit = host.read(path)
        if isinstance(limit, Found):
            digits = limit.value.strip()  # "max" where there is none
            return Found(min(total, int(digits) // MIB)) if digits.isdecimal() else Found(total)
    return Found(total)


def cpu_model_macos(sysctl: Reading[Mapping[str, str]]) -> Reading[str]:
    """The processor's name as macOS tells it."""
    if not isinstance(sysctl, Found):
        return Unknown(sysctl.reason)
    brand = sysctl.value.get("machdep.cpu.brand_string")
    return Found(brand) if brand else Unknown("sysctl names no processor")


def memory_macos(sysctl: Reading[Mapping[str, str]]) -> Reading[int]:
    """MiB of memory; on Apple silicon the GPU uses the same."""
    if not isinstance(sysctl, Found):
        return Unknown(sysctl.reason)
    size = sysctl.value.get("hw.memsize", "")
    return Found(int(size) // MIB) if size.isdecimal() else Unknown("sysctl tells no memory size")


def cpu_model_windows(host: Host) -> Reading[str]:
    """The processor's name as Windows keeps it."""
    values = host.registry(PROCESSOR_KEY)
    name = values.value.get("ProcessorNameString") if isinstance(values, Found) else None
    return Found(str(name).strip()) if name else Unknown("the registry names no processor")


def storage(host: Host, packages_path: str | None) -> tuple[Storage, ...]:
    """Where packages and temporary files go; a place that gives no answer in time is left out."""
    places = [("packages", packages_path), ("temporary files", _temporary(host))]
    found = (_place(host, purpose, path) for purpose, path in places if path)
    return tuple(place for place in found if place is not None)


def _temporary(host: Host) -> str | None:
    told = host.facts().get("temporary")
    if isinstance(told, str) and told:
        return told
    if host.facts().get("sys_platform") != "win32":
        return None
    local = host.env("LOCALAPPDATA")
    return f"{local}\\Temp" if local else f"{host.env('SystemRoot') or 'C:/Windows'}\\Temp"


def _place(host: Host, purpose: str, path: str) -> Storage | None:
    space = host.disk(path)
    return Storage(purpose, path, *space.value) if isinstance(space, Found) else None


def shared_memory(host: Host) -> Reading[Storage]:
    """/dev/shm, through which data loaders hand batches over: Docker gives it 64 MiB unless told otherwise."""
    if host.facts().get("sys_platform") != "linux":
        return Absent("only Linux has /dev/shm")
    status = host.stat("/dev/shm")  # asked first: for a path that is missing, disk() answers for its parent
    if not isinstance(status, Found):
        return Absent("there is no /dev/shm") if isinstance(status, Absent) else status
    space = host.disk("/dev/shm")
    return Found(Storage("shared memory", "/dev/shm", *space.value)) if isinstance(space, Found) else space
