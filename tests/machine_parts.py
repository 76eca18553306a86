"""Described systems with their GPUs and drivers: what every machine starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pretended import cuda as cuda_start
from pretended import nvml
from simulated import Link, SimulatedHost, Tree

from envtool.machine import Found
from envtool.probe.child import Completed

GIB = 1 << 30


@dataclass(frozen=True)
class Card:
    """An NVIDIA GPU: NVML's name and PCI id; ``memory`` in MiB; ``more`` are lines of the stub's scenario."""

    name: str
    device: str
    capability: str
    memory: int
    used: int = 340
    pci_class: str = "0300"
    more: Mapping[str, object] = field(default_factory=dict)


@dataclass
class Box:
    """A machine under construction."""

    host: SimulatedHost
    home: str = "/home/ana"
    cwd: str = "/home/ana/course"
    machine: str = "x86_64"

    def files(self, texts: Mapping[str, object]) -> Box:
        for path, text in texts.items():
            self.host.tree.put(path, text)
        return self

    def facts(self, **facts: object) -> Box:
        self.host.fact.update(facts)  # type: ignore[arg-type]
        return self

    def env(self, **variables: str) -> Box:
        self.host.variables |= variables
        return self

    def child(self, question: str, stdout: str = "", *, stderr: str = "", returncode: int | None = 0) -> Box:
        done = Completed(returncode, stdout, stderr, 0.01)
        self.host.children[question] = lambda argv: Found(done)
        return self

    def card(self, address: str, vendor: str, device: str, driver: str | None, pci_class: str = "0300") -> Box:
        """A card on the Linux PCI bus, with the kernel driver that is bound to it."""
        at = f"/sys/bus/pci/devices/{address}"
        self.files(
            {f"{at}/class": f"0x{pci_class}00\n", f"{at}/vendor": f"0x{vendor}\n", f"{at}/device": f"0x{device}\n"}
        )
        if driver:
            self.files({f"/sys/module/{driver}": None, f"{at}/driver": Link(f"../../../../bus/pci/drivers/{driver}")})
        return self

    def container(self, cgroup: str = "0::/\n") -> Box:
        """Docker: the PCI bus shows through, and shared memory is what it gives unless told otherwise."""
        self.files({"/.dockerenv": "", "/proc/1/cgroup": cgroup})
        self.host.disks["/dev/shm"] = (64 << 20, 64 << 20)
        return self


def linux(
    *,
    release: str = "6.8.0-48-generic",
    system: str = "Ubuntu 24.04.1 LTS",
    glibc: str | None = "2.39",
    cpu: str = "12th Gen Intel(R) Core(TM) i5-1240P",
    machine: str = "x86_64",
    memory: int = 16,
    cpus: int = 16,
    home: str = "/home/ana",
) -> Box:
    """A Linux machine without a GPU."""
    cwd = f"{home}/course"
    facts = {
        "sys_platform": "linux", "machine": machine, "release": release, "version": "#1 SMP", "hostname": "box",
        "mac_version": None, "windows_version": None, "libc_name": "glibc" if glibc else None, "libc_version": glibc,
        "bits": 64, "cpus": cpus, "pid": 4242, "uid": 1000, "cwd": cwd, "temporary": "/tmp",
        "executable": "/opt/envtool/bin/python",
    }  # fmt: skip
    host = SimulatedHost(facts, Tree(), {"PATH": "/usr/local/bin:/usr/bin:/bin"})  # type: ignore[arg-type]
    host.disks = {"/": (180 * GIB, 480 * GIB), "/tmp": (20 * GIB, 40 * GIB), "/dev/shm": (8 * GIB, 8 * GIB)}
    name = system.partition(" ")[0]
    box = Box(host, home, cwd, machine)
    host.children["nvml"] = nvml({}, file=None, on_path=False)
    return box.files(
        {
            "/etc/os-release": f'PRETTY_NAME="{system}"\nNAME="{name}"\nID={name.lower()}\n',
            "/proc/cpuinfo": f"processor\t: 0\nmodel name\t: {cpu}\n" if cpu else "processor\t: 0\n",
            "/proc/meminfo": f"MemTotal:       {memory * 1024 * 1024 - 444412} kB\n",
            "/proc/1/cgroup": "0::/init.scope\n",
            "/sys/module/ext4": None,
            "/sys/bus/pci/devices/0000:00:1f.3/class": "0x040300\n",
            "/dev/null": {},
            "/dev/shm": None,
            "/lib/x86_64-linux-gnu": None,
        }
    )


def macos(*, machine: str, brand: str, version: str = "14.5", sysctl: str = "", memory: int = 16) -> Box:
    """A Mac; ``machine`` is what envtool's own Python was built for."""
    home = "/Users/ana"
    facts = {
        "sys_platform": "darwin", "machine": machine, "release": "23.5.0", "version": "Darwin", "hostname": "mac",
        "mac_version": version, "windows_version": None, "libc_name": None, "libc_version": None, "bits": 64,
        "cpus": 8, "pid": 4242, "uid": 501, "cwd": f"{home}/course", "temporary": "/var/folders/x1/T/",
        "executable": "/opt/envtool/bin/python",
    }  # fmt: skip
    host = SimulatedHost(facts, Tree(), {"PATH": "/usr/local/bin:/usr/bin:/bin"})  # type: ignore[arg-type]
    host.disks = {"/": (120 * GIB, 460 * GIB)}
    said = f"machdep.cpu.brand_string: {brand}\n{sysctl}hw.memsize: {memory * GIB}\n"
    return Box(host, home, f"{home}/course", machine).child("sysctl", said)


