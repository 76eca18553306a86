"""Facts about a machine, without opinion: what was found, what is absent, what could not be told."""

from __future__ import annotations

from dataclasses import field
from typing import Generic, TypeAlias, TypeVar

from envtool.fact import Fact, dataclass

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, eq=False, repr=False)
class Found(Fact, Generic[T_co]):
    """The machine answered; ``value`` is what it said."""

    value: T_co


@dataclass(frozen=True, eq=False, repr=False)
class Absent(Fact):
    """The machine answered that there is no such thing; ``reason`` says it in words."""

    reason: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Unknown(Fact):
    """The machine could not be asked, or did not answer; ``reason`` says why in words."""

    reason: str


Reading: TypeAlias = Found[T] | Absent | Unknown

NOT_ASKED = Unknown("not asked")


def found_or(reading: Reading[T], default: T) -> T:
    """The value of a reading, or ``default`` where there is none (for display, never for a verdict)."""
    return reading.value if isinstance(reading, Found) else default


@dataclass(frozen=True, eq=False, repr=False)
class Libc(Fact):
    """The C library: ``name`` is "glibc" or "musl", ``version`` its dotted version."""

    name: str
    version: str


@dataclass(frozen=True, eq=False, repr=False)
class Storage(Fact):
    """One place where files will go: ``purpose`` is "packages", "temporary files" or "shared memory"."""

    purpose: str
    path: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, eq=False, repr=False)
class Slurm(Fact):
    """Slurm, seen from here: a job (``job_id``) or, without one, a login node. ``gpus`` is what the job was given."""

    job_id: str | None
    gpus: str | None
    partition: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class HostPython(Fact):
    """The Python that a build must suit: version "3.12.4", abi "cp312", ``bits`` 32 or 64."""

    version: str
    abi: str
    executable: str | None = None
    bits: int | None = None


# ── NVIDIA ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False, repr=False)
class GpuProcess(Fact):
    """A process on a GPU: its pid, its memory (None where the driver won't tell), its command if it could be read."""

    pid: int
    memory_mib: int | None
    command: str | None = None
    mine: bool | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Gpu(Fact):
    """One NVIDIA GPU as NVML describes it. A reading that NVML refused says why; it never hides its neighbours."""

    index: int
    name: Reading[str] = NOT_ASKED
    uuid: Reading[str] = NOT_ASKED
    pci_bus_id: Reading[str] = NOT_ASKED
    compute_capability: Reading[tuple[int, int]] = NOT_ASKED
    memory_mib: Reading[int] = NOT_ASKED
    memory_used_mib: Reading[int] = NOT_ASKED
    processes: Reading[tuple[GpuProcess, ...]] = NOT_ASKED
    utilization_percent: Reading[int] = NOT_ASKED
    mig: Reading[bool] = NOT_ASKED
    mig_instances: Reading[tuple[str, ...]] = NOT_ASKED  # UUIDs, "MIG-…"
    compute_mode: Reading[str] = NOT_ASKED  # default | exclusive-process | exclusive-thread | prohibited
    persistence: Reading[bool] = NOT_ASKED
    ecc: Reading[bool] = NOT_ASKED  # ECC switched on now
    ecc_uncorrected: Reading[int] = NOT_ASKED  # uncorrected errors since the driver was loaded
    row_remap_pending: Reading[bool] = NOT_ASKED
    row_remap_failed: Reading[bool] = NOT_ASKED
    retired_pages_pending: Reading[bool] = NOT_ASKED
    xid: Reading[int] = NOT_ASKED  # the newest Xid in the kernel log, where it may be read
    error_code: int | None = None  # NVML's return code, when the GPU itself did not answer
    error: str | None = None  # … and its meaning


@dataclass(frozen=True, eq=False, repr=False)
class PciCard(Fact):
    """A display or compute card on the PCI bus, seen without any vendor library."""

    address: str  # "0000:01:00.0"
    vendor: str  # "10de", "1002", "8086"
    device: str  # "2684"
    pci_class: str  # "0300" VGA, "0302" 3D controller, "0380" other display, "1200" accelerator
    name: Reading[str] = NOT_ASKED  # from the table of PCI ids
    driver: Reading[str] = NOT_ASKED  # the kernel driver bound to it: nvidia, nouveau, vfio-pci, …


@dataclass(frozen=True, eq=False, repr=False)
class DeviceNode(Fact):
    """A device file: may this user open it? ``mode`` in octal text ("0666"), ``group`` by name or number."""

    path: str
    readable: bool
    writable: bool
    mode: str | None = None
    group: str | None = None


# How NVML's start ended. One word a cause, so that a check can match it; the number stays beside it.
NVML_STATES = (
    "ok",
    "not-asked",  # there is no sign of an NVIDIA driver, so nothing was loaded
    "library-not-found",  # 12
    "driver-not-loaded",  # 9
    "library-mismatch",  # 18
    "no-permission",  # 4
    "gpu-lost",  # 15
    "unknown-error",  # 999
    "function-not-found",  # 13: a driver older than the functions asked for
    "argument-version-mismatch",  # 25
    "gpu-not-found",  # 28: a device answered "not found" as a whole
    "reset-required",  # 16
    "operating-system",  # 17: the OS or its cgroup blocked the driver
    "in-use",  # 19
    "memory",  # 20
    "irq-issue",  # 11
    "no-power",  # 8
    "timeout",  # NVML's own 10, or our time limit
    "crashed",  # the child that asked NVML died
    "other",  # any other code; its number and NVML's own words are kept
)


