"""Can the installed build use each GPU, and is each GPU in a state to be used?"""

from __future__ import annotations

from envtool.catalog import Kernels, runs_on
from envtool.checks.check import Check, Evidence
from envtool.checks.order import PACKAGES
from envtool.checks.workplace import setting, unset
from envtool.machine import Absent, Found, Gpu, Unknown, found_or
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned

RESTART = "restart the machine"


def _called(gpu: Gpu) -> str:
    return f"GPU {gpu.index} ({gpu.name.value})" if isinstance(gpu.name, Found) else f"GPU {gpu.index}"


def _each(gpus: list[Gpu]) -> str:
    """Every GPU by number and name; equal ones together: "GPUs 0 to 7 (Tesla V100-SXM2-32GB)"."""
    alike: dict[str | None, list[Gpu]] = {}
    for gpu in gpus:
        alike.setdefault(gpu.name.value if isinstance(gpu.name, Found) else None, []).append(gpu)
    return ", ".join(_called(some[0]) if len(some) == 1 else _together(name, some) for name, some in alike.items())


def _together(name: str | None, gpus: list[Gpu]) -> str:
    numbers = [gpu.index for gpu in gpus]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        listed = f"{numbers[0]} to {numbers[-1]}"
    else:
        listed = ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
    return f"GPUs {listed}" + (f" ({name})" if name else "")


