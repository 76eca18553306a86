"""Is there a working NVIDIA driver, and can it run the installed build? One check for every way in which it is not."""

from __future__ import annotations

from envtool.checks.check import Check, Evidence
from envtool.checks.order import NO_GPU, OTHER_MODULE
from envtool.checks.os_packages import installer_of
from envtool.machine import Absent, Found, Machine, Nvidia, Unknown, found_or
from envtool.shell import quoted
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned

REBOOT = "sudo reboot"
NOVA = ("nova_core", "nova-core")  # the module, and the name under which it binds
OTHER_DRIVERS = ("nouveau", *NOVA)


def _is_wsl(machine: Machine) -> bool:
    return isinstance(machine.wsl, Found)


def _in_container(machine: Machine) -> bool:
    return isinstance(machine.container, Found)


def _card_names(nvidia: Nvidia) -> str:
    names = [found_or(card.name, f"NVIDIA card {card.device}") for card in nvidia.cards]
    return ", ".join(dict.fromkeys(names)) or "an NVIDIA GPU"


def _unused(evidence: Evidence, message: str, hint: str, *, command: bool | None = None) -> Verdict:
    """A GPU that nobody drives: a failure for a CUDA build, else only a chance missed."""
    command = hint.startswith("sudo ") if command is None else command
    if evidence.cuda_build:
        return failed(message, hint=hint, command=command)
    return warned(f"{message} PyTorch runs on the CPU meanwhile.", hint=hint, command=command)


def _node_missing(nvidia: Nvidia) -> bool:
    match nvidia.nodes:
        case Found(nodes):
            return not any(node.path.endswith("nvidiactl") for node in nodes)
        case Absent():
            return True
        case Unknown():
            return False


def container_has_gpus(evidence: Evidence) -> Verdict:
    """A GPU host's kernel module shows through /sys, but the container was given no device."""
    nvidia = evidence.machine.nvidia
    if not _in_container(evidence.machine):
        return skipped("not in a container")
    if nvidia.nvml_state == "ok":
        return passed("the container was given its GPUs")
    host_has_driver = isinstance(nvidia.kernel_module, Found) or nvidia.module_loaded == Found(True)
    if host_has_driver and _node_missing(nvidia):
        return _unused(
            evidence,
            "The host has an NVIDIA driver, but this container was started without its GPUs.",
            _given_gpus(evidence.machine),
        )
    return skipped("no sign of a GPU on the host")


def _given_gpus(machine: Machine) -> str:
    """How each kind of container is started with the host's GPUs."""
    kind = found_or(machine.container, "").lower()
    if "apptainer" in kind or "singularity" in kind:
        return "start the container with `--nv`, as in: apptainer exec --nv IMAGE python train.py"
    if "podman" in kind:
        return "start the container with `--device nvidia.com/gpu=all`"
    return "start the container with `--gpus all`, as in: docker run --gpus all IMAGE"


def container_kept_gpus(evidence: Evidence) -> Verdict:
    """NVML's 999 in a container that has the device nodes: the host took the permission back."""
    nvidia = evidence.machine.nvidia
    if not _in_container(evidence.machine) or nvidia.nvml_state not in ("unknown-error", "operating-system"):
        return skipped("the GPUs answer, or this is no container")
    return failed(
        f"The container had GPUs and lost them: NVML answers {_nvml_words(nvidia)}.",
        hint="restart the container (`systemctl daemon-reload` on the host takes its devices away)",
        evidence={"nvml_error": nvidia.nvml_error},
    )


def _nvml_words(nvidia: Nvidia) -> str:
    number = f" ({nvidia.nvml_error})" if nvidia.nvml_error is not None else ""
    return f"“{nvidia.nvml_message or nvidia.nvml_state}”{number}"


def wsl_library_path(evidence: Evidence) -> Verdict:
    """Under WSL the driver's libraries lie in a directory of their own, which the loader must know."""
    machine = evidence.machine
    if not _is_wsl(machine):
        return skipped("not under WSL")
    nvidia = machine.nvidia
    by_path = found_or(nvidia.nvml_library, "").startswith("/")  # we looked there; the loader, and so torch, did not
    if nvidia.nvml_state == "ok" and not (by_path and _torch_finds_no_gpu(evidence) is not False):
        return passed("the Windows driver's libraries are found")
    if nvidia.nvml_state in ("ok", "library-not-found") and isinstance(nvidia.libcuda_path, Found):
        return failed(
            f"The Windows driver's libraries are in {_folder(nvidia.libcuda_path.value)}, "
            "but the loader does not find them.",
            hint="echo /usr/lib/wsl/lib | sudo tee /etc/ld.so.conf.d/ld.wsl.conf && sudo ldconfig",
            command=True,
        )
    return skipped("no NVIDIA driver on the Windows side")


