"""Do torch and its companions belong together, by version and by build?"""

from __future__ import annotations

from envtool.catalog.companions import Fit, fits
from envtool.checks.check import Check, Evidence
from envtool.checks.order import OTHER_BUILD, OTHER_FILES, PACKAGES
from envtool.checks.words import label
from envtool.environment import Build, Environment
from envtool.verdicts import Verdict, failed, passed, skipped, unknown, warned


def _env(evidence: Evidence) -> Environment | None:
    return evidence.env


def torchvision_belongs(evidence: Evidence) -> Verdict:
    """By version, and by build."""
    return _belongs(evidence, "torchvision")


def torchaudio_belongs(evidence: Evidence) -> Verdict:
    """By version, and CPU with CPU. The CUDA versions have a check of their own."""
    return _belongs(evidence, "torchaudio")


def torchaudio_has_the_same_cuda(evidence: Evidence) -> Verdict:
    """torchaudio 2.11 refuses a torch of another CUDA major or minor version."""
    return _belongs(evidence, "torchaudio", wrong_cuda=True)


def _belongs(evidence: Evidence, package: str, *, wrong_cuda: bool = False) -> Verdict:
    env, torch = _env(evidence), evidence.torch
    build = env.build(package) if env else None
    if torch is None or build is None:
        return skipped(f"torch and {package} are not both installed")
    fit = fits(evidence.catalog, evidence.torch_version or "", torch.variant, package, build.version, build.variant)
    ours = ("wrong-cuda",) if wrong_cuda else ("wrong-version", "cpu-beside-cuda", *_other_cuda(package))
    if fit.kind == "ok":
        return passed(f"{label(build)} with {label(torch)}")
    if fit.kind == "unknown":
        return skipped("another check explains it") if wrong_cuda else _unlisted(evidence, package, fit)
    if fit.kind not in ours:
        return skipped("another check explains it")
    return _mismatch(evidence, torch, build, fit)


def _other_cuda(package: str) -> tuple[str, ...]:
    return ("wrong-cuda",) if package == "torchvision" else ()


def _unlisted(evidence: Evidence, package: str, fit: Fit) -> Verdict:
    stage = evidence.report.stage(package) if evidence.report else None
    if stage and stage.outcome == "ok":
        return passed("the catalog does not know this pair, but it imports and works")
    return unknown(fit.message)


def _mismatch(evidence: Evidence, torch: Build, build: Build, fit: Fit) -> Verdict:
    stage = evidence.report.stage(build.package) if evidence.report else None
    mend = evidence.mender.reinstall()
    hint = mend or f"install a {build.package} that belongs to torch {torch.version}"
    message = _mismatch_words(torch, build, fit)
    if stage and stage.outcome == "ok":
        return warned(f"{message} It imports here all the same.", hint=hint, command=mend is not None)
    if stage and stage.message:
        message += f" `import {build.package}` fails: {first_sentence(stage.message)}"
    return failed(
        message,
        hint=hint,
        command=mend is not None,
        evidence={
            "kind": fit.kind,
            "torch": torch.version,
            "torch_variant": torch.variant,
            "version": build.version,
            "variant": build.variant,
        },
    )


def _mismatch_words(torch: Build, build: Build, fit: Fit) -> str:
    pair = f"{label(build)} does not belong beside {label(torch)}"
    if fit.kind == "cpu-beside-cuda":
        return f"{pair}: one is a CPU build and one is not."
    if fit.kind == "wrong-cuda":
        return f"{pair}: they are built for different CUDA versions."
    return f"{fit.message}."


def first_sentence(text: str) -> str:
    """The first sentence of an error message, at most 160 characters of it."""
    sentence = text.partition(". ")[0].rstrip(".")
    return (sentence if len(sentence) <= 160 else sentence[:157] + "...") + "."


def torchtext_is_gone(evidence: Evidence) -> Verdict:
    """torchtext ended at 0.18, for torch 2.3."""
    env = _env(evidence)
    text = env.distribution("torchtext") if env else None
    if text is None or evidence.torch_version is None:
        return skipped("torch and torchtext are not both installed")
    from packaging.version import Version

    if Version(evidence.torch_version) < Version("2.4"):
        return passed(f"torchtext {text.version} beside torch {evidence.torch_version}")
    return failed(
        f"torchtext {text.version} ended with torch 2.3 and does not import beside torch {evidence.torch_version}.",
        hint=evidence.mender.uninstall("torchtext"),
        command=True,
    )


def numpy_suits_torch(evidence: Evidence) -> Verdict:
    """torch before 2.3 (Windows: 2.4.1) was built against NumPy 1."""
    env = _env(evidence)
    numpy = env.distribution("numpy") if env else None
    if numpy is None or evidence.torch_version is None:
        return skipped("torch and numpy are not both installed")
    if int(numpy.version.partition(".")[0] or 0) < 2:
        return passed(f"numpy {numpy.version}")
    suits = evidence.catalog.numpy2_ok(evidence.torch_version, evidence.machine.os)
    if suits is None:
        return skipped(f"the catalog does not know torch {evidence.torch_version}")
    if suits:
        return passed(f"numpy {numpy.version}")
    return failed(
        f"torch {evidence.torch_version} was built for NumPy 1; numpy {numpy.version} is installed, so "
        "tensor.numpy() fails with “Numpy is not available”.",
        hint=evidence.mender.install("numpy<2"),
        command=True,
    )


BEHIND = (*PACKAGES, *OTHER_FILES, "conda-plus-pip", "two-torch-installs", *OTHER_BUILD)
CHECKS = (
    Check("torchvision-mismatch", "torchvision belongs to torch", "PyTorch", torchvision_belongs, behind=BEHIND),
    Check("torchaudio-mismatch", "torchaudio belongs to torch", "PyTorch", torchaudio_belongs, behind=BEHIND),
    Check("torchaudio-cuda-mismatch", "torchaudio has torch's CUDA", "PyTorch", torchaudio_has_the_same_cuda,
          behind=BEHIND),
    Check("numpy2-old-torch", "NumPy suits torch", "PyTorch", numpy_suits_torch, behind=BEHIND),
    Check("torchtext-dead", "torchtext is not left over", "PyTorch", torchtext_is_gone, behind=BEHIND),
)  # fmt: skip
