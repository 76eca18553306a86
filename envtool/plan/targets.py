"""What a build must serve on a machine: its accelerators, one after the other, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envtool.catalog import Catalog
from envtool.catalog.kernels import Capability
from envtool.fact import Fact
from envtool.machine import Absent, Found, Gpu, Machine, Reading, Unknown, found_or
from envtool.versions import dotted, numbers_or_none

NO_DRIVER = Absent("needs no driver")


@dataclass(frozen=True, eq=False, repr=False)
class Target(Fact):
    """One accelerator to serve: every capability (NVIDIA) or gfx target (AMD) in it must run the build.

    ``note`` is a warning that comes with whatever is chosen for it.
    """

    kind: str  # cuda | rocm | xpu | mps | cpu
    capabilities: tuple[tuple[Capability, str], ...] = ()  # with the GPU's name
    gfx: tuple[tuple[str, str], ...] = ()
    driver: Reading[str] = NO_DRIVER
    driver_os: str = "linux"
    note: str | None = None
    macos_floor: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Missing(Fact):
    """An accelerator that can't be served, whatever the build. ``final``: don't fall back to the CPU either."""

    kind: str  # of refusal
    reason: str
    hint: str
    final: bool = False


def platform_of(machine: Machine) -> str | None:
    """The catalog's name of a platform, "linux_x86_64"; None for one that no wheel is built for."""
    arch = {"amd64": "x86_64", "x64": "x86_64"}.get(machine.arch.lower(), machine.arch.lower())
    if arch in {"arm64", "aarch64"}:
        arch = "aarch64" if machine.os == "linux" else "arm64"
    bits = machine.python.value.bits if isinstance(machine.python, Found) else None
    if bits == 32 or arch not in {"x86_64", "aarch64", "arm64"} or machine.os not in {"linux", "macos", "windows"}:
        return None
    return f"{machine.os}_{arch}"


# ── NVIDIA ───────────────────────────────────────────────────────────────────────────────────────


