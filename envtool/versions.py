"""Versions as tuples of numbers: of drivers, CUDA, libc, macOS and releases. Cheaper than PEP 440, and enough here."""

from __future__ import annotations

import re
from functools import lru_cache

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


@lru_cache(maxsize=4096)
def numbers(text: str) -> tuple[int, ...]:
    """``"580.65.06"`` as ``(580, 65, 6)``; what follows the numbers is left out. Raises ValueError without any."""
    match = _NUMBERS.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a version")
    return tuple(int(part) for part in match.group().split("."))


@lru_cache(maxsize=4096)
def numbers_or_none(text: str) -> tuple[int, ...] | None:
    """As ``numbers``, None where the text is no version."""
    try:
        return numbers(text)
    except ValueError:
        return None


def at_least(found: tuple[int, ...], floor: tuple[int, ...]) -> bool:
    """Is ``found`` at or above ``floor``? A branch alone, "580", stands for every driver of that branch."""
    return found >= floor[: len(found)] if len(found) < len(floor) else found >= floor


def public(version: str) -> str:
    """The version without its local part: "2.13.0" of "2.13.0+cpu"."""
    return version.partition("+")[0]


@lru_cache(maxsize=1024)
def dotted(capability: tuple[int, ...]) -> str:
    """``(8, 6)`` as "8.6"."""
    return ".".join(str(part) for part in capability)


@lru_cache(maxsize=256)
def cuda_of(variant: str) -> tuple[int, int] | None:
    """The CUDA of a variant: ``(12, 6)`` of "cu126" and of conda's "cuda126"; None for cpu, rocm and xpu."""
    digits = variant.removeprefix("cuda") if variant.startswith("cuda") else variant[2:]
    if not variant.startswith("cu") or not digits.isdecimal() or len(digits) < 2:
        return None
    return int(digits[:-1]), int(digits[-1])


@lru_cache(maxsize=256)
def kind_of(variant: str) -> str:
    """The accelerator of a variant: cpu, cuda, rocm or xpu."""
    if cuda_of(variant) is not None:
        return "cuda"
    return "rocm" if variant.startswith("rocm") else variant


@lru_cache(maxsize=256)
def variant_key(variant: str) -> tuple[int, ...]:
    """Sorts the variants of one kind by their version: rocm7.2 before rocm7.14, cu128 before cu130."""
    cuda = cuda_of(variant)
    if cuda is not None:
        return cuda
    return numbers_or_none(variant.removeprefix("rocm")) or ()
