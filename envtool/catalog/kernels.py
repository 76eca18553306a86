"""Compiled code and the GPUs that it runs on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from envtool.fact import Fact
from envtool.versions import numbers

Capability = tuple[int, int]

# Code compiled for one of these runs on the listed devices and on no other; from the CUDA of the third field on, it
# is ordinary code. Out of torch/cuda/__init__.py of the wheels 2.11.0 to 2.15.0 (DEVICE_REQUIREMENT).
_ALONE: dict[Capability, tuple[frozenset[Capability], tuple[int, int] | None]] = {
    (5, 3): (frozenset({(5, 3)}), None),
    (6, 2): (frozenset({(6, 2)}), None),
    (7, 2): (frozenset({(7, 2)}), (13, 2)),
    (8, 7): (frozenset({(8, 7)}), (13, 2)),
    (10, 1): (frozenset({(10, 1), (11, 0)}), None),
    (11, 0): (frozenset({(10, 1), (11, 0)}), None),
}


@dataclass(frozen=True, eq=False, repr=False)
class Kernels(Fact):
    """What a build is compiled for.

    ``ptx_to`` is the newest GPU that the CUDA libraries beside the code know; ``cudnn_from`` the oldest that the
    cuDNN in the wheel serves (None: no limit known).
    """

    sm: tuple[Capability, ...]
    ptx: tuple[Capability, ...] = ()
    ptx_to: Capability | None = None
    cudnn_from: Capability | None = None
    verified: bool = True

    @staticmethod
    def parse_arch_list(names: Iterable[str]) -> Kernels:
        """From torch's own list, such as ``["sm_80", "sm_90a", "compute_90"]``; names of other kinds are left out."""
        found: dict[str, list[Capability]] = {"sm": [], "compute": []}
        for name in names:
            kind, _, digits = name.partition("_")
            digits = digits.rstrip("af")
            if kind in found and digits.isdecimal() and len(digits) >= 2:
                found[kind].append((int(digits[:-1]), int(digits[-1])))
        return Kernels(tuple(found["sm"]), tuple(found["compute"]))


def runs_on(kernels: Kernels, capability: Capability, *, cuda: str) -> bool:
    """Has the build code for a GPU? ``cuda`` is the build's runtime, "13.0": Jetson became ordinary with 13.2."""
    runtime = numbers(cuda)[:2]
    if any(_binary_runs(code, capability, runtime) for code in kernels.sm):
        return True
    known = kernels.ptx_to is None or capability <= kernels.ptx_to
    return known and any(code <= capability for code in kernels.ptx)


def _binary_runs(code: Capability, capability: Capability, runtime: tuple[int, ...]) -> bool:
    for alone, (devices, until) in _ALONE.items():
        if until is not None and runtime >= until:
            continue
        if code == alone:
            return capability in devices
        if capability == alone:
            return code in devices
    return code[0] == capability[0] and code[1] <= capability[1]


def cudnn_serves(kernels: Kernels, capability: Capability) -> bool:
    """Does the cuDNN in the wheel still know this GPU? Without it, convolutions fail although the code is there."""
    return kernels.cudnn_from is None or capability >= kernels.cudnn_from
