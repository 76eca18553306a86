"""The described machines on which all is well and which somebody else keeps: containers, notebooks, clusters, CI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from machine_healthy import A100, PLAIN, SERVER, lived_in
from machine_list import CPU, CU126, RTX_4090, T4, on
from machine_parts import GIB, Box, Card, linux, nvidia
from machine_pythons import Torch, conda_record, python

P100 = Card("Tesla P100-PCIE-16GB", "15f8", "6.0", 16384, 0, "0302", {"ecc": 1, "ecc_uncorrected": 0, "persistence": 1})
A100_SXM = Card("NVIDIA A100-SXM4-40GB", "20b0", "8.0", 40960, 4, "0302", SERVER | {"mig": 0, "mig.max": 7})
IN_A_CELL = {"JPY_PARENT_PID": "7", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
KAGGLES = Torch("2.6.0+cu124", vision="0.21.0+cu124", audio="2.6.0+cu124", numpy="1.26.4", seconds=8.9)


def with_memory(box: Box, gib: int) -> Box:
    """A container that was given shared memory."""
    box.host.disks["/dev/shm"] = (gib * GIB, gib * GIB)
    return box


# ── hosted notebooks ─────────────────────────────────────────────────────────────────────────────


def kaggle(*cards: Card) -> Box:
    """A Kaggle notebook with these GPUs: Python lies where Debian has it, the packages where pip puts them."""
    box = linux(release="6.6.105+", system="Ubuntu 22.04.4 LTS", glibc="2.35", home="/root", cpus=4, memory=31,
                cpu="Intel(R) Xeon(R) CPU @ 2.00GHz").container("0::/\n").facts(uid=0, cwd="/kaggle/working")  # fmt: skip
    with_memory(box, 14).cwd = "/kaggle/working"
    box.env(KAGGLE_KERNEL_RUN_TYPE="Interactive", LD_LIBRARY_PATH="/usr/local/nvidia/lib64:/usr/local/cuda/lib64")
    nvidia(box, "560.35.03", "12.6", *cards, folder="/usr/local/nvidia/lib64")
    torch = replace(on(cards[0], KAGGLES, len(cards)))
    site = "/usr/local/lib/python3.11/dist-packages"
    toolkit = {"/usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.5.1"}}\n'}
    shell = IN_A_CELL | {"LD_LIBRARY_PATH": box.host.variables["LD_LIBRARY_PATH"]}
    return python(box, torch, version="3.11.13", kind="system", site=site, pip="24.1.2", shell=shell,
                  files=lived_in(files=1048576) | toolkit)  # fmt: skip


def kaggle_p100() -> Box:
    """Kaggle with a P100, for which builds for CUDA 12.4 still have code."""
    return kaggle(P100)


def kaggle_t4() -> Box:
    """Kaggle with two T4."""
    return kaggle(T4, T4)


def colab_cpu() -> Box:
    """A Colab runtime without a GPU, which has the CPU build."""
    box = linux(release="6.6.105+", system="Ubuntu 22.04.4 LTS", glibc="2.35", home="/root", cpus=2, memory=13,
                cpu="AMD EPYC 7B12").container("0::/\n").facts(uid=0, cwd="/content")  # fmt: skip
    with_memory(box, 6).cwd = "/content"
    box.env(COLAB_RELEASE_TAG="release-colab_20261110-060129_RC00")
    site = "/usr/local/lib/python3.12/dist-packages"
    return python(
        box, CPU, version="3.12.12", kind="system", site=site, pip="24.1.2", shell=IN_A_CELL, files=lived_in()
    )


def jupyterhub() -> Box:
    """A JupyterHub's pod on Kubernetes: everything is in the image's conda, which is there to be used."""
    box = linux(release="6.1.155-176.282.amzn2023.x86_64", home="/home/jovyan", cpus=4, memory=8,
                cpu="Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz")  # fmt: skip
    box.env(KUBERNETES_SERVICE_HOST="172.20.0.1").host.disks["/dev/shm"] = (4 * GIB, 4 * GIB)
    files = lived_in(files=1048576) | {"/opt/conda/condabin/conda": ""}
    files |= conda_record("/opt/conda", "python", "3.13.9", "hc97d973_101_cp313")
    files |= conda_record("/opt/conda", "conda", "25.9.1", "py313h78bf25f_0")
    return python(
        box, CPU, version="3.13.9", kind="conda", prefix="/opt/conda", files=files, shell=IN_A_CELL, pip="25.3"
    )


# ── containers ───────────────────────────────────────────────────────────────────────────────────


def image(torch: Torch, *, gib: int = 8, version: str = "3.12.12", machine: str = "x86_64", release: str = "") -> Box:
    """A container from Docker's own Python image, run by root."""
    box = linux(system="Debian GNU/Linux 13 (trixie)", glibc="2.41", home="/root", machine=machine,
                release=release or "6.8.0-87-generic").container().facts(uid=0, cwd="/root/course")  # fmt: skip
    return with_memory(box, gib)


