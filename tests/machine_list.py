"""The described machines: each function is one, and its docstring says what is wrong there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from machine_parts import Box, Card, linux, macos, nvidia, scenario, windows, windows_card
from machine_pythons import NO_KERNEL, TOO_OLD, Torch, conda_record, dist_info, python
from pretended import cuda, nvml
from simulated import Link

T4 = Card("Tesla T4", "1eb8", "7.5", 15360, pci_class="0302", more={"ecc": 1, "ecc_uncorrected": 0, "persistence": 1})
V100 = Card(
    "Tesla V100-SXM2-32GB", "1db5", "7.0", 32768, 6, "0302",
    {"ecc": 1, "ecc_uncorrected": 0, "pages_pending": 0, "persistence": 1},
)  # fmt: skip
H100 = Card(
    "NVIDIA H100 80GB HBM3", "2330", "9.0", 81559, 45, "0302",
    {"ecc": 1, "ecc_uncorrected": 0, "rows": "0 0 0 0", "persistence": 1, "mig": 0, "mig.max": 7},
)  # fmt: skip
RTX_3080 = Card("NVIDIA GeForce RTX 3080", "2206", "8.6", 10240, 1100)
RTX_4060 = Card("NVIDIA GeForce RTX 4060 Laptop GPU", "28e0", "8.9", 8188, 0)
RTX_4090 = Card("NVIDIA GeForce RTX 4090", "2684", "8.9", 24564, 400)
RTX_5090 = Card("NVIDIA GeForce RTX 5090", "2b85", "12.0", 32607, 600)
GTX_1060 = Card("NVIDIA GeForce GTX 1060 6GB", "1c03", "6.1", 6078, 200)

CPU = Torch("2.14.1+cpu", vision="0.29.1+cpu", audio="2.11.0+cpu")
PYPI = Torch("2.14.1+cu130", "2.14.1", vision="0.29.1+cu130", audio="2.11.0+cu130", seconds=4.2)
CU126 = Torch("2.14.1+cu126", vision="0.29.1+cu126", audio="2.11.0+cu126", seconds=3.9)


def on(card: Card, torch: Torch, count: int = 1, error: str | None = None) -> Torch:
    """torch that finds these GPUs."""
    return replace(torch, devices=((card.name, card.capability, error),) * count)


def healthy_laptop() -> Box:
    """A laptop with Intel graphics and the CPU builds: all is well."""
    return python(linux().card("0000:00:02.0", "8086", "46a6", "i915"), CPU)


def laptop_of_today() -> Box:
    """`pip install torch torchvision torchaudio` of November 2026: torchaudio is for CUDA 13.0, torch for 13.2."""
    torch = Torch("2.15.0+cu132", "2.15.0", vision="0.29.2+cu132", audio="2.11.0+cu130", seconds=3.8)
    return python(linux().card("0000:00:02.0", "8086", "46a6", "i915"), torch, version="3.11.7")


def laptop_with_cuda_build() -> Box:
    """PyPI's CUDA build on a laptop without a GPU: it works, and is gigabytes too large."""
    return python(linux().card("0000:00:02.0", "8086", "46a6", "i915"), PYPI)


# ── macOS ────────────────────────────────────────────────────────────────────────────────────────

SILICON = "hw.optional.arm64: 1\nsysctl.proc_translated: 0\n"
FRAMEWORK = "/Library/Frameworks/Python.framework/Versions"


def apple_m2() -> Box:
    """An Apple M2 with torch from PyPI; Metal works."""
    box = macos(machine="arm64", brand="Apple M2", sysctl=SILICON)
    torch = Torch("2.15.0", mps=True, vision="0.29.2", audio="2.11.0", seconds=1.4)
    return python(box, torch, base=f"{FRAMEWORK}/3.12")


