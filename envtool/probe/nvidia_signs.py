"""What a machine shows of NVIDIA before any of NVIDIA's own code has run."""

from __future__ import annotations

import re

from envtool.machine import Absent, DeviceNode, Found, Nvidia, PciCard, Reading, Unknown
from envtool.probe.host import Host
from envtool.probe.pci import of_vendor

NVIDIA_VENDOR = "10de"
NVML_LIBRARY = "libnvidia-ml.so.1"
CUDA_LIBRARY = "libcuda.so.1"

# Where drivers put their libraries, besides LD_LIBRARY_PATH: Debian, Fedora, Jetson, WSL, Colab, NixOS, containers.
LIBRARY_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib64",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/wsl/lib",
    "/usr/lib64-nvidia",
    "/run/opengl-driver/lib",
    "/usr/local/nvidia/lib64",
)


def seen(signs: Nvidia) -> tuple[str, ...]:
    """The signs of an NVIDIA GPU or its driver, in words. An installed library alone is none."""
    found = []
    if signs.cards:
        found.append("an NVIDIA card on the PCI bus")
    nodes = signs.nodes.value if isinstance(signs.nodes, Found) else ()
    if any(node.path.startswith("/dev/nvidia") for node in nodes):
        found.append("NVIDIA's device files")
    if isinstance(signs.kernel_module, Found):
        found.append(f"NVIDIA's kernel driver {signs.kernel_module.value}")
    elif signs.module_loaded == Found(True):
        found.append("NVIDIA's kernel module")
    return tuple(found)


def linux_signs(host: Host, cards: Reading[tuple[PciCard, ...]], wsl: bool) -> Nvidia:
    """Linux and WSL."""
    version = host.read("/proc/driver/nvidia/version")
    modules = host.names("/sys/module")
    libcuda_path, libcuda_file = _libcuda(host)
    return Nvidia(
        cards=of_vendor(cards, NVIDIA_VENDOR),
        nodes=_device_nodes(host, wsl),
        kernel_module=_kernel_module(version),
        open_kernel_module=_open_kernel_module(version),
        module_loaded=_module(modules, "nvidia"),
        nouveau_loaded=_module(modules, "nouveau"),
        libcuda=_version_of(libcuda_file),
        libcuda_path=libcuda_path,
        visible_devices=_setting(host, "CUDA_VISIBLE_DEVICES"),
        device_order=_setting(host, "CUDA_DEVICE_ORDER"),
    )


def windows_signs(host: Host, cards: Reading[tuple[PciCard, ...]]) -> Nvidia:
    """Windows, where the driver is a matter of two DLLs."""
    nvcuda = _windows_folder(host) + "\\System32\\nvcuda.dll"
    there = host.stat(nvcuda)
    absent = Absent("Windows has no such thing")
    return Nvidia(
        cards=of_vendor(cards, NVIDIA_VENDOR),
        nodes=absent,
        kernel_module=absent,
        open_kernel_module=absent,
        module_loaded=absent,
        nouveau_loaded=absent,
        libcuda=Unknown("the name nvcuda.dll holds no version") if isinstance(there, Found) else there,
        libcuda_path=Found(nvcuda) if isinstance(there, Found) else there,
        visible_devices=_setting(host, "CUDA_VISIBLE_DEVICES"),
        device_order=_setting(host, "CUDA_DEVICE_ORDER"),
    )


def _setting(host: Host, name: str) -> Reading[str]:
    value = host.env(name)
    return Found(value) if value is not None else Absent(f"{name} is not set")


def _device_nodes(host: Host, wsl: bool) -> Reading[tuple[DeviceNode, ...]]:
    names = host.names("/dev")
    if not isinstance(names, Found):
        return names
    wanted = re.compile(r"nvidia(\d+|ctl|-uvm)|dxg" if wsl else r"nvidia(\d+|ctl|-uvm)")
    nodes = tuple(_device_node(host, "/dev/" + name) for name in names.value if wanted.fullmatch(name))
    return Found(nodes) if nodes else Absent("there is no /dev/nvidia*")


def _device_node(host: Host, path: str) -> DeviceNode:
    status = host.stat(path)
    if not isinstance(status, Found):
        return DeviceNode(path, readable=False, writable=False)
    mode, group = status.value.get("mode"), status.value.get("group")
    return DeviceNode(
        path,
        readable=status.value.get("readable") is True,
        writable=status.value.get("writable") is True,
        mode=str(mode) if mode is not None else None,
        group=str(group) if group is not None else None,
    )


def _kernel_module(version: Reading[str]) -> Reading[str]:
    # NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024
    # NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (archlinux-builder@)
    if not isinstance(version, Found):
        return version
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d+(?:\.\d+)+)", version.value)
    return Found(found[1]) if found else Unknown("/proc/driver/nvidia/version names no version")


def _open_kernel_module(version: Reading[str]) -> Reading[bool]:
    return Found("Open Kernel Module" in version.value) if isinstance(version, Found) else version


def _module(modules: Reading[tuple[str, ...]], name: str) -> Reading[bool]:
    # The list, and not the one folder: without /sys/module "not loaded" can't be told from "can't be seen".
    return Found(name in modules.value) if isinstance(modules, Found) else Unknown("/sys/module can't be read")


# ── libraries ────────────────────────────────────────────────────────────────────────────────────


def _library_folders(host: Host) -> tuple[str, ...]:
    """The folders to look into, those of LD_LIBRARY_PATH first, as the loader has it."""
    own = [path.rstrip("/") for path in (host.env("LD_LIBRARY_PATH") or "").split(":") if path.startswith("/")]
    return tuple(dict.fromkeys([*own, *LIBRARY_FOLDERS]))


def _libcuda(host: Host) -> tuple[Reading[str], Reading[str]]:
    """Libcuda's path, and the file behind it."""
    unread: Reading[str] = Absent(f"no {CUDA_LIBRARY} in the usual folders")
    for folder in _library_folders(host):
        file = host.real(f"{folder}/{CUDA_LIBRARY}")
        if isinstance(file, Found):
            return Found(f"{folder}/{CUDA_LIBRARY}"), file
        if isinstance(file, Unknown):
            unread = file
    return unread, unread


def version_in_name(path: str) -> str | None:
    """The driver's version in a library's file name, ``libcuda.so.550.54.14``; None where it holds none."""
    found = re.search(r"\.so\.(\d{2,}\.\d+(?:\.\d+)*)$", path)
    return found[1] if found else None


def _version_of(file: Reading[str]) -> Reading[str]:
    if not isinstance(file, Found):
        return file
    version = version_in_name(file.value)
    return Found(version) if version else Unknown(f"the file name {file.value} holds no driver version")


def nvml_files(host: Host, *, windows: bool) -> tuple[str, ...]:
    """The files that NVML could be loaded from."""
    if windows:
        programs = host.env("ProgramFiles") or "C:\\Program Files"
        places = (
            _windows_folder(host) + "\\System32\\nvml.dll",
            programs + "\\NVIDIA Corporation\\NVSMI\\nvml.dll",
        )
        return tuple(place for place in places if isinstance(host.stat(place), Found))
    files = (host.real(f"{folder}/{NVML_LIBRARY}") for folder in _library_folders(host))
    return tuple(dict.fromkeys(file.value for file in files if isinstance(file, Found)))


def _windows_folder(host: Host) -> str:
    return host.env("WINDIR") or "C:\\Windows"
