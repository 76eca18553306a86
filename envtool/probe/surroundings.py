"""What the machine stands in: a container, a Slurm cluster, WSL, a hosted notebook, a Jetson board."""

from __future__ import annotations

import re

from envtool.machine import Absent, Found, Reading, Slurm, Unknown
from envtool.probe.host import Host

# Set by the platform itself, so they are worth more than a file that any image may carry.
CONTAINER_VARIABLES = (
    ("COLAB_RELEASE_TAG", "colab"),
    ("KAGGLE_KERNEL_RUN_TYPE", "kaggle"),
    ("APPTAINER_CONTAINER", "apptainer"),
    ("SINGULARITY_CONTAINER", "singularity"),
    ("KUBERNETES_SERVICE_HOST", "kubernetes"),
)
CONTAINER_FILES = (
    ("/.dockerenv", "docker"),
    ("/run/.containerenv", "podman"),
    ("/.singularity.d", "apptainer"),
)
CGROUP_WORDS = (("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("/lxc", "lxc"))


def container(host: Host) -> Reading[str]:
    """The kind of container this runs in; the most telling sign decides."""
    if host.facts().get("sys_platform") != "linux":
        return Absent("not on Linux")
    for variable, kind in CONTAINER_VARIABLES:
        if host.env(variable):
            return Found(kind)
    for path, kind in CONTAINER_FILES:
        if isinstance(host.stat(path), Found):
            return Found(kind)
    manager = host.read("/run/systemd/container")  # written by systemd: "lxc", "systemd-nspawn", "docker", …
    word = manager.value.strip() if isinstance(manager, Found) else (host.env("container") or "")
    if word and word != "wsl":  # systemd counts WSL as a container; it is a fact of its own here
        return Found(word)
    return _by_cgroup(host)


def _by_cgroup(host: Host) -> Reading[str]:
    # 12:memory:/docker/3f0c…      with version 2, from inside, only: 0::/
    cgroup = host.read("/proc/1/cgroup")
    if isinstance(cgroup, Found):
        for word, kind in CGROUP_WORDS:
            if word in cgroup.value:
                return Found(kind)
    if isinstance(cgroup, Unknown):
        return Unknown(f"/proc/1/cgroup: {cgroup.reason}")
    return Absent("no sign of a container")


def wsl(host: Host) -> Reading[int]:
    """WSL 1 or 2, by the kernel's release; a kernel of one's own under WSL 2 is known by /dev/dxg."""
    facts = host.facts()
    if facts.get("sys_platform") != "linux":
        return Absent("not on Linux")
    release = str(facts.get("release") or "")
    if "microsoft" in release.lower():  # 5.15.153.1-microsoft-standard-WSL2, and 4.4.0-19041-Microsoft for WSL 1
        number = re.match(r"(\d+)\.(\d+)", release)
        recent = number is not None and (int(number[1]), int(number[2])) >= (4, 19)
        return Found(2 if recent or "WSL2" in release else 1)
    if isinstance(host.stat("/dev/dxg"), Found):
        return Found(2)
    return Absent("the kernel is not WSL's")


def slurm(host: Host) -> Reading[Slurm]:
    """The Slurm job this runs in, or a machine from which jobs are sent."""
    job = host.env("SLURM_JOB_ID")
    if job:
        names = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "SLURM_GPUS_ON_NODE")
        gpus = next((value for name in names if (value := host.env(name))), None)
        return Found(Slurm(job, gpus, host.env("SLURM_JOB_PARTITION")))
    for program in ("sbatch", "sinfo"):
        if isinstance(host.which(program), Found):
            return Found(Slurm(None, None))
    return Absent("no Slurm job, and no Slurm program on PATH")


def l4t(host: Host) -> Reading[str]:
    """A Jetson's Linux for Tegra release, "36.4.3"."""
    facts = host.facts()
    if facts.get("sys_platform") != "linux" or facts.get("machine") != "aarch64":
        return Absent("a Jetson runs Linux on aarch64")
    text = host.read("/etc/nv_tegra_release")
    if isinstance(text, Found):
        # "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: …"
        found = re.search(r"R(\d+) \(release\), REVISION: (\d+)\.?(\d*)", text.value)
        if found is None:
            return Unknown("/etc/nv_tegra_release names no release")
        return Found(f"{found[1]}.{found[2]}.{found[3] or '0'}")
    board = board_model(host)
    if isinstance(board, Found) and "jetson" in board.value.lower():
        return Unknown(f"the board is a {board.value}, but /etc/nv_tegra_release is missing")
    return Absent("no Jetson board")


def jetpack(release: Reading[str]) -> Reading[str]:
    """The JetPack that an L4T release belongs to, where NVIDIA's archive says it."""
    if not isinstance(release, Found):
        return release
    from envtool.data import read_table

    known = read_table("jetpack.toml")["jetpack"]["releases"].get(release.value)
    return Found(str(known)) if known else Unknown(f"no JetPack is known for L4T {release.value}")


def board_model(host: Host) -> Reading[str]:
    """The board's name on machines that have a device tree: "NVIDIA Jetson AGX Orin Developer Kit"."""
    model = host.read("/proc/device-tree/model")
    return Found(model.value.rstrip("\0").strip()) if isinstance(model, Found) else model