def rosetta() -> Box:
    """An Apple M1 whose Python is an Intel program."""
    box = macos(machine="x86_64", brand="Apple M1", sysctl="hw.optional.arm64: 1\nsysctl.proc_translated: 1\n")
    torch = Torch("2.2.2", mps=False, vision="0.17.2", audio="2.2.2", numpy="1.26.4", seconds=5.1)
    return python(box, torch, version="3.11.9", base="/usr/local/Cellar/python@3.11/3.11.9")


def intel_mac() -> Box:
    """An Intel Mac: torch ended there with 2.2.2, which doesn't go with NumPy 2."""
    box = macos(machine="x86_64", brand="Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz", version="13.6.9")
    torch = Torch("2.2.2", mps=False, vision="0.17.2", audio="2.2.2", numpy="2.2.6", numpy_fails=True, seconds=3.0)
    return python(box, torch, version="3.11.9", base=f"{FRAMEWORK}/3.11")


# ── Windows and WSL ──────────────────────────────────────────────────────────────────────────────


def windows_laptop() -> Box:
    """Windows with an RTX 4060, and PyPI's torch for Windows, which is a CPU build."""
    box = windows_card(windows(), "1002", "15bf", bus=5, service="amdwddmg", description="AMD Radeon 780M", number=0)
    windows_card(box, "10de", "28e0", bus=1, service="nvlddmkm", description=RTX_4060.name, number=1)
    dll = r"C:\Windows\System32\nvml.dll"
    box.files({dll: "", r"C:\Windows\System32\nvcuda.dll": ""})
    box.host.children["nvml"] = nvml(scenario("566.36", "12.7", (RTX_4060,), {}), file=dll, windows=True)
    box.host.children["cuda"] = cuda(file="nvcuda.dll")
    torch = Torch("2.14.1+cpu", "2.14.1", vision="0.29.1+cpu", audio="2.11.0+cpu", seconds=3.2)
    return python(box, torch, version="3.12.7", base=r"C:\Users\ana\AppData\Local\Programs\Python\Python312")


def wsl(**asked: object) -> Box:
    """WSL2: the Windows driver's libraries, and no card on the bus but Microsoft's stand-in."""
    box = linux(release="5.15.153.1-microsoft-standard-WSL2", system="Ubuntu 22.04.5 LTS", glibc="2.35")
    box.card("5582:00:00.0", "1414", "008e", "dxgkrnl", "0302").files({"/dev/dxg": {}})
    folder = "/usr/lib/wsl/lib"
    box.files({f"{folder}/libcuda.so.1.1": "", f"{folder}/libcuda.so.1": Link("libcuda.so.1.1")})
    box.files({f"{folder}/libnvidia-ml.so.1": ""})
    lines = scenario("566.36", "12.7", (RTX_3080,), {"gpu.0.nvmlDeviceGetPersistenceMode": 3})
    box.host.children["cuda"] = cuda(file=f"{folder}/libcuda.so.1.1", on_path=asked.get("on_path") is not False)
    box.host.children["nvml"] = nvml(lines, file=f"{folder}/libnvidia-ml.so.1", **asked)  # type: ignore[arg-type]
    return box


def wsl_works() -> Box:
    """WSL2 with an RTX 3080 and torch for CUDA 12.6: all is well."""
    return python(wsl(), on(RTX_3080, CU126), version="3.10.12")


def wsl_library_path() -> Box:
    """WSL2 whose loader doesn't know /usr/lib/wsl/lib: torch finds no driver."""
    return python(wsl(on_path=False), CU126, version="3.10.12")


# ── NVIDIA servers and desktops ──────────────────────────────────────────────────────────────────


