"""What is true of the recorded machines on which all is well, and the few warnings that are right there."""

from __future__ import annotations

# Facts of the machine document by dotted path: what makes each of them the machine that it is said to be.
FACTS: dict[str, dict[str, object]] = {
    "apptainer-job": {"container": "apptainer", "slurm.gpus": "0", "nvidia.cuda_driver": "12.8"},
    "cloud-a10g": {"nvidia.gpus.0.name": "NVIDIA A10G", "nvidia.cuda_driver": "12.8", "container": None},
    "colab-cpu": {"colab": True, "container": "colab", "nvidia.status": "absent"},
    "desktop-2xa6000": {"nvidia.gpus.1.name": "NVIDIA RTX A6000", "nvidia.gpus.1.persistence": False},
    "desktop-conda-pip": {"python.executable": "/home/ana/miniconda3/envs/course/bin/python"},
    "desktop-rtx2080ti-torch-2.4": {"nvidia.gpus.0.compute_capability": "7.5", "libc.version": "2.31"},
    "devcontainer": {"container": "docker", "os_version": "Debian GNU/Linux 12 (bookworm)", "nvidia.status": "absent"},
    "docker-gpu": {"container": "docker", "nvidia.status": "found", "nvidia.cards.0.pci_class": "0300"},
    "docker-ngc": {"container": "docker", "nvidia.driver": "580.95.05"},
    "docker-on-a-mac": {"container": "docker", "arch": "aarch64", "shared_memory.total_bytes": 64 << 20},
    "docker-pytorch-image": {
        "container": "docker",
        "python.executable": "/opt/conda/bin/python",
        "nvidia.status": "found",
    },
    "gh200": {"arch": "aarch64", "nvidia.gpus.0.compute_capability": "9.0"},
    "github-runner": {"container": None, "nvidia.status": "absent", "os_version": "Ubuntu 24.04.3 LTS"},
    "gtx1080-cu126": {"nvidia.gpus.0.compute_capability": "6.1", "nvidia.driver": "580.95.05"},
    "jetson-orin-nvidia-torch": {"l4t": "36.4.3", "arch": "aarch64", "nvidia.gpus.0.compute_capability": "8.7"},
    "jupyterhub-pod": {"container": "kubernetes", "python.executable": "/opt/conda/bin/python"},
    "kaggle-2xt4": {"container": "kaggle", "nvidia.gpus.1.name": "Tesla T4"},
    "kaggle-p100": {"container": "kaggle", "nvidia.gpus.0.compute_capability": "6.0"},
    "laptop-arch": {"libc.version": "2.42", "amd.status": "found", "python.version": "3.14.0"},
    "laptop-conda": {"libc.version": "2.41", "intel.status": "found"},
    "laptop-course-folder": {"intel.status": "found", "python.version": "3.12.3"},
    "laptop-optimus": {"intel.status": "found", "nvidia.gpus.0.name": "NVIDIA GeForce RTX 4060 Laptop GPU"},
    "laptop-user-install": {"python.version": "3.10.12", "python.executable": "/usr/bin/python3"},
    "laptop-uv": {"os_version": "Fedora Linux 43 (Workstation Edition)", "amd.status": "found"},
    "macos-intel-last-torch": {"os": "macos", "arch": "x86_64", "rosetta": False, "python.version": "3.12.7"},
    "macos-m1-conda": {"os": "macos", "arch": "arm64", "apple.chip": "Apple M1"},
    "macos-m4-uv": {"os": "macos", "arch": "arm64", "os_version": "26.1", "python.version": "3.14.2"},
    "raspberry-pi5": {"arch": "aarch64", "nvidia.status": "absent"},
    "rtx5090": {"nvidia.gpus.0.compute_capability": "12.0", "nvidia.open_kernel_module": True},
    "server-8xh100": {"nvidia.gpus.7.name": "NVIDIA H100 80GB HBM3", "nvidia.open_kernel_module": True},
    "server-8xmi300x": {"amd.gpus.7.gfx": "gfx942", "amd.driver": "6.14.14", "nvidia.status": "absent"},
    "server-a100": {"nvidia.gpus.0.memory_mib": 81920, "nvidia.gpus.0.mig": False},
    "slurm-job": {"slurm.job_id": "812345", "slurm.gpus": "2", "nvidia.visible_devices": "0"},
    "slurm-login-node-cpu": {"slurm.job_id": None, "nvidia.status": "absent", "libc.version": "2.34"},
    "windows-arc-b580": {"os": "windows", "intel.gpus.1.name": "Intel(R) Arc(TM) B580 Graphics"},
    "windows-conda": {"os": "windows", "python.executable": r"C:\Users\ana\miniforge3\envs\course\python.exe"},
    "windows-cpu": {"os": "windows", "intel.status": "found", "nvidia.status": "absent"},
    "windows-optimus-uv": {"os": "windows", "intel.status": "found", "nvidia.driver": "581.57"},
    "windows-rtx4070": {"os": "windows", "nvidia.driver": "581.57", "nvidia.nvml_library": "nvml.dll"},
    "wsl2-without-nvidia": {"wsl": True, "wsl_version": 2, "nvidia.status": "absent"},
}

# Where a warning is right though nothing is broken, and why.
ALLOWED: dict[str, tuple[str, str]] = {
    "colab-cpu": (
        "colab-no-gpu",
        "a course's notebook is slow there, a GPU costs nothing, and Colab forgets the choice",
    ),
    "docker-on-a-mac": ("shm-small", "64 MiB is what Docker gives, and two workers of a DataLoader really die of it"),
}
