"""The parts that described machines are put together from: systems, GPUs with their driver, and Pythons with packages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pretended import Interpreter, fake_torch, imported, listed, nvml
from simulated import Link, Program, SimulatedHost, Tree

from envtool.machine import Found, Reading
from envtool.probe.child import Completed

GIB = 1 << 30
NO_DRIVER = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from "
    "http://www.nvidia.com/Download/index.aspx"
)
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version {}). Please update your GPU driver by downloading and "
    "installing a new version from the URL: http://www.nvidia.com/Download/index.aspx Alternatively, go to: "
    "https://pytorch.org to install a PyTorch version that has been compiled with your version of the CUDA driver."
)
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"


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
        """Docker: no PCI bus is hidden, /dev is the container's own, shared memory is small."""
        self.files({"/.dockerenv": "", "/proc/1/cgroup": cgroup})
        self.host.disks["/dev/shm"] = (2 * GIB, 2 * GIB)
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
    return box


def driver_libraries(box: Box, folder: str, version: str) -> None:
    """libcuda and NVML with the driver's version in their names, and the names that programs ask for."""
    for library in ("libcuda", "libnvidia-ml"):
        box.files({f"{folder}/{library}.so.{version}": "", f"{folder}/{library}.so.1": Link(f"{library}.so.{version}")})


# ── Python ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Torch:
    """An installed torch. ``version`` as in its own version.py, ``listed`` as in its metadata where that differs.

    ``devices``: what torch finds on this machine, as (name, capability, error); ``cuda_says``: why there is none.
    """

    version: str
    listed: str | None = None
    devices: tuple[tuple[str, str, str | None], ...] = ()
    cuda_says: str = NO_DRIVER
    warning: str = ""
    mps: bool | None = None
    numpy_fails: bool = False
    installer: str = "pip"
    vision: str | None = None
    audio: str | None = None
    numpy: str | None = "2.4.6"
    seconds: float = 2.1


FLAGS = {
    "cu124": "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90",
    "cu126": "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90",
    "cu130": "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120",
    "cu132": "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120",
}
COMMON = ("filelock 4.2.11", "fsspec 2026.9.0", "jinja2 3.1.6", "MarkupSafe 3.0.4", "mpmath 1.3.0", "networkx 3.6.1")
COMMON += ("setuptools 84.2.1", "sympy 1.14.0", "typing_extensions 4.16.0")
CU12 = "cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn cufft curand cusolver cusparse cusparselt nccl nvjitlink nvtx"
CUDA_PACKAGES = {
    "cu124": (CU12, "12.4.127", "-cu12"),
    "cu126": (CU12, "12.6.77", "-cu12"),
}
LINUX = 'platform_system == "Linux"'


def requirements(variant: str) -> list[str]:
    """What torch's metadata asks for; read from the wheels of 2.14.1 and 2.15.0, in kind for the older ones."""
    plain = ["filelock", "typing-extensions>=4.10.0", "setuptools>=77.0.3", "sympy>=1.13.3", "networkx>=2.5.1"]
    if variant in CUDA_PACKAGES:
        names, version, suffix = CUDA_PACKAGES[variant]
        return plain + [f"nvidia-{name}{suffix}=={version}; {LINUX}" for name in names.split()]
    if variant in ("cu130", "cu132"):
        toolkit = {"cu130": "13.0.3", "cu132": "13.2.2"}[variant]
        return [
            *plain,
            f"cuda-toolkit[cublas,cudart,cufft,cusolver,cusparse,nvjitlink,nvrtc,nvtx]=={toolkit}; {LINUX}",
            f'cuda-bindings<14,>=13.0.3; {LINUX} and python_version < "3.15"',
            f"nvidia-cudnn-cu13==9.26.0.51; {LINUX}",
            f"nvidia-nccl-cu13==2.30.7; {LINUX}",
        ]
    return plain


