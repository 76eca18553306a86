"""The facts of each group in one line, as a person would say them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from envtool.environment import BrokenEnvironment, Build, Environment, ImportReport
from envtool.machine import Absent, Found, Gpu, Machine, PciCard, Reading, Unknown, found_or

if TYPE_CHECKING:
    from envtool.course import Course
    from envtool.smoke_report import SmokeReport

GIB = 1 << 30
TRIO = ("torch", "torchvision", "torchaudio")
NOT_LOOKED_AT = "not looked at"


def python_line(environment: Environment | BrokenEnvironment) -> str:
    """Python's version and kind, and whether pip is there."""
    if isinstance(environment, BrokenEnvironment):
        return "does not start"
    name = {"cpython": "", "pypy": "PyPy "}.get(environment.implementation, environment.implementation + " ")
    free = ", free-threaded" if environment.abi.endswith("t") else ""
    pip = f"pip {environment.pip.value}" if isinstance(environment.pip, Found) else "no pip"
    bits = "" if environment.bits == 64 else f", {environment.bits}-bit"
    return f"{name}{environment.version}{free}{bits}, {environment.manager}, {pip}"


def build_words(build: Build) -> str:
    """The build in words: "CPU", "CUDA 13.0", "ROCm 7.2", "XPU"."""
    if build.cuda:
        return f"CUDA {build.cuda}"
    if build.hip:
        return f"ROCm {'.'.join(build.hip.split('.')[:2])}"
    words = {"cpu": "CPU", "xpu": "XPU", None: "build unknown"}
    return words.get(build.variant, (build.variant or "").replace("rocm", "ROCm "))


def torch_line(environment: Environment | BrokenEnvironment, imports: Reading[ImportReport]) -> str:
    """The trio with versions and builds, and how long the import took."""
    if isinstance(environment, BrokenEnvironment):
        return NOT_LOOKED_AT
    parts = []
    for package in TRIO:
        build = environment.build(package)
        if build is not None:
            parts.append(f"{package} {build.version.partition('+')[0]} ({build_words(build)})")
    if not parts:
        return "can't be read" if environment.closed else "not installed"
    if environment.build("torch") is not None and environment.distribution("numpy") is None:
        parts.append("no NumPy")
    return ", ".join(parts) + _import_words(imports)


def _import_words(imports: Reading[ImportReport]) -> str:
    if not isinstance(imports, Found):
        return "; not imported"
    stages = [s for s in imports.value.stages if s.name in TRIO and s.outcome == "ok"]
    seconds = sum(s.seconds or 0.0 for s in stages)
    tried = [s for s in imports.value.stages if s.name in TRIO and s.outcome != "not-installed"]
    return f"; imported in {seconds:.1f}\u00a0s" if stages and len(stages) == len(tried) else ""


def driver_line(machine: Machine) -> str:
    """NVIDIA's driver and the newest CUDA that its API speaks, or why there is none."""
    nvidia = machine.nvidia
    match nvidia.driver:
        case Found(driver):
            api = f", CUDA driver API {nvidia.cuda_driver.value}" if isinstance(nvidia.cuda_driver, Found) else ""
            trouble = f"; {nvidia.reason}" if nvidia.nvml_state != "ok" and nvidia.reason else ""
            return f"NVIDIA {driver}{api}{trouble}"
        case Absent(_) | Unknown(_):
            pass
    if machine.apple.status == "found":
        return "none needed: Metal is part of macOS"
    amd = found_or(machine.amd.driver, "")
    if machine.amd.status == "found" and nvidia.status == "absent" and machine.os == "linux":
        return f"amdgpu {amd}".strip()
    if nvidia.status == "absent" and not nvidia.cards:
        return "no NVIDIA driver, and none needed"
    return _silent(machine)


# What stands on the line where NVML did not answer; the check below says the rest. {name}: "NVIDIA 550.54.14".
_SILENT = {
    "driver-not-loaded": "{name}, not loaded",
    "library-mismatch": "{name} in the kernel, {library} in the libraries",
    "no-permission": "{name}, closed to this user",
    "gpu-lost": "{name}, a GPU is lost",
    "unknown-error": "{name}, in an unknown state",
    "timeout": "{name}, gives no answer",
    "crashed": "{name}, whose library crashes",
}


