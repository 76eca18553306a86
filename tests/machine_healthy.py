"""The described machines on which all is well, of every kind that a course meets; each docstring says which.

What is particular to a kind is here because it once misled a tool, or may: a sound function on the card's bus, the
switches of an NVLink fabric, cards that a job may not touch, a base environment that is meant to be used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from machine_list import CPU, CU126, H100, PYPI, RTX_5090, SILICON, on
from machine_parts import Box, Card, linux, macos, nvidia, scenario, windows, windows_card
from machine_pythons import Torch, conda_record, python
from pretended import nvml

RTX_4070 = Card("NVIDIA GeForce RTX 4070", "2786", "8.9", 12282, 900)
RTX_4060 = Card("NVIDIA GeForce RTX 4060 Laptop GPU", "28a0", "8.9", 8188, 12)
GTX_1080 = Card("NVIDIA GeForce GTX 1080", "1b80", "6.1", 8192, 420)
SERVER = {"ecc": 1, "ecc_uncorrected": 0, "rows": "0 0 0 0", "persistence": 1}
A100 = Card("NVIDIA A100 80GB PCIe", "20b5", "8.0", 81920, 4, "0302", SERVER | {"mig": 0, "mig.max": 7})
GH200 = Card("NVIDIA GH200 480GB", "2342", "9.0", 97871, 5, "0302", SERVER | {"mig": 0, "mig.max": 7})
A10G = Card("NVIDIA A10G", "2237", "8.6", 23028, 3, "0302", SERVER)

MAC = Torch("2.15.0", mps=True, vision="0.29.2", audio="2.11.0", seconds=1.3)
PLAIN = ("filelock", "typing-extensions>=4.10.0", "sympy>=1.13.3", "networkx>=2.5.1")


def lived_in(
    *, files: int = 1024, locked: str = "8388608", card: str = "eth0", render: bool = False, infiniband: bool = False
) -> dict[str, str]:
    """What a Linux machine tells of itself: limits, a way out, its network; the device file of its graphics."""
    route = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    told = {
        "/proc/self/limits": "Limit                     Soft Limit           Hard Limit           Units     \n"
        f"Max open files            {files:<20} 1048576              files     \n"
        f"Max locked memory         {locked:<20} {locked:<20} bytes     \n",
        "/proc/net/route": f"{route}{card}\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
        f"/sys/class/net/{card}/type": "1\n",
        "/sys/class/net/lo/type": "772\n",
    }
    if infiniband:
        told |= {"/sys/class/infiniband/mlx5_0/node_type": "1: CA\n", "/sys/class/net/ib0/type": "32\n"}
    return told | ({"/dev/dri/renderD128": ""} if render else {})


def sound(box: Box, device: str = "22bc", address: str = "0000:01:00.1") -> Box:
    """The sound function that a card with a display output has beside it on the bus."""
    return box.card(address, "10de", device, "snd_hda_intel", "0403")


# ── macOS ────────────────────────────────────────────────────────────────────────────────────────


def macos_uv() -> Box:
    """An Apple M4 with uv and Python 3.14: no pip in the environment, and Homebrew's on PATH."""
    box = macos(machine="arm64", brand="Apple M4", sysctl=SILICON, version="26.1", memory=24)
    box.host.programs["pip"] = "/opt/homebrew/bin/pip"
    box.files({"/opt/homebrew/bin/pip": "#!/opt/homebrew/opt/python@3.14/bin/python3.14\n"})
    base = "/Users/ana/.local/share/uv/python/cpython-3.14.2-macos-aarch64-none"
    return python(box, MAC, version="3.14.2", kind="uv", base=base)


def macos_conda() -> Box:
    """An Apple M1 with Miniforge and conda-forge's pytorch, which is built for Metal too."""
    box = macos(machine="arm64", brand="Apple M1", sysctl=SILICON, version="14.7.1", memory=8)
    torch = forge(mps=True, seconds=2.6)
    return conda(box, torch, "osx-arm64", "cpu_generic_py312_h2470ad0_2", "3.12.12")


def macos_intel_last() -> Box:
    """An Intel Mac with the last torch for it, and the NumPy that goes with that."""
    box = macos(machine="x86_64", brand="Intel(R) Core(TM) i5-8259U CPU @ 2.30GHz", version="14.6.1")
    torch = Torch("2.2.2", mps=False, vision="0.17.2", audio="2.2.2", numpy="1.26.4", seconds=2.9)
    return python(box, torch, version="3.12.7", base="/Library/Frameworks/Python.framework/Versions/3.12")