WINDOWS_VERSION = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
PROCESSOR = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
PCI = r"SYSTEM\CurrentControlSet\Enum\PCI"
DISPLAYS = "{4d36e968-e325-11ce-bfc1-08002be10318}"


def windows(processor: str = "AMD Ryzen 7 7840HS w/ Radeon 780M Graphics      ") -> Box:
    """A Windows 11 machine without any card."""
    home = r"C:\Users\ana"
    facts = {
        "sys_platform": "win32", "machine": "AMD64", "release": "11", "version": "10.0.22631", "hostname": "LAPTOP",
        "mac_version": None, "windows_version": "10.0.22631", "libc_name": None, "libc_version": None, "bits": 64,
        "cpus": 16, "pid": 4242, "uid": None, "cwd": home + r"\course", "temporary": home + r"\AppData\Local\Temp",
        "executable": r"C:\envtool\Scripts\python.exe",
    }  # fmt: skip
    variables = {
        "PATH": r"C:\Windows\System32;C:\Windows",
        "WINDIR": r"C:\Windows",
        "ProgramFiles": r"C:\Program Files",
    }
    host = SimulatedHost(facts, Tree(windows=True), variables)  # type: ignore[arg-type]
    host.disks = {"C:\\": (90 * GIB, 470 * GIB)}
    host.keys = {
        WINDOWS_VERSION: {
            "ProductName": "Windows 10 Home", "DisplayVersion": "23H2", "CurrentBuildNumber": "22631", "UBR": 3737,
        },
        PROCESSOR: {"ProcessorNameString": processor},
        PCI + r"\VEN_1022&DEV_14E8&SUBSYS_14E81022&REV_00\3&11583659&0&00": {},
    }  # fmt: skip
    return Box(host, home, home + r"\course", "AMD64")


