"""Metadata-only wheels of every build in the catalog: file names, tags and requirements as the real ones have them."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass, field

from envtool.catalog import Catalog
from envtool.catalog.builds import Build, Wheel

PYPI = "pypi"
PLATFORMS = ("linux_x86_64", "linux_aarch64", "windows_x86_64", "windows_arm64", "macos_arm64", "macos_x86_64")
# Enough of NumPy to see which major version a picker ends with; pure wheels, because its tags are not in question.
NUMPY = {
    "1.21.6": ">=3.7",
    "1.24.4": ">=3.8",
    "1.26.4": ">=3.9",
    "2.0.2": ">=3.9",
    "2.2.6": ">=3.10",
    "2.3.5": ">=3.11",
}


@dataclass(frozen=True)
class File:
    """One wheel on one index."""

    package: str
    version: str  # with the local part, where the index has it
    tag: str
    requires_python: str | None
    requires: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file name."""
        return f"{self.package}-{self.version}-{self.tag}.whl"

    @property
    def metadata(self) -> str:
        """The METADATA file."""
        lines = ["Metadata-Version: 2.1", f"Name: {self.package}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.requires_python}"] if self.requires_python else []
        return "\n".join([*lines, *(f"Requires-Dist: {text}" for text in self.requires)]) + "\n"

    @property
    def content(self) -> bytes:
        """The wheel itself: nothing but its metadata."""
        folder = f"{self.package}-{self.version}.dist-info"
        wheel = f"Wheel-Version: 1.0\nGenerator: compare\nRoot-Is-Purelib: false\nTag: {self.tag}\n"
        record = []
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in ((f"{folder}/METADATA", self.metadata), (f"{folder}/WHEEL", wheel)):
                archive.writestr(name, text)
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
                record.append(f"{name},sha256={digest},{len(text.encode())}")
            archive.writestr(f"{folder}/RECORD", "\n".join([*record, f"{folder}/RECORD,,"]) + "\n")
        return buffer.getvalue()


@dataclass
class Shelf:
    """Files by index ("pypi", "cu126") and package."""

    files: dict[str, dict[str, dict[str, File]]] = field(default_factory=dict)

    def add(self, index: str, file: File) -> None:
        """Put a file on an index; a second of the same name is the same wheel."""
        self.files.setdefault(index, {}).setdefault(file.package, {})[file.name] = file

    def package(self, index: str, package: str) -> dict[str, File] | None:
        """The files of a package on an index, by name; None where the index doesn't know it."""
        return self.files.get(index, {}).get(package)


def shelf(catalog: Catalog, *, unverified: bool = False) -> Shelf:
    """Everything that the catalog holds to be on PyPI and on the PyTorch indexes."""
    found = Shelf()
    for (package, version, platform), wheel in catalog.wheels.items():
        if platform != "windows_arm64":  # never on PyPI
            _add(found, catalog, PYPI, (package, version, None), platform, wheel)
    for platform in PLATFORMS:
        for build in catalog.builds(platform):
            if build.source == "pytorch-index" and (build.verified or unverified):
                _add_build(found, catalog, build, unverified)
            elif platform.startswith("macos"):  # the CPU index has the macOS wheels of PyPI too
                _add(found, catalog, "cpu", ("torch", build.torch, None), platform, build.wheel)
                for wheels in build.companions.values():
                    for one in wheels:
                        _add(found, catalog, "cpu", (one.package, one.version, None), platform, one.wheel)
    for index in list(found.files):
        for version, python in NUMPY.items():
            found.add(index, File("numpy", version, "py3-none-any", python, ()))
    return found


def _add_build(found: Shelf, catalog: Catalog, build: Build, unverified: bool) -> None:
    local = build.variant if build.suffixed else None
    _add(found, catalog, build.variant, ("torch", build.torch, local), build.platform, build.wheel)
    for wheels in build.companions.values():
        for one in wheels:
            if one.verified or unverified:
                name = (one.package, one.version, one.variant if one.suffixed else None)
                _add(found, catalog, build.variant, name, build.platform, one.wheel)


def _add(
    found: Shelf, catalog: Catalog, index: str, name: tuple[str, str, str | None], platform: str, wheel: Wheel
) -> None:
    package, version, local = name
    full = f"{version}+{local}" if local else version
    requires = _requires(catalog, package, version, platform)
    for abi, floor in wheel.floors.items():
        tag = f"{_python_tag(abi)}-{platform_tag(platform, floor)}"
        found.add(index, File(package, full, tag, wheel.requires_python, requires))


def _python_tag(abi: str) -> str:
    if abi == "py3":
        return "py3-none"
    return f"{abi.rstrip('t')}-{abi}m" if abi == "cp37" else f"{abi.rstrip('t')}-{abi}"


def platform_tag(platform: str, floor: tuple[int, ...]) -> str:
    """The wheel tag of a platform and its oldest glibc or macOS."""
    system, _, arch = platform.partition("_")
    if system == "windows":
        return "win_amd64" if arch == "x86_64" else "win_arm64"
    if system == "macos":
        return f"macosx_{floor[0]}_{floor[1] if len(floor) > 1 else 0}_{arch}"
    return f"manylinux2014_{arch}" if floor == (2, 17) else f"manylinux_{floor[0]}_{floor[1]}_{arch}"


def _requires(catalog: Catalog, package: str, version: str, platform: str) -> tuple[str, ...]:
    """What the wheel's METADATA asks for, within torch's family; torchaudio 2.11.0 asks for nothing at all."""
    if package == "torch":
        return ()
    torches = [r.torch for r in catalog.releases if version in r.companions.of(package)]  # newest first
    numpy = ("numpy",) if package == "torchvision" else ()
    if package == "torchaudio" and len(torches) > 1:
        return ()
    if version in {"0.14.0", "0.14.1", "0.13.0", "0.13.1"} and platform in {"linux_aarch64", "macos_arm64"}:
        return ("torch", *numpy)  # 7 of 19 wheels of these releases say no more than that
    return (f"torch=={torches[0]}" if len(torches) == 1 else f"torch>={torches[-1]}", *numpy)