def forge(**more: object) -> Torch:
    """conda-forge's own build: one version without a local part, no packages of NVIDIA's from PyPI."""
    return replace(
        Torch("2.13.0", vision="0.28.0", installer="conda", requires=PLAIN, beside=(), shipped=("torch_python",)),
        **more,
    )


def conda(box: Box, torch: Torch, system: str, build: str, version: str, **more: object) -> Box:
    """A conda environment of its own under Miniforge."""
    slash = "\\" if system.startswith("win") else "/"
    prefix = slash.join((box.home, "miniforge3", "envs", "course"))
    digits = "".join(version.split(".")[:2])
    files = {}
    for name, number, of in (
        ("python", version, "hd63d673_1_cpython"),
        ("pytorch", "2.13.0", build),
        ("libtorch", "2.13.0", build.replace(f"_py{digits}", "")),
        ("torchvision", "0.28.0", build.replace("generic_", "").replace("mkl_", "")),
        ("numpy", "2.4.6", f"py{digits}h33ff503_0"),
        ("llvm-openmp", "21.1.8", "h4922eb0_0"),
        ("pip", "26.1", "pyh8b19718_0"),
    ):
        files |= conda_record(prefix, name, number, of, system=system)
    return python(box, torch, version=version, kind="conda", prefix=prefix, pip="26.1", files=files, **more)


# ── Windows and WSL ──────────────────────────────────────────────────────────────────────────────

PYTHON_ORG = r"C:\Users\ana\AppData\Local\Programs\Python\Python313"


def windows_cpu() -> Box:
    """A Windows laptop with Intel's graphics and PyPI's torch, which is the CPU build there."""
    box = windows("13th Gen Intel(R) Core(TM) i5-1335U")
    windows_card(box, "8086", "a7a1", bus=0, service="igfxn", description="Intel(R) Iris(R) Xe Graphics", number=0)
    torch = Torch("2.14.1+cpu", "2.14.1", vision="0.29.1+cpu", audio="2.11.0+cpu", seconds=3.4)
    return python(box, torch, version="3.13.9", base=PYTHON_ORG, pip="25.2")


def windows_cuda() -> Box:
    """A Windows desktop with an RTX 4070 and the CUDA build, whose libraries lie in torch's own folder."""
    box = windows("AMD Ryzen 5 7600 6-Core Processor              ")
    windows_card(box, "10de", "2786", bus=1, service="nvlddmkm", description=RTX_4070.name, number=0)
    dll = r"C:\Windows\System32\nvml.dll"
    box.files({dll: "", r"C:\Windows\System32\nvcuda.dll": ""})
    # On a desktop card of Windows, NVML has no persistence mode.
    lines = scenario("581.57", "13.0", (RTX_4070,), {"gpu.0.nvmlDeviceGetPersistenceMode": 3})
    box.host.children["nvml"] = nvml(lines, file=dll, windows=True)
    own = ("torch_cpu", "torch_cuda", "c10", "c10_cuda", "cudart64_13", "cublas64_13", "cudnn64_9", "cufft64_12")
    torch = Torch("2.14.1+cu130", vision="0.29.1+cu130", audio="2.11.0+cu130", seconds=5.0, requires=PLAIN, shipped=own)
    return python(box, on(RTX_4070, torch), version="3.12.10", base=PYTHON_ORG.replace("313", "312"), pip="25.0.1")


def windows_arc() -> Box:
    """A Windows desktop with an Intel Arc B580 and the XPU build."""
    box = windows("Intel(R) Core(TM) Ultra 5 245K")
    windows_card(box, "8086", "7d67", bus=0, service="igfxn", description="Intel(R) Graphics", number=0)
    arc = "Intel(R) Arc(TM) B580 Graphics"
    windows_card(box, "8086", "e20b", bus=3, service="igfxnd", description=arc, number=1)
    beside = tuple(f"intel_{name} 2025.3.2" for name in ("cmplr_lib_rt", "cmplr_lib_ur", "cmplr_lic_rt", "sycl_rt"))
    beside += ("dpcpp_cpp_rt 2025.3.2", "intel_opencl_rt 2025.3.2", "tcmlib 1.4.1", "umf 1.0.2", "triton_xpu 3.8.0")
    torch = Torch(
        "2.14.1+xpu", vision="0.29.1+xpu", audio="2.11.0+xpu", seconds=6.1, xpu=arc, beside=beside, requires=PLAIN
    )
    return python(box, torch, version="3.12.10", base=PYTHON_ORG.replace("313", "312"))