def windows_card(box: Box, vendor: str, device: str, *, bus: int, service: str, description: str, number: int) -> Box:
    """A card on Windows' PCI bus with its driver."""
    model, instance = f"VEN_{vendor.upper()}&DEV_{device.upper()}&SUBSYS_00000000&REV_A1", f"4&{bus:08X}&0&0008"
    keys = box.host.keys
    keys[f"{PCI}\\{model}\\{instance}"] = {
        "CompatibleIDs": [
            f"PCI\\VEN_{vendor.upper()}&DEV_{device.upper()}&REV_A1",
            f"PCI\\VEN_{vendor.upper()}&CC_0300",
        ],
        "LocationInformation": f"@System32\\drivers\\pci.sys,#65536;PCI bus %1, device %2, function %3;({bus},0,0)",
        "Service": service,
        "Driver": f"{DISPLAYS}\\{number:04}",
    }
    control = r"SYSTEM\CurrentControlSet"
    keys[rf"{control}\Control\Class\{DISPLAYS}\{number:04}"] = {"DriverDesc": description}
    keys[rf"{control}\Services\{service}\Enum"] = {"0": f"PCI\\{model}\\{instance}", "Count": 1, "NextInstance": 1}
    return box


# ── NVIDIA ───────────────────────────────────────────────────────────────────────────────────────


def scenario(driver: str, cuda: str, cards: Sequence[Card], more: Mapping[str, object]) -> dict[str, object]:
    """What the stub of NVML answers for these GPUs."""
    major, minor = (int(part) for part in cuda.split("."))
    lines: dict[str, object] = {
        "driver": driver, "nvml": f"{major}.{driver}", "cuda": major * 1000 + minor * 10, "count": len(cards),
    }  # fmt: skip
    for index, card in enumerate(cards):
        facts: dict[str, object] = {
            "name": card.name,
            "uuid": f"GPU-5f1a0c{index:02x}-7b3e-4c19-9d2a-0e6b8c4d1f{index:02x}",
            "pci": f"0000000{bus_of(index)}",
            "cc": card.capability,
            "memory": f"{card.memory} {card.used}",
            "compute_mode": 0,
            "persistence": 0,
            "utilization": 0,
        }
        lines |= {f"gpu.{index}.{fact}": value for fact, value in (facts | dict(card.more)).items()}
    return lines | dict(more)


def bus_of(index: int) -> str:
    return f"0:{index + 1:02x}:00.0"


def nvidia(
    box: Box,
    driver: str,
    cuda: str,
    *cards: Card,
    nodes: bool = True,
    node_status: Mapping[str, object] | None = None,
    libraries: str | None = None,
    folder: str = "/usr/lib/x86_64-linux-gnu",
    open_module: bool = False,
    answers: Mapping[str, object] | None = None,
    **asked: object,
) -> Box:
    """A Linux driver that is loaded, with its libraries and device files. ``libraries``: their version if another."""
    for index, card in enumerate(cards):
        box.card("000" + bus_of(index), "10de", card.device, "nvidia", card.pci_class)
    words = "Open Kernel Module for x86_64" if open_module else "x86_64 Kernel Module"
    box.files(
        {
            "/proc/driver/nvidia/version": f"NVRM version: NVIDIA UNIX {words}  {driver}  Release Build\n",
            "/sys/module/nvidia": None,
        }
    )
    if nodes:
        names = ["nvidiactl", "nvidia-uvm", *(f"nvidia{index}" for index in range(len(cards)))]
        box.files({f"/dev/{name}": dict(node_status or {}) for name in names})
    version = libraries or driver
    driver_libraries(box, folder, version)
    file = f"{folder}/libnvidia-ml.so.{version}"
    lines = scenario(driver, cuda, cards, answers or {})
    if libraries:
        lines["nvml"] = f"{cuda.partition('.')[0]}.{libraries}"
    box.host.children["nvml"] = nvml(lines, file=file, **asked)  # type: ignore[arg-type]
    box.host.children["cuda"] = cuda_start(file=f"{folder}/libcuda.so.{version}", count=len(cards))
    return box


def driver_libraries(box: Box, folder: str, version: str) -> None:
    """libcuda and NVML with the driver's version in their names, and the names that programs ask for."""
    for library in ("libcuda", "libnvidia-ml"):
        box.files({f"{folder}/{library}.so.{version}": "", f"{folder}/{library}.so.1": Link(f"{library}.so.{version}")})