def docker_gpu() -> Box:
    """A container with the host's GPU and 8 GiB of shared memory; the driver's libraries are the host's."""
    box = nvidia(image(CU126), "580.95.05", "13.0", RTX_4090, open_module=True)
    box.files({f"/dev/{name}": {} for name in ("nvidia-uvm-tools", "nvidia-modeset")})
    return python(box, on(RTX_4090, CU126), version="3.12.12", kind="system", base="/usr/local", files=lived_in())


def pytorch_image() -> Box:
    """PyTorch's own image with a GPU: torch is in the conda that the image brings, and that is as it should be."""
    box = linux(system="Ubuntu 22.04.5 LTS", glibc="2.35", home="/root").container().facts(uid=0, cwd="/workspace")
    with_memory(box, 16).cwd = "/workspace"
    nvidia(box, "580.95.05", "13.0", A100)
    files = lived_in() | {"/opt/conda/condabin/conda": ""}
    files |= conda_record("/opt/conda", "python", "3.11.14", "h0159041_2_cpython")
    files |= conda_record("/opt/conda", "conda", "25.9.1", "py311h38be061_0")
    shell = {"LD_LIBRARY_PATH": "/usr/local/nvidia/lib:/usr/local/nvidia/lib64"}
    box.env(LD_LIBRARY_PATH=shell["LD_LIBRARY_PATH"])
    return python(box, on(A100, CU126), version="3.11.14", kind="conda", prefix="/opt/conda", files=files, shell=shell)


def docker_on_a_mac() -> Box:
    """A container without a GPU in Docker Desktop on a Mac: Linux on 64-bit Arm, with Docker's 64 MiB."""
    box = linux(release="6.12.54-linuxkit", system="Debian GNU/Linux 13 (trixie)", glibc="2.41", home="/root", cpu="",
                machine="aarch64", cpus=8, memory=8).container().facts(uid=0, cwd="/root/course")  # fmt: skip
    return python(box, CPU, version="3.12.12", kind="system", base="/usr/local", machine="aarch64", files=lived_in())


def ngc_image() -> Box:
    """NVIDIA's own image: a torch from between two releases, built with the CUDA that the image holds."""
    box = linux(system="Ubuntu 24.04.3 LTS", home="/root").container().facts(uid=0, cwd="/workspace")
    with_memory(box, 32).cwd = "/workspace"
    nvidia(box, "580.95.05", "13.0", A100)
    torch = Torch(
        "2.9.0a0+50eac811a6.nv25.09", cuda="13.0", devices=((A100.name, "8.0", None),), vision="0.24.0a0+98f8b375",
        numpy="1.26.4", requires=PLAIN, beside=(), shipped=("torch_cpu", "torch_cuda", "c10", "c10_cuda"),
        flags="sm_80 sm_86 sm_90 sm_100 sm_120 compute_120", seconds=5.5,
    )  # fmt: skip
    shell = {"LD_LIBRARY_PATH": "/usr/local/cuda/lib64:/usr/local/nvidia/lib64", "CUDA_HOME": "/usr/local/cuda"}
    box.env(LD_LIBRARY_PATH=shell["LD_LIBRARY_PATH"])
    toolkit = {"/usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "13.0.1"}}\n'}
    toolkit |= {"/usr/local/cuda/lib64/libcudnn.so.9": "", "/usr/local/cuda/lib64/libcublas.so.13": ""}
    site = "/usr/local/lib/python3.12/dist-packages"
    return python(box, torch, version="3.12.3", kind="system", site=site, files=lived_in() | toolkit, shell=shell)


def devcontainer() -> Box:
    """A Codespace: a container with a user of its own, in VS Code's terminal."""
    box = linux(release="6.8.0-1030-azure", system="Debian GNU/Linux 12 (bookworm)", glibc="2.36", home="/home/vscode",
                cpu="AMD EPYC 7763 64-Core Processor", cpus=4, memory=16).container()  # fmt: skip
    with_memory(box, 8).cwd = "/workspaces/course"
    box.facts(cwd="/workspaces/course").env(CODESPACES="true")
    settings = '{"python.defaultInterpreterPath": "${workspaceFolder}/.venv/bin/python"}\n'
    files = lived_in(files=1048576) | {"/workspaces/course/.vscode/settings.json": settings}
    return python(box, CPU, version="3.12.12", base="/usr/local", shell={"TERM_PROGRAM": "vscode"}, files=files)


# ── clusters and CI ──────────────────────────────────────────────────────────────────────────────

MODULES = "GCCcore/13.3.0:Python/3.12.3-GCCcore-13.3.0:CUDA/12.6.0"
SOFTWARE = "/apps/eb/software"


def cluster() -> Box:
    """A cluster's machine, with Slurm's programs on PATH."""
    box = linux(release="5.14.0-570.el9.x86_64", system="Rocky Linux 9.6 (Blue Onyx)", glibc="2.34", cpus=64, memory=512,
                cpu="AMD EPYC 7543 32-Core Processor")  # fmt: skip
    box.host.programs |= {name: f"/usr/bin/{name}" for name in ("sbatch", "sinfo", "srun")}
    return box


def slurm_job() -> Box:
    """A job with one of four A100: the cgroup lets it open that card's device file, and NVML shows no other."""
    box = cluster().env(SLURM_JOB_ID="812345", SLURM_JOB_PARTITION="gpu", SLURM_JOB_GPUS="2", SLURM_STEP_GPUS="2")
    nvidia(box, "580.95.05", "13.0", A100_SXM)
    for index in range(1, 4):  # the bus shows all four
        box.card(f"0000:{0x41 + 0x20 * index:02x}:00.0", "10de", "20b0", "nvidia", "0302")
    closed = {"readable": False, "writable": False}
    box.files({f"/dev/nvidia{index}": {} if index == 2 else closed for index in range(4)})
    libraries = f"{SOFTWARE}/CUDA/12.6.0/lib:{SOFTWARE}/Python/3.12.3-GCCcore-13.3.0/lib"
    box.env(LD_LIBRARY_PATH=libraries, CUDA_VISIBLE_DEVICES="0")
    shell = {"LD_LIBRARY_PATH": libraries, "LOADEDMODULES": MODULES, "CUDA_HOME": f"{SOFTWARE}/CUDA/12.6.0"}
    files = lived_in(files=131072, locked="unlimited", infiniband=True)
    files |= {f"{SOFTWARE}/CUDA/12.6.0/lib/libcublas.so.12": ""}
    files |= {f"{SOFTWARE}/CUDA/12.6.0/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.0"}}\n'}
    base = f"{SOFTWARE}/Python/3.12.3-GCCcore-13.3.0"
    return python(box, on(A100_SXM, CU126), version="3.12.3", base=base, files=files, shell=shell)


