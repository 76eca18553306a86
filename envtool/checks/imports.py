"""What happened when the packages were really imported and used; the judge of everything that was only read."""

from __future__ import annotations

from collections.abc import Callable

from envtool.checks.causes import CAUSES, CUDA_CAUSES, known, reinstall
from envtool.checks.check import Check, Evidence
from envtool.environment import Stage
from envtool.machine import Absent, Found, Unknown
from envtool.verdicts import Json, Verdict, failed, passed, skipped, unknown, warned


def _stage(evidence: Evidence, name: str) -> Stage | Verdict:
    """The stage, or the verdict that stands in for it."""
    match evidence.imports:
        case Absent(reason):
            return skipped(reason or "not imported")
        case Unknown(reason):
            return unknown(f"the import could not be tried: {reason}")
        case Found(report):
            start = report.stage("start")
            if start is not None and start.outcome != "ok":
                return unknown(f"the import could not be tried: Python {_how_it_ended(start)}")
            stage = report.stage(name)
    if stage is None or stage.outcome in ("not-installed", "not-planned"):
        return skipped(f"{name} is not installed or not there")
    if stage.outcome == "not-reached":
        return skipped("an earlier step failed")
    return stage


def _facts(stage: Stage) -> dict[str, Json]:
    facts: dict[str, Json] = {"stage": stage.name, "outcome": stage.outcome, "last_lines": list(stage.last_lines)}
    facts["signal"] = stage.signal
    facts["exit_code"] = stage.exit_code
    return facts


def _how_it_ended(stage: Stage) -> str:
    """What happened, in words: the exception, the signal, the time limit."""
    if stage.outcome == "timeout":
        return f"did not end within {stage.seconds:.0f} s" if stage.seconds else "did not end within the time limit"
    if stage.outcome == "crash" and stage.signal:
        return f"was killed by {stage.signal}"
    if stage.outcome == "crash":
        return f"ended the process with exit code {stage.exit_code}"
    message = (stage.message or "no words").rstrip(".")  # a sentence of ours ends after it
    return f"fails: {stage.error_type + ': ' if stage.error_type else ''}{message}"


# ── causes that the words of the failure give away ───────────────────────────────────────────────


def _import_cause(code: str) -> Callable[[Evidence], Verdict]:
    """A check that passes unless an import failed with this cause's words."""

    def judge(evidence: Evidence) -> Verdict:
        report = evidence.report
        if report is None:
            return skipped("not imported")
        for stage in report.stages:
            if stage.outcome in ("error", "crash") and stage.name in IMPORTS and known(stage, CAUSES) == code:
                cause = CAUSES[code]
                hint, command = cause.mend(evidence)
                return failed(
                    f"`import {stage.name}` {_how_it_ended(stage)}. {cause.message}",
                    hint=hint,
                    command=command,
                    evidence=_facts(stage),
                )
        tried = any(stage.name in IMPORTS and stage.outcome == "ok" for stage in report.stages)
        if code == "mkl-threading":
            return skipped("no import failed so; in another order one may")
        return passed("no import failed so") if tried else skipped("nothing was imported")

    return judge


IMPORTS = ("torch", "torchvision", "torchaudio")


def _cuda_cause(code: str) -> Callable[[Evidence], Verdict]:
    def judge(evidence: Evidence) -> Verdict:
        stage = _gpu_stage(evidence)
        if stage is None:
            return skipped("no GPU was tried")
        if known(stage, CUDA_CAUSES) == code and stage.outcome != "ok":
            cause = CUDA_CAUSES[code]
            return failed(cause.message, hint=cause.hint, command=cause.command, evidence=_facts(stage))
        return passed("CUDA does not answer so")

    return judge


def _gpu_stage(evidence: Evidence) -> Stage | None:
    """The first GPU stage that failed, else the first that ran."""
    if evidence.report is None:
        return None
    stages = [s for s in evidence.report.stages if s.name.startswith(("cuda", "mps", "xpu"))]
    bad = [s for s in stages if s.outcome in ("error", "crash", "timeout")]
    return next(iter(bad or stages), None)


