"""For each check of the folder, the shell, other packages and other GPUs: where it fires, and the like of it where not."""

from __future__ import annotations

from dataclasses import replace

from builders import CondaPackage, build, dist, environment, gpu, laptop, nodes, nvidia, report, server, silent, stage

from envtool.environment import Finding, Kernel, Proxy, Setting, Workplace
from envtool.machine import Absent, AmdGpu, Apple, DeviceNode, Found, GpuProcess, IntelGpu, Slurm, Unknown

CPU = build("torch", "2.14.1+cpu", "cpu")
CUDA = build("torch", "2.14.1+cu130", "cu130")
OLD_CUDA = build("torch", "2.4.1+cu121", "cu121")
ROCM = build("torch", "2.14.1+rocm7.2", "rocm7.2")
XPU = build("torch", "2.14.1+xpu", "xpu")
HERE = "/home/ana/course"
VENV = f"{HERE}/.venv"
WINDOWS = {"os": "windows", "libc": Absent("Windows"), "shared_memory": Absent("Windows")}


def at(*builds, distributions=(), machine=None, env=None, bare=False, **place):
    """The arguments of ``verdicts``: an environment in a workplace; ``bare``: without torch."""
    found = environment(
        *(() if bare else builds or (CPU,)), distributions=distributions, workplace=Workplace(**place), **(env or {})
    )
    return {"env": found} | ({"machine": machine} if machine is not None else {})


def uses(what, file="train.py", line=7):
    return (Finding(what, file, line),)


def amd(kfd=None, gfx="gfx1031", **changes):
    node = kfd or Found(DeviceNode("/dev/kfd", True, True, "0660", "render"))
    card = AmdGpu(Found("Radeon RX 6700 XT"), Found(gfx), Found("0000:03:00.0"))
    machine = laptop(**changes)
    return replace(machine, amd=replace(machine.amd, status="found", gpus=(card,), kfd_node=node))


def intel(supported=True):
    machine = laptop()
    card = IntelGpu(Found("Intel Arc A770"), "56a0", Found(supported), Found("0000:03:00.0"), Found("xe"))
    return replace(machine, intel=replace(machine.intel, status="found", gpus=(card,)))


def mac(version="14.5", chip="Apple M2"):
    return laptop(
        os="macos", arch="arm64", os_version=Found(version), libc=Absent("macOS"), rosetta=Found(False),
        apple=Apple(status="found", chip=Found(chip)), shared_memory=Absent("macOS"),
    )  # fmt: skip


def torch_says(**details):
    return report(stage("torch", details=tuple(details.items())), stage("cpu"))


def failed_import(message):
    return report(stage("torch", "error", error_type="OSError", message=message))


def shared(utilization, *, mine=False):
    process = GpuProcess(4711, 9000, "python", mine)
    busy = gpu(0, utilization_percent=Found(utilization), processes=Found((process,)))
    return server(gpus=(busy, gpu(1, utilization_percent=Found(0))))


def sleepy(seconds, **changes):
    return server(
        gpus=tuple(gpu(i, persistence=Found(changes.get("on", False))) for i in range(changes.get("count", 2))),
        seconds=seconds,
    )


def wsl(version=2, *, dxg=True, machine=None, **changes):
    found = Found((DeviceNode("/dev/dxg", True, True),)) if dxg else Absent("there is no /dev/nvidia*")
    base = machine or silent("not-asked", nodes=found, status="absent", libcuda_path=Absent("none"), **changes)
    return replace(base, wsl=Found(version))


def wsl_driver(path, version):
    machine = server(libcuda_path=Found(path), libcuda=version)
    return {"machine": replace(machine, wsl=Found(2)), "env": environment(CUDA)}


def conda(*packages):
    found = tuple(CondaPackage(name, "1.0", "h0_0", channel) for name, channel in packages)
    torch = replace(dist("torch", "2.14.1"), installer="conda")
    return {"env": replace(environment(CPU, manager="conda", conda_packages=found), distributions=(torch,))}


def asks(name, version, *requires):
    return dist(name, version, requires=requires)


IPYKERNEL, MATPLOTLIB = dist("ipykernel", "7.1.0"), dist("matplotlib", "3.10.0")
INLINE = dist("matplotlib-inline", "0.2.1")
KERNEL = Kernel("python3", "/opt/conda/bin/python", own=True, there=True, mine=False)
INFINIBAND = {"infiniband": ("mlx5_0",), "limits": (("locked memory", 65536),)}
LIBRARIES = ("/usr/local/cuda/lib64/libcudnn.so.8",)
MODULE = (("LOADEDMODULES", "gcc/12.2:cuda/11.8"),)
CU126 = Setting("requirements.txt", "index-url", "https://download.pytorch.org/whl/cu126")
TORCH_215 = Setting("requirements.txt", "requirement", "torch==2.15.0")
LONG = "C:\\Users\\ana.maria.gonzalez\\OneDrive - University\\Courses\\Deep Learning\\.venv"
GPUS = ("compose.yaml", "gpu", "")