def colab() -> Box:
    """A container as Colab starts it, with a T4: the driver's libraries lie in a folder of their own."""
    box = linux(release="6.1.85+", system="Ubuntu 22.04.4 LTS", glibc="2.35", home="/root", cpu="Intel(R) Xeon(R) CPU @ 2.00GHz",
                memory=13, cpus=2).container("0::/\n").facts(cwd="/content", uid=0)  # fmt: skip
    box.cwd = "/content"
    box.env(COLAB_RELEASE_TAG="release-colab_20261110-060129_RC00", LD_LIBRARY_PATH="/usr/lib64-nvidia")
    box.host.disks["/dev/shm"] = (6 * 1024**3, 6 * 1024**3)
    box.host.disks["/tmp"] = (70 * 1024**3, 112 * 1024**3)
    nvidia(box, "550.54.15", "12.4", T4, folder="/usr/lib64-nvidia")
    return python(box, on(T4, CU126), version="3.12.12", kind="system")


def dgx(torch: Torch) -> Box:
    """A server with eight V100 and its last driver branch."""
    box = linux(release="5.15.0-1063-nvidia", system="Ubuntu 22.04.4 LTS", glibc="2.35", cpus=80, memory=512,
                cpu="Intel(R) Xeon(R) CPU E5-2698 v4 @ 2.20GHz")  # fmt: skip
    return python(nvidia(box, "580.95.05", "13.0", *[V100] * 8), torch)


def v100() -> Box:
    """Eight V100 with torch for CUDA 12.6: all is well."""
    return dgx(on(V100, CU126, 8))


def v100_cu130() -> Box:
    """Eight V100 with PyPI's torch, which has no code for them."""
    warning = (
        "Found GPU0 Tesla V100-SXM2-32GB which is of cuda capability 7.0. Minimum and Maximum cuda capability supported "
        "by this version of PyTorch is (7.5) - (12.0)"
    )
    return dgx(replace(on(V100, PYPI, 8, NO_KERNEL), warning=warning))


def hopper(mig: dict[str, object], torch: Torch) -> Box:
    """A server with one H100."""
    box = linux(release="5.15.0-119-generic", system="Ubuntu 22.04.5 LTS", glibc="2.35", cpus=96, memory=1024,
                cpu="Intel(R) Xeon(R) Platinum 8480C")  # fmt: skip
    card = replace(H100, more={**H100.more, **mig})
    return python(nvidia(box, "570.133.20", "12.8", card, open_module=True), torch)


def h100_mig() -> Box:
    """An H100 cut into three MIG instances; one process uses one of them."""
    parts = {f"mig.{n}.uuid": f"MIG-0f2c7a1e-64d3-5b8e-9a17-c0d4e1f2a3b{n}" for n in range(3)}
    torch = replace(CU126, devices=(("NVIDIA H100 80GB HBM3 MIG 2g.20gb", "9.0", None),))
    return hopper({"mig": 1, **parts}, torch)


def h100_mig_empty() -> Box:
    """An H100 with MIG switched on and no instance: CUDA finds nothing."""
    return hopper({"mig": 1}, replace(CU126, cuda_says="No CUDA GPUs are available"))


def desktop(driver: str, cuda: str, card: Card, torch: Torch | None, **asked: object) -> Box:
    """A Linux desktop with one card."""
    box = linux(system="Ubuntu 24.04.1 LTS", cpu="AMD Ryzen 9 7950X 16-Core Processor", cpus=32, memory=64)
    return python(nvidia(box, driver, cuda, card, **asked), torch)  # type: ignore[arg-type]


def rtx5090_old_torch() -> Box:
    """An RTX 5090 with torch 2.6, which was built before it."""
    torch = Torch("2.6.0+cu124", "2.6.0", vision="0.21.0+cu124", audio="2.6.0+cu124", numpy="2.1.3", seconds=4.0)
    warning = (
        "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation. The "
        "current PyTorch install supports CUDA capabilities sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90."
    )
    torch = replace(on(RTX_5090, torch, error=NO_KERNEL), warning=warning)
    return desktop("595.71.05", "13.2", RTX_5090, torch, open_module=True)


def rtx5090_old_driver() -> Box:
    """An RTX 5090 with driver 570 and a torch for CUDA 13."""
    return desktop("570.86.16", "12.8", RTX_5090, replace(PYPI, cuda_says=TOO_OLD.format(12080)), open_module=True)


