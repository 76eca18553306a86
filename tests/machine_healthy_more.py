"""More of the described machines on which all is well: folders full of work, and installs that look odd and are not."""

from __future__ import annotations

from collections.abc import Callable

from machine_healthy import PLAIN, lived_in, sound
from machine_list import CPU, PYPI, RTX_4090, on
from machine_parts import Box, Card, linux, nvidia, scenario, windows, windows_card
from machine_pythons import Torch, conda_record, dist_info, python
from pretended import nvml

RTX_2080_TI = Card("NVIDIA GeForce RTX 2080 Ti", "1e07", "7.5", 11264, 240)
A6000 = Card("NVIDIA RTX A6000", "2230", "8.6", 49140, 310, more={"ecc": 0})
RTX_4060 = Card("NVIDIA GeForce RTX 4060 Laptop GPU", "28a0", "8.9", 8188, 0)

TRAIN = """import torch
from torch import nn
from torch.utils.data import DataLoader

from data import images


def main():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = torch.compile(nn.Linear(3, 3).to(device))
    for batch in DataLoader(images(), batch_size=4, num_workers=4):
        model(batch.to(device))


if __name__ == "__main__":
    main()
"""
NOTEBOOK = (
    '{"cells": [{"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": ["%matplotlib '
    'inline\\n", "import torch, torchvision\\n", "import matplotlib.pyplot as plt"]}], "metadata": {"kernelspec": '
    '{"display_name": "Python 3", "language": "python", "name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}\n'
)
KERNEL = '{"argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Python 3"}'
# Packages of a course, and what they ask of torch and NumPy, as their own metadata of autumn 2025 has it.
PACKAGES = (
    ("ipykernel", "7.1.0"), ("jupyter_core", "5.9.1"), ("jupyter_server", "2.17.0"), ("jupyterlab", "4.5.0"),
    ("matplotlib", "3.10.7", "numpy>=1.23"), ("matplotlib_inline", "0.2.1"), ("nvidia_ml_py", "13.580.82"),
    ("pandas", "2.3.3", 'numpy>=1.26.0; python_version >= "3.12"'), ("scikit_learn", "1.7.2", "numpy>=1.22.0"),
    ("scipy", "1.16.3", "numpy<2.6,>=1.25.2"), ("timm", "1.0.22", "torch", "torchvision"),
    ("lightning", "2.6.0", "torch<4.0,>=2.1.0", "torchmetrics<3.0,>0.7.0"),
    ("torchmetrics", "1.8.2", "numpy>1.20.0", "torch>=2.0.0"),
    ("transformers", "4.57.3", "numpy>=1.17", 'torch>=2.2; extra == "torch"'),
)  # fmt: skip


def course_folder() -> Box:
    """A folder in the middle of a course: programs, a notebook, requirements, a Dockerfile, VS Code, many packages."""
    box = linux(release="6.14.0-35-generic", system="Ubuntu 24.04.3 LTS").card("0000:00:02.0", "8086", "46a6", "i915")
    files = lived_in(card="wlp0s20f3", render=True)
    for name, version, *asks in PACKAGES:
        files |= dist_info(f"{box.cwd}/.venv/lib/python3.12/site-packages", "/", name, version, "pip", asks)
    wanted = "torch==2.14.1\ntorchvision\npandas\n--extra-index-url https://download.pytorch.org/whl/cpu\n"
    image = "FROM pytorch/pytorch:2.9.0-cuda12.6-cudnn9-runtime\nCOPY . .\n"
    for name, text in (
        ("train.py", TRAIN), ("data.py", "import torch\n\ndef images():\n    return torch.rand(8, 3)\n"), ("utils.py", ""),
        ("test.py", ""), ("main.py", "import train\n"), ("week1.ipynb", NOTEBOOK), ("requirements.txt", wanted),
        ("Dockerfile", image), (".vscode/settings.json", '{"python.defaultInterpreterPath": ".venv/bin/python"}\n'),
        (".venv/share/jupyter/kernels/python3/kernel.json", KERNEL),
    ):  # fmt: skip
        files[f"{box.cwd}/{name}"] = text
    files |= {"/usr/bin/g++": "", "/usr/bin/gcc": "", "/usr/include/python3.12/Python.h": ""}
    return python(box, CPU, version="3.12.3", files=files, shell={"TERM_PROGRAM": "vscode", "HOME": "~"})