def windows_conda() -> Box:
    """A Windows laptop with Miniforge; conda's Python lies in the environment's own folder."""
    box = windows("AMD Ryzen 5 5500U with Radeon Graphics         ")
    windows_card(box, "1002", "164c", bus=4, service="amdwddmg", description="AMD Radeon(TM) Graphics", number=0)
    return conda(box, forge(seconds=4.0), "win-64", "cpu_mkl_py311_h5b3e16a_102", "3.11.14")


def wsl_without_nvidia() -> Box:
    """WSL2 on a laptop with Intel's graphics: /dev/dxg is there, and the CPU build."""
    box = linux(release="6.6.87.2-microsoft-standard-WSL2", system="Ubuntu 24.04.3 LTS", memory=8)
    box.card("4d29:00:00.0", "1414", "008e", "dxgkrnl", "0302").files({"/dev/dxg": {}})
    box.files({f"/usr/lib/wsl/lib/{name}": "" for name in ("libd3d12.so", "libd3d12core.so", "libdxcore.so")})
    return python(box, CPU, version="3.12.3", files=lived_in())


# ── laptops and desktops with Linux ──────────────────────────────────────────────────────────────


def laptop_uv() -> Box:
    """A Fedora laptop with uv: Python lies in the home folder, and the system's pip is on PATH."""
    box = linux(release="6.17.7-300.fc43.x86_64", system="Fedora Linux 43 (Workstation Edition)", glibc="2.42")
    box.card("0000:c1:00.0", "1002", "15bf", "amdgpu", "0380")
    box.host.programs["pip"] = "/usr/bin/pip"
    box.files({"/usr/bin/pip": "#!/usr/bin/python3\n"})
    base = "/home/ana/.local/share/uv/python/cpython-3.13.9-linux-x86_64-gnu"
    return python(box, CPU, version="3.13.9", kind="uv", base=base, files=lived_in(card="wlp1s0", render=True))


def laptop_conda() -> Box:
    """A Debian laptop with Miniforge and conda-forge's CPU build."""
    box = linux(release="6.12.48+deb13-amd64", system="Debian GNU/Linux 13 (trixie)", glibc="2.41")
    box.card("0000:00:02.0", "8086", "9a49", "i915")
    return conda(box, forge(), "linux-64", "cpu_mkl_py312_h5c11d36_102", "3.12.12")


def user_install() -> Box:
    """Ubuntu 22.04 with `pip install --user`: all is in the home folder, and the system's Python uses it."""
    box = linux(release="5.15.0-161-generic", system="Ubuntu 22.04.5 LTS", glibc="2.35")
    box.card("0000:00:02.0", "8086", "46a6", "i915")
    torch = Torch("2.14.1+cpu", vision="0.29.1+cpu", audio="2.11.0+cpu", numpy="2.2.6")
    site = "/home/ana/.local/lib/python3.10/site-packages"
    return python(box, torch, version="3.10.12", kind="system", site=site, pip="22.0.2", files=lived_in())


def optimus_works() -> Box:
    """A laptop with Intel's graphics and an RTX 4060 that sleeps until it is wanted."""
    box = linux(system="Ubuntu 24.04.3 LTS").card("0000:00:02.0", "8086", "a7a0", "i915")
    nvidia(sound(box), "580.95.05", "13.0", RTX_4060, open_module=True)
    return python(box, on(RTX_4060, PYPI), version="3.12.3", files=lived_in(card="wlp0s20f3", render=True))


def rtx5090_works() -> Box:
    """A desktop with an RTX 5090: the open kernel module, and a build for CUDA 13."""
    box = linux(system="Ubuntu 24.04.3 LTS", cpu="AMD Ryzen 9 9950X 16-Core Processor", cpus=32, memory=96)
    nvidia(sound(box, "22e8"), "580.95.05", "13.0", RTX_5090, open_module=True)
    return python(box, on(RTX_5090, PYPI), version="3.12.3", files=lived_in(card="enp6s0", render=True))