def gtx1060() -> Box:
    """A GTX 1060 with driver 470: too old for every CUDA 12, and the card has newer drivers."""
    box = linux(release="5.15.0-119-generic", system="Ubuntu 20.04.6 LTS", glibc="2.31", memory=16, cpus=8,
                cpu="Intel(R) Core(TM) i5-8400 CPU @ 2.80GHz")  # fmt: skip
    nvidia(box, "470.256.02", "11.4", GTX_1060)
    return python(box, replace(CU126, cuda_says=TOO_OLD.format(11040)), version="3.10.14")


def gpu_lost() -> Box:
    """Two RTX 4090, one of which fell off the bus."""
    box = linux(system="Ubuntu 24.04.1 LTS", cpu="AMD Ryzen Threadripper 7960X", cpus=48, memory=128)
    log = "4,3,300,-;NVRM: Xid (PCI:0000:02:00): 79, pid=811, GPU has fallen off the bus.\n"
    nvidia(box, "580.95.05", "13.0", RTX_4090, RTX_4090, answers={"gpu.1.handle": 15}, kernel_log=log)
    return python(box, on(RTX_4090, PYPI))


def hidden() -> Box:
    """CUDA_VISIBLE_DEVICES is set and empty: every GPU is hidden."""
    torch = replace(PYPI, cuda_says="No CUDA GPUs are available")
    box = linux(cpu="AMD Ryzen 9 7950X 16-Core Processor", cpus=32, memory=64).env(CUDA_VISIBLE_DEVICES="")
    return python(nvidia(box, "580.95.05", "13.0", RTX_4090), torch)


# ── drivers in trouble ───────────────────────────────────────────────────────────────────────────


def optimus() -> Box:
    """A laptop with Intel graphics and an NVIDIA card that no driver holds; the CPU build works."""
    box = linux(system="Ubuntu 24.04.1 LTS").card("0000:00:02.0", "8086", "46a6", "i915")
    return python(box.card("0000:01:00.0", "10de", "1f91", None, "0302"), CPU)


def nouveau() -> Box:
    """The same laptop: nouveau holds the card, and torch is a CUDA build."""
    box = linux(release="6.1.0-26-amd64", system="Debian GNU/Linux 12 (bookworm)", glibc="2.36")
    box.card("0000:00:02.0", "8086", "46a6", "i915").card("0000:01:00.0", "10de", "1f91", "nouveau", "0302")
    return python(box, PYPI, version="3.11.2")


def container_without_gpus() -> Box:
    """Docker on a GPU host, started without --gpus: the host's kernel module shows through, its devices don't."""
    box = (
        linux(system="Debian GNU/Linux 12 (bookworm)", glibc="2.36", home="/root")
        .container()
        .facts(uid=0, cwd="/root/course")
    )
    box.card("0000:01:00.0", "10de", "2684", "nvidia")
    box.files(
        {
            "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Release Build\n",
            "/sys/module/nvidia": None,
        }
    )
    return python(box, PYPI, kind="system", base="/usr/local")


def mismatch() -> Box:
    """`apt upgrade` replaced the driver's libraries, and the old kernel module still runs."""
    torch = replace(PYPI, cuda_says=TOO_OLD.format(11040))
    return desktop("580.82.07", "13.0", RTX_4090, torch, libraries="580.95.05", answers={"init": 18})


def no_permission() -> Box:
    """The device files belong to root and the group video, and this user isn't in it."""
    torch = replace(PYPI, cuda_says=TOO_OLD.format(11040))
    status = {"mode": "0660", "group": "video", "readable": False, "writable": False}
    return desktop("580.95.05", "13.0", RTX_4090, torch, node_status=status, answers={"init": 4})