def _capability_text(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"


# ── kernels ──────────────────────────────────────────────────────────────────────────────────────


def _kernel_verdict(evidence: Evidence, *, newer: bool) -> Verdict:
    """Shared by the two checks: GPUs newer than the build (``newer``), and GPUs that the build has left behind."""
    torch = evidence.torch
    if torch is None or torch.cuda is None or torch.variant is None:
        return skipped("no CUDA build of torch is installed")
    if not evidence.gpus:
        return skipped("no NVIDIA GPU answers")
    listed = _compiled(evidence)
    if listed is None:
        return unknown(f"the catalog does not know what torch {torch.version} was compiled for")
    kernels, source = listed
    left_out, unclear = [], []
    for gpu in evidence.gpus:
        match gpu.compute_capability:
            case Found(capability):
                is_newer = bool(kernels.sm) and capability > max(kernels.sm)
                if not runs_on(kernels, capability, cuda=torch.cuda) and is_newer == newer:
                    left_out.append(gpu)
            case Absent(reason) | Unknown(reason):
                unclear.append(f"{_called(gpu)}: {reason}")
    if left_out:
        return _left_out(evidence, left_out, sorted(kernels.sm), source)
    if unclear:
        return unknown("the compute capability could not be read: " + "; ".join(unclear))
    return passed(f"torch {torch.version} has code for every GPU")


def _compiled(evidence: Evidence) -> tuple[Kernels, str] | None:
    """What torch says of itself (the import rehearsal) before what the catalog says."""
    torch = evidence.torch
    assert torch is not None and torch.variant is not None
    stage = evidence.report.stage("torch") if evidence.report else None
    own = stage.detail("arch_list") if stage else None
    if own:
        return Kernels.parse_arch_list(own.split()), "torch itself"
    kernels = evidence.catalog.kernels(evidence.torch_version or "", torch.variant, evidence.platform)
    return (kernels, "the catalog") if kernels else None


def _left_out(evidence: Evidence, gpus: list[Gpu], compiled: list[tuple[int, int]], source: str) -> Verdict:
    torch = evidence.torch
    assert torch is not None
    capabilities = [found_or(gpu.compute_capability, (0, 0)) for gpu in gpus]
    mend = evidence.mender.reinstall()
    return failed(
        f"torch {evidence.torch_version} ({torch.variant}) has no code for {_each(gpus)}: it is compiled for compute "
        f"capability {', '.join(_capability_text(c) for c in compiled)}; here it is "
        f"{', '.join(_capability_text(c) for c in dict.fromkeys(capabilities))}.",
        hint=mend or "no build of PyTorch has code for this GPU: use the CPU build, or Colab",
        command=mend is not None,
        evidence={
            "compiled": [_capability_text(c) for c in compiled],
            "found": [_capability_text(c) for c in capabilities],
            "source": source,
        },
    )


def build_is_new_enough(evidence: Evidence) -> Verdict:
    """A GPU newer than everything the wheel was compiled for."""
    return _kernel_verdict(evidence, newer=True)


def build_still_serves(evidence: Evidence) -> Verdict:
    """A GPU older than everything the wheel was compiled for, or one that it passes over."""
    return _kernel_verdict(evidence, newer=False)


# ── state of each GPU ────────────────────────────────────────────────────────────────────────────


def _by_error(evidence: Evidence, codes: tuple[int, ...]) -> list[Gpu]:
    return [gpu for gpu in evidence.machine.nvidia.gpus if gpu.error_code in codes]


def _healthy_list(evidence: Evidence) -> str:
    return ",".join(str(gpu.index) for gpu in evidence.gpus)


def every_gpu_is_there(evidence: Evidence) -> Verdict:
    """NVML 15: a GPU fell off the bus. Its neighbours can be used meanwhile."""
    if not evidence.machine.nvidia.gpus and evidence.machine.nvidia.nvml_state != "gpu-lost":
        return skipped("no NVIDIA GPU")
    lost = _by_error(evidence, (15, 28))
    if evidence.machine.nvidia.nvml_state == "gpu-lost" or lost:
        meanwhile = _healthy_list(evidence)
        return failed(
            f"{_each(lost) or 'A GPU'} fell off the bus and does not answer any more.",
            hint=(f"{setting(evidence, 'CUDA_VISIBLE_DEVICES', meanwhile)}, until you " if meanwhile else "")
            + "switch the machine off and on (a restart is not enough)",
            evidence={"gpus": [gpu.index for gpu in lost]},
        )
    return passed("every GPU answers")


def no_gpu_waits_for_a_reset(evidence: Evidence) -> Verdict:
    """NVML 16."""
    waiting = _by_error(evidence, (16,))
    if evidence.machine.nvidia.nvml_state == "reset-required" or waiting:
        index = f" -i {waiting[0].index}" if waiting else ""
        windows = evidence.machine.os == "windows"  # where nvidia-smi resets nothing
        return failed(
            f"{_each(waiting) or 'A GPU'} must be reset before it works again.",
            hint=RESTART if windows else f"sudo nvidia-smi --gpu-reset{index}",
            command=not windows,
        )
    return passed("none") if evidence.gpus else skipped("no NVIDIA GPU")


def every_gpu_has_power(evidence: Evidence) -> Verdict:
    """NVML 8."""
    weak = _by_error(evidence, (8,))
    if weak or evidence.machine.nvidia.nvml_state == "no-power":
        return failed(
            f"{_each(weak) or 'A GPU'} has no external power.",
            hint="shut the machine down and plug in the card's power cable",
        )
    return passed("powered") if evidence.gpus else skipped("no NVIDIA GPU")


def interrupts_arrive(evidence: Evidence) -> Verdict:
    """NVML 11."""
    deaf = _by_error(evidence, (11,))
    if deaf or evidence.machine.nvidia.nvml_state == "irq-issue":
        return failed(
            f"The kernel can't deliver the interrupts of {_each(deaf) or 'a GPU'}.",
            hint="update the BIOS, and start the kernel without pci=nomsi or noapic",
        )
    return passed("delivered") if evidence.gpus else skipped("no NVIDIA GPU")


def other_gpu_errors(evidence: Evidence) -> Verdict:
    """A GPU that refuses with a code that has no check of its own."""
    known = (8, 11, 15, 16, 28)
    bad = [gpu for gpu in evidence.machine.nvidia.gpus if gpu.error_code is not None and gpu.error_code not in known]
    if bad:
        words = "; ".join(f"{_called(gpu)}: {gpu.error} ({gpu.error_code})" for gpu in bad)
        return failed(
            f"The driver can't use every GPU: {words}.",
            hint="restart the machine; if it stays, `sudo dmesg | grep NVRM` says why",
        )
    return passed("none") if evidence.gpus else skipped("no NVIDIA GPU")


def compute_is_allowed(evidence: Evidence) -> Verdict:
    """Compute mode “prohibited” lets no CUDA program in."""
    closed = [gpu for gpu in evidence.gpus if gpu.compute_mode == Found("prohibited")]
    if closed:
        line = f"nvidia-smi -i {closed[0].index} -c 0"
        return failed(
            f"{_each(closed)} is set to compute mode “prohibited”: no CUDA program may use it.",
            hint=f"in PowerShell as administrator: {line}" if evidence.machine.os == "windows" else f"sudo {line}",
            command=evidence.machine.os != "windows",
        )
    return passed("allowed") if evidence.gpus else skipped("no NVIDIA GPU")


def nobody_holds_it_alone(evidence: Evidence) -> Verdict:
    """In an exclusive compute mode the first process keeps everybody else out."""
    for gpu in evidence.gpus:
        if found_or(gpu.compute_mode, "") not in ("exclusive-process", "exclusive-thread"):
            continue
        others = found_or(gpu.processes, ())
        if others:
            mine = others[0].mine is True
            return failed(
                f"{_called(gpu)} serves one process at a time, and process {others[0].pid} "
                f"({others[0].command or 'unknown'}) holds it." + (" It is your own." if mine else ""),
                hint=_end(evidence, others[0].pid) if mine else "wait, use another GPU, or ask whose process it is",
                command=mine,
            )
    return passed("free to share") if evidence.gpus else skipped("no NVIDIA GPU")


def mig_has_instances(evidence: Evidence) -> Verdict:
    """With MIG switched on and no instance made, CUDA sees nothing."""
    sliced = [gpu for gpu in evidence.gpus if gpu.mig == Found(True)]
    if not sliced:
        return skipped("MIG is off")
    bare = [gpu for gpu in sliced if gpu.mig_instances == Found(())]
    if bare:
        return failed(
            f"{_each(bare)} has MIG switched on and no MIG instance: CUDA finds no GPU there. Where others share the "
            "machine, ask its administrator for an instance; else switch MIG off.",
            hint=f"sudo nvidia-smi -i {bare[0].index} -mig 0",
            command=True,
        )
    count = sum(len(found_or(gpu.mig_instances, ())) for gpu in sliced)
    return passed(f"{count} MIG instance{'s' if count != 1 else ''}; one process uses one of them")


# ── which GPUs CUDA may see ──────────────────────────────────────────────────────────────────────


def something_is_visible(evidence: Evidence) -> Verdict:
    """An empty CUDA_VISIBLE_DEVICES, or -1, hides every GPU."""
    match evidence.machine.nvidia.visible_devices:
        case Absent(_):
            return skipped("CUDA_VISIBLE_DEVICES is not set")
        case Unknown(reason):
            return unknown(reason)
        case Found(value):
            hidden = value.strip() in ("", "-1", "NoDevFiles") or value.strip().startswith("-1")
            if hidden and evidence.gpus:
                return failed(
                    f"CUDA_VISIBLE_DEVICES is {value!r}: it hides every GPU from PyTorch.",
                    hint=unset(evidence, "CUDA_VISIBLE_DEVICES"),
                    command=True,
                )
            return passed(f"CUDA_VISIBLE_DEVICES={value}") if not hidden else skipped("there is no GPU to hide")


def every_named_gpu_exists(evidence: Evidence) -> Verdict:
    """CUDA stops at the first entry that it doesn't know, and hides that one and all after it."""
    value = found_or(evidence.machine.nvidia.visible_devices, "").strip()
    if not value or value.startswith("-1") or value == "NoDevFiles" or not evidence.machine.nvidia.gpus:
        return skipped("nothing is named")
    entries = [entry.strip() for entry in value.split(",")]
    if "-1" in entries:  # it ends the list on purpose
        entries = entries[: entries.index("-1")]
    if len(set(entries)) < len(entries):
        return failed(
            f"CUDA_VISIBLE_DEVICES={value} names a GPU twice; CUDA then hides them all.",
            hint=setting(evidence, "CUDA_VISIBLE_DEVICES", _healthy_list(evidence) or "0"),
            command=True,
        )
    bad = next((entry for entry in entries if not _names_a_gpu(evidence, entry)), None)
    if bad is None:
        return passed(f"CUDA_VISIBLE_DEVICES={value}")
    count = len(evidence.machine.nvidia.gpus)
    return failed(
        f"CUDA_VISIBLE_DEVICES={value} names {bad!r}, but this machine has GPU 0"
        + (f" to {count - 1}" if count > 1 else " only")
        + "; CUDA hides that entry and all after it.",
        hint=setting(evidence, "CUDA_VISIBLE_DEVICES", _healthy_list(evidence) or "0"),
        command=True,
    )


def _names_a_gpu(evidence: Evidence, entry: str) -> bool:
    if entry.isdecimal():
        return int(entry) < len(evidence.machine.nvidia.gpus)
    uuids = [found_or(gpu.uuid, "") for gpu in evidence.gpus]
    slices = [uuid for gpu in evidence.gpus for uuid in found_or(gpu.mig_instances, ())]
    return len(entry) > 4 and any(uuid.startswith(entry) for uuid in uuids + slices)


def order_is_the_same(evidence: Evidence) -> Verdict:
    """CUDA numbers the fastest GPU first, nvidia-smi goes by bus: with unlike cards the numbers differ."""
    names = {found_or(gpu.name, "") for gpu in evidence.gpus}
    if len(names) < 2:
        return skipped("all GPUs are alike")
    if evidence.machine.nvidia.device_order == Found("PCI_BUS_ID"):
        return passed("both go by the bus")
    return warned(
        f"The GPUs differ ({', '.join(sorted(names))}): PyTorch's cuda:0 may be another one than nvidia-smi's GPU 0.",
        hint=setting(evidence, "CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
        command=True,
    )


# ── wear and use ─────────────────────────────────────────────────────────────────────────────────


def memory_rows_are_sound(evidence: Evidence) -> Verdict:
    """Ampere and newer replace bad memory rows at a reset; a failed replacement means a defective card."""
    broken = [gpu for gpu in evidence.gpus if gpu.row_remap_failed == Found(True)]
    pending = [gpu for gpu in evidence.gpus if gpu.row_remap_pending == Found(True)]
    if broken:
        return failed(f"{_each(broken)} could not replace bad memory rows.", hint="have the card replaced")
    windows = evidence.machine.os == "windows"
    if pending:
        return warned(
            f"{_each(pending)} found bad memory rows and replaces them at the next reset.",
            hint=RESTART if windows else f"sudo nvidia-smi --gpu-reset -i {pending[0].index}",
            command=not windows,
        )
    return passed("sound") if evidence.gpus else skipped("no NVIDIA GPU")


def no_page_waits(evidence: Evidence) -> Verdict:
    """Volta and older retire bad memory pages at the next start."""
    pending = [gpu for gpu in evidence.gpus if gpu.retired_pages_pending == Found(True)]
    windows = evidence.machine.os == "windows"
    if pending:
        return warned(
            f"{_each(pending)} found bad memory pages and retires them at the next restart.",
            hint=RESTART if windows else "sudo reboot",
            command=not windows,
        )
    return passed("none") if evidence.gpus else skipped("no NVIDIA GPU")


def memory_is_free(evidence: Evidence) -> Verdict:
    """Less than a fifth of the memory is free: the next model will not fit."""
    tight = []
    for gpu in evidence.gpus:
        total, used = found_or(gpu.memory_mib, 0), found_or(gpu.memory_used_mib, 0)
        if total and total - used < total // 5:
            tight.append((gpu, total - used, total))
    if not tight:
        return passed("free") if evidence.gpus else skipped("no NVIDIA GPU")
    gpu, free, total = tight[0]
    holders = found_or(gpu.processes, ())
    mine = [process for process in holders if process.mine]
    who = ", ".join(f"{p.pid} ({p.command or 'unknown'})" for p in holders[:3])
    hint = _end(evidence, mine[0].pid) if mine else "use another GPU, or ask who runs there"
    return warned(
        f"{_called(gpu)} has {free:,} of {total:,} MiB free" + (f"; held by {who}" if who else "") + ".",
        hint=hint,
        command=bool(mine),
    )


def _end(evidence: Evidence, process: int) -> str:
    """The line that ends a process of one's own."""
    return f"Stop-Process -Id {process}" if evidence.machine.os == "windows" else f"kill {process}"


def kernel_log_is_quiet(evidence: Evidence) -> Verdict:
    """An Xid is the driver's own error number in the kernel log."""
    noisy = [gpu for gpu in evidence.gpus if isinstance(gpu.xid, Found)]
    if noisy:
        numbers = ", ".join(f"{_called(gpu)}: Xid {found_or(gpu.xid, 0)}" for gpu in noisy)
        return warned(
            f"The driver reported errors since the start ({numbers}).",
            hint="look the number up in NVIDIA's Xid list: 13, 31 and 43 come from a program, 48 and 79 from the card",
        )
    return passed("no Xid seen") if evidence.gpus else skipped("no NVIDIA GPU")


OTHER_CAUSES = (*PACKAGES, "driver-too-old-for-wheel")  # one answer is right for both
THERE_CHECKS = (
    Check("gpu-lost", "No GPU fell off the bus", "GPU", every_gpu_is_there),
    Check("gpu-reset-required", "No GPU waits for a reset", "GPU", no_gpu_waits_for_a_reset),
    Check("power-cable", "Every GPU has power", "GPU", every_gpu_has_power),
    Check("irq-issue", "Interrupts arrive", "GPU", interrupts_arrive),
    Check("gpu-error", "Every GPU answers", "GPU", other_gpu_errors),
)
KERNEL_CHECKS = (
    Check("sm-not-in-wheel", "The build is new enough for the GPU", "GPU", build_is_new_enough, behind=OTHER_CAUSES),
    Check("gpu-dropped", "The build still serves the GPU", "GPU", build_still_serves, behind=OTHER_CAUSES),
)
CHECKS = (
    Check("cvd-empty", "CUDA_VISIBLE_DEVICES hides nothing by accident", "GPU", something_is_visible),
    Check("cvd-invalid", "CUDA_VISIBLE_DEVICES names GPUs that exist", "GPU", every_named_gpu_exists),
    Check("compute-mode-prohibited", "Compute is allowed", "GPU", compute_is_allowed),
    Check("compute-mode-exclusive", "The GPU is not held by one process", "GPU", nobody_holds_it_alone),
    Check("mig-no-instances", "MIG has instances", "GPU", mig_has_instances),
)
STATE_CHECKS = (
    Check("ecc-row-remap-pending", "GPU memory rows are sound", "GPU", memory_rows_are_sound),
    Check("ecc-retirement-pending", "No memory page waits for retirement", "GPU", no_page_waits),
    Check("xid-recent", "The kernel log shows no GPU error", "GPU", kernel_log_is_quiet),
    Check("gpu-memory-held", "GPU memory is free", "GPU", memory_is_free),
    Check("device-order", "GPU numbers mean the same everywhere", "GPU", order_is_the_same),
)