def _torch_finds_no_gpu(evidence: Evidence) -> bool | None:
    """What the import rehearsal says; None where it wasn't asked."""
    stage = evidence.report.stage("torch") if evidence.report else None
    available = stage.detail("is_available") if stage else None
    return None if available is None else available == "False"


def _folder(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[0] or path


def library_in_reach(evidence: Evidence) -> Verdict:
    """NVML answers, but only because envtool looked where the loader does not."""
    nvidia = evidence.machine.nvidia
    if nvidia.nvml_state != "ok":
        return skipped("NVML does not answer")
    library = found_or(nvidia.nvml_library, "")
    if library.startswith("/") and evidence.machine.os == "linux" and not _is_wsl(evidence.machine):
        # with an empty variable, a colon at the end would put the working directory on the loader's path
        hint = f"export LD_LIBRARY_PATH={quoted(_folder(library), 'posix')}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
        message = f"The driver's library {library} is not on the loader's path"
        if _torch_finds_no_gpu(evidence):
            return failed(f"{message}, and PyTorch finds no driver.", hint=hint, command=True)
        return warned(f"{message}; PyTorch may not find its neighbour libcuda.", hint=hint, command=True)
    return passed("the loader finds the driver's library")


def a_driver_is_installed(evidence: Evidence) -> Verdict:
    """There is a card on the bus and no driver for it."""
    nvidia = evidence.machine.nvidia
    if nvidia.nvml_state not in ("library-not-found", "not-asked") or not nvidia.cards:
        return skipped("no NVIDIA card without a driver")
    if _bound_to(nvidia, *OTHER_DRIVERS) or _in_container(evidence.machine):
        return skipped("another check explains it")
    install = {
        "windows": "install the driver from https://www.nvidia.com/drivers and restart",
        "linux": _linux_driver_hint(evidence.machine),
    }
    return _unused(
        evidence,
        f"{_card_names(nvidia)} is in this machine, but no NVIDIA driver is installed.",
        install.get(evidence.machine.os, "install NVIDIA's driver"),
    )


def _linux_driver_hint(machine: Machine) -> str:
    system = found_or(machine.os_version, "").lower()
    if "pop!" in system:
        return "sudo apt install system76-driver-nvidia && sudo reboot"
    if "ubuntu" in system or "mint" in system:
        return "sudo ubuntu-drivers install && sudo reboot"
    if "debian" in system:  # without the kernel's headers the driver's module is not built, and nothing says so
        return (
            "add contrib, non-free and non-free-firmware to the components of your apt sources, then: sudo apt update "
            "&& sudo apt install linux-headers-$(dpkg --print-architecture) nvidia-driver && sudo reboot"
        )
    if "fedora" in system:
        return "install akmod-nvidia from RPM Fusion, then restart"
    return "install your distribution's NVIDIA driver package, then restart"


def _bound_to(nvidia: Nvidia, *drivers: str) -> bool:
    return any(found_or(card.driver, "") in drivers for card in nvidia.cards)


def nouveau_is_off(evidence: Evidence) -> Verdict:
    """The free driver holds the card; CUDA can't use it."""
    nvidia = evidence.machine.nvidia
    if not nvidia.cards:
        return skipped("no NVIDIA card seen")
    if not _bound_to(nvidia, "nouveau"):
        return passed("nouveau holds no card")
    return _unused(
        evidence,
        f"The kernel driver nouveau holds {_card_names(nvidia)}; CUDA needs NVIDIA's own driver.",
        _linux_driver_hint(evidence.machine),
    )


def nova_is_off(evidence: Evidence) -> Verdict:
    """The kernel's new driver holds the card; CUDA can't use it."""
    nvidia = evidence.machine.nvidia
    if not nvidia.cards:
        return skipped("no NVIDIA card seen")
    if not _bound_to(nvidia, *NOVA):
        return passed("nova_core holds no card")
    return _unused(
        evidence,
        f"The kernel driver nova_core took {_card_names(nvidia)} before NVIDIA's own driver could.",
        f"echo 'blacklist nova_core' | sudo tee /etc/modprobe.d/nova.conf && {_initramfs(evidence.machine)} && "
        "sudo reboot",
        command=True,
    )


def _initramfs(machine: Machine) -> str:
    """What makes the first file system of the kernel anew: else the driver is loaded from the old one."""
    tools = {"apt": "sudo update-initramfs -u", "pacman": "sudo mkinitcpio -P"}
    return tools.get(installer_of(machine) or "", "sudo dracut --force")


def driver_is_loaded(evidence: Evidence) -> Verdict:
    """NVML 9: the libraries are there, the kernel module is not."""
    nvidia = evidence.machine.nvidia
    if nvidia.nvml_state != "driver-not-loaded":
        return skipped("NVML does not say so") if nvidia.nvml_state != "ok" else passed("the kernel module answers")
    if _bound_to(nvidia, *OTHER_DRIVERS) or _in_container(evidence.machine):
        return skipped("another check explains it")
    if not nvidia.cards and not _node_present(nvidia):
        return warned(
            "NVIDIA's libraries are installed, but no NVIDIA card is seen and no kernel module is loaded.",
            hint="nothing to do on a machine without an NVIDIA card",
        )
    return failed(
        "NVIDIA's libraries are installed, but the kernel module is not loaded.",
        hint="sudo modprobe nvidia",
        command=True,
        evidence={"nvml_error": 9},
    )


def _node_present(nvidia: Nvidia) -> bool:
    return isinstance(nvidia.nodes, Found) and bool(nvidia.nodes.value)


def library_matches_module(evidence: Evidence) -> Verdict:
    """NVML 18: the driver was updated on disk, the old module still runs. torch calls this “driver too old”."""
    nvidia = evidence.machine.nvidia
    if nvidia.nvml_state != "library-mismatch":
        return skipped("NVML does not say so") if nvidia.nvml_state != "ok" else passed("library and module agree")
    module, library = found_or(nvidia.kernel_module, "another version"), found_or(nvidia.libcuda, "a newer one")
    in_container = _in_container(evidence.machine)
    return failed(
        f"The loaded kernel module is {module}, the driver's libraries are {library}: the driver was updated and the "
        "machine not restarted. (PyTorch calls this “driver too old”.)"
        if not in_container
        else f"The host's kernel module is {module}, the libraries in this container are {library}.",
        hint="restart the container, so that it gets the host's libraries"
        if in_container
        else "restart the machine"
        if evidence.machine.os == "windows"
        else REBOOT,
        command=not in_container and evidence.machine.os != "windows",
        evidence={"nvml_error": 18, "kernel_module": module, "library": library},
    )


def devices_may_be_opened(evidence: Evidence) -> Verdict:
    """NVML 4, or device files that this user can't open. torch calls this “no CUDA GPUs” or “driver too old”."""
    nvidia = evidence.machine.nvidia
    closed = [node for node in found_or(nvidia.nodes, ()) if not (node.readable and node.writable)]
    closed = [node for node in closed if not node.path.endswith(("nvidia-modeset", "nvidia-caps"))]
    if nvidia.nvml_state != "no-permission" and not (closed and nvidia.nvml_state != "ok"):
        return passed("the device files can be opened") if nvidia.nvml_state == "ok" else skipped("no device files")
    what = f"{closed[0].path} (mode {closed[0].mode}, group {closed[0].group})" if closed else "the NVIDIA devices"
    group = closed[0].group if closed and closed[0].group not in (None, "root", "0") else None
    return failed(
        f"You may not open {what}. (PyTorch calls this “no CUDA GPUs are available” or “driver too old”.)"
        + (" Log out and in again after the line below." if group else ""),
        hint=f"sudo usermod -aG {group} $USER" if group else "sudo nvidia-modprobe -u -c=0",
        command=True,
        evidence={"nvml_error": nvidia.nvml_error, "nodes": [node.path for node in closed]},
    )


def driver_is_not_ancient(evidence: Evidence) -> Verdict:
    """NVML 13 at its start: a driver from before every CUDA that PyTorch is built for."""
    nvidia = evidence.machine.nvidia
    if nvidia.nvml_state != "function-not-found":
        return skipped("NVML does not say so") if nvidia.nvml_state != "ok" else passed("the driver is recent enough")
    driver = found_or(nvidia.driver, "") or found_or(nvidia.kernel_module, "")
    return _unused(
        evidence,
        f"The NVIDIA driver{' ' + driver if driver else ''} is too old for any current PyTorch.",
        "update the driver if the card has a newer one; else use the CPU build or Colab",
    )


def devices_were_found(evidence: Evidence) -> Verdict:
    """The driver runs and sees no GPU."""
    nvidia = evidence.machine.nvidia
    if nvidia.nvml_state != "ok":
        return skipped("NVML does not answer")
    if nvidia.gpus:
        return passed(f"{len(nvidia.gpus)} GPU{'s' if len(nvidia.gpus) > 1 else ''}")
    if _bound_to(nvidia, "vfio-pci"):
        return _unused(
            evidence,
            f"{_card_names(nvidia)} is handed to a virtual machine (vfio-pci), so the driver here does not see it.",
            "run inside that virtual machine, or take the card back from it",
        )
    slurm = evidence.machine.slurm
    if isinstance(slurm, Found) and slurm.value.job_id is not None and not slurm.value.gpus:
        return skipped(f"Slurm job {slurm.value.job_id} was given no GPU")
    return failed(
        "The NVIDIA driver runs but finds no GPU.",
        hint="restart the machine; if it finds none then, `sudo dmesg | grep NVRM` says why",
    )


def nvml_answers(evidence: Evidence) -> Verdict:
    """Whatever else NVML can say, or not say."""
    nvidia = evidence.machine.nvidia
    explained = (
        "library-not-found", "not-asked", "driver-not-loaded", "library-mismatch", "no-permission",
        "function-not-found",
    )  # fmt: skip
    if nvidia.nvml_state == "ok":
        return passed("NVML answers")
    if nvidia.nvml_state in explained:
        return skipped("another check explains it")
    if nvidia.nvml_state in ("unknown-error", "operating-system") and _in_container(evidence.machine):
        return skipped("another check explains it")
    if nvidia.nvml_state == "timeout":
        message = f"The NVIDIA driver does not answer: {nvidia.nvml_message or nvidia.reason or 'time limit'}."
        hint = "run `nvidia-smi`; if it hangs too, restart the machine"
        return failed(message, hint=hint) if _torch_finds_no_gpu(evidence) else unknown(message, hint=hint)
    if nvidia.nvml_state == "crashed":
        return unknown(
            f"NVIDIA's library crashed when it was asked: {nvidia.nvml_message or nvidia.reason or 'no words'}.",
            hint="run `nvidia-smi`; if it crashes too, reinstall the driver",
        )
    return failed(
        f"The NVIDIA driver answers with an error: {_nvml_words(nvidia)}.",
        hint="restart the machine; if it stays, look at `sudo dmesg | grep NVRM`",
        evidence={"nvml_error": nvidia.nvml_error},
    )


def uvm_is_loaded(evidence: Evidence) -> Verdict:
    """CUDA needs the unified-memory module beside the driver; NVML does not."""
    machine = evidence.machine
    if machine.nvidia.nvml_state != "ok" or machine.os != "linux" or _is_wsl(machine):
        return skipped("no NVIDIA driver on Linux")
    match machine.nvidia.nodes:
        case Absent(_):
            return skipped("no device files")
        case Unknown(reason):
            return unknown(f"the device files could not be read: {reason}")
        case Found(nodes):
            return _uvm_verdict(evidence, tuple(node.path for node in nodes))


def _uvm_verdict(evidence: Evidence, nodes: tuple[str, ...]) -> Verdict:
    machine = evidence.machine
    if any(node.endswith("nvidia-uvm") for node in nodes):
        return passed("/dev/nvidia-uvm is there")
    if not nodes or not machine.nvidia.gpus or isinstance(machine.l4t, Found):
        return skipped("no GPU with device files")
    inside = _in_container(machine)  # a container gets the device files that the host has when it starts
    return failed(
        "/dev/nvidia-uvm is missing: CUDA will report an unknown error although the driver answers.",
        hint="run `sudo nvidia-modprobe -u -c=0` on the host, then start the container again"
        if inside
        else "sudo nvidia-modprobe -u -c=0",
        command=not inside,
    )


CHECKS = (
    Check("container-without-gpus", "The container was given the host's GPUs", "Driver", container_has_gpus),
    Check("container-lost-gpus", "The container still has its GPUs", "Driver", container_kept_gpus),
    Check("wsl-lib-path", "WSL finds the Windows driver", "Driver", wsl_library_path),
    Check("nouveau-loaded", "nouveau leaves the card alone", "Driver", nouveau_is_off),
    Check("nova-core-loaded", "nova_core leaves the card alone", "Driver", nova_is_off),
    Check("driver-missing", "The NVIDIA card has a driver", "Driver", a_driver_is_installed,
          behind=(*NO_GPU, *OTHER_MODULE)),
    Check("driver-library-mismatch", "Driver library and kernel module agree", "Driver", library_matches_module,
          needs=("wsl-linux-driver",), behind=NO_GPU),
    Check("dev-nvidia-permission", "You may open the NVIDIA devices", "Driver", devices_may_be_opened, behind=NO_GPU),
    Check(
        "driver-not-loaded", "The NVIDIA kernel module is loaded", "Driver", driver_is_loaded,
        needs=("container-without-gpus", "dev-nvidia-permission"), behind=(*NO_GPU, *OTHER_MODULE),
    ),
    Check("driver-ancient", "The driver is not from another age", "Driver", driver_is_not_ancient, behind=NO_GPU),
    Check("nvml-error", "NVML answers", "Driver", nvml_answers, needs=("wsl-linux-driver",),
          behind=(*NO_GPU, *OTHER_MODULE)),
    Check("driver-no-devices", "The driver finds a GPU", "Driver", devices_were_found, behind=NO_GPU),
    Check("nvml-library-hidden", "The driver's library is in reach", "Driver", library_in_reach, behind=NO_GPU),
    Check("uvm-missing", "The unified-memory device exists", "Driver", uvm_is_loaded, behind=NO_GPU),
)  # fmt: skip