def nvml_hangs() -> Box:
    """The driver doesn't answer any more: NVML hangs at its start."""
    torch = replace(PYPI, cuda_says="CUDA unknown error - this may be due to an incorrectly set up environment")
    return desktop("580.95.05", "13.0", RTX_4090, torch, answers={"init": "hang"}, limit=1.0)


# ── other vendors ────────────────────────────────────────────────────────────────────────────────

NODES = "/sys/class/kfd/kfd/topology/nodes"
KFD = "simd_count 192\ngfx_target_version 110000\nvendor_id 4098\ndevice_id 29772\nlocation_id 768\ndomain 0\n"


def amd_desktop(torch: Torch) -> Box:
    """A desktop with a Radeon RX 7900 XTX and the kernel's own driver."""
    box = linux(system="Ubuntu 24.04.1 LTS", cpu="AMD Ryzen 9 5900X 12-Core Processor", cpus=24, memory=32)
    box.card("0000:03:00.0", "1002", "744c", "amdgpu")
    box.files({f"{NODES}/0/properties": "simd_count 0\ngfx_target_version 0\n", f"{NODES}/1/properties": KFD})
    return python(box.files({"/dev/kfd": {"mode": "0660", "group": "render"}}), torch)


def amd_rocm() -> Box:
    """A Radeon with torch for ROCm: all is well."""
    device = ("AMD Radeon RX 7900 XTX", "11.0", None)
    torch = Torch("2.14.1+rocm7.2", vision="0.29.1+rocm7.2", audio="2.11.0+rocm7.2", devices=(device,), seconds=4.4)
    return amd_desktop(torch)


def amd_cpu() -> Box:
    """A Radeon with the CPU build."""
    return amd_desktop(CPU)


def jetson() -> Box:
    """A Jetson Orin with JetPack 6.2, and the CPU build from PyPI."""
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
    nvidia(box, "540.4.0", "12.6", orin, folder=folder, answers={f"gpu.0.nvmlDeviceGet{q}": 3 for q in ("PciInfo_v3",)})
    for path in [p for p in box.host.tree.entries if p.startswith("/sys/bus/pci/devices/0000:01:")]:
        del box.host.tree.entries[path]
    torch = Torch("2.6.0+cpu", "2.6.0", vision="0.21.0+cpu", audio="2.6.0+cpu", seconds=6.0)
    return python(box, torch, version="3.10.12", machine="aarch64")


# ── clusters, and what isn't about GPUs ──────────────────────────────────────────────────────────


def slurm_without_gres() -> Box:
    """A Slurm job on a GPU node that asked for no GPU: the cgroup hides them all."""
    box = linux(release="5.14.0-427.el9.x86_64", system="Rocky Linux 9.4 (Blue Onyx)", glibc="2.34", cpus=4, memory=256)
    box.env(SLURM_JOB_ID="4711", SLURM_JOB_PARTITION="gpu")
    box.host.programs |= {"sbatch": "/usr/bin/sbatch", "sinfo": "/usr/bin/sinfo"}
    status = {"readable": False, "writable": False}
    torch = replace(CU126, cuda_says="No CUDA GPUs are available")
    return python(nvidia(box, "570.133.20", "12.8", node_status=status, answers={"count": 0}), torch)


def login_node() -> Box:
    """A cluster's login node without a GPU, and an environment that jobs use: all is well."""
    box = linux(
        release="5.14.0-427.el9.x86_64", system="Rocky Linux 9.4 (Blue Onyx)", glibc="2.34", cpus=32, memory=256
    )
    box.host.programs |= {"sbatch": "/usr/bin/sbatch", "sinfo": "/usr/bin/sinfo"}
    return python(box, CU126)


def alpine() -> Box:
    """Alpine in a container: its C library is musl, for which there is no torch."""
    box = linux(release="6.8.0-48-generic", system="Alpine Linux v3.20", glibc=None, home="/root").container()
    box.files({"/lib/ld-musl-x86_64.so.1": ""}).child(
        "musl", stderr="musl libc (x86_64)\nVersion 1.2.5\nDynamic Program Loader\n", returncode=1
    )
    return python(box, kind="system", base="/usr/local", suffixes="musl")