def visible(machine: Machine) -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves over; as CUDA does, it stops at the first entry that is no GPU."""
    gpus = tuple(gpu for gpu in machine.nvidia.gpus if gpu.error_code is None)
    if not isinstance(machine.nvidia.visible_devices, Found):
        return gpus
    chosen: list[Gpu] = []
    for entry in machine.nvidia.visible_devices.value.split(","):
        match = [gpu for gpu in gpus if _is_meant(gpu, entry.strip())]
        if len(match) != 1:
            break
        chosen += match
    return tuple(chosen)


def _is_meant(gpu: Gpu, entry: str) -> bool:
    if entry.isdecimal():
        return gpu.index == int(entry)
    if entry.startswith("MIG-") and entry in found_or(gpu.mig_instances, ()):
        return True
    uuid = found_or(gpu.uuid, "")
    return len(entry) > len("GPU-") and uuid.startswith(entry)


def _capability(gpu: Gpu, catalog: Catalog) -> Capability | None:
    if isinstance(gpu.compute_capability, Found):
        return gpu.compute_capability.value
    return catalog.capability_of(gpu.name.value) if isinstance(gpu.name, Found) else None


def nvidia(machine: Machine, catalog: Catalog) -> Target | Missing | None:
    """The NVIDIA GPUs to serve; None where there are none."""
    facts = machine.nvidia
    gpus = visible(machine)
    if facts.gpus and not gpus:
        return Missing(
            "accelerator_absent", "CUDA_VISIBLE_DEVICES hides every NVIDIA GPU", "unset CUDA_VISIBLE_DEVICES"
        )
    if not gpus:
        return _nvidia_without_gpus(machine, catalog)
    if is_jetson(machine):
        return _jetson(machine, catalog, gpus)
    if isinstance(facts.driver, Absent):
        return _no_driver(_names(gpus))
    known = [(_capability(gpu, catalog), found_or(gpu.name, f"GPU {gpu.index}")) for gpu in gpus]
    unknown = [name for capability, name in known if capability is None]
    if unknown:
        return Missing(
            "gpu_arch_unsupported",
            f"the compute capability of {', '.join(unknown)} is not known",
            "name it: `envtool pick --target gpu=8.6`",
        )
    pairs = dict.fromkeys((capability, name) for capability, name in known if capability is not None)
    return Target("cuda", tuple(pairs), driver=facts.driver, driver_os=_driver_os(machine))


def _names(gpus: tuple[Gpu, ...]) -> str:
    return ", ".join(dict.fromkeys(found_or(gpu.name, f"GPU {gpu.index}") for gpu in gpus))


def _no_driver(names: str) -> Missing:
    return Missing("accelerator_absent", f"no NVIDIA driver is installed for {names}", "install the NVIDIA driver")


def _nvidia_without_gpus(machine: Machine, catalog: Catalog) -> Target | Missing | None:
    facts = machine.nvidia
    if is_jetson(machine):
        return _jetson_without_gpus(machine, catalog)
    cards = ", ".join(found_or(card.name, f"card {card.vendor}:{card.device}") for card in facts.cards)
    described = facts.nvml_state in {"ok", "not-asked"}
    if isinstance(facts.driver, Found) and facts.status != "absent" and described:
        note = "which GPU there is is not known, so whether the build has code for it is not checked"
        return Target("cuda", driver=facts.driver, driver_os=_driver_os(machine), note=note)
    if cards and (facts.status == "absent" or isinstance(facts.driver, Absent)):
        return _no_driver(cards)
    if cards or (facts.status == "unknown" and facts.nvml_state not in {"ok", "not-asked"}):
        why = facts.reason or facts.nvml_message or facts.nvml_state
        return Missing(
            "driver_unknown", f"the NVIDIA driver of {cards or 'this machine'} does not answer: {why}",
            "run `envtool doctor`, or `envtool pick --accelerator cpu`", final=True,
        )  # fmt: skip
    return None


def _driver_os(machine: Machine) -> str:
    """Under WSL the driver is the Windows one, with its version numbers."""
    return "windows" if machine.os == "windows" or isinstance(machine.wsl, Found) else "linux"


# ── Jetson ───────────────────────────────────────────────────────────────────────────────────────

_JETSON_ONLY = {(5, 3), (6, 2), (7, 2), (8, 7)}


def is_jetson(machine: Machine) -> bool:
    """A Jetson, by its JetPack or L4T release or by a GPU that exists on Jetson alone."""
    if isinstance(machine.jetpack, Found) or isinstance(machine.l4t, Found):
        return True
    if machine.os != "linux" or machine.arch.lower() not in {"aarch64", "arm64"}:
        return False
    return any(found_or(gpu.compute_capability, (0, 0)) in _JETSON_ONLY for gpu in machine.nvidia.gpus)


def _vendor(reason: str, catalog: Catalog) -> Missing:
    index = catalog.vendor_builds.get("linux_aarch64", "NVIDIA's index for this JetPack")
    hint = f"install torch from {index}, or `envtool pick --accelerator cpu`"
    return Missing("jetson_needs_vendor_index", reason, hint, final=True)


def _jetson_without_gpus(machine: Machine, catalog: Catalog) -> Missing:
    known = f"JetPack {machine.jetpack.value}" if isinstance(machine.jetpack, Found) else "its JetPack is not known"
    return _vendor(f"this is a Jetson whose GPU does not answer ({known})", catalog)


def _jetson(machine: Machine, catalog: Catalog, gpus: tuple[Gpu, ...]) -> Target | Missing:
    """A Jetson with a JetPack that runs PyTorch's own wheels, or why not."""
    served = catalog.jetpack_floors
    pairs = [(_capability(gpu, catalog), found_or(gpu.name, "GPU")) for gpu in gpus]
    release = machine.jetpack.value if isinstance(machine.jetpack, Found) else None
    number = numbers_or_none(release) if release else None
    for capability, name in pairs:
        floor = served.get(capability) if capability else None
        needed = f"; PyTorch's own wheels run from JetPack {dotted(floor)} on" if floor else ""
        if floor is None or number is None or number < floor:
            jetpack = f"JetPack {release}" if release else "a JetPack that is not known"
            return _vendor(f"{name} is a Jetson with {jetpack}{needed}", catalog)
    found = tuple(dict.fromkeys((capability, name) for capability, name in pairs if capability is not None))
    # JetPack 7 brings the driver of its own CUDA 13, whether or not the driver tells its version
    return Target(
        "cuda", found, driver=Absent("comes with JetPack"), note="PyTorch's wheels on a Jetson are not tested"
    )