@dataclass(frozen=True, eq=False, repr=False)
class Nvidia(Fact):
    """All that is known of NVIDIA here, from NVML and, beside it, from what needs no NVML."""

    status: str = "unknown"  # found | absent | unknown
    reason: str | None = None
    nvml_state: str = "not-asked"  # one of NVML_STATES
    nvml_error: int | None = None  # NVML's return code
    nvml_message: str | None = None  # NVML's own words, or what the child left behind
    nvml_library: Reading[str] = NOT_ASKED  # what was loaded: a bare name, or a path where the loader finds no name
    nvml_library_version: Reading[str] = NOT_ASKED  # "550.54.14": the driver that the library belongs to
    driver: Reading[str] = NOT_ASKED  # "550.54.14"
    cuda_driver: Reading[str] = NOT_ASKED  # "12.4": the newest CUDA that the driver's API speaks
    gpus: tuple[Gpu, ...] = ()
    # cross-checks
    kernel_module: Reading[str] = NOT_ASKED  # version in /proc/driver/nvidia/version
    open_kernel_module: Reading[bool] = NOT_ASKED
    libcuda: Reading[str] = NOT_ASKED  # the version in libcuda's own file name, "550.54.14"
    libcuda_path: Reading[str] = NOT_ASKED
    cuda_init: Reading[int] = NOT_ASKED  # what cuInit returned: 0, or one of CUDA's own codes
    cuda_library: Reading[str] = NOT_ASKED  # the file that cuInit is from; absent where the loader finds none
    cards: tuple[PciCard, ...] = ()  # NVIDIA cards on the PCI bus
    nodes: Reading[tuple[DeviceNode, ...]] = NOT_ASKED  # /dev/nvidia*, seen before NVML started
    visible_devices: Reading[str] = Absent("CUDA_VISIBLE_DEVICES is not set")
    device_order: Reading[str] = Absent("CUDA_DEVICE_ORDER is not set")
    module_loaded: Reading[bool] = NOT_ASKED  # /sys/module/nvidia: leaks into containers without a GPU
    nouveau_loaded: Reading[bool] = NOT_ASKED
    seconds: float | None = None  # how long NVML took to start and answer


@dataclass(frozen=True, eq=False, repr=False)
class AmdGpu(Fact):
    """One AMD GPU. ``gfx`` is the target that code is compiled for, "gfx1100"."""

    name: Reading[str] = NOT_ASKED
    gfx: Reading[str] = NOT_ASKED  # "gfx1100"
    pci_address: Reading[str] = NOT_ASKED


@dataclass(frozen=True, eq=False, repr=False)
class Amd(Fact):
    """AMD GPUs, from the kernel's kfd topology and the PCI bus. ``driver`` is the amdgpu module's version or kernel."""

    status: str = "unknown"
    reason: str | None = None
    gpus: tuple[AmdGpu, ...] = ()
    driver: Reading[str] = NOT_ASKED
    kfd_node: Reading[DeviceNode] = NOT_ASKED


@dataclass(frozen=True, eq=False, repr=False)
class IntelGpu(Fact):
    """One Intel GPU, named by its PCI id."""

    name: Reading[str] = NOT_ASKED
    device: str | None = None  # PCI device id, "56a0"
    xpu_supported: Reading[bool] = NOT_ASKED  # does PyTorch name it as validated hardware
    pci_address: Reading[str] = NOT_ASKED
    driver: Reading[str] = NOT_ASKED  # i915, xe


@dataclass(frozen=True, eq=False, repr=False)
class Intel(Fact):
    """Intel GPUs, integrated ones too."""

    status: str = "unknown"
    reason: str | None = None
    gpus: tuple[IntelGpu, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Apple(Fact):
    """Apple silicon: ``chip`` is "Apple M2" and the like; absent on anything else."""

    status: str = "unknown"
    reason: str | None = None
    chip: Reading[str] = NOT_ASKED


@dataclass(frozen=True, eq=False, repr=False)
class Machine(Fact):
    """A machine, as far as it is known. Only ``os`` and ``arch`` must be told; the rest may be unknown."""

    os: str  # linux | macos | windows
    arch: str  # x86_64 | aarch64 | arm64 (macOS) | i686 | armv7l | …
    os_version: Reading[str] = NOT_ASKED
    kernel: Reading[str] = NOT_ASKED
    libc: Reading[Libc] = NOT_ASKED
    wsl: Reading[int] = NOT_ASKED  # Found(1), Found(2) or Absent
    container: Reading[str] = NOT_ASKED  # docker, podman, apptainer, lxc, kubernetes, colab, kaggle, …
    rosetta: Reading[bool] = NOT_ASKED  # this Intel program is translated on Apple silicon
    slurm: Reading[Slurm] = NOT_ASKED
    cpu_model: Reading[str] = NOT_ASKED
    cpus: Reading[int] = NOT_ASKED  # cores that this process may use
    memory_mib: Reading[int] = NOT_ASKED
    storage: tuple[Storage, ...] = ()
    shared_memory: Reading[Storage] = NOT_ASKED  # /dev/shm
    python: Reading[HostPython] = NOT_ASKED
    nvidia: Nvidia = field(default_factory=Nvidia)
    amd: Amd = field(default_factory=Amd)
    intel: Intel = field(default_factory=Intel)
    apple: Apple = field(default_factory=Apple)
    jetpack: Reading[str] = NOT_ASKED  # "6.2"
    l4t: Reading[str] = NOT_ASKED  # "36.4.0": a Jetson's Linux-for-Tegra release
    colab: bool = False
    ld_library_path: Reading[str] = NOT_ASKED
