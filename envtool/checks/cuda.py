"""What CUDA itself answers: cuInit's code, asked in a child, and the words of a failed calculation on a GPU."""

from __future__ import annotations

from collections.abc import Callable

from envtool.checks.causes import Cause, known
from envtool.checks.check import Check, Evidence
from envtool.checks.order import NO_GPU, OTHER_MODULE
from envtool.checks.stages import facts_of, how_it_ended, stage_or_verdict
from envtool.environment import Stage
from envtool.machine import NOT_ASKED, Absent, Found, Unknown, found_or
from envtool.verdicts import Json, Verdict, failed, passed, skipped, unknown

# By CUDA's code. The numbers: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html
CAUSES: dict[str, Cause] = {
    "fabricmanager": Cause(
        "CUDA answers 802: the NVSwitch fabric of this server is not up.",
        "sudo systemctl enable --now nvidia-fabricmanager",
        contained="on the host, run: sudo systemctl enable --now nvidia-fabricmanager",
        words=("rror 802", "system not yet initialized"),
        codes=(802,),
        command=True,
    ),
    "cuda-803": Cause(
        "CUDA answers 803: libcuda and the kernel module are of different drivers.",
        "sudo reboot",
        contained="remove the image's own libcuda, and start the container again with the host's",
        words=("rror 803", "unsupported display driver"),
        codes=(803,),
        command=True,
    ),
    "cuda-compat": Cause(
        "CUDA answers 804: a compatibility libcuda is loaded that this GPU does not support.",
        "remove the folder cuda/compat, or its line in /etc/ld.so.conf.d, then run: sudo ldconfig",
        contained="delete /usr/local/cuda/compat in the image, run ldconfig there, and start the container again",
        words=("rror 804", "forward compatibility was attempted"),
        codes=(804,),
        folder="compat",
    ),
    "cuda-stub-library": Cause(
        "A stub libcuda, made for compiling only, is loaded in place of the driver's.",
        "take the folder …/lib64/stubs out of /etc/ld.so.conf.d, then run: sudo ldconfig",
        words=("stub library",),
        codes=(34,),
        folder="stubs",
    ),
    "cuda-unknown-error": Cause(
        "CUDA answers 999, unknown error, although the driver answers; often after a suspended laptop woke up.",
        "sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm",
        contained="on the host, run: sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm",
        words=("rror 999", "CUDA unknown error"),
        codes=(999,),
        command=True,
    ),
}
RESTART = "restart the machine"
# The others that a start of CUDA is known to end with: what it means, and the next step, also in a container.
REST: dict[int, tuple[str, str, str]] = {
    2: ("no memory, the computer's own", "ulimit -v unlimited, before Python starts", "give the container more memory"),
    46: ("the GPU is busy or unavailable", "see with `nvidia-smi` which program holds it", "use another GPU"),
    100: ("no GPU", RESTART, "start the container with `--gpus all` and NVIDIA_DRIVER_CAPABILITIES=compute,utility"),
    101: ("a GPU is named that does not exist", "unset CUDA_VISIBLE_DEVICES", "unset CUDA_VISIBLE_DEVICES"),
    304: ("the system refused a call of the driver's", RESTART, "restart the container"),
    805: (
        "its Multi-Process Service can't be reached",
        "unset CUDA_MPS_PIPE_DIRECTORY",
        "unset CUDA_MPS_PIPE_DIRECTORY",
    ),
}
OTHER = ("see CUDA's list of errors", RESTART, "restart the container")


def _answer(evidence: Evidence) -> int | None:
    """The code that CUDA's start ended with, None where it is not known or all is well."""
    return found_or(evidence.machine.nvidia.cuda_init, 0) or None


def _cause(code: str) -> Callable[[Evidence], Verdict]:
    cause = CAUSES[code]

    def judge(evidence: Evidence) -> Verdict:
        answer, stage = _answer(evidence), gpu_stage(evidence)
        said = stage is not None and stage.outcome != "ok" and known(stage, CAUSES) == code
        if answer in cause.codes or (answer is None and said):
            hint, command = _mend(evidence, cause)
            return failed(_told(evidence, cause), hint=hint, command=command, evidence=_evidence(evidence, stage))
        if stage is None and not isinstance(evidence.machine.nvidia.cuda_init, Found):
            return skipped("no GPU was tried")
        return passed("CUDA does not answer so")

    return judge


def _told(evidence: Evidence, cause: Cause) -> str:
    """The cause, with the file that it speaks of where that is known."""
    library = evidence.machine.nvidia.cuda_library
    if isinstance(library, Found) and "libcuda" in cause.message and "/" in library.value:
        return f"{cause.message[:-1]}: {library.value}."
    return cause.message


def _mend(evidence: Evidence, cause: Cause) -> tuple[str, bool]:
    """The hint, as a line to copy where LD_LIBRARY_PATH itself names the folder."""
    entries = [entry for entry in found_or(evidence.machine.ld_library_path, "").split(":") if entry]
    kept = [entry for entry in entries if cause.folder not in entry.split("/")] if cause.folder else entries
    if evidence.machine.os == "windows" and "sudo" in cause.hint:
        return RESTART, False
    if len(kept) == len(entries):
        inside = isinstance(evidence.machine.container, Found) and cause.contained is not None
        return (cause.contained or "", False) if inside else (cause.hint, cause.command)
    if not kept:
        return "unset LD_LIBRARY_PATH", True
    from envtool.shell import shell_line

    return shell_line(["export", f"LD_LIBRARY_PATH={':'.join(kept)}"], "posix"), True