# ── AMD, Intel, Apple ────────────────────────────────────────────────────────────────────────────


def amd(machine: Machine, catalog: Catalog) -> Target | Missing | None:
    """The AMD GPUs to serve; None where there are none."""
    gpus = machine.amd.gpus
    if not gpus:
        return None
    names = ", ".join(dict.fromkeys(found_or(gpu.name, "AMD GPU") for gpu in gpus))
    if machine.os != "linux" or machine.arch != "x86_64":
        reason = f"{names}: ROCm builds of PyTorch exist for Linux on x86_64 only"
        return Missing("rocm_linux_only", reason, "use Linux, or `envtool pick --accelerator cpu`")
    targets: dict[tuple[str, str], None] = {}
    for gpu in gpus:
        name = found_or(gpu.name, "AMD GPU")
        gfx = gpu.gfx.value if isinstance(gpu.gfx, Found) else catalog.names.gfx(name)
        if gfx is None:
            return Missing("gpu_arch_unsupported", f"the gfx target of {name} is not known", "see `rocminfo`")
        targets[gfx, name] = None
    return Target("rocm", gfx=tuple(targets))


def intel(machine: Machine, catalog: Catalog) -> Target | Missing | None:
    """The Intel GPUs that PyTorch names; None where there are none at all."""
    if not machine.intel.gpus:
        return None
    for gpu in machine.intel.gpus:
        name = found_or(gpu.name, "Intel GPU")
        known = gpu.xpu_supported.value if isinstance(gpu.xpu_supported, Found) else catalog.names.xpu(name)
        if known:
            return Target("xpu")
    names = ", ".join(dict.fromkeys(found_or(gpu.name, "Intel GPU") for gpu in machine.intel.gpus))
    return Missing("gpu_arch_unsupported", f"PyTorch does not name {names} as XPU hardware", "use the CPU build")


MPS_FROM = (14, 0)  # RELEASE.md: "MPS support is enabled on macOS 14 (Sonoma) or later"


def apple(machine: Machine) -> Target | None:
    """Apple silicon; None on anything else."""
    silicon = platform_of(machine) == "macos_arm64"
    return Target("mps", macos_floor=MPS_FROM) if silicon else None


def last_resort(machine: Machine, note: str | None) -> Target:
    """What ``auto`` ends with: the CPU; on Apple silicon its one build, which has MPS where macOS is new enough."""
    if platform_of(machine) != "macos_arm64":
        return Target("cpu", note=note)
    release = numbers_or_none(machine.os_version.value) if isinstance(machine.os_version, Found) else None
    if release is not None and release < MPS_FROM[: len(release)]:
        return Target("cpu", note=f"MPS needs macOS {dotted(MPS_FROM)}; this is macOS {dotted(release)}")
    return Target("mps")


def accelerators(machine: Machine, catalog: Catalog) -> Iterator[tuple[str, Target | Missing]]:
    """What the machine has, in the order in which ``auto`` and ``gpu`` try it, with its kind."""
    found = (
        ("cuda", nvidia(machine, catalog)),
        ("rocm", amd(machine, catalog)),
        ("xpu", intel(machine, catalog)),
        ("mps", apple(machine)),
    )
    return ((kind, target) for kind, target in found if target is not None)


def unknown_gpus(machine: Machine) -> bool:
    """Is it not known whether there is a GPU? A described machine that names none leaves it open."""
    return isinstance(machine.nvidia.driver, Unknown) and machine.nvidia.status == "unknown" and machine.os != "macos"
