"""The builds of PyTorch and its companions that a channel has."""

from __future__ import annotations

import re

from envtool.fact import Fact, dataclass

FAMILY = ("pytorch", "torchvision", "torchaudio")
_BUILD = re.compile(r"(cpu|cuda\d+)")
_PYTHON = re.compile(r"py(\d)(\d+)")


@dataclass(frozen=True, eq=False, repr=False)
class Offer(Fact):
    """A build of pytorch or a companion that the channel has. ``python`` is None where any will do."""

    package: str
    version: str
    build: str
    python: str | None


def build_kind(build: str) -> str:
    """ "cuda129" of the build "cuda129_mkl_py312_h0509a7e_302"; "" where it begins otherwise."""
    match = _BUILD.match(build)
    return match[1] if match else ""


def offer(package: str, version: str, build: str) -> Offer:
    """A record of the channel: the Python that it is built for stands in its build, ``py312``."""
    python = _PYTHON.search(build)
    return Offer(package, version, build, f"{python[1]}.{python[2]}" if python else None)
