"""A small closed conda channel on disk: PyTorch as the catalog has it, for every platform, and a few packages beside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from envtool.catalog import Catalog, load
from envtool.lock.choose import Choice, newest
from envtool.lock.model import Target
from envtool.lock.request import LockRequest, checked

SUBDIRS = ("linux-64", "linux-aarch64", "osx-arm64", "win-64")
PYTHONS = ("3.12", "3.13")
CHANNEL = "https://conda.anaconda.org/conda-forge"
Record = dict[str, object]


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    return load()


def record(
    name: str, version: str, build: str = "h0_0", subdir: str = "noarch", depends: Iterable[str] = (), **more: object
) -> Record:
    """One package, with hashes that belong to its file's name."""
    stem = f"{name}-{version}-{build}.conda"
    number = build.rpartition("_")[2]
    return {
        "fn": stem, "name": name, "version": version, "build": build, "subdir": subdir, "depends": list(depends),
        "build_number": int(number) if number.isdigit() else 0, "md5": hashlib.md5(stem.encode()).hexdigest(),
        "sha256": hashlib.sha256(stem.encode()).hexdigest(), "size": 1000 + len(stem), "timestamp": 1750000000000,
        **({"noarch": "generic"} if subdir == "noarch" else {}), **more,
    }  # fmt: skip


def write_channel(folder: Path, records: Iterable[Record]) -> str:
    """The channel's folder as a URL."""
    found: dict[str, dict[str, Record]] = {subdir: {} for subdir in ("noarch", *SUBDIRS)}
    for one in records:
        found[str(one["subdir"])][str(one["fn"])] = {key: value for key, value in one.items() if key != "fn"}
    for subdir, packages in found.items():
        (folder / subdir).mkdir(parents=True, exist_ok=True)
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages, "repodata_version": 1}
        (folder / subdir / "repodata.json").write_text(json.dumps(index), encoding="utf-8")
    return folder.as_uri()


@lru_cache(maxsize=64)
def chosen(subdir: str, variant: str, python: str, companions: tuple[str, ...] = ("torchvision",)) -> Choice | None:
    """What the catalog would take."""
    request = checked(LockRequest("x", "", ("torch", *companions)))
    choice = newest(request, catalog(), Target(variant, subdir), python, "")
    return choice if isinstance(choice, Choice) else None


def torch_records(subdir: str, pythons: Iterable[str] = PYTHONS) -> list[Record]:
    """The newest PyTorch and torchvision for a platform: for the CPU, and for CUDA where there is one.

    The CPU build is the better one to a solver in every way but its name, as on conda-forge without a driver.
    """
    found = []
    for python in pythons:
        tag = f"py{python.replace('.', '')}"
        for variant in ("cpu",) if subdir.startswith("osx") else ("cpu", "cuda"):
            choice = chosen(subdir, variant, python)
            assert choice is not None, (subdir, variant, python)
            for spec in choice.exact():
                words = spec.split(" ")
                if words[0] in ("pytorch", "torchvision"):
                    build = words[2].rstrip("*")
                    needs = [f"python {python}.*", "numpy >=1.26,<3", *_floors(subdir, build)]
                    if words[0] == "torchvision":
                        needs.append(f"pytorch {choice.torch} {build}*")
                    found.append(
                        record(words[0], words[1], f"{build}_{tag}_h0_{2 if build == 'cpu' else 1}", subdir, needs)
                    )
    return found


def _floors(subdir: str, build: str) -> list[str]:
    floors = {"linux": "__glibc >=2.17,<3.0.a0", "osx": "__osx >=11.0", "win": "ucrt >=10.0.20348.0"}
    needs = [floors[subdir.partition("-")[0]]]
    if build.startswith("cuda"):
        needs += ["__cuda", "cuda-version >=12,<13", "libcudnn >=9"]
    return needs


def records(*, extra: Iterable[Record] = ()) -> list[Record]:
    """The whole channel."""
    found = [
        record("tqdm", "4.67.1", "pyhd8ed1ab_0", depends=["colorama", "python >=3.9"], noarch="python"),
        record("colorama", "0.4.6", "pyhd8ed1ab_0", depends=["python >=3.9"], noarch="python"),
        record("pip", "25.0", "pyh8b19718_0", depends=["python >=3.9"], noarch="python"),
        record("tzdata", "2026a", "h0c530f3_0"),
        record("arm-variant", "1.2.0", "sbsa"),
        record("arm-variant", "1.2.0", "tegra", build_number=1),
        *(record("cuda-version", f"12.{minor}", "h0_3", constrains=["__cuda >=12"]) for minor in (6, 8, 9)),
        record("picky", "1.0", "pyhd8ed1ab_0", depends=["numpy <2", "python"], noarch="python"),
        record("follows", "1.0", "pyhd8ed1ab_0", depends=["numpy 2.1.*", "python"], noarch="python"),
        record("follows", "2.0", "pyhd8ed1ab_0", depends=["numpy 2.2.*", "python"], noarch="python"),
    ]  # fmt: skip
    found += [record("unixly", "1.0", "h0_0", subdir) for subdir in SUBDIRS if not subdir.startswith("win")]
    for subdir in SUBDIRS:
        found += torch_records(subdir)
        found += [record("libcudnn", version, "h0_0", subdir) for version in ("9.10.0", "9.20.0")]
        found.append(record("ucrt", "10.0.26100.0", "h0_0", subdir))
        for python in PYTHONS:
            tag = f"py{python.replace('.', '')}"
            found.append(record("python", f"{python}.5", "h0_0_cpython", subdir, ["tzdata"], build_number=0))
            found += [
                record("numpy", version, f"{tag}_0", subdir, [f"python {python}.*"]) for version in ("1.26.4", "2.1.0")
            ]
    return [*found, *extra]


def numpy(version: str, pythons: Iterable[str] = PYTHONS) -> list[Record]:
    """A newer numpy for every platform."""
    return [
        record(
            "numpy", version, f"py{python.replace('.', '')}_0", subdir, [f"python {python}.*"], timestamp=1760000000000
        )
        for subdir in SUBDIRS
        for python in pythons
    ]