def conda_with_pip() -> Box:
    """Miniconda's environment, made with Python alone, and PyPI's torch in it: nothing of conda's lies beneath."""
    box = linux(release="6.8.0-87-generic", system="Ubuntu 22.04.5 LTS", glibc="2.35", cpus=24, memory=64,
                cpu="AMD Ryzen 9 5900X 12-Core Processor")  # fmt: skip
    nvidia(sound(box), "580.95.05", "13.0", RTX_4090)
    prefix = "/home/ana/miniconda3/envs/course"
    files = lived_in(card="enp5s0", render=True)
    for name, version, build in (
        ("python", "3.12.11", "h22baa00_0"),
        ("pip", "25.3", "pyhc872135_0"),
        ("openssl", "3.0.18", "hd6dcaed_0"),
    ):
        files |= conda_record(prefix, name, version, build, channel="defaults")
    return python(box, on(RTX_4090, PYPI), version="3.12.11", kind="conda", prefix=prefix, files=files, pip="25.3")


def old_and_sound() -> Box:
    """An RTX 2080 Ti with the driver, the system and the torch 2.4 of a few years ago, all of one age."""
    box = linux(release="5.15.0-139-generic", system="Ubuntu 20.04.6 LTS", glibc="2.31", cpus=8, memory=32,
                cpu="Intel(R) Core(TM) i7-9700K CPU @ 3.60GHz")  # fmt: skip
    nvidia(sound(box, "10f7"), "535.274.02", "12.2", RTX_2080_TI)
    beside = ("nvidia_cublas_cu12 12.1.3.1", "nvidia_cudnn_cu12 9.1.0.70", "nvidia_nccl_cu12 2.20.5", "triton 3.0.0")
    torch = Torch(
        "2.4.1+cu121", "2.4.1", vision="0.19.1+cu121", audio="2.4.1+cu121", numpy="1.26.4", seconds=4.1, beside=beside,
        requires=PLAIN, flags="sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90",
    )  # fmt: skip
    return python(box, on(RTX_2080_TI, torch), version="3.9.21", files=lived_in(card="eno1", render=True))


def two_a6000() -> Box:
    """A workstation with two equal cards, for which persistence is off, and the driver is quick all the same."""
    box = linux(system="Ubuntu 24.04.3 LTS", cpus=32, memory=128, cpu="AMD Ryzen Threadripper PRO 5955WX 16-Cores")
    nvidia(sound(box), "580.95.05", "13.0", A6000, A6000)
    return python(box, on(A6000, PYPI, 2), version="3.12.3", files=lived_in(card="enp68s0", render=True))


def arch() -> Box:
    """A laptop with Arch Linux: the newest of everything, and Radeon graphics that ROCm does not serve."""
    box = linux(release="6.17.8-arch1-1", system="Arch Linux", glibc="2.42", cpu="AMD Ryzen AI 9 HX 370")
    box.card("0000:c4:00.0", "1002", "150e", "amdgpu", "0380")
    return python(box, CPU, version="3.14.0", files=lived_in(card="wlan0", render=True))


def windows_optimus() -> Box:
    """A Windows laptop with two GPUs, and uv, whose Python lies in the user's own folder."""
    box = windows("13th Gen Intel(R) Core(TM) i7-13700H")
    windows_card(box, "8086", "a7a0", bus=0, service="igfxn", description="Intel(R) Iris(R) Xe Graphics", number=0)
    windows_card(box, "10de", "28a0", bus=1, service="nvlddmkm", description=RTX_4060.name, number=1)
    dll = r"C:\Windows\System32\nvml.dll"
    box.files({dll: "", r"C:\Windows\System32\nvcuda.dll": ""})
    lines = scenario("581.57", "13.0", (RTX_4060,), {"gpu.0.nvmlDeviceGetPersistenceMode": 3})
    box.host.children["nvml"] = nvml(lines, file=dll, windows=True)
    torch = Torch("2.14.1+cu126", vision="0.29.1+cu126", audio="2.11.0+cu126", requires=PLAIN, seconds=5.2)
    base = r"C:\Users\ana\AppData\Roaming\uv\python\cpython-3.12.12-windows-x86_64-none"
    return python(box, on(RTX_4060, torch), version="3.12.12", kind="uv", base=base)


ALL: dict[str, Callable[[], Box]] = {
    "laptop-course-folder": course_folder,
    "desktop-conda-pip": conda_with_pip,
    "desktop-rtx2080ti-torch-2.4": old_and_sound,
    "desktop-2xa6000": two_a6000,
    "laptop-arch": arch,
    "windows-optimus-uv": windows_optimus,
}
