"""Does the installed build of torch belong on this machine?"""

from __future__ import annotations

from envtool.checks.check import Check, Evidence
from envtool.checks.cluster import wsl_lacks_the_gpu
from envtool.checks.order import NO_GPU, NO_NVML, OTHER_PYTHON, PACKAGES
from envtool.checks.words import label
from envtool.environment import Build, Environment
from envtool.machine import Absent, Found, Unknown, found_or
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned

HOSTED = ("colab", "kaggle")


def _env(evidence: Evidence) -> Environment | None:
    return evidence.env


def gpu_has_a_gpu_build(evidence: Evidence) -> Verdict:
    """A CPU build on a machine whose GPU works and which another build could use."""
    torch = evidence.torch
    if torch is None:
        return skipped("torch is not installed")
    if not evidence.gpus:
        return skipped("no NVIDIA GPU answers")
    if torch.variant != "cpu":
        return passed(label(torch)) if torch.variant else unknown("torch's build could not be read")
    name = found_or(evidence.gpus[0].name, "an NVIDIA GPU")
    mend = evidence.mender.reinstall(accelerator="cuda")
    if mend is None:
        return passed(f"no build of PyTorch can use {name}; the CPU build is right here")
    return failed(
        f"torch {evidence.torch_version} is a CPU build: it can't use the {name} in this machine.",
        hint=mend,
        command=True,
    )


def laptop_has_no_cuda_build(evidence: Evidence) -> Verdict:
    """A CUDA build on a machine without an NVIDIA GPU works, and is gigabytes larger than it need be."""
    torch, nvidia = evidence.torch, evidence.machine.nvidia
    if torch is None or torch.cuda is None:
        return skipped("no CUDA build of torch is installed")
    if nvidia.status != "absent":
        return skipped("there is an NVIDIA GPU, or there may be one")
    if wsl_lacks_the_gpu(evidence):
        return skipped("another check explains it")
    if isinstance(evidence.machine.slurm, Found):
        return passed("a cluster: the GPUs are in the jobs")
    if found_or(evidence.machine.container, "") in HOSTED:
        return passed("a hosted notebook: a GPU is a matter of its settings, and the packages are not yours")
    mend = evidence.mender.reinstall(accelerator="cpu")
    return warned(
        f"torch {evidence.torch_version} (CUDA {torch.cuda}) is a CUDA build, and this machine has no NVIDIA GPU. It "
        "works on the CPU, but takes gigabytes that the CPU build does not.",
        hint=mend or "nothing need be done",
        command=mend is not None,
    )


def backend_suits_the_card(evidence: Evidence) -> Verdict:
    """A ROCm build with an NVIDIA card, an XPU build without an Intel one."""
    torch, machine = evidence.torch, evidence.machine
    if torch is None or torch.variant is None:
        return skipped("torch is not installed, or its build is unknown")
    if torch.hip and machine.amd.status == "absent":
        return _elsewhere(evidence, torch, "ROCm needs an AMD GPU")
    if torch.variant == "xpu" and machine.intel.status == "absent":
        return _elsewhere(evidence, torch, "XPU needs an Intel GPU")
    return passed(label(torch))


def _elsewhere(evidence: Evidence, torch: Build, why: str) -> Verdict:
    mend = evidence.mender.reinstall()
    return failed(
        f"{label(torch)} can't use anything in this machine: {why}.",
        hint=mend or "install the CPU build",
        command=mend is not None,
    )


def amd_has_a_rocm_build(evidence: Evidence) -> Verdict:
    """An AMD GPU that ROCm serves, and a build that can't use it."""
    torch, machine = evidence.torch, evidence.machine
    if torch is None or machine.amd.status != "found" or machine.os != "linux" or evidence.gpus:
        return skipped("no AMD GPU that PyTorch could use")
    if torch.hip:
        return passed(label(torch))
    served = [gpu for gpu in machine.amd.gpus if evidence.catalog.rocm_serves(found_or(gpu.gfx, ""))]
    if not served:
        return skipped("PyTorch has no code for this AMD GPU")
    mend = evidence.mender.reinstall(accelerator="rocm")
    return warned(
        f"{label(torch)} can't use the GPU in this machine: {found_or(served[0].name, found_or(served[0].gfx, ''))}.",
        hint=mend or "install a ROCm build of torch",
        command=mend is not None,
    )


