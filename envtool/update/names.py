"""Wheel file names: which version, Pythons and platforms. What isn't plainly a stable release is left aside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from envtool.catalog.builds import platform_of_tag
from envtool.fact import Fact

Floors = Mapping[str, Mapping[str, tuple[int, ...]]]  # by platform and Python ABI; on Linux () where it isn't told

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,199}\.whl", re.ASCII)
_VERSION = re.compile(r"\d{1,3}(?:\.\d{1,3}){1,3}", re.ASCII)
_VARIANT = re.compile(r"cpu|xpu|cu\d{2,3}|rocm\d{1,2}(?:\.\d{1,2}){1,2}", re.ASCII)
_UNTOLD = {"linux_x86_64": "linux_x86_64", "linux_aarch64": "linux_aarch64"}  # as the PyTorch index names older wheels


@dataclass(frozen=True, eq=False, repr=False)
class WheelName(Fact):
    """A wheel by its name. An ABI such as "cp39+" is the stable one: that Python and every later."""

    package: str
    version: str
    local: str | None
    floors: Floors


def is_variant(text: str) -> bool:
    """Could this be the name of a variant, "cu126" or "rocm7.2"?"""
    return _VARIANT.fullmatch(text) is not None


def read_name(filename: str, package: str) -> WheelName | None:
    """A wheel of a stable release of a package, None for anything else."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    if not _NAME.fullmatch(filename):
        return None
    try:
        name, parsed, _, tags = parse_wheel_filename(filename)
    except (InvalidWheelFilename, ValueError):
        return None
    version, _, local = str(parsed).partition("+")
    if name != package or not _VERSION.fullmatch(version) or not (local == "" or is_variant(local)):
        return None
    floors: dict[str, dict[str, tuple[int, ...]]] = {}
    for tag in tags:
        abi, place = _abi(tag.interpreter, tag.abi), _platform(tag.platform)
        if abi is None or place is None:
            continue
        by_abi = floors.setdefault(place[0], {})
        by_abi[abi] = min(by_abi.get(abi, place[1]), place[1])
    return WheelName(package, version, local or None, floors) if floors else None


def _abi(interpreter: str, abi: str) -> str | None:
    if interpreter == "py3" and abi == "none":
        return "py3"
    if not re.fullmatch(r"cp3\d{1,2}", interpreter):
        return None
    if abi == "abi3":
        return f"{interpreter}+"
    if abi in {"none", interpreter, f"{interpreter}m"}:
        return interpreter
    return abi if abi == f"{interpreter}t" else None


def _platform(tag: str) -> tuple[str, tuple[int, ...]] | None:
    if tag in _UNTOLD:
        return _UNTOLD[tag], ()
    try:
        return platform_of_tag(tag)
    except ValueError:
        return None


def tag_of(platform: str, floor: tuple[int, ...]) -> str:
    """The platform tag of a wheel, out of platform and floor."""
    system, _, arch = platform.partition("_")
    if system == "windows":
        return {"x86_64": "win_amd64", "arm64": "win_arm64"}[arch]
    return f"{ {'linux': 'manylinux', 'macos': 'macosx'}[system] }_{'_'.join(str(n) for n in floor)}_{arch}"