def _evidence(evidence: Evidence, stage: Stage | None) -> dict[str, Json]:
    facts: dict[str, Json] = facts_of(stage) if stage is not None else {}
    if isinstance(evidence.machine.nvidia.cuda_init, Found):
        facts["cuda_init"] = evidence.machine.nvidia.cuda_init.value
        facts["cuda_library"] = found_or(evidence.machine.nvidia.cuda_library, None)
    return facts


def cuda_starts(evidence: Evidence) -> Verdict:
    """cuInit in a child: what a CUDA program meets before PyTorch says a word. Asked where no GPU has computed yet."""
    nvidia = evidence.machine.nvidia
    if nvidia.cuda_init == NOT_ASKED:
        return skipped("not asked: no GPU is there, or PyTorch computes on it")
    match nvidia.cuda_init:
        case Found(0):
            return passed("CUDA starts")
        case Found(code):
            if any(code in cause.codes for cause in CAUSES.values()):
                return skipped("another check explains it")
            meaning, alone, contained = REST.get(code, OTHER)
            return failed(
                f"The driver shows {len(evidence.gpus)} GPU(s), and CUDA does not start: cuInit answers {code}, "
                f"{meaning}.",
                hint=contained if isinstance(evidence.machine.container, Found) else alone,
                evidence=_evidence(evidence, None),
            )
        case Absent(words):
            return failed(
                f"The driver shows {len(evidence.gpus)} GPU(s), and CUDA's library is not found: {words}",
                hint="start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility"
                if isinstance(evidence.machine.container, Found)
                else "install the driver's CUDA part: libcuda1 (Debian), libnvidia-compute-… (Ubuntu), "
                "nvidia-driver-cuda (Fedora)",
            )
        case Unknown(reason):
            return unknown(f"CUDA's start could not be seen: {reason}")


# ── PyTorch on the GPU ───────────────────────────────────────────────────────────────────────────


def gpu_stage(evidence: Evidence) -> Stage | None:
    """The first GPU stage that failed, else the first that ran."""
    if evidence.report is None:
        return None
    stages = [s for s in evidence.report.stages if s.name.startswith(("cuda", "mps", "xpu"))]
    bad = [s for s in stages if s.outcome in ("error", "crash", "timeout")]
    return next(iter(bad or stages), None)


def gpu_computes(evidence: Evidence) -> Verdict:
    """A matrix product on each GPU, compared with the CPU."""
    stage = gpu_stage(evidence)
    torch = stage_or_verdict(evidence, "torch")
    if isinstance(torch, Verdict):
        return torch
    if torch.outcome != "ok":
        return skipped("torch does not import")
    if stage is None:
        return _no_gpu_was_tried(evidence, torch)
    if stage.outcome == "ok":
        count = sum(
            s.name.startswith(("cuda", "mps", "xpu")) for s in (evidence.report.stages if evidence.report else ())
        )
        return passed(f"a matrix product is right on {stage.name}" if count == 1 else f"right on all {count} GPUs")
    if known(stage, CAUSES):
        return skipped("another check explains it")
    return failed(
        f"Computing on {stage.name} {how_it_ended(stage)}.",
        hint="run `nvidia-smi`; if it shows the GPU, restart the machine" if "cuda" in stage.name else "restart Python",
        evidence=facts_of(stage),
    )


def _no_gpu_was_tried(evidence: Evidence, torch: Stage) -> Verdict:
    if not evidence.cuda_build or not evidence.gpus:
        return skipped("no GPU that this build could use")
    if torch.detail("is_available") == "True":
        return skipped("no GPU was tried")
    words = torch.detail("cuda_error") or torch.detail("warnings") or "torch.cuda.is_available() is False"
    return failed(
        f"The driver answers for {len(evidence.gpus)} GPU(s), PyTorch can't use any: {words}",
        hint="restart the machine; in a notebook, restart the kernel first",
        evidence={"is_available": torch.detail("is_available"), "device_count": torch.detail("device_count")},
    )


NEEDS = (
    "torch-import", "driver-library-mismatch", "dev-nvidia-permission", "driver-too-old-for-wheel", "uvm-missing",
    "wsl-lib-path", "nvml-library-hidden", "nvml-error", "cvd-empty", "cvd-invalid", "sm-not-in-wheel", "gpu-dropped",
    "compute-mode-prohibited", "mig-no-instances", "gpu-lost",
    "rocm-kfd-missing", "rocm-render-group", "rocm-gfx-unsupported", "xpu-render-group", "xpu-driver",
    "wsl-linux-driver", *NO_GPU, *OTHER_MODULE, "driver-not-loaded", "container-lost-gpus", "gpu-reset-required",
    "power-cable", "irq-issue", "gpu-error",
)  # fmt: skip
TITLES = (
    ("fabricmanager", "The NVSwitch fabric is up"),
    ("cuda-803", "libcuda and the driver agree"),
    ("cuda-compat", "No compatibility libcuda is in the way"),
    ("cuda-stub-library", "No stub libcuda is in the way"),
    ("cuda-unknown-error", "CUDA starts after a sleep"),
)
CHECKS = (
    *(Check(code, title, "GPU", _cause(code), needs=NEEDS) for code, title in TITLES),
    Check("cuda-init", "CUDA starts", "GPU", cuda_starts, needs=(*NEEDS, *CAUSES)),
    Check("gpu-computes", "Every GPU computes", "GPU", gpu_computes, needs=(*NEEDS, *CAUSES, "cuda-init")),
)
