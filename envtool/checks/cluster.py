"""Machines that are shared, and containers: limits, modules, libraries, networks, what others do meanwhile."""

from __future__ import annotations

from envtool.checks.check import Check, Evidence
from envtool.checks.words import label
from envtool.checks.workplace import UNSEEN, setting, unset
from envtool.machine import Found, Gpu, found_or
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned
from envtool.versions import numbers_or_none

FEW_FILES, MANY_FILES = 1024, 4096  # what Linux gives unless told otherwise; and what a program rarely needs
BUSY, IDLE = 80, 20  # percent
SLOW_START = 3.0  # seconds that a driver takes which has to wake its GPUs first
LOCKED = 1 << 30
MODULES = ("cuda", "cudnn", "nccl", "nvhpc", "cudatoolkit")


def enough_files_may_be_open(evidence: Evidence) -> Verdict:
    """Workers hand tensors over as open files. On macOS they don't, so that its 256 are enough."""
    place = evidence.workplace
    limit = place.limit("open files") if place else None
    if limit is None:
        return skipped("not Linux, or " + UNSEEN)
    if limit < 0 or limit >= MANY_FILES:
        return passed("no limit" if limit < 0 else f"{limit:,}")
    if limit >= FEW_FILES:
        return skipped(f"{limit:,}, as usual; a program with many workers may need more")
    return warned(
        f"A program may open only {limit} files here: a DataLoader with workers may end with “received 0 items of "
        "ancdata” or “Too many open files”.",
        hint="ulimit -n 4096",
        command=True,
    )


def memory_may_be_locked(evidence: Evidence) -> Verdict:
    """InfiniBand needs memory that stays where it is."""
    place = evidence.workplace
    limit = place.limit("locked memory") if place else None
    if place is None or limit is None or not place.infiniband or not evidence.gpus or not evidence.cuda_build:
        return skipped("no InfiniBand beside a GPU, or the limit is not known")
    if limit < 0 or limit >= LOCKED:
        return passed("no limit" if limit < 0 else f"{limit >> 20:,} MiB")
    container = isinstance(evidence.machine.container, Found)
    return warned(
        f"Only {limit >> 10:,} KiB of memory may be locked, and this machine has InfiniBand ({place.infiniband[0]}): "
        "NCCL fails over several machines.",
        hint="start the container with --ulimit memlock=-1"
        if container
        else "ask the administrator to raise the limit (ulimit -l); until then export NCCL_IB_DISABLE=1",
    )


def interfaces_exist(evidence: Evidence) -> Verdict:
    """GLOO_SOCKET_IFNAME takes whole names; NCCL_SOCKET_IFNAME beginnings, and ^ for all others."""
    place = evidence.workplace
    if place is None or not place.interfaces:
        return skipped("the network's interfaces are not known")
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        value = place.variable(name)
        if value and not _serves(name, value, place.interfaces):
            real = next((i for i in place.interfaces if i != "lo"), "eth0")
            return warned(
                f"{name} is {value!r}, and the interfaces here are {', '.join(place.interfaces)}: programs on several "
                "machines or GPUs don't find each other.",
                hint=setting(evidence, name, real),
                command=True,
            )
    return skipped(
        "no variable names an interface that is not there; what the machine's name leads to is not looked up"
    )


def _serves(name: str, value: str, there: tuple[str, ...]) -> bool:
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    if name.startswith("GLOO"):
        return all(entry in there for entry in entries)
    if value.startswith("^"):
        return True
    exact = value.startswith("=")
    entries = [entry.lstrip("=").partition(":")[0] for entry in entries]
    return any(one == entry if exact else one.startswith(entry) for one in there for entry in entries)


# ── other CUDA libraries ─────────────────────────────────────────────────────────────────────────


def _in_the_way(evidence: Evidence) -> tuple[str, ...]:
    """CUDA libraries that LD_LIBRARY_PATH puts before torch's own, where that does harm: before torch 2.6."""
    version = numbers_or_none(evidence.torch_version or "")
    if not evidence.cuda_build or version is None or version >= (2, 6) or evidence.workplace is None:
        return ()
    return evidence.workplace.libraries


def _modules(evidence: Evidence) -> list[str]:
    loaded = (evidence.variable("LOADEDMODULES") or "").split(":")
    return [module for module in loaded if module.lower().partition("/")[0] in MODULES]


def modules_leave_torch_alone(evidence: Evidence) -> Verdict:
    """`module load cuda` puts its libraries before those that the wheel brings."""
    modules, libraries = _modules(evidence), _in_the_way(evidence)
    if not modules:
        return skipped("no CUDA module is loaded")
    if not libraries:
        return passed(f"{modules[0]} is loaded, and its libraries don't disturb this torch")
    return warned(
        f"The module {modules[0]} puts {libraries[0]} before the libraries that torch {evidence.torch_version} brings; "
        "torch needs no CUDA module.",
        hint=f"module unload {' '.join(modules)}",
        command=True,
        evidence={"libraries": list(libraries)},
    )