def shadow() -> Box:
    """A student's random.py in the folder: `import torch` reads it in place of Python's own."""
    box = linux().card("0000:00:02.0", "8086", "46a6", "i915")
    return python(box, CPU, files={f"{box.cwd}/random.py": "numbers = [4, 8, 15, 16, 23, 42]\n"})


def dangling() -> Box:
    """A venv whose Python was removed by an upgrade of the system."""
    box = linux(system="Fedora Linux 42 (Workstation Edition)", glibc="2.41")
    prefix = f"{box.cwd}/.venv"
    box.files(
        {
            f"{prefix}/pyvenv.cfg": "home = /usr/local/python3.11/bin\nversion = 3.11.9\n",
            f"{prefix}/bin/python": Link("python3.11"),
            f"{prefix}/bin/python3.11": Link("/usr/local/python3.11/bin/python3.11"),
        }
    )
    return box.env(VIRTUAL_ENV=prefix, PATH=f"{prefix}/bin:/usr/bin:/bin")


def conda_and_pip() -> Box:
    """A conda environment with conda-forge's pytorch, and `pip install torch` over it."""
    box = linux(cpu="AMD Ryzen 9 7950X 16-Core Processor", cpus=32, memory=64)
    prefix = "/home/ana/miniforge3/envs/course"
    site = f"{prefix}/lib/python3.12/site-packages"
    files = conda_record(prefix, "pytorch", "2.13.0", "cuda129_mkl_py312_h5c11d36_302")
    files |= conda_record(prefix, "libtorch", "2.13.0", "cuda129_mkl_h5b3e16a_302")
    files |= conda_record(prefix, "python", "3.12.12", "hd63d673_1_cpython") | conda_record(
        prefix, "numpy", "2.4.6", "py312h33ff503_0"
    )
    files |= dist_info(site, "/", "torch", "2.13.0", "conda")
    nvidia(box, "580.95.05", "13.0", RTX_4090)
    return python(
        box, replace(on(RTX_4090, PYPI), audio=None), version="3.12.12", kind="conda", prefix=prefix, files=files
    )


ALL: dict[str, Callable[[], Box]] = {
    "laptop-cpu": healthy_laptop,
    "laptop-pip-of-today": laptop_of_today,
    "laptop-cuda-build": laptop_with_cuda_build,
    "macos-m2": apple_m2,
    "macos-m1-rosetta": rosetta,
    "macos-intel": intel_mac,
    "windows-rtx4060": windows_laptop,
    "wsl2-rtx3080": wsl_works,
    "wsl2-library-path": wsl_library_path,
    "colab-t4": colab,
    "server-8xv100": v100,
    "server-8xv100-cu130": v100_cu130,
    "h100-mig": h100_mig,
    "h100-mig-empty": h100_mig_empty,
    "rtx5090-torch-2.6": rtx5090_old_torch,
    "rtx5090-driver-570": rtx5090_old_driver,
    "gtx1060-driver-470": gtx1060,
    "optimus-no-driver": optimus,
    "optimus-nouveau": nouveau,
    "docker-without-gpus": container_without_gpus,
    "driver-library-mismatch": mismatch,
    "no-permission": no_permission,
    "gpu-lost": gpu_lost,
    "nvml-hangs": nvml_hangs,
    "amd-rx7900xtx": amd_rocm,
    "amd-cpu-torch": amd_cpu,
    "jetson-orin": jetson,
    "slurm-without-gres": slurm_without_gres,
    "slurm-login-node": login_node,
    "cuda-visible-devices-empty": hidden,
    "alpine-musl": alpine,
    "random-py": shadow,
    "venv-dangling": dangling,
    "conda-and-pip": conda_and_pip,
}