def companions_of(variant: str) -> list[str]:
    """The distributions that come along with a CUDA build."""
    if variant in CUDA_PACKAGES:
        names, version, suffix = CUDA_PACKAGES[variant]
        return [f"nvidia_{name.replace('-', '_')}{suffix.replace('-', '_')} {version}" for name in names.split()]
    if variant in ("cu130", "cu132"):
        runtime = {"cu130": "13.0.96", "cu132": "13.2.86"}[variant]
        toolkit = {"cu130": "13.0.3", "cu132": "13.2.2"}[variant]
        return [
            f"cuda_toolkit {toolkit}", "cuda_bindings 13.5.0", "nvidia_cudnn_cu13 9.26.0.51", "nvidia_nccl_cu13 2.30.7",
            f"nvidia_cuda_runtime {runtime}", "nvidia_cublas 13.4.1.3", "nvidia_nvjitlink 13.5.37", "triton 3.8.0",
        ]  # fmt: skip
    return []


def variant_of(version: str) -> str:
    return version.partition("+")[2] or "cpu"


def dist_info(
    site: str, slash: str, name: str, version: str, installer: str = "pip", requires: Sequence[str] = ()
) -> dict:
    folder = f"{site}{slash}{name}-{version}.dist-info"
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    return {f"{folder}{slash}METADATA": "\n".join(lines) + "\n\n", f"{folder}{slash}INSTALLER": f"{installer}\n"}


def version_py(version: str) -> str:
    """torch's own version.py, in the form that 2.13 to 2.15 have."""
    variant = variant_of(version)
    cuda = f"{variant[2:-1]}.{variant[-1]}" if variant.startswith("cu") else None
    hip = f"{variant.removeprefix('rocm')}.26015-fc0010cf6a" if variant.startswith("rocm") else None
    return (
        "from typing import Optional\n\n__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']\n"
        f"__version__ = {version!r}\ndebug = False\ncuda: Optional[str] = {cuda!r}\n"
        f"git_version = 'd0f2af8b66b20da4baa50644c0cd3f887a2eae2e'\nhip: Optional[str] = {hip!r}\n"
        f"rocm: Optional[str] = None\nxpu: Optional[str] = None\n"
    )


BOOL = {None: "None", True: "True", False: "False"}
MORE_OF_TORCH = """
import tempfile  # the real one needs it too, and it needs random

del version
import torch.version as version
__version__ = {version!r}
_C._cuda_getArchFlags = staticmethod(lambda: {flags!r})
_to = Tensor.to
Tensor.to = lambda self, device: self if device == "mps" else _to(self, device)
class mps:
    is_built = staticmethod(lambda: {mps} is not None)
    is_available = staticmethod(lambda: bool({mps}))
backends.mps = mps
if {numpy_fails}:
    import warnings
    warnings.warn("Failed to initialize NumPy: _ARRAY_API not found (Triggered internally at tensor_numpy.cpp:84.)")
def from_numpy(array):
    if {numpy_fails}:
        raise RuntimeError("Numpy is not available")
    return Tensor(array)
def _numpy(self):
    return from_numpy(self.rows)
Tensor.numpy = _numpy
for _key, _device in enumerate(DEVICES):
    _device.setdefault("gcnArchName", {gfx!r})
Properties.gcnArchName = {gfx!r}
"""
VISION = """
__version__ = {version!r}
import torch
class ops:
    @staticmethod
    def nms(boxes, scores, threshold):
        return torch.tensor([0, 2])
"""
AUDIO_CHECK = """
import torch
def _check_cuda_version():
    here, there = {cuda!r}, torch.version.cuda
    if here is not None and there is not None and here != there:
        raise RuntimeError(
            "Detected that PyTorch and TorchAudio were compiled with different CUDA versions. "
            f"PyTorch has CUDA version {{there}} whereas TorchAudio has CUDA version {{here}}. "
            "Please install the TorchAudio version that matches your PyTorch version."
        )
"""
AUDIO = """
from torchaudio._extension import utils
utils._check_cuda_version()
__version__ = {version!r}
import torch
class functional:
    @staticmethod
    def DB_to_amplitude(levels, ref, power):
        return torch.tensor([ref * 10 ** (level / 10 * power) for level in levels.tolist()])
"""


