"""Builds in words, for the messages of several families."""

from __future__ import annotations

from envtool.environment import Build


def label(build: Build) -> str:
    """ "torch 2.13.0 (CPU)": a name, a version and the build in words."""
    return f"{build.package} {build.version.partition('+')[0]} ({variant_words(build)})"


def variant_words(build: Build) -> str:
    """The build in words: "CPU", "CUDA 13.0", "ROCm 7.2", "XPU", or "unknown build"."""
    if build.cuda:
        return f"CUDA {build.cuda}"
    if build.hip:
        return f"ROCm {'.'.join(build.hip.split('.')[:2])}"
    if build.variant is None:
        return "unknown build"
    return {"cpu": "CPU", "xpu": "XPU"}.get(build.variant, build.variant.replace("rocm", "ROCm "))