def _silent(machine: Machine) -> str:
    nvidia = machine.nvidia
    module = found_or(nvidia.kernel_module, "")
    if nvidia.nvml_state == "library-not-found" and nvidia.cards:
        return f"NVIDIA {module} in the kernel, no libraries" if module else "no NVIDIA driver is installed"
    words = _SILENT.get(nvidia.nvml_state)
    if words is None:
        return nvidia.reason or "could not be told"
    library = found_or(nvidia.libcuda, found_or(nvidia.nvml_library_version, "others"))
    return words.format(name=f"NVIDIA {module}" if module else "NVIDIA's driver", library=library)


def gpu_line(machine: Machine) -> str:
    """Every GPU that PyTorch might use; equal ones counted."""
    names = [_nvidia_words(gpu) for gpu in machine.nvidia.gpus]
    if not names:
        names = [f"{found_or(c.name, 'NVIDIA card ' + c.device)} ({_held(c)})" for c in machine.nvidia.cards]
    names += [f"{found_or(g.name, 'AMD GPU')} ({found_or(g.gfx, 'gfx unknown')})" for g in machine.amd.gpus]
    names += [found_or(g.name, f"Intel GPU {g.device}") for g in machine.intel.gpus]
    if isinstance(machine.apple.chip, Found):
        names.append(f"{machine.apple.chip.value} (Metal)")
    if not names and machine.nvidia.status == "found":
        return "the driver shows none here"
    if not names:
        return "none" if _no_vendor_unknown(machine) else "could not be told"
    return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in Counter(names).items())


def _held(card: PciCard) -> str:
    match card.driver:
        case Found("nvidia" | "nvlddmkm"):
            return "gives no answer"
        case Found(driver):
            return f"held by {driver}"
        case Absent(_) | Unknown(_):
            return "no driver"


def _no_vendor_unknown(machine: Machine) -> bool:
    return machine.nvidia.status == "absent"


def _nvidia_words(gpu: Gpu) -> str:
    if gpu.error_code is not None:
        return f"GPU {gpu.index}: {gpu.error}"
    words = [found_or(gpu.name, f"GPU {gpu.index}")]
    if isinstance(gpu.memory_mib, Found):
        words.append(f"{gpu.memory_mib.value / 1024:.0f} GiB")
    if isinstance(gpu.compute_capability, Found):
        words.append("compute capability {}.{}".format(*gpu.compute_capability.value))
    if gpu.mig == Found(True):
        words.append(f"MIG with {len(found_or(gpu.mig_instances, ()))} instances")
    return ", ".join(words)


def system_line(machine: Machine) -> str:
    """The operating system, the architecture, libc, and what is special about the place."""
    words = [found_or(machine.os_version, machine.os).partition(" (")[0], machine.arch]
    if machine.os == "macos" and not words[0].lower().startswith("macos"):
        words[0] = f"macOS {words[0]}"
    if isinstance(machine.libc, Found):
        words.append(f"{machine.libc.value.name} {machine.libc.value.version}")
    if isinstance(machine.wsl, Found):
        words.append(f"WSL {machine.wsl.value}")
    if isinstance(machine.container, Found):
        words.append(f"in\u00a0{machine.container.value}")
    if isinstance(machine.l4t, Found):
        words.append(f"Jetson L4T {machine.l4t.value}")
    if isinstance(machine.slurm, Found):
        job = machine.slurm.value.job_id
        words.append(f"Slurm job {job}" if job else "Slurm login node")
    place = next((s for s in machine.storage if s.purpose == "packages"), None)
    if place is not None:
        words.append(f"{place.free_bytes / GIB:.0f}\u00a0GiB\u00a0free")
    return ", ".join(words)


def environment_line(environment: Environment | BrokenEnvironment) -> str:
    """Which environment was looked at, and why that one."""
    where = environment.executable if isinstance(environment, BrokenEnvironment) else environment.prefix
    why = environment.chosen_by
    return f"{where}, {why}" if why.startswith("the ") else f"{where} ({why})"


def course_line(course: Course) -> str:
    """What an envtool.toml asks for, in a few words."""
    count = len(course.requirements())
    python = [f"Python {course.python}"] if course.python else []
    packages = [f"{count} other package{'s' if count > 1 else ''}"] if count else []
    return f"{course.name}: " + ", ".join([*python, *course.torch, *packages])


def smoke_line(smoke: Reading[SmokeReport]) -> str:
    """What the smoke tests showed, or why there were none."""
    if not isinstance(smoke, Found):
        return f"not run: {smoke.reason}"
    from envtool.report.smoke import summary

    return summary(smoke.value)