# code: (what makes it fire, its status then, words that must be there, the like of it where it stays silent)
MORE: dict[str, tuple[dict, str, tuple[str, ...], dict]] = {
    # a program in this folder
    "import-pytorch": (at(sources=uses("import-pytorch", "a.ipynb")), "warn", ("a.ipynb", "called torch"), at(sources=uses("compile"))),
    "cvd-set-late": (at(sources=uses("cvd-set-late")), "warn", ("train.py, line 7", "too late"), at()),
    "dataloader-spawn-main": (
        at(sources=uses("dataloader-spawn-main"), machine=laptop(**WINDOWS)), "warn", ("each worker",),
        at(sources=uses("dataloader-spawn-main")),
    ),
    "compile-python-version": (
        at(build("torch", "2.3.1+cpu", "cpu"), sources=uses("compile")), "warn", ("2.3.1", "3.12"),
        at(build("torch", "2.4.1+cpu", "cpu"), sources=uses("compile")),
    ),
    "compile-no-cxx": (at(sources=uses("compile"), programs=("gcc",)), "warn", ("C++",), at(sources=uses("compile"), programs=("g++",))),
    "compile-no-cc-cuda": (
        at(CUDA, sources=uses("compile"), programs=("nvcc",), machine=server()), "warn", ("triton",),
        at(CUDA, sources=uses("compile"), programs=(), variables=(("CC", "/opt/gcc"),), machine=server()),
    ),
    "no-python-h": (at(sources=uses("compile"), headers=False), "warn", ("Python.h", "3.12"), at(headers=False)),
    "triton-missing-windows": (
        at(CUDA, sources=uses("compile"), machine=replace(server(), **WINDOWS)), "warn", ("volunteers",),
        at(CUDA, sources=uses("compile"), machine=replace(server(), **WINDOWS), distributions=(dist("triton-windows"),)),
    ),
    "cuda-home-missing": (at(CUDA, sources=uses("extension"), programs=("gcc",)), "warn", ("no CUDA toolkit",), at(CUDA, programs=())),
    "nvcc-torch-mismatch": (
        at(CUDA, sources=uses("extension"), toolkit=("/usr/local/cuda", "12.4.1")), "warn", ("12.4.1", "13.0"),
        at(CUDA, sources=uses("extension"), toolkit=("/usr/local/cuda", "13.2.0")),
    ),
    # where packages come from
    "offline": (at(machine=laptop(), route=False, bare=True), "fail", ("no way",), at(route=False)),
    "proxy": (
        at(proxies=(Proxy("HTTPS_PROXY", "127.0.0.1", "7890", "silent"),)), "warn", ("127.0.0.1:7890",),
        at(proxies=(Proxy("HTTPS_PROXY", "proxy.uni.example", "3128", ""),)),
    ),
    "tls-inspection": (
        at(missing=(("REQUESTS_CA_BUNDLE", "/old/ca.pem"),)), "warn", ("/old/ca.pem",),
        at(certificates=(("SSL_CERT_FILE", "/etc/ssl/ca.pem"),), authorities=2),
    ),
    "cuda-index-on-mac": (at(settings=(CU126,), machine=mac()), "warn", ("cu126", "Mac"), at(settings=(CU126,))),
    "wrong-index": (
        at(settings=(CU126, TORCH_215)), "warn", ("2.15.0", "cu126"),
        at(settings=(CU126, replace(TORCH_215, value="torch==2.14.1"))),
    ),
    "d2l-install": (
        at(settings=(Setting("requirements.txt", "requirement", "d2l==1.0.3"),)), "warn", ("numpy 1.23.5",),
        at(settings=(Setting("requirements.txt", "requirement", "d2l==1.0.3"),), env={"version": "3.11.9", "abi": "cp311"}),
    ),
    # WSL, containers, clusters
    "wsl-linux-driver": (
        wsl_driver("/usr/lib/x86_64-linux-gnu/libcuda.so.1", Found("550.54.14")), "fail", ("550.54.14", "inside WSL"),
        wsl_driver("/usr/lib/wsl/lib/libcuda.so.1", Unknown("no version")),
    ),
    "wsl-no-gpu": (
        {"machine": wsl(dxg=False), "env": environment(CUDA)}, "warn", ("/dev/dxg",),
        {"machine": wsl(machine=server()), "env": environment(CUDA)},
    ),
    "container-toolkit-missing": (
        at(CUDA, containers=(GPUS,), programs=("docker",), machine=server()), "warn", ("compose.yaml", "toolkit"),
        at(CUDA, containers=(GPUS,), programs=("docker", "nvidia-ctk"), machine=server()),
    ),
    "container-cuda-requirement": (
        at(CUDA, containers=(("Dockerfile", "cuda", "13.0.1"),), machine=server(cuda="12.4")), "warn", ("13.0.1", "CUDA 12"),
        at(CUDA, containers=(("Dockerfile", "cuda", "12.8.1"),), machine=server(cuda="12.4")),
    ),
    "module-cuda-mismatch": (
        at(OLD_CUDA, libraries=LIBRARIES, variables=MODULE), "warn", ("cuda/11.8", "libcudnn.so.8"),
        at(CUDA, libraries=LIBRARIES, variables=MODULE),
    ),
    "foreign-cuda-libs": (
        at(OLD_CUDA, libraries=LIBRARIES), "warn", ("LD_LIBRARY_PATH",), at(OLD_CUDA, libraries=LIBRARIES, variables=MODULE),
    ),
    "too-many-files": (at(limits=(("open files", 256),)), "warn", ("256",), at(limits=(("open files", 1024),))),
    "nccl-ib-memlock": (
        at(CUDA, machine=server(), **INFINIBAND), "warn", ("mlx5_0", "64 KiB"),
        at(CUDA, machine=server(), infiniband=("mlx5_0",), limits=(("locked memory", -1),)),
    ),
    "gloo-ifname": (
        at(interfaces=("eno1", "lo"), variables=(("GLOO_SOCKET_IFNAME", "eth0"),)), "warn", ("eth0", "eno1"),
        at(interfaces=("eno1", "lo"), variables=(("NCCL_SOCKET_IFNAME", "^docker,lo"),)),
    ),
    "gpu-busy": ({"machine": shared(97), "env": environment(CUDA)}, "warn", ("97 %",), {"machine": shared(97, mine=True), "env": environment(CUDA)}),
    "persistence-off": ({"machine": sleepy(11.0), "env": environment(CUDA)}, "warn", ("11 seconds",), {"machine": sleepy(11.0, count=1)}),
    # GPUs of others
    "rocm-kfd-missing": ({"machine": amd(Absent("no")), "env": environment(ROCM)}, "fail", ("/dev/kfd",), {"machine": amd(Absent("no"))}),
    "rocm-render-group": (
        {"machine": amd(Found(DeviceNode("/dev/kfd", False, False, "0660", "render"))), "env": environment(ROCM)}, "fail",
        ("group render",), {"machine": amd(), "env": environment(ROCM)},
    ),
    "rocm-gfx-unsupported": (
        {"machine": amd(), "env": environment(ROCM)}, "fail", ("gfx1031", "gfx1030"),
        {"machine": amd(gfx="gfx1100"), "env": environment(ROCM)},
    ),
    "xpu-render-group": (
        at(XPU, machine=intel(), render_nodes=(DeviceNode("/dev/dri/renderD128", False, False),)), "fail", ("renderD128",),
        at(XPU, machine=intel(), render_nodes=(DeviceNode("/dev/dri/renderD128", True, True),)),
    ),
    "xpu-driver": (
        {"machine": intel(), "env": environment(XPU), "imports": torch_says(xpu_available="False")}, "fail", ("Arc A770",),
        {"machine": intel(supported=False), "env": environment(XPU), "imports": torch_says(xpu_available="False")},
    ),
    "macos-too-old": (
        {"machine": mac("13.6"), "env": environment(arch="arm64")}, "warn", ("13.6",),
        {"machine": mac("14.5"), "env": environment(arch="arm64")},
    ),
    "mps-unavailable": (
        {"machine": mac("13.6"), "env": environment(CPU, arch="arm64"), "imports": torch_says(mps_available="False")}, "warn",
        ("Apple M2", "13.6"),
        {"machine": mac(chip="Apple M1 (Virtual)"), "env": environment(CPU, arch="arm64"), "imports": torch_says(mps_available="False")},
    ),
    # other packages
    "pynvml-wrong-package": (
        {"env": environment(CPU, distributions=(dist("pynvml", "11.5.3"),))}, "warn", ("pynvml 11.5.3",),
        {"env": environment(CPU, distributions=(dist("nvidia-ml-py", "13.580.65"),))},
    ),
    "conda-channel-mix": (
        conda(("pytorch", "conda-forge"), ("mkl", "defaults")), "warn", ("mkl", "defaults"),
        conda(("pytorch", "pytorch"), ("mkl", "defaults")),
    ),
    "fastai-pin": (
        {"env": environment(CPU, distributions=(asks("fastai", "2.7.18", "torch<2.6,>=1.10"),))}, "warn", ("torch<2.6,>=1.10",),
        {"env": environment(CPU, distributions=(asks("fastai", "2.8.12", "torch<3,>=1.10"),))},
    ),
    "pip-replaced-torch": (
        {"env": environment(CPU, distributions=(asks("xformers", "0.0.23", "numpy", "torch==2.1.1"),))}, "warn", ("torch==2.1.1",),
        {"env": environment(CPU, distributions=(asks("xformers", "0.1", 'torch==2.1.1; sys_platform == "win32"'),))},
    ),
    "extension-abi": (
        {"env": environment(CPU, distributions=(dist("torch-scatter", "2.1.2+pt24cpu"),))}, "warn", ("for torch 2.4",),
        {"env": environment(CPU, distributions=(dist("torch-scatter", "2.1.2+pt214cpu"), dist("natten", "0.21.5+torch2140cu130")))},
    ),
    "d2l-numpy-abi": (
        {"env": environment(CPU, distributions=(dist("numpy", "1.23.5"), asks("pandas", "2.2.3", 'numpy>=1.26.0; python_version >= "3.12"')))},
        "warn", ("pandas 2.2.3", "1.23.5"),
        {"env": environment(CPU, distributions=(dist("numpy", "2.4.0"), asks("scipy", "1.13.0", "numpy<2.3,>=1.22.4")))},
    ),
    "mkl-threading": (
        {"imports": failed_import("MKL_THREADING_LAYER=INTEL is incompatible with libgomp-a34b3233.so.1 library.")}, "fail",
        ("thread",), {"imports": torch_says()},
    ),
    "fbgemm-dll": (
        {"imports": failed_import('[WinError 126] … Error loading "C:\\torch\\lib\\fbgemm.dll" or one of its dependencies.')}, "fail",
        ("libomp140",), {"imports": failed_import('[WinError 126] … Error loading "C:\\torch\\lib\\c10.dll"')},
    ),
    # the shell, the notebook
    "clock-skew": (at(days_behind=400), "warn", ("400 days",), at(days_behind=0)),
    "cache-not-writable": (at(closed=(("HF_HOME", "/data/hf"),)), "warn", ("/data/hf",), at()),
    "long-paths": (
        at(long_paths=False, machine=laptop(**WINDOWS), env={"prefix": LONG}, bare=True), "warn", ("260",),
        at(long_paths=False, machine=laptop(**WINDOWS), env={"prefix": "C:\\venv"}, bare=True),
    ),
    "locale": (at(encoding="ANSI_X3.4-1968"), "warn", ("ANSI_X3.4-1968",), at(encoding="UTF-8")),
    "snap-terminal": (
        at(variables=(("GTK_PATH", "/snap/code/172/usr/lib/gtk-3.0"),)), "warn", ("GTK_PATH",),
        at(variables=(("LD_LIBRARY_PATH", "/opt/snapshots/lib"),)),
    ),
    "vscode-interpreter": (
        at(editor=("/opt/old/bin/python", False)), "warn", ("/opt/old",), at(editor=(f"{VENV}/bin/python", True), env={"working_directory": HERE}),
    ),
    "jupyter-kernel-differs": (
        at(kernels=(KERNEL,), distributions=(IPYKERNEL, INLINE), programs=("jupyter",)), "warn", ("/opt/conda/bin/python",),
        at(
            kernels=(KERNEL, replace(KERNEL, name="course", mine=True)), distributions=(IPYKERNEL, INLINE),
            programs=("jupyter",),
        ),
    ),
    "stale-module-in-kernel": (at(replaced=("numpy", "torch")), "warn", ("old numpy, torch",), at()),
    "matplotlib-backend": (
        at(distributions=(IPYKERNEL, MATPLOTLIB)), "warn", ("matplotlib-inline",),
        at(distributions=(MATPLOTLIB,), variables=(("MPLBACKEND", "Agg"),)),
    ),
}  # fmt: skip
BAD = {code: (arguments, status, words) for code, (arguments, status, words, _) in MORE.items()}

__all__ = ["BAD", "MORE", "Slurm", "at", "nodes", "nvidia", "shared", "uses", "wsl"]