def torch_files(site: str, slash: str, torch: Torch, platform: str) -> dict[str, str]:
    """torch and what is installed beside it."""
    variant = variant_of(torch.version)
    at, lib = f"{site}{slash}torch{slash}", f"{site}{slash}torch{slash}lib{slash}"
    devices = [
        {"name": name, "capability": tuple(int(p) for p in capability.split("."))} | ({"error": error} if error else {})
        for name, capability, error in torch.devices
    ]
    source = fake_torch(devices, available=bool(devices), zeros=torch.cuda_says, warning=torch.warning)
    gfx = "gfx1100" if variant.startswith("rocm") else ""
    source += MORE_OF_TORCH.format(
        version=torch.version, flags=FLAGS.get(variant, "gfx1100" if gfx else None), mps=BOOL[torch.mps],
        numpy_fails=torch.numpy_fails, gfx=gfx,
    )  # fmt: skip
    names = {"win32": ("{}.dll"), "darwin": "lib{}.dylib"}.get(platform, "lib{}.so")
    shipped = ["torch_cpu", "c10"]
    if variant.startswith("cu"):
        shipped += ["torch_cuda", "c10_cuda"]
    if variant.startswith("rocm"):
        shipped += ["torch_hip", "c10_hip"]
    files = {at + "__init__.py": source, at + "version.py": version_py(torch.version)}
    files |= {lib + names.format(name): "" for name in shipped}
    listed = torch.listed or torch.version
    files |= dist_info(site, slash, "torch", listed, torch.installer, requirements(variant))
    for text in (*COMMON, *(companions_of(variant) if platform == "linux" else ())):
        files |= dist_info(site, slash, *text.split())
    for package, version in (("torchvision", torch.vision), ("torchaudio", torch.audio)):
        if version:
            files |= companion_files(site, slash, package, version, torch)
    if torch.numpy:
        files |= dist_info(site, slash, "numpy", torch.numpy)
        files[f"{site}{slash}numpy{slash}__init__.py"] = f"__version__ = {torch.numpy!r}\narray = list\n"
    return files


def companion_files(site: str, slash: str, package: str, version: str, torch: Torch) -> dict[str, str]:
    """torchvision or torchaudio; from PyPI the metadata has no local part and version.py has one."""
    at = f"{site}{slash}{package}{slash}"
    variant = variant_of(version)
    cuda = f"{variant[2:-1]}.{variant[-1]}" if variant.startswith("cu") else None
    text = f"__version__ = {version!r}\ngit_version = '8fb87713a24951e639c494b0f2a8a81b5f8e33a6'\n"
    files = {at + "version.py": text}
    if package == "torchvision":
        files[at + "__init__.py"] = VISION.format(version=version)
    else:
        files[at + "__init__.py"] = AUDIO.format(version=version)
        files[f"{at}_extension{slash}__init__.py"] = ""
        files[f"{at}_extension{slash}utils.py"] = AUDIO_CHECK.format(cuda=cuda)
    listed = version.partition("+")[0] if torch.listed else version
    return files | dist_info(site, slash, package, listed, torch.installer)


SUFFIXES = {
    "linux": (".cpython-{digits}-{machine}-linux-gnu.so", ".abi3.so", ".so"),
    "musl": (".cpython-{digits}-{machine}-linux-musl.so", ".abi3.so", ".so"),
    "darwin": (".cpython-{digits}-darwin.so", ".abi3.so", ".so"),
    "win32": (".cp{digits}-win_amd64.pyd", ".pyd"),
}