def gtx1080_cu126() -> Box:
    """An old GTX 1080 with the last driver branch for it, and the last builds that have code for it."""
    box = linux(system="Linux Mint 22.1", cpu="Intel(R) Core(TM) i7-7700K CPU @ 4.20GHz", cpus=8)
    nvidia(sound(box, "10f0"), "580.95.05", "13.0", GTX_1080)
    return python(box, on(GTX_1080, CU126), version="3.12.3", files=lived_in(card="enp0s31f6", render=True))


def raspberry() -> Box:
    """A Raspberry Pi 5 with PyTorch's CPU build for 64-bit Arm."""
    box = linux(
        release="6.12.47+rpt-rpi-2712", system="Debian GNU/Linux 12 (bookworm)", glibc="2.36", cpu="",
        machine="aarch64", memory=8, cpus=4,
    )  # fmt: skip
    box.files({"/proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"})
    return python(box, CPU, version="3.11.2", machine="aarch64", files=lived_in(card="wlan0"))


# ── servers, boards, clouds ──────────────────────────────────────────────────────────────────────


def server(cards: tuple[Card, ...], **more: object) -> Box:
    """Ubuntu's server edition with a data-centre driver."""
    facts = {"release": "6.8.0-87-generic", "system": "Ubuntu 24.04.3 LTS", "cpus": 128, "memory": 1024}
    box = linux(**facts, cpu="AMD EPYC 7763 64-Core Processor")  # type: ignore[arg-type]
    nvidia(box, "580.95.05", "13.0", *cards, **more)  # type: ignore[arg-type]
    return box


def a100() -> Box:
    """A server with one A100."""
    return python(server((A100,)), on(A100, PYPI), version="3.12.3", files=lived_in(card="eno1"))


def h100_fabric() -> Box:
    """Eight H100 behind four NVSwitches, which are bridges on the bus and no GPUs; the fabric is up."""
    box = server((H100,) * 8, open_module=True)
    for index in range(4):
        box.card(f"0000:{0x80 + index:02x}:00.0", "10de", "22a3", "nvidia-nvswitch", "0680")
    switches = ("nvidia-nvswitchctl", *(f"nvidia-nvswitch{index}" for index in range(4)))
    box.files({f"/dev/{name}": {} for name in (*switches, "nvidia-modeset", "nvidia-uvm-tools")})
    box.files({"/dev/nvidia-caps/nvidia-cap1": {"mode": "0400", "readable": False, "writable": False}})
    told = lived_in(files=1048576, locked="unlimited", card="eno8303", infiniband=True)
    return python(box, on(H100, PYPI, 8), version="3.12.3", files=told)


def gh200() -> Box:
    """A Grace Hopper: 64-bit Arm, a kernel with large pages, and PyTorch's CUDA build for that."""
    box = linux(
        release="6.8.0-1040-nvidia-64k", system="Ubuntu 22.04.5 LTS", glibc="2.35", cpu="", machine="aarch64",
        cpus=72, memory=480,
    )  # fmt: skip
    nvidia(box, "580.95.05", "13.0", GH200, folder="/usr/lib/aarch64-linux-gnu", open_module=True)
    words = "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build\n"
    box.files({"/proc/driver/nvidia/version": words})
    torch = Torch("2.14.1+cu130", vision="0.29.1+cu130", audio="2.11.0+cu130", seconds=4.8)
    return python(box, on(GH200, torch), version="3.12.12", machine="aarch64", files=lived_in(card="enP5p9s0"))