def cuda_libraries_are_torchs_own(evidence: Evidence) -> Verdict:
    """A cuDNN of the system's before torch's own. torch 2.6 and newer are not disturbed by it."""
    libraries = _in_the_way(evidence)
    if not libraries or _modules(evidence):
        return skipped("another check explains it") if libraries else skipped("none is in the way of this torch")
    return warned(
        f"LD_LIBRARY_PATH puts {libraries[0]} before the libraries that torch {evidence.torch_version} brings.",
        hint=unset(evidence, "LD_LIBRARY_PATH"),
        command=True,
        evidence={"libraries": list(libraries)},
    )


# ── GPUs ─────────────────────────────────────────────────────────────────────────────────────────


def nobody_else_computes(evidence: Evidence) -> Verdict:
    """A moment, not a state; but it is the moment in which somebody asks why it is slow."""
    if not evidence.gpus:
        return skipped("no NVIDIA GPU")
    named = found_or(evidence.machine.nvidia.visible_devices, "").split(",")
    chosen = [gpu for gpu in evidence.gpus if str(gpu.index) in named] or evidence.gpus  # what a program here would use
    busy = next((gpu for gpu in chosen if _is_busy(gpu)), None)
    if busy is None:
        return passed("no GPU is busy with somebody else's program")
    others = [p for p in found_or(busy.processes, ()) if p.mine is False]
    free = next((gpu for gpu in evidence.gpus if found_or(gpu.utilization_percent, 100) < IDLE), None)
    return warned(
        f"GPU {busy.index} is {found_or(busy.utilization_percent, 0)} % busy with a program of somebody else "
        f"({others[0].command or 'process'} {others[0].pid}): yours will be slow there.",
        hint=setting(evidence, "CUDA_VISIBLE_DEVICES", str(free.index)) if free else "wait, or ask whose program it is",
        command=free is not None,
    )


def _is_busy(gpu: Gpu) -> bool:
    others = [p for p in found_or(gpu.processes, ()) if p.mine is False]
    return bool(others) and found_or(gpu.utilization_percent, 0) >= BUSY


def driver_stays_awake(evidence: Evidence) -> Verdict:
    """Without persistence the driver wakes all GPUs for each program; a laptop's one sleeps on purpose."""
    nvidia, machine = evidence.machine.nvidia, evidence.machine
    off = [gpu for gpu in evidence.gpus if gpu.persistence == Found(False)]
    if not off or machine.os != "linux" or isinstance(machine.wsl, Found) or isinstance(machine.container, Found):
        return skipped("persistence is on, or is not for this machine")
    if len(evidence.gpus) < 2 or (nvidia.seconds or 0.0) < SLOW_START:
        return passed("the driver answers fast enough")
    return warned(
        f"The NVIDIA driver took {nvidia.seconds:.0f} seconds to wake up, and does so for each program.",
        hint="sudo systemctl enable --now nvidia-persistenced",
        command=True,
    )


def intel_gpu_may_be_opened(evidence: Evidence) -> Verdict:
    """The device files of an Intel GPU belong to the group render."""
    torch, place = evidence.torch, evidence.workplace
    nodes = place.render_nodes if place else ()
    if torch is None or torch.variant != "xpu" or evidence.machine.intel.status != "found" or not nodes:
        return skipped("no XPU build beside an Intel GPU, or no device file of it")
    if any(node.readable and node.writable for node in nodes):
        return passed("you may open it")
    return failed(
        f"You may not open {nodes[0].path}: {label(torch)} finds no GPU. Log out and in again after the line below.",
        hint="sudo usermod -aG render $USER",
        command=True,
    )


# ── WSL and containers ───────────────────────────────────────────────────────────────────────────


def wsl_lacks_the_gpu(evidence: Evidence) -> bool:
    """In WSL, outside of a container: no GPU answers, and Windows has shown none."""
    machine = evidence.machine
    if not isinstance(machine.wsl, Found) or isinstance(machine.container, Found) or evidence.gpus:
        return False
    return machine.wsl.value == 1 or all(node.path != "/dev/dxg" for node in found_or(machine.nvidia.nodes, ()))


def wsl_is_given_the_gpu(evidence: Evidence) -> Verdict:
    """Windows hands its GPU to WSL 2 as /dev/dxg; WSL 1 has none."""
    machine = evidence.machine
    if not isinstance(machine.wsl, Found) or isinstance(machine.container, Found) or not evidence.cuda_build:
        return skipped("not WSL with a CUDA build of torch")
    if not wsl_lacks_the_gpu(evidence):
        return passed("Windows shows its GPU to WSL")
    if machine.wsl.value == 1:
        return warned(
            "This is WSL 1, which gives Linux no GPU. `wsl -l -v` in PowerShell shows the NAME for the line below.",
            hint="in PowerShell: wsl --set-version NAME 2",
        )
    return warned(
        "Windows gives this WSL no GPU (there is no /dev/dxg): its driver or WSL itself is too old, or it has none.",
        hint="in PowerShell: wsl --update, then wsl --shutdown; and install NVIDIA's current driver on Windows",
    )