def python(
    box: Box,
    torch: Torch | None = None,
    *,
    version: str = "3.12.4",
    kind: str = "venv",
    base: str = "/usr",
    prefix: str | None = None,
    files: Mapping[str, str] | None = None,
    machine: str | None = None,
    suffixes: str | None = None,
    pip: str = "24.0",
) -> Box:
    """A Python with its packages, and everything by which the doctor finds it. ``kind``: venv, conda or system."""
    platform = str(box.host.fact["sys_platform"])
    win = platform == "win32"
    slash = "\\" if win else "/"
    minor = ".".join(version.split(".")[:2])
    prefix = prefix or (base if kind == "system" else f"{box.cwd}{slash}.venv")
    base = prefix if kind == "conda" else base
    bins = f"{prefix}\\Scripts" if win and kind == "venv" else prefix if win else f"{prefix}/bin"
    executable = f"{bins}\\python.exe" if win else f"{bins}/python" + ("3" if kind == "system" else "")
    site = f"{prefix}\\Lib\\site-packages" if win else f"{prefix}/lib/python{minor}/site-packages"
    home = f"{base}\\Lib" if win else f"{base}/lib/python{minor}"
    digits, arch = minor.replace(".", ""), machine or box.machine
    endings = SUFFIXES[suffixes or platform]
    it = Interpreter(
        version=version,
        executable=executable,
        prefix=prefix,
        base_prefix=base,
        home=home,
        site=site,
        suffixes=tuple(text.format(digits=digits, machine=arch) for text in endings),
        machine=arch,
        cwd=box.cwd,
        user_site=f"{box.home}/.local/lib/python{minor}/site-packages",
        platform=platform,
        pythonpath=box.host.variables.get("PYTHONPATH", ""),
    )
    it.files |= dist_info(site, slash, "pip", pip) | {f"{home}{slash}ensurepip{slash}__init__.py": ""}
    if kind == "venv":
        it.files[f"{prefix}{slash}pyvenv.cfg"] = (
            f"home = {base if win else base + '/bin'}\ninclude-system-site-packages = false\nversion = {version}\n"
        )
    it.files |= torch_files(site, slash, torch, platform) if torch else {}
    it.files |= dict(files or {})
    if not win:
        target = f"{base}/bin/python{minor}"
        it.files[target] = ""
        it.links[executable] = target
    settle(box, it, kind, bins, slash)
    box.host.children |= {name: said(done) for name, done in listed(it).items()}
    box.host.children["import"] = said(imported(it, seconds=torch.seconds if torch else 0.0))
    return box


def said(done: Completed) -> Program:
    def answer(argv: Sequence[str]) -> Reading[Completed]:
        return Found(done)

    return answer


def settle(box: Box, it: Interpreter, kind: str, bins: str, slash: str) -> None:
    """Put the Python where the doctor looks for it: a variable and PATH, its files, and a pip beside it."""
    windows = slash == "\\"
    separator = ";" if windows else ":"
    if kind in ("venv", "conda"):
        box.env(**{"VIRTUAL_ENV" if kind == "venv" else "CONDA_PREFIX": it.prefix})
        box.env(PATH=f"{bins}{separator}{box.host.variables['PATH']}")
    name = "python" if windows or kind != "system" else "python3"
    box.host.programs[name] = it.executable
    scripts = f"{it.prefix}\\Scripts" if windows else bins
    pip = f"{scripts}{slash}pip" + (".exe" if windows else "")
    box.host.programs.setdefault("pip", pip)
    launcher = b"MZ\x90\x00#!" + it.executable.encode() + b"\r\nPK\x03\x04"
    text = f"#!{it.executable}\nfrom pip._internal.cli.main import main\n"
    box.files({it.executable: "", pip: launcher if windows else text})
    config = f"{it.prefix}{slash}pyvenv.cfg"
    if config in it.files:
        box.files({config: it.files[config]})


def conda_record(prefix: str, name: str, version: str, build: str, channel: str = "conda-forge") -> dict[str, str]:
    """A file of conda-meta."""
    url = f"https://conda.anaconda.org/{channel}/linux-64"
    record = {"name": name, "version": version, "build": build, "channel": url}
    return {f"{prefix}/conda-meta/{name}-{version}-{build}.json": json.dumps(record, separators=(",", ":"))}