def jetson_works() -> Box:
    """A Jetson Orin with JetPack 6.2 and NVIDIA's own torch, which uses the CUDA of the system."""
    box = linux(
        release="5.15.148-tegra", system="Ubuntu 22.04.5 LTS", glibc="2.35", cpu="", machine="aarch64", cpus=6, memory=8
    )
    box.files(
        {
            "/etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
            "/proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
        }
    )
    orin = Card("Orin", "0000", "8.7", 7620, more={"pci": "N/A"})
    folder = "/usr/lib/aarch64-linux-gnu/nvidia"
    nvidia(box, "540.4.0", "12.6", orin, folder=folder, answers={"gpu.0.nvmlDeviceGetPciInfo_v3": 3})
    for path in [p for p in box.host.tree.entries if p.startswith("/sys/bus/pci/devices/0000:01:")]:
        del box.host.tree.entries[path]
    torch = Torch(
        "2.8.0", cuda="12.6", devices=(("Orin", "8.7", None),), vision="0.23.0", audio="2.8.0", numpy="1.26.4",
        requires=PLAIN, beside=(), seconds=7.2, shipped=("torch_cpu", "torch_cuda", "c10", "c10_cuda"), flags="sm_87",
    )  # fmt: skip
    toolkit = {"/usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.68"}}\n'}
    return python(box, torch, version="3.10.12", machine="aarch64", files=lived_in() | toolkit)


def mi300x() -> Box:
    """A server with eight MI300X, whose group of the device files this user is in."""
    box = linux(release="6.8.0-87-generic", system="Ubuntu 24.04.3 LTS", cpu="AMD EPYC 9534 64-Core Processor",
                cpus=128, memory=2048)  # fmt: skip
    nodes = "/sys/class/kfd/kfd/topology/nodes"
    box.files({f"{nodes}/{n}/properties": "simd_count 0\ngfx_target_version 0\n" for n in (0, 1)})
    for index in range(8):
        address = f"0000:{0x05 + 0x10 * index:02x}:00.0"
        box.card(address, "1002", "74a1", "amdgpu", "1200")
        where = f"location_id {(0x05 + 0x10 * index) << 8}"
        words = f"simd_count 1216\ngfx_target_version 90402\nvendor_id 4098\ndevice_id 29857\n{where}\ndomain 0\n"
        box.files({f"{nodes}/{index + 2}/properties": words})
    box.files({"/dev/kfd": {"mode": "0660", "group": "render"}, "/sys/module/amdgpu/version": "6.14.14\n"})
    device = ("AMD Instinct MI300X", "9.4", None)
    torch = Torch("2.14.1+rocm7.2", vision="0.29.1+rocm7.2", audio="2.11.0+rocm7.2", devices=(device,) * 8, gfx="gfx942",
                  beside=("triton_rocm 3.8.0",))  # fmt: skip
    return python(box, torch, version="3.12.3", files=lived_in(card="eno1", render=True))


def cloud_a10g() -> Box:
    """A rented machine with an A10G: the provider's image has its Python and torch under /opt."""
    box = linux(release="6.8.0-1041-aws", system="Ubuntu 22.04.5 LTS", glibc="2.35", home="/home/ubuntu", cpus=8,
                memory=32, cpu="AMD EPYC 7R32")  # fmt: skip
    nvidia(box, "570.195.03", "12.8", A10G, open_module=True)
    torch = replace(CU126, devices=((A10G.name, "8.6", None),))
    toolkit = {"/usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.8.1"}}\n'}
    shell = {"LD_LIBRARY_PATH": "/usr/local/cuda/lib64", "CUDA_HOME": "/usr/local/cuda"}
    box.env(LD_LIBRARY_PATH=shell["LD_LIBRARY_PATH"])
    told = lived_in(card="ens5") | toolkit | {"/usr/local/cuda/lib64/libcublas.so.12": ""}
    return python(box, torch, version="3.12.10", prefix="/opt/pytorch", files=told, shell=shell)


ALL: dict[str, Callable[[], Box]] = {
    "macos-m4-uv": macos_uv,
    "macos-m1-conda": macos_conda,
    "macos-intel-last-torch": macos_intel_last,
    "windows-cpu": windows_cpu,
    "windows-rtx4070": windows_cuda,
    "windows-arc-b580": windows_arc,
    "windows-conda": windows_conda,
    "wsl2-without-nvidia": wsl_without_nvidia,
    "laptop-uv": laptop_uv,
    "laptop-conda": laptop_conda,
    "laptop-user-install": user_install,
    "laptop-optimus": optimus_works,
    "rtx5090": rtx5090_works,
    "gtx1080-cu126": gtx1080_cu126,
    "raspberry-pi5": raspberry,
    "server-a100": a100,
    "server-8xh100": h100_fabric,
    "gh200": gh200,
    "jetson-orin-nvidia-torch": jetson_works,
    "server-8xmi300x": mi300x,
    "cloud-a10g": cloud_a10g,
}