# ── the imports themselves ───────────────────────────────────────────────────────────────────────


def torch_imports(evidence: Evidence) -> Verdict:
    """`import torch` in a process of its own, from this folder."""
    return _imports(evidence, "torch")


def torchvision_imports(evidence: Evidence) -> Verdict:
    """`import torchvision`, and one call into its compiled half."""
    return _imports(evidence, "torchvision")


def torchaudio_imports(evidence: Evidence) -> Verdict:
    """`import torchaudio`."""
    return _imports(evidence, "torchaudio")


def _imports(evidence: Evidence, package: str) -> Verdict:
    stage = _stage(evidence, package)
    if isinstance(stage, Verdict):
        return stage
    if stage.outcome == "ok":
        seconds = f" in {stage.seconds:.1f} s" if stage.seconds is not None else ""
        return passed(f"{package} {stage.detail('version') or ''} imports{seconds}".replace("  ", " "))
    if known(stage, CAUSES):
        return skipped("another check explains it")
    if stage.outcome == "timeout":
        return failed(
            f"`import {package}` {_how_it_ended(stage)}.",
            hint="give it longer: envtool doctor --timeout 600 (a first import from a network disk takes minutes)",
            evidence=_facts(stage),
        )
    missing = stage.detail("missing_library")
    hint, command = reinstall(evidence)
    return failed(
        f"`import {package}` {_how_it_ended(stage)}."
        + (f" The library {missing} is missing." if missing and missing not in (stage.message or "") else ""),
        hint=hint,
        command=command,
        evidence=_facts(stage),
    )


def import_could_be_tried(evidence: Evidence) -> Verdict:
    """The process that was to import torch ended, or hung, before it came to that."""
    start = evidence.report.stage("start") if evidence.report else None
    if evidence.report is None:
        return skipped("not imported")
    if start is None or start.outcome == "ok":
        return passed("it was tried")
    return failed(
        f"Python {_how_it_ended(start)} before anything was imported.",
        hint="start Python in this folder by hand and look at its first message",
        evidence=_facts(start),
    )


def python_ends_well(evidence: Evidence) -> Verdict:
    """Everything was imported and computed, and then the process crashed while it ended."""
    if evidence.report is None:
        return skipped("not imported")
    stage = evidence.report.stage("exit")
    if stage is None or stage.outcome == "ok":
        return passed("Python ends without a crash")
    return warned(
        f"After everything had worked, Python {_how_it_ended(stage)} at its end.",
        hint="results are safe; a library crashes while it is unloaded, so watch the exit codes of your jobs",
        evidence=_facts(stage),
    )


def numpy_bridge_works(evidence: Evidence) -> Verdict:
    """From a NumPy array to a tensor and back."""
    return _works(evidence, "numpy-bridge", "Exchanging data with NumPy")


def cpu_computes(evidence: Evidence) -> Verdict:
    """A matrix product and a gradient, checked by value."""
    return _works(evidence, "cpu", "A matrix product and its gradient on the CPU")


def _works(evidence: Evidence, name: str, what: str) -> Verdict:
    stage = _stage(evidence, name)
    if isinstance(stage, Verdict):
        return stage
    if stage.outcome == "ok":
        return passed(f"{what} works" if name != "cpu" else "a matrix product and its gradient are right")
    hint, command = reinstall(evidence)
    return failed(f"{what} {_how_it_ended(stage)}.", hint=hint, command=command, evidence=_facts(stage))