def jetson_has_its_own_build(evidence: Evidence) -> Verdict:
    """A Jetson's GPU needs NVIDIA's wheels for that JetPack."""
    machine, torch = evidence.machine, evidence.torch
    match machine.l4t:
        case Absent(_):
            return skipped("not a Jetson")
        case Found(release):
            if torch is None or torch.cuda:
                return passed(f"L4T {release}")
            return failed(
                f"This is a Jetson (L4T {release}), and torch {torch.version} is a CPU build: wheels for it come from "
                "NVIDIA.",
                hint=_jetson_hint(evidence),
            )
        case _:
            return skipped("not known to be a Jetson")


def _jetson_hint(evidence: Evidence) -> str:
    jetpack = f"JetPack {found_or(evidence.machine.jetpack, '')}".strip()
    index = evidence.catalog.vendor_builds.get("linux_aarch64", "").partition(" (")[0]
    return f"install NVIDIA's torch for {jetpack}" + (f", from {index}" if index else "")


def conda_build_uses_the_gpu(evidence: Evidence) -> Verdict:
    """conda takes the CPU build where it sees no GPU while it solves, such as on a login node."""
    env = _env(evidence)
    package = next((p for p in env.conda_packages if p.name == "pytorch"), None) if env else None
    if package is None:
        return skipped("torch is not from conda")
    if not evidence.gpus or "cpu" not in package.build:
        return passed(f"{package.name} {package.version} {package.build}")
    return failed(
        f"conda installed the CPU build of pytorch {package.version} ({package.build}) beside a working NVIDIA GPU.",
        hint=f'conda install "pytorch={package.version}=*cuda*" -c conda-forge',  # so quoted for cmd.exe, too
        command=True,
    )


def driver_runs_the_build(evidence: Evidence) -> Verdict:
    """The CUDA family's minimum, not the toolkit's own driver: minor-version compatibility is NVIDIA's promise."""
    torch, nvidia = evidence.torch, evidence.machine.nvidia
    if torch is None or torch.cuda is None or torch.variant is None:
        return skipped("no CUDA build of torch is installed")
    os_name = "windows" if evidence.machine.os == "windows" or isinstance(evidence.machine.wsl, Found) else "linux"
    floor = evidence.catalog.driver_floor(torch.variant, os_name)
    if floor is None:
        return unknown(f"the driver that {torch.variant} needs is not in the catalog")
    match nvidia.driver:
        case Absent(_):
            return skipped("there is no NVIDIA driver")
        case Unknown(reason):
            return skipped("another check explains it") if nvidia.nvml_state != "ok" else unknown(reason)
        case Found(driver):
            return _driver_verdict(evidence, driver, floor)


def _driver_verdict(evidence: Evidence, driver: str, floor: str) -> Verdict:
    from packaging.version import InvalidVersion, Version

    torch = evidence.torch
    assert torch is not None
    needed = f"torch {evidence.torch_version} ({torch.variant})"
    try:
        enough = Version(driver) >= Version(floor)
    except InvalidVersion:
        return unknown(f"the driver calls itself {driver!r}, which is not a version")
    if enough:
        return passed(f"driver {driver} >= {floor}")
    mend = evidence.mender.reinstall()
    return failed(
        f"{needed} needs NVIDIA driver {floor} or newer; this machine has {driver}."
        + (" Update the driver, or install a build for this one." if mend else ""),
        hint=mend or f"update the NVIDIA driver to {floor} or newer",
        command=mend is not None,
        evidence={"needed": floor, "found": driver},
    )


DRIVER_CHECKS = (  # of the driver and the build together: asked when every GPU was seen to be there
    Check(
        "driver-too-old-for-wheel", "The driver can run the build", "Driver", driver_runs_the_build,
        behind=(*OTHER_PYTHON, *NO_GPU, *NO_NVML, "driver-not-loaded", "nvml-error"),
    ),
)  # fmt: skip
CHECKS = (
    Check("xpu-or-rocm-wheel-elsewhere", "The build is for this vendor", "PyTorch", backend_suits_the_card,
          behind=PACKAGES),
    Check("jetson-wheel", "A Jetson has NVIDIA's build", "PyTorch", jetson_has_its_own_build, behind=PACKAGES),
    Check("conda-cpu-build", "conda chose a GPU build", "PyTorch", conda_build_uses_the_gpu, behind=PACKAGES),
    Check(
        "cpu-wheel-on-gpu-box", "A GPU has a GPU build", "PyTorch", gpu_has_a_gpu_build,
        needs=("jetson-wheel", "conda-cpu-build"), behind=PACKAGES,
    ),
    Check("rocm-wheel-missing", "An AMD GPU has a ROCm build", "PyTorch", amd_has_a_rocm_build),
    Check("no-nvidia-gpu", "No CUDA build without a GPU", "PyTorch", laptop_has_no_cuda_build),
)  # fmt: skip
