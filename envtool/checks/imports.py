"""What happened when the packages were really imported and used; the judge of everything that was only read."""

from __future__ import annotations

from collections.abc import Callable

from envtool.checks.causes import CAUSES, known, reinstall
from envtool.checks.check import Check, Evidence
from envtool.checks.order import OTHER_FILES, PACKAGES
from envtool.checks.stages import facts_of, how_it_ended, stage_or_verdict
from envtool.verdicts import Verdict, failed, passed, skipped, warned

# ── causes that the words of the failure give away ───────────────────────────────────────────────


def _import_cause(code: str) -> Callable[[Evidence], Verdict]:
    """A check that passes unless an import, or the first calculation, failed with this cause's words."""

    def judge(evidence: Evidence) -> Verdict:
        report = evidence.report
        if report is None:
            return skipped("not imported")
        for stage in report.stages:
            if stage.outcome in ("error", "crash") and stage.name in WORDS and known(stage, CAUSES) == code:
                cause = CAUSES[code]
                hint, command = cause.mend(evidence)
                return failed(
                    f"{WORDS[stage.name]} {how_it_ended(stage)}. {cause.message}",
                    hint=hint,
                    command=command,
                    evidence=facts_of(stage),
                )
        tried = any(stage.name in IMPORTS and stage.outcome == "ok" for stage in report.stages)
        if code == "mkl-threading":
            return skipped("no import failed so; in another order one may")
        return passed("no import failed so") if tried else skipped("nothing was imported")

    return judge


IMPORTS = ("torch", "torchvision", "torchaudio")
WORDS = {name: f"`import {name}`" for name in IMPORTS} | {
    "numpy-bridge": "Exchanging data with NumPy",
    "cpu": "A matrix product and its gradient on the CPU",
}


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
    stage = stage_or_verdict(evidence, package)
    if isinstance(stage, Verdict):
        return stage
    if stage.outcome == "ok":
        seconds = f" in {stage.seconds:.1f} s" if stage.seconds is not None else ""
        return passed(f"{package} {stage.detail('version') or ''} imports{seconds}".replace("  ", " "))
    if known(stage, CAUSES):
        return skipped("another check explains it")
    if stage.outcome == "timeout":
        return failed(
            f"`import {package}` {how_it_ended(stage)}.",
            hint="give it longer, with --timeout 600: a first import from a network disk takes minutes",
            evidence=facts_of(stage),
        )
    missing = stage.detail("missing_library")
    hint, command = reinstall(evidence)
    return failed(
        f"`import {package}` {how_it_ended(stage)}."
        + (f" The library {missing} is missing." if missing and missing not in (stage.message or "") else ""),
        hint=hint,
        command=command,
        evidence=facts_of(stage),
    )


def import_could_be_tried(evidence: Evidence) -> Verdict:
    """The process that was to import torch ended, or hung, before it came to that."""
    start = evidence.report.stage("start") if evidence.report else None
    if evidence.report is None:
        return skipped("not imported")
    if start is None or start.outcome == "ok":
        return passed("it was tried")
    return failed(
        f"Python {how_it_ended(start)} before anything was imported.",
        hint="start Python in this folder by hand and look at its first message",
        evidence=facts_of(start),
    )


def python_ends_well(evidence: Evidence) -> Verdict:
    """Everything was imported and computed, and then the process crashed while it ended."""
    if evidence.report is None:
        return skipped("not imported")
    stage = evidence.report.stage("exit")
    if stage is None or stage.outcome == "ok":
        return passed("Python ends without a crash")
    return warned(
        f"After everything had worked, Python {how_it_ended(stage)} at its end.",
        hint="results are safe; a library crashes while it is unloaded, so watch the exit codes of your jobs",
        evidence=facts_of(stage),
    )


def numpy_bridge_works(evidence: Evidence) -> Verdict:
    """From a NumPy array to a tensor and back."""
    return _works(evidence, "numpy-bridge")


def cpu_computes(evidence: Evidence) -> Verdict:
    """A matrix product and a gradient, checked by value."""
    return _works(evidence, "cpu")


def _works(evidence: Evidence, name: str) -> Verdict:
    stage = stage_or_verdict(evidence, name)
    if isinstance(stage, Verdict):
        return stage
    if stage.outcome == "ok":
        return passed(f"{WORDS[name]} works" if name != "cpu" else "a matrix product and its gradient are right")
    if known(stage, CAUSES):
        return skipped("another check explains it")
    hint, command = (name == "numpy-bridge" and _numpy_again(evidence)) or reinstall(evidence)
    return failed(f"{WORDS[name]} {how_it_ended(stage)}.", hint=hint, command=command, evidence=facts_of(stage))


def _numpy_again(evidence: Evidence) -> tuple[str, bool] | None:
    """torch imports, so that the damaged one of the two is NumPy; None where pip has no record of it."""
    numpy = evidence.env.distribution("numpy") if evidence.env else None
    if numpy is None or numpy.installer == "conda":
        return None
    return evidence.mender.install("--force-reinstall", "--no-deps", f"numpy=={numpy.version}"), True


BEHIND = (*PACKAGES, *OTHER_FILES, "torch-not-installed")
CHECKS = (
    Check("import-not-tried", "Python comes as far as the imports", "PyTorch", import_could_be_tried,
          needs=("python-plain-start", "stdlib-shadow", "file-named-torch", "folder-named-torch"), behind=BEHIND),
    Check(
        "torch-import", "`import torch` works", "PyTorch", torch_imports,
        needs=(
            "import-not-tried", "stdlib-shadow", "file-named-torch", "folder-named-torch", "two-torch-installs",
            "no-deps-install",
        ),
        behind=BEHIND,
    ),
)  # fmt: skip
COMPANION_CHECKS = (
    *(
        Check(code, title, "PyTorch", _import_cause(code), needs=("stdlib-shadow", "file-named-torch"), behind=BEHIND)
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
)  # fmt: skip