def wsl_has_no_driver_of_its_own(evidence: Evidence) -> Verdict:
    """A Linux driver inside WSL is found before the one that Windows lends. Its file name holds a version."""
    machine, path = evidence.machine, found_or(evidence.machine.nvidia.libcuda_path, "")
    if not isinstance(machine.wsl, Found) or isinstance(machine.container, Found):
        return skipped("not WSL")
    own = path.startswith(("/usr/lib/x86_64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/", "/usr/lib64/"))
    if not own or not isinstance(machine.nvidia.libcuda, Found):
        return passed("WSL uses the driver of Windows")
    stage = evidence.report.stage("cuda:0") if evidence.report else None
    if stage is not None and stage.outcome == "ok":
        return passed(f"a driver {machine.nvidia.libcuda.value} lies inside WSL, and CUDA works all the same")
    return failed(
        f"A Linux driver ({machine.nvidia.libcuda.value}) is installed inside WSL and hides the one of Windows: {path}."
        " Run `wsl --shutdown` in PowerShell afterwards.",
        hint="sudo apt purge 'nvidia-driver-*' 'libnvidia-compute-*'",
        command=True,
    )


def host_can_hand_out_gpus(evidence: Evidence) -> Verdict:
    """Asked only where this folder has a container that wants a GPU."""
    place = evidence.workplace
    wanting = next((file for file, what, _ in place.containers if what == "gpu"), None) if place else None
    if place is None or wanting is None or place.programs is None or not evidence.gpus:
        return skipped("nothing in this folder asks for a container with a GPU")
    inside = isinstance(evidence.machine.container, Found) or isinstance(evidence.machine.wsl, Found)
    if inside or "docker" not in place.programs:
        return skipped("no Docker of this machine's own")  # in WSL it is mostly Windows' one, which has the toolkit
    if any(program.startswith("nvidia-") for program in place.programs):
        return passed("NVIDIA's container toolkit is there")
    return warned(
        f"{wanting} asks for a container with a GPU, and NVIDIA's container toolkit is not installed here: Docker says "
        "“could not select device driver”.",
        hint="install nvidia-container-toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker && sudo "
        "systemctl restart docker",
    )


def image_suits_the_driver(evidence: Evidence) -> Verdict:
    """A newer major version of CUDA than the driver's; within one, NVIDIA's images take older drivers."""
    place = evidence.workplace
    image = next(((file, v) for file, what, v in place.containers if what == "cuda"), None) if place else None
    if image is None or isinstance(evidence.machine.container, Found) or not evidence.gpus:
        return skipped("no Dockerfile here starts from an image of CUDA's, or there is no GPU")
    wanted = numbers_or_none(image[1])
    found = numbers_or_none(found_or(evidence.machine.nvidia.cuda_driver, ""))
    if wanted is None or found is None:
        return (
            unknown("the CUDA version of the image or of the driver could not be read") if wanted else skipped("no tag")
        )
    if found[0] >= wanted[0]:
        return skipped(f"CUDA {image[1]}, and the driver knows {found[0]}.{found[1]}; other images are not known")
    return warned(
        f"{image[0]} starts from an image of CUDA {image[1]}, and the driver here knows CUDA {found[0]} only: the "
        "container does not start.",
        hint=f"take an older tag, nvidia/cuda:{found[0]}.…, or update the driver on the host",
    )


DRIVER_CHECKS = (  # judged before those of the driver: a driver inside WSL makes NVML say other things
    Check("wsl-linux-driver", "WSL has no Linux driver of its own", "Driver", wsl_has_no_driver_of_its_own),
    Check("wsl-no-gpu", "WSL is given the GPU", "Driver", wsl_is_given_the_gpu),
    Check("container-toolkit-missing", "The host can hand GPUs to containers", "Driver", host_can_hand_out_gpus),
    Check("container-cuda-requirement", "The image suits the host's driver", "Driver", image_suits_the_driver),
)
CHECKS = (
    Check("module-cuda-mismatch", "The cluster's modules don't change torch's libraries", "PyTorch",
          modules_leave_torch_alone),
    Check("foreign-cuda-libs", "cuDNN and cuBLAS are torch's own", "PyTorch", cuda_libraries_are_torchs_own),
    Check("xpu-render-group", "You may use the Intel GPU", "GPU", intel_gpu_may_be_opened),
    Check("too-many-files", "The program may open enough files", "System", enough_files_may_be_open),
    Check("nccl-ib-memlock", "NCCL may lock memory for InfiniBand", "System", memory_may_be_locked),
    Check("gloo-ifname", "Processes meet on a real network interface", "System", interfaces_exist),
)  # fmt: skip
STATE_CHECKS = (
    Check("gpu-busy", "Nobody else computes on this GPU", "GPU", nobody_else_computes),
    Check("persistence-off", "The driver stays awake between programs", "GPU", driver_stays_awake),
)