def gpu_computes(evidence: Evidence) -> Verdict:
    """A matrix product on each GPU, compared with the CPU."""
    stage = _gpu_stage(evidence)
    torch = _stage(evidence, "torch")
    if isinstance(torch, Verdict):
        return torch
    if stage is None:
        return _no_gpu_was_tried(evidence, torch)
    if stage.outcome == "ok":
        count = sum(
            s.name.startswith(("cuda", "mps", "xpu")) for s in (evidence.report.stages if evidence.report else ())
        )
        return passed(f"a matrix product is right on {stage.name}" if count == 1 else f"right on all {count} GPUs")
    if known(stage, CUDA_CAUSES):
        return skipped("another check explains it")
    return failed(
        f"Computing on {stage.name} {_how_it_ended(stage)}.",
        hint="run `nvidia-smi`; if it shows the GPU, restart the machine" if "cuda" in stage.name else "restart Python",
        evidence=_facts(stage),
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


GPU_NEEDS = (
    "torch-import", "driver-library-mismatch", "dev-nvidia-permission", "driver-too-old-for-wheel", "uvm-missing",
    "wsl-lib-path", "nvml-library-hidden", "nvml-error", "cvd-empty", "cvd-invalid", "sm-not-in-wheel", "gpu-dropped",
    "compute-mode-prohibited", "mig-no-instances", "gpu-lost",
    "rocm-kfd-missing", "rocm-render-group", "rocm-gfx-unsupported", "xpu-render-group", "xpu-driver",
    "wsl-linux-driver",
)  # fmt: skip
CHECKS = (
    *(
        Check(code, title, "PyTorch", _import_cause(code), needs=("stdlib-shadow", "file-named-torch"))
        for code, title in (
            ("noexec-mount", "Libraries may be loaded from this disk"),
            ("cpu-too-old", "The processor has what torch needs"),
            ("glibcxx", "The C++ library is new enough"),
            ("nvjitlink-mismatch", "CUDA libraries are torch's own"),
            ("nccl-symbol", "NCCL is torch's own"),
            ("mkl-ijit", "MKL suits torch"),
            ("openmp-duplicate", "There is one OpenMP library"),
            ("mkl-threading", "MKL and torch use one thread library"),
            ("fbgemm-dll", "fbgemm.dll finds its OpenMP"),
            ("vcredist-missing", "The Visual C++ runtime is there"),
            ("app-control", "Windows lets torch's libraries in"),
            ("memory-kill", "There is memory enough to import"),
        )
    ),
    Check("import-not-tried", "Python comes as far as the imports", "PyTorch", import_could_be_tried,
          needs=("python-plain-start", "stdlib-shadow", "file-named-torch", "folder-named-torch")),
    Check(
        "torch-import", "`import torch` works", "PyTorch", torch_imports,
        needs=(
            "import-not-tried", "stdlib-shadow", "file-named-torch", "folder-named-torch", "two-torch-installs",
            "no-deps-install",
        ),
    ),
    Check(
        "torchvision-import", "`import torchvision` works", "PyTorch", torchvision_imports,
        needs=("torch-import", "torchvision-mismatch"),
    ),
    Check(
        "torchaudio-import", "`import torchaudio` works", "PyTorch", torchaudio_imports,
        needs=("torch-import", "torchaudio-mismatch", "torchaudio-cuda-mismatch"),
    ),
    Check(
        "numpy-bridge", "Tensors and NumPy exchange data", "PyTorch", numpy_bridge_works,
        needs=("torch-import", "numpy2-old-torch"),
    ),
    Check("crash-at-exit", "Python ends without a crash", "PyTorch", python_ends_well, needs=("torch-import",)),
    Check("cpu-computes", "The CPU computes", "PyTorch", cpu_computes, needs=("torch-import",)),
    *(
        Check(code, title, "GPU", _cuda_cause(code), needs=GPU_NEEDS)
        for code, title in (
            ("fabricmanager", "The NVSwitch fabric is up"),
            ("cuda-803", "libcuda and the driver agree"),
            ("cuda-compat", "No compatibility libcuda is in the way"),
            ("cuda-stub-library", "No stub libcuda is in the way"),
            ("cuda-unknown-error", "CUDA starts"),
        )
    ),
    Check("gpu-computes", "Every GPU computes", "GPU", gpu_computes, needs=GPU_NEEDS),
)  # fmt: skip
