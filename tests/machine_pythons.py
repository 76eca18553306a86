"""Described Pythons with their packages: what lies there, and what happens on import."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from machine_parts import Box
from pretended import Interpreter, fake_torch, imported, listed
from simulated import Program

from envtool.machine import Found, Reading
from envtool.probe.child import Completed

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
    xpu: str | None = None  # the Intel GPU that an XPU build finds
    gfx: str = "gfx1100"
    beside: tuple[str, ...] | None = None  # "name version" of what came along, where not as on PyTorch's index
    requires: tuple[str, ...] | None = None
    shipped: tuple[str, ...] | None = None  # the libraries in torch/lib
    flags: str | None = None  # torch's own list of what it was compiled for
    cuda: str | None = None  # of a build whose version does not name it: conda-forge's, NVIDIA's for Jetson


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


def version_py(version: str, cuda: str | None = None) -> str:
    """torch's own version.py, in the form that 2.13 to 2.15 have. ``cuda`` where the version does not tell it."""
    variant = variant_of(version)
    cuda = f"{variant[2:-1]}.{variant[-1]}" if variant.startswith("cu") else cuda
    xpu = "20250302" if variant == "xpu" else None
    hip = f"{variant.removeprefix('rocm')}.26015-fc0010cf6a" if variant.startswith("rocm") else None
    return (
        "from typing import Optional\n\n__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']\n"
        f"__version__ = {version!r}\ndebug = False\ncuda: Optional[str] = {cuda!r}\n"
        f"git_version = 'd0f2af8b66b20da4baa50644c0cd3f887a2eae2e'\nhip: Optional[str] = {hip!r}\n"
        f"rocm: Optional[str] = None\nxpu: Optional[str] = {xpu!r}\n"
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
XPU_OF_TORCH = """
Tensor.to = lambda self, device: self
class xpu:
    is_available = staticmethod(lambda: True)
    get_device_properties = staticmethod(lambda index: Properties(dict(name={xpu!r}, capability=(12, 55))))
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
    gfx = torch.gfx if variant.startswith("rocm") else ""
    source += MORE_OF_TORCH.format(
        version=torch.version, flags=torch.flags or FLAGS.get(variant, gfx or None), mps=BOOL[torch.mps],
        numpy_fails=torch.numpy_fails, gfx=gfx,
    )  # fmt: skip
    source += XPU_OF_TORCH.format(xpu=torch.xpu) if torch.xpu else ""
    names = {"win32": ("{}.dll"), "darwin": "lib{}.dylib"}.get(platform, "lib{}.so")
    shipped = ["torch_cpu", "c10"]
    if variant.startswith("cu"):
        shipped += ["torch_cuda", "c10_cuda"]
    if variant.startswith("rocm"):
        shipped += ["torch_hip", "c10_hip"]
    if variant == "xpu":
        shipped += ["torch_xpu", "c10_xpu"]
    files = {at + "__init__.py": source, at + "version.py": version_py(torch.version, torch.cuda)}
    files |= {lib + names.format(name): "" for name in torch.shipped or shipped}
    listed = torch.listed or torch.version
    files |= dist_info(site, slash, "torch", listed, torch.installer, torch.requires or requirements(variant))
    beside = companions_of(variant) if torch.beside is None and platform == "linux" else torch.beside or ()
    for text in (*COMMON, *beside):
        files |= dist_info(site, slash, *text.split(), torch.installer)
    for package, version in (("torchvision", torch.vision), ("torchaudio", torch.audio)):
        if version:
            files |= companion_files(site, slash, package, version, torch)
    if torch.numpy:
        files |= dist_info(site, slash, "numpy", torch.numpy, torch.installer)
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
    pip: str | None = "24.0",
    site: str | None = None,
    shell: Mapping[str, str] | None = None,
) -> Box:
    """A Python with its packages, and everything by which the doctor finds it. ``kind``: venv, uv, conda or system.

    ``shell`` is what the user's terminal has set beside; ``~`` in it stands for the home folder.
    """
    platform = str(box.host.fact["sys_platform"])
    win = platform == "win32"
    slash = "\\" if win else "/"
    minor = ".".join(version.split(".")[:2])
    prefix = prefix or (base if kind == "system" else f"{box.cwd}{slash}.venv")
    base = prefix if kind == "conda" else base
    bins = f"{prefix}\\Scripts" if win and kind in ("venv", "uv") else prefix if win else f"{prefix}/bin"
    executable = f"{bins}\\python.exe" if win else f"{bins}/python" + ("3" if kind == "system" else "")
    site = site or (f"{prefix}\\Lib\\site-packages" if win else f"{prefix}/lib/python{minor}/site-packages")
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
        shell=shell or {},
        user_home=box.home,
    )
    it.files |= {f"{home}{slash}ensurepip{slash}__init__.py": ""}
    it.files |= dist_info(site, slash, "pip", pip) if pip and kind != "uv" else {}
    if kind in ("venv", "uv"):
        told = f"home = {base if win else base + '/bin'}\n"
        told += "implementation = CPython\nuv = 0.9.11\n" if kind == "uv" else ""
        told += "include-system-site-packages = false\n"
        told += f"version_info = {version}\n" if kind == "uv" else f"version = {version}\n"
        it.files[f"{prefix}{slash}pyvenv.cfg"] = told
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
    if kind in ("venv", "uv", "conda"):
        box.env(**{"CONDA_PREFIX" if kind == "conda" else "VIRTUAL_ENV": it.prefix})
        box.env(PATH=f"{bins}{separator}{box.host.variables['PATH']}")
    name = "python" if windows or kind != "system" else "python3"
    box.host.programs[name] = it.executable
    scripts = f"{it.prefix}\\Scripts" if windows else bins
    pip = f"{scripts}{slash}pip" + (".exe" if windows else "")
    config = f"{it.prefix}{slash}pyvenv.cfg"
    if config in it.files:
        box.files({config: it.files[config]})
    if kind == "uv":
        box.files({it.executable: ""})
        return
    box.host.programs.setdefault("pip", pip)
    launcher = b"MZ\x90\x00#!" + it.executable.encode() + b"\r\nPK\x03\x04"
    text = f"#!{it.executable}\nfrom pip._internal.cli.main import main\n"
    box.files({it.executable: "", pip: launcher if windows else text})


def conda_record(
    prefix: str, name: str, version: str, build: str, channel: str = "conda-forge", system: str = "linux-64"
) -> dict[str, str]:
    """A file of conda-meta."""
    url = f"https://conda.anaconda.org/{channel}/{system}"
    record = {"name": name, "version": version, "build": build, "channel": url}
    slash = "\\" if "\\" in prefix else "/"
    file = slash.join((prefix, "conda-meta", f"{name}-{version}-{build}.json"))
    return {file: json.dumps(record, separators=(",", ":"))}
