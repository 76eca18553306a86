"""The judge: reads the rows of the catalog anew, with rules of its own, and never asks the resolver."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from compare.machines import Described

RIGHT, LESSER, BROKEN = "right", "lesser", "broken"


@dataclass(frozen=True)
class Chosen:
    """One package of an answer: version without local part, and what the wheel was built for."""

    version: str
    variant: str


@dataclass(frozen=True)
class Answer:
    """What a tool chose, by package; nothing and ``refusal`` where it found nothing. ``how`` tells what is special."""

    packages: Mapping[str, Chosen] = field(default_factory=dict)
    refusal: str = ""
    numpy: str | None = None
    how: str = ""


@dataclass(frozen=True)
class Verdict:
    """One of the three words, and why."""

    word: str
    why: str


@lru_cache(maxsize=256)
def _set(text: str) -> SpecifierSet:
    return SpecifierSet(text)


def words(row: Mapping[str, Any], key: str) -> list[str]:
    """A list that a row keeps in one string."""
    return str(row.get(key, "")).split()


@dataclass(frozen=True)
class Rows:
    """The TOML tables as they are."""

    tables: Mapping[str, Mapping[str, Any]]
    _found: dict[object, list[dict[str, Any]]] = field(default_factory=dict)

    @staticmethod
    def read(folder: str) -> Rows:
        """From the folder of the catalog."""
        try:
            import tomllib
        except ImportError:  # Python 3.10
            import tomli as tomllib  # type: ignore[import-not-found,no-redef]
        found = {}
        for name in ("releases", "wheels", "builds", "kernels", "drivers"):
            with open(os.path.join(folder, f"{name}.toml"), "rb") as file:
                found[name] = tomllib.load(file)
        return Rows(found)

    def each(self, file: str, table: str, **where: str) -> list[dict[str, Any]]:
        """The rows of a table whose fields hold these words."""
        key = (file, table, *where.items())
        if key not in self._found:
            rows = self.tables[file][table]
            self._found[key] = [r for r in rows if all(v in words(r, k) for k, v in where.items())]
        return self._found[key]


class Judge:
    """Judges answers, and finds the best torch that would work at all."""

    def __init__(self, rows: Rows, *, unverified: bool = False) -> None:
        self.rows = rows
        self.unverified = unverified
        self.releases = {r["torch"]: r for r in rows.each("releases", "release")}

    # ── one answer ───────────────────────────────────────────────────────────────────────────────

    def verdict(self, machine: Described, answer: Answer) -> Verdict:
        """Of a tool's answer on a machine."""
        best = self.best(machine)
        if not answer.packages:
            if best is None:
                return Verdict(RIGHT, "refuses: nothing fits")
            if machine.gpus and best["torch"].variant == "cpu":
                return Verdict(RIGHT, "refuses: no build serves the GPU")
            return Verdict(BROKEN, f"finds nothing, though {_told(best)} works: {answer.refusal}")
        trouble = self.trouble(machine, answer)
        if trouble is None and (answer.numpy or "0").partition(".")[0] == "2":
            torch = answer.packages["torch"].version
            if machine.os not in words(self.releases[torch], "numpy2"):
                trouble = f"torch {torch} doesn't work with NumPy {answer.numpy}, which comes along"
        if trouble is not None:
            instead = f"; {_told(best)} would work" if best else "; nothing fits this machine"
            return Verdict(BROKEN, trouble + instead)
        assert best is not None  # the answer itself works
        return self._compared(answer, best)

    @staticmethod
    def _compared(answer: Answer, best: Mapping[str, Chosen]) -> Verdict:
        mine, theirs = answer.packages["torch"], best["torch"]
        if mine.variant == "cpu" and theirs.variant != "cpu":
            return Verdict(LESSER, f"CPU only; {_told(best)} would use the GPU")
        if Version(mine.version) < Version(theirs.version):
            return Verdict(LESSER, f"older; {_told(best)} works")
        return Verdict(RIGHT, "")

    def trouble(self, machine: Described, answer: Answer) -> str | None:
        """The first reason why a set doesn't work on a machine, None where it does."""
        asked = {re.split(r"[=<>~!]", text)[0] for text in machine.packages}
        torch = answer.packages.get("torch")
        if torch is None:
            return f"installs {', '.join(sorted(answer.packages)) or 'nothing'} without torch"
        missing = asked - set(answer.packages)
        if missing:
            return f"leaves out {', '.join(sorted(missing))}"
        for package, chosen in answer.packages.items():
            reason = self._unfit(machine, torch, package, chosen)
            if reason:
                return reason
        return self._gpu(machine, torch)

    def _unfit(self, machine: Described, torch: Chosen, package: str, chosen: Chosen) -> str | None:
        """Why one package is not what was asked for, doesn't install, or doesn't import beside the torch."""
        for text in machine.packages:
            name, specifier = re.match(r"([a-z]+)(.*)", text).groups()  # type: ignore[union-attr]
            if name == package and specifier and Version(chosen.version) not in _set(specifier):
                return f"{name} {chosen.version} is not what was asked for"
        return self._no_wheel(machine, package, chosen) or self._apart(torch, package, chosen)

    # ── is there a wheel? ────────────────────────────────────────────────────────────────────────

    def _no_wheel(self, machine: Described, package: str, chosen: Chosen) -> str | None:
        for row in self.rows.each("wheels", "requires", package=package, versions=chosen.version):
            if Version(machine.python) not in _set(row["python"]):
                return f"{package} {chosen.version} needs Python {row['python']}"
        rows = self.rows.each("wheels", "wheels", package=package, versions=chosen.version)
        rows = [row for row in rows if {machine.abi, "py3"} & set(words(row, "python"))]
        if not rows:
            return f"{package} {chosen.version} has no wheel for {machine.abi}"
        builds = self._index_rows(chosen.variant, machine.platform, chosen.version) if package == "torch" else []
        floors = [tuple(map(int, row["glibc"].split("."))) for row in builds if "glibc" in row]
        without = {abi for row in builds for abi in words(row, "without_python")}
        if machine.abi in without or not any(machine.takes(tag, floors) for r in rows for tag in words(r, "tags")):
            return f"{package} {chosen.version} has no wheel for {machine.system_told}"
        return None

    def _index_rows(self, variant: str, platform: str, torch: str) -> list[dict[str, Any]]:
        return self.rows.each("builds", "builds", variant=variant, platform=platform, torch=torch)

    # ── do they import together? ─────────────────────────────────────────────────────────────────

    def _apart(self, torch: Chosen, package: str, chosen: Chosen) -> str | None:
        if package == "torch":
            return None
        if chosen.version not in words(self.releases[torch.version], package):
            return f"{package} {chosen.version} doesn't import with torch {torch.version}"
        mine, theirs = chosen.variant, torch.variant
        if mine == theirs:
            return None
        same_major = mine[:2] == theirs[:2] == "cu" and mine[:4] == theirs[:4]
        if same_major and package == "torchvision":
            return None
        return f"{package} {chosen.version} is built for {mine}, torch {torch.version} for {theirs}"

    # ── does it run on the GPUs? ─────────────────────────────────────────────────────────────────

    def _gpu(self, machine: Described, torch: Chosen) -> str | None:
        if torch.variant == "cpu":
            return None
        if torch.variant.startswith("rocm"):
            rows = self.rows.each("kernels", "rocm", variant=torch.variant)
            if not machine.gfx:
                return f"torch {torch.version}+{torch.variant} on a machine without an AMD GPU"
            bad = [gfx for gfx in machine.gfx if not any(gfx in words(row, "gfx") for row in rows)]
            return f"torch {torch.version}+{torch.variant} has no code for {', '.join(bad)}" if bad else None
        if torch.variant == "xpu":
            return None if machine.xpu else "PyTorch's XPU does not name this GPU"
        return self._cuda(machine, torch)

    def _cuda(self, machine: Described, torch: Chosen) -> str | None:
        build = f"torch {torch.version} ({torch.variant})"
        for gpu in machine.gpus:
            capability = _pair(gpu)
            if not self._has_code(machine, torch, capability):
                return f"{build} has no code for compute capability {gpu}"
            needed = self._needed_driver(machine, torch, capability)
            if machine.jetpack is None and (machine.driver is None or Version(machine.driver) < Version(needed)):
                return f"{build} needs driver {needed}"
        return None if machine.gpus else f"{build} on a machine without an NVIDIA GPU"

    def _has_code(self, machine: Described, torch: Chosen, gpu: tuple[int, int]) -> bool:
        if gpu in {(8, 7), (7, 2)} and not self._jetpack_serves(machine, gpu):
            return False
        where = {"variant": torch.variant, "platform": machine.platform, "torch": torch.version}
        for row in self.rows.each("kernels", "kernels", **where):
            if "cudnn_from" in row and gpu < _pair(row["cudnn_from"]):
                continue
            if any(_runs(_pair(code), gpu, torch.variant) for code in words(row, "sm")):
                return True
            known = "ptx_to" not in row or gpu <= _pair(row["ptx_to"])
            if known and any(_pair(code) <= gpu for code in words(row, "ptx")):
                return True
        return False

    def _jetpack_serves(self, machine: Described, gpu: tuple[int, int]) -> bool:
        for row in self.rows.each("builds", "vendor"):
            for capability, jetpack in row.get("served_from", {}).items():
                if _pair(capability) == gpu and machine.jetpack is not None:
                    return Version(machine.jetpack) >= Version(jetpack)
        return False

    def _needed_driver(self, machine: Described, torch: Chosen, gpu: tuple[int, int]) -> str:
        system = "windows" if machine.os == "windows" or machine.wsl else "linux"
        family = next(r for r in self.rows.each("drivers", "family") if torch.variant[2:4] == r["cuda"])
        floors = [family[system]]
        for row in self.rows.each("drivers", "architecture"):
            if gpu in map(_pair, words(row, "capabilities")) and "first" in row:
                floors.append(row["first"][system])
        return str(max(floors, key=Version))

    # ── the best there is ────────────────────────────────────────────────────────────────────────

    @lru_cache(maxsize=256)  # noqa: B019  # one judge lives as long as the script
    def best(self, machine: Described) -> Mapping[str, Chosen] | None:
        """The newest torch that works, on the GPU before on the CPU; None where nothing does."""
        asked = [name for name in ("torchvision", "torchaudio") if any(t.startswith(name) for t in machine.packages)]
        found: list[tuple[bool, Version, dict[str, Chosen]]] = []
        for torch, index in self._torches(machine):
            packages = {"torch": torch}
            if self._gpu(machine, torch) is not None:
                continue
            for package in asked:
                for one in self._offered(package, index, machine.platform):
                    if self._unfit(machine, torch, package, one) is None:
                        packages[package] = one
                        break
            if self.trouble(machine, Answer(packages)) is None:
                found.append((torch.variant != "cpu", Version(torch.version), packages))
        return max(found, key=lambda entry: entry[:2])[2] if found else None

    def _torches(self, machine: Described) -> Iterator[tuple[Chosen, str]]:
        """Every build for the platform, with the index that it is on."""
        for release in self.releases.values():
            if machine.platform != "windows_arm64":
                yield Chosen(release["torch"], release["pypi"].get(machine.platform, "cpu")), "pypi"
        for row in self.rows.each("builds", "builds", platform=machine.platform):
            if row["verified"] or self.unverified:
                for torch in words(row, "torch"):
                    yield Chosen(torch, row["variant"]), row["variant"]

    def _offered(self, package: str, index: str, platform: str) -> list[Chosen]:
        if index == "pypi":
            found = [
                Chosen(version, row["pypi"].get(platform, "cpu"))
                for row in self.rows.each("releases", "companion", package=package)
                for version in words(row, "versions")
            ]
            return sorted(found, key=lambda one: Version(one.version), reverse=True)
        return [Chosen(version, index) for version in self._on_index(package, index, platform)]

    def _on_index(self, package: str, index: str, platform: str) -> list[str]:
        """The versions of a companion that are on an index, whatever torch they are listed beside; newest first."""
        found = {
            version
            for row in self.rows.each("builds", "builds", variant=index, platform=platform)
            if self.unverified or (row["verified"] and package not in words(row, "unseen"))
            for torch in words(row, "torch")
            for version in words(self.releases[torch], package)
            if self.unverified or f"{package}=={version}" not in words(row, "unseen")
        }
        return sorted(found, key=Version, reverse=True)


def _pair(capability: str) -> tuple[int, int]:
    major, _, minor = capability.partition(".")
    return int(major), int(minor)


def _runs(code: tuple[int, int], gpu: tuple[int, int], variant: str) -> bool:
    """Binary code runs within its major version; code for a Jetson, or on one, only where both are."""
    if {code, gpu} <= {(10, 1), (11, 0)}:
        return True
    jetson = {(5, 3), (6, 2), (7, 2), (8, 7), (10, 1)}
    if variant[2:] >= "132":  # from CUDA 13.2 on, ordinary code runs on Xavier and Orin
        jetson -= {(7, 2), (8, 7)}
    if (code in jetson or gpu in jetson) and code != gpu:
        return False
    return code[0] == gpu[0] and code[1] <= gpu[1]


def _told(best: Mapping[str, Chosen]) -> str:
    torch = best["torch"]
    return f"torch {torch.version} ({torch.variant})"
