"""GPUs of AMD, Intel and Apple: may they be used, and does the build serve them?"""

from __future__ import annotations

from envtool.checks.check import Check, Evidence
from envtool.checks.os_packages import install_line
from envtool.checks.words import label
from envtool.environment import Build, Stage
from envtool.machine import Absent, Found, Unknown, found_or
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned
from envtool.versions import dotted, numbers_or_none

# What a kind without code of its own can pretend to be; see failure mode rocm-gfx-unsupported.
RELATIVES = (("gfx103", "10.3.0"), ("gfx110", "11.0.0"))


def _rocm_on_amd(evidence: Evidence) -> Build | None:
    """The ROCm build, where there is an AMD GPU for it. WSL has no /dev/kfd, and needs none."""
    torch, machine = evidence.torch, evidence.machine
    if torch is None or not torch.hip or machine.amd.status != "found" or machine.os != "linux":
        return None
    return None if isinstance(machine.wsl, Found) else torch


def kfd_is_there(evidence: Evidence) -> Verdict:
    """ROCm reaches a GPU through /dev/kfd alone."""
    torch = _rocm_on_amd(evidence)
    if torch is None:
        return skipped("no ROCm build beside an AMD GPU")
    match evidence.machine.amd.kfd_node:
        case Found(_):
            return passed("/dev/kfd is there")
        case Unknown(reason):
            return unknown(f"/dev/kfd could not be looked at: {reason}")
        case Absent(_):
            container = isinstance(evidence.machine.container, Found)
            return failed(
                f"{label(torch)} needs /dev/kfd, AMD's compute driver, and it is not there.",
                hint="start the container with --device /dev/kfd --device /dev/dri --group-add render"
                if container
                else "install AMD's driver (amdgpu with ROCm) and restart the machine",
            )


def kfd_may_be_opened(evidence: Evidence) -> Verdict:
    """The device files of an AMD GPU belong to the groups render and video."""
    torch, node = _rocm_on_amd(evidence), evidence.machine.amd.kfd_node
    if torch is None or not isinstance(node, Found):
        return skipped("no ROCm build beside an AMD GPU, or no /dev/kfd")
    if node.value.readable and node.value.writable:
        return passed("you may open /dev/kfd")
    return failed(
        f"You may not open {node.value.path} (mode {node.value.mode}, group {node.value.group}): ROCm finds no GPU. "
        "Log out and in again after the line below.",
        hint="sudo usermod -aG render,video $USER",
        command=True,
    )


def rocm_has_kernels(evidence: Evidence) -> Verdict:
    """A consumer GPU that no kernel of the build was compiled for. One that is served is enough: APUs have two."""
    torch = _rocm_on_amd(evidence)
    if torch is None:
        return skipped("no ROCm build beside an AMD GPU")
    if evidence.variable("HSA_OVERRIDE_GFX_VERSION"):
        return skipped("HSA_OVERRIDE_GFX_VERSION says what the GPU should be taken for")
    served = _targets(evidence, torch)
    kinds = [found_or(gpu.gfx, "") for gpu in evidence.machine.amd.gpus]
    if not served or not all(kinds):
        return skipped("which kinds of GPU the build serves, or which this one is, is not known")
    if any(kind in served for kind in kinds):
        return passed(f"torch has code for {', '.join(kind for kind in kinds if kind in served)}")
    relative = next((version for start, version in RELATIVES for kind in kinds if kind.startswith(start)), None)
    return failed(
        f"{label(torch)} has no code for {', '.join(dict.fromkeys(kinds))}, only for {' '.join(sorted(served))}."
        + (" It can pretend to be a relative, which nobody supports and which may crash." if relative else ""),
        hint=f"export HSA_OVERRIDE_GFX_VERSION={relative}" if relative else "use the CPU build, or Colab",
        command=relative is not None,
        evidence={"found": list(kinds), "compiled": list(served)},
    )


def _targets(evidence: Evidence, torch: Build) -> frozenset[str]:
    """What torch says of itself before what the catalog says."""
    stage = evidence.report.stage("torch") if evidence.report else None
    own = (stage.detail("arch_list") if stage else None) or ""
    told = frozenset(word.partition(":")[0] for word in own.split() if word.startswith("gfx"))
    return told or evidence.catalog.gfx_targets(torch.variant or "") or frozenset()


# ── Intel ────────────────────────────────────────────────────────────────────────────────────────