def apptainer_job() -> Box:
    """A job in an Apptainer image started with --nv: the driver's libraries lie in a folder of Apptainer's."""
    box = linux(release="5.14.0-570.el9.x86_64", system="Ubuntu 24.04.3 LTS", cpus=64, memory=512)
    folder = "/.singularity.d/libs"
    box.env(
        APPTAINER_CONTAINER="/scratch/ana/course.sif", LD_LIBRARY_PATH=folder, SLURM_JOB_ID="99", SLURM_JOB_GPUS="0"
    )
    nvidia(box.files({"/.singularity.d": None}), "570.172.08", "12.8", A100_SXM, folder=folder)
    site = "/usr/local/lib/python3.12/dist-packages"
    files = lived_in(files=131072, locked="unlimited", infiniband=True)
    return python(box, on(A100_SXM, CU126), version="3.12.3", kind="system", site=site, files=files,
                  shell={"LD_LIBRARY_PATH": folder})  # fmt: skip


def login_node_cpu() -> Box:
    """A cluster's login node with the CPU build, for a course whose jobs need no GPU."""
    files = lived_in(files=65536, locked="unlimited", infiniband=True)
    return python(cluster(), CPU, version="3.11.13", files=files)


def github_runner() -> Box:
    """A runner of GitHub Actions: Python from the tool cache, without an environment."""
    box = linux(release="6.14.0-1014-azure", system="Ubuntu 24.04.3 LTS", home="/home/runner", cpus=4,
                cpu="AMD EPYC 7763 64-Core Processor").facts(uid=1001, cwd="/home/runner/work/course/course")  # fmt: skip
    box.cwd = "/home/runner/work/course/course"
    base = "/opt/hostedtoolcache/Python/3.12.12/x64"
    box.env(CI="true", GITHUB_ACTIONS="true", LD_LIBRARY_PATH=f"{base}/lib", PATH=f"{base}/bin:/usr/bin:/bin")
    shell = {"LD_LIBRARY_PATH": f"{base}/lib"}
    return python(box, CPU, version="3.12.12", kind="system", base=base, files=lived_in(files=65536), shell=shell)


ALL: dict[str, Callable[[], Box]] = {
    "kaggle-p100": kaggle_p100,
    "kaggle-2xt4": kaggle_t4,
    "colab-cpu": colab_cpu,
    "jupyterhub-pod": jupyterhub,
    "docker-gpu": docker_gpu,
    "docker-pytorch-image": pytorch_image,
    "docker-on-a-mac": docker_on_a_mac,
    "docker-ngc": ngc_image,
    "devcontainer": devcontainer,
    "apptainer-job": apptainer_job,
    "slurm-job": slurm_job,
    "slurm-login-node-cpu": login_node_cpu,
    "github-runner": github_runner,
}