def _torch_stage(evidence: Evidence) -> Stage | None:
    stage = evidence.report.stage("torch") if evidence.report else None
    return stage if stage is not None and stage.outcome == "ok" else None


def intel_gpu_answers(evidence: Evidence) -> Verdict:
    """An XPU build, a GPU that it serves, and no GPU in torch: Intel's runtime is missing."""
    torch, machine = evidence.torch, evidence.machine
    if torch is None or torch.variant != "xpu":
        return skipped("no XPU build of torch is installed")
    gpu = next((gpu for gpu in machine.intel.gpus if gpu.xpu_supported == Found(True)), None)
    stage = _torch_stage(evidence)
    if gpu is None or stage is None or stage.detail("xpu_available") is None:
        return skipped("no Intel GPU that PyTorch serves, or torch was not imported")
    if stage.detail("xpu_available") == "True":
        return passed("torch finds the Intel GPU")
    line = install_line(machine, apt="intel-opencl-icd libze-intel-gpu1") if machine.os == "linux" else None
    return failed(
        f"There is an Intel GPU ({found_or(gpu.name, 'Arc')}), and torch does not find it: Intel's compute runtime "
        "(Level Zero) is missing or too old.",
        hint=line or "install Intel's newest compute runtime (Windows: the graphics driver brings it)",
        command=line is not None,
    )


# ── Apple ────────────────────────────────────────────────────────────────────────────────────────


def _macos(evidence: Evidence) -> tuple[int, ...] | None:
    return numbers_or_none(found_or(evidence.machine.os_version, "")) if evidence.machine.os == "macos" else None


def macos_is_new_enough(evidence: Evidence) -> Verdict:
    """An older macOS gets an older torch, silently."""
    found, env = _macos(evidence), evidence.env
    if found is None or env is None or evidence.machine.arch != "arm64" or env.arch != "arm64":
        return skipped("not a Mac with Apple silicon")
    newest = evidence.catalog.releases[0].torch
    wheel = evidence.catalog.wheel("torch", newest, evidence.platform)
    floor = wheel.floor(env.abi) if wheel else None
    if not floor:
        return skipped("the catalog knows no floor for this Python")
    if found >= floor[: len(found)]:
        return passed(f"macOS {dotted(found)}")
    if evidence.torch is not None:
        return skipped(f"macOS {dotted(found)} gets an older torch, and torch {evidence.torch.version} is installed")
    mend = evidence.mender.reinstall()
    return warned(
        f"macOS {dotted(found)} is too old for the newest torch, which needs {dotted(floor)}; an older torch fits.",
        hint=mend or "update macOS",
        command=mend is not None,
    )


def mps_is_there(evidence: Evidence) -> Verdict:
    """Apple silicon, a native torch, and no GPU in it."""
    found, env, stage = _macos(evidence), evidence.env, _torch_stage(evidence)
    chip = found_or(evidence.machine.apple.chip, "")
    if found is None or env is None or env.arch != "arm64" or not chip:
        return skipped("not a Mac with Apple silicon and a Python for it")
    if "virtual" in chip.lower():
        return skipped("a virtual Mac has no GPU")
    said = stage.detail("mps_available") if stage else None
    if said is None:
        return skipped("torch was not imported, or says nothing of the Mac's GPU")
    if said == "True":
        return passed(f"torch can use the GPU of the {chip}")
    old = found < (14,)
    return warned(
        f"torch {evidence.torch_version} can't use the GPU of this {chip} (macOS {dotted(found)}).",
        hint="update macOS to 14 or newer" if old else evidence.mender.reinstall(force=True) or "install torch again",
        command=not old,
    )


CHECKS = (
    Check("rocm-kfd-missing", "AMD's compute driver is loaded", "GPU", kfd_is_there),
    Check("rocm-render-group", "You may use the AMD GPU", "GPU", kfd_may_be_opened, needs=("rocm-kfd-missing",)),
    Check("rocm-gfx-unsupported", "ROCm has kernels for this AMD GPU", "GPU", rocm_has_kernels,
          needs=("rocm-kfd-missing", "rocm-render-group")),
    Check("xpu-driver", "Intel's GPU runtime is installed", "GPU", intel_gpu_answers, needs=("xpu-render-group",)),
    Check("macos-too-old", "macOS is new enough for current wheels", "System", macos_is_new_enough,
          needs=("rosetta-python",)),
    Check("mps-unavailable", "The Mac's GPU can be used", "GPU", mps_is_there, needs=("rosetta-python",)),
)  # fmt: skip
