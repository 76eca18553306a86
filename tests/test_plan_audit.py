"""A second resolver, slow and plain, written from the research notes alone, against envtool's on thousands of machines.

It reads ``releases.json``, ``variants.json``, ``arch_list.json`` and ``drivers.json``, which are kept beside the
checkout, and none of envtool's tables or code. A difference is a fault in one of the two.
"""

from __future__ import annotations

import glob
import json
import os.path
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pytest
from described import machine
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envtool.catalog import FILES, Catalog, load, parse
from envtool.plan import NoPlan, Plan, resolve
from envtool.spec import Request

_HERE = os.path.dirname(os.path.abspath(__file__))
FACTS = next(iter(sorted(glob.glob(os.path.join(_HERE, "..", "..", "*", "facts", "releases.json")))), "")
pytestmark = pytest.mark.skipif(not FACTS, reason="the research notes are not beside this checkout")

PARTS, CASES = 6, 600  # parts run side by side


@lru_cache(maxsize=8)
def facts(name: str) -> dict[str, Any]:
    with open(os.path.join(os.path.dirname(FACTS), f"{name}.json"), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


number = lru_cache(maxsize=4096)(Version)
allowed_by = lru_cache(maxsize=4096)(SpecifierSet)


# ── what the notes say in words, as data ─────────────────────────────────────────────────────────

# Rows of middling confidence that are nevertheless part of a release's own install matrix.
ALSO_VERIFIED = {(torch, "linux_aarch64", "cu126") for torch in ("2.14.0", "2.14.1")}  # traps.md D33 says so too
# traps.md E36: these variants of 2.6.0 need a newer glibc than the release
GLIBC_228 = {("2.6.0", "cu126"), ("2.6.0", "xpu"), ("2.6.0", "rocm6.2.4")}
NO_CP312 = {("2.4.0", "rocm6.0"), ("2.4.0", "rocm6.1")}  # variants.json: Python up to 3.11
JETSON = {"5.3", "6.2", "7.2", "8.7"}


def seen_on_index(package: str, version: str, torch: str, variant: str, platform: str) -> bool:
    """Has anybody seen this companion on the index of a torch? The README and variants.json name those nobody has."""
    if platform == "windows_arm64" or (package == "torchvision" and (torch == "2.15.0" or version == "0.29.2")):
        return False
    if package == "torchaudio" and variant in {"cu132", "cu134"}:
        return False
    return not (platform == "windows_x86_64" and variant == "xpu" and torch in {"2.5.0", "2.5.1"})


# ── the second resolver ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Box:
    """A machine and what is asked of it, in plain words."""

    platform: str
    python: str
    abi: str
    system: str
    gpus: tuple[str, ...]
    driver: str | None
    wsl: bool
    jetpack: str | None
    gfx: tuple[str, ...]
    xpu: str | None
    pins: tuple[tuple[str, str], ...]  # torch is always there
    accelerator: str
    variant: str | None
    unverified: bool

    @property
    def os(self) -> str:
        return self.platform.partition("_")[0]


@dataclass(frozen=True)
class Row:
    """One torch from one place."""

    torch: str
    variant: str
    source: str
    sure: bool


@lru_cache(maxsize=8)
def rows(platform: str) -> list[Row]:
    found = []
    for torch, release in facts("releases")["releases"].items():
        build = release["pypi_default_build"].get(platform)
        if build is not None:
            cuda = build["cuda"]
            found.append(Row(torch, "cu" + cuda.replace(".", "") if cuda else "cpu", "pypi", True))
    for torch, platforms in facts("variants")["releases"].items():
        for variant, row in platforms.get(platform, {}).items():
            if platform.startswith("macos") or (platform, variant) == ("windows_arm64", "cu134"):
                continue  # there is nothing but PyPI for the one, and the other is on NVIDIA's own index
            sure = row["confidence"] == "high" or (torch, platform, variant) in ALSO_VERIFIED
            found.append(Row(torch, variant, "pytorch-index", sure))
    return found


def tag_ok(box: Box, tag: str, least: str | None) -> bool:
    system, arch = box.platform.split("_", 1)
    if system == "windows":
        return tag == {"x86_64": "win_amd64", "arm64": "win_arm64"}[arch]
    if not tag.endswith("_" + arch):
        return False
    tag = tag.replace("manylinux1_", "manylinux_2_17_").replace("manylinux2014_", "manylinux_2_17_")
    match = re.match(r"(manylinux|macosx)_(\d+)_(\d+)_", tag)
    if match is None or match[1] != {"linux": "manylinux", "macos": "macosx"}[system]:
        return False
    return all(number(box.system) >= number(floor) for floor in (f"{match[2]}.{match[3]}", least) if floor)


def wheel_ok(box: Box, package: str, version: str, row: Row) -> bool:
    if package == "torch":
        release = facts("releases")["releases"][version]
        tags, python = release["pypi_wheel_tags"], release["requires_python"]
        if box.platform == "windows_arm64":
            return box.abi in {"cp311", "cp312", "cp313"}
    else:
        entry = facts("releases")["domain_packages"][package][version]
        tags, python = entry["wheel_tags"], entry["requires_python"]
    least = "2.28" if (row.torch, row.variant) in GLIBC_228 and box.os == "linux" else None
    if (row.torch, row.variant) in NO_CP312 and box.abi == "cp312":
        return False
    if python and number(box.python) not in allowed_by(python):
        return False
    return any({box.abi, "py3"} & set(abis) and tag_ok(box, tag, least) for tag, abis in tags.items())


def pypi_build(package: str, version: str, platform: str) -> str:
    entry = facts("releases")["domain_packages"][package][version]
    told = entry.get(f"{platform}_local_version") or [version]
    return str(told[0]).partition("+")[2] or "cpu"


def together(row: Row, package: str, version: str, platform: str) -> bool:
    """Do they import together, by version and by what both are built for?"""
    release = facts("releases")["releases"][row.torch]
    if version not in release[package]["all_compatible_on_pypi"]:
        return False
    if row.source == "pytorch-index":
        return True
    mine = pypi_build(package, version, platform)
    if mine == row.variant:
        return True
    if "cpu" in {mine, row.variant}:
        return False
    return package == "torchvision" and mine[:4] == row.variant[:4]


def companion(box: Box, row: Row, package: str, specifier: str) -> str | None:
    release = facts("releases")["releases"][row.torch]
    first = release[package]["preferred"]
    for version in sorted(release[package]["all_compatible_on_pypi"], key=lambda v: (v != first, number(v))):
        seen = row.source == "pypi" or seen_on_index(package, version, row.torch, row.variant, box.platform)
        fits = together(row, package, version, box.platform) and wheel_ok(box, package, version, row)
        if number(version) in allowed_by(specifier) and fits and (seen or box.unverified):
            return str(version)
    return None


def pair(capability: str) -> tuple[int, int]:
    major, _, minor = capability.partition(".")
    return int(major), int(minor)


def binary_runs(code: str, gpu: str, cuda: tuple[int, int]) -> bool:
    """The table of devices in torch/cuda/__init__.py, as arch_list.json quotes it."""
    rule = facts("arch_list")["compatibility_rules"]["torch_device_requirement"].get(code.replace(".", ""))
    if rule is None:  # 3.7: only the general rule
        return pair(code)[0] == pair(gpu)[0] and pair(code) <= pair(gpu)
    if rule.startswith("{") and not (cuda >= (13, 2) and code in {"7.2", "8.7"}):
        return gpu in re.findall(r"\d+\.\d", rule.partition("}")[0])
    without = re.findall(r"except (\d+\.\d)", rule)
    if cuda >= (13, 2) and set(without) & {"7.2", "8.7"}:
        without = []
    return pair(code)[0] == pair(gpu)[0] and pair(code) <= pair(gpu) and gpu not in without


def cuda_of(variant: str) -> tuple[int, int]:
    return int(variant[2:4]), int(variant[4:])


def has_code(row: Row, platform: str, gpu: str) -> bool:
    entry = facts("arch_list")["cuda"].get(row.torch, {}).get(row.variant, {}).get(platform)
    if entry is None:
        return False
    cuda = cuda_of(row.variant)
    if row.variant == "cu118" and number(row.torch) >= number("2.4.0") and pair(gpu) < (5, 0):
        return False  # its cuDNN 9 no longer serves Kepler
    if any(binary_runs(code, gpu, cuda) for code in entry["sm"]):
        return True
    return any(pair(code) <= pair(gpu) for code in entry["ptx"]) and toolkit_knows(gpu, cuda)


def toolkit_knows(gpu: str, cuda: tuple[int, int]) -> bool:
    """Was the GPU's generation known to that toolkit? Compiling PTX is of no use with libraries that don't know it."""
    for entry in facts("drivers")["architecture_support"]["rows"]:
        if gpu in entry["cc"]:
            return pair(entry["first_toolkit"]) <= cuda
    return cuda >= (12, 8) if pair(gpu) >= (10, 0) else gpu == "8.7"


def driver_ok(box: Box, row: Row) -> bool:
    if box.jetpack is not None:
        return True  # comes with JetPack
    windows = box.os == "windows" or box.wsl
    family = f"{cuda_of(row.variant)[0]}.x"
    entry = next(e for e in facts("drivers")["minor_version_compatibility"]["table"] if e["family"] == family)
    floor = {"13.x": "580", "12.x": "528.33", "11.x": "452.39"}[family] if windows else entry["linux_min"]
    floors = [floor, *("570" for gpu in box.gpus if pair(gpu) >= (10, 0)), *("520" for gpu in box.gpus if gpu in ADA)]
    # a driver told as its branch alone, "580", is taken for any of that branch
    told = str(box.driver).split(".")
    return all(number(str(box.driver)) >= number(".".join(text.split(".")[: len(told)])) for text in floors)


ADA = ("8.9", "9.0")  # drivers.json: 520, derived


def kind_of(variant: str) -> str:
    return "cuda" if variant.startswith("cu") else "rocm" if variant.startswith("rocm") else variant


def runs_here(box: Box, row: Row, kind: str, gpus: tuple[str, ...]) -> bool:
    if kind_of(row.variant) != kind:
        return False
    if kind == "cpu":
        index_only = box.os == "linux" or box.platform == "windows_arm64"
        return (row.source == "pytorch-index") == index_only
    if kind == "cuda":
        return all(has_code(row, box.platform, gpu) for gpu in gpus) and driver_ok(box, row)
    if kind == "rocm":
        targets = facts("arch_list")["rocm"]["lists"].get(row.variant)
        return targets is not None and all(gfx in targets for gfx in box.gfx)
    return True


def variant_order(row: Row) -> tuple[Version, bool, tuple[int, ...]]:
    digits = re.findall(r"\d+", row.variant)
    parts = cuda_of(row.variant) if row.variant.startswith("cu") else tuple(map(int, digits))
    return number(row.torch), row.source == "pypi", parts


@dataclass(frozen=True)
class Found:
    versions: dict[str, str]
    variant: str
    source: str


def installable(box: Box) -> Iterator[tuple[Row, dict[str, str]]]:
    """Rows that the pins allow and that install here with their companions, whatever the GPU; best first."""
    pins = dict(box.pins)
    for row in sorted(rows(box.platform), key=variant_order, reverse=True):
        if box.variant not in {None, row.variant} or not (row.sure or box.unverified):
            continue
        if number(row.torch) not in allowed_by(pins["torch"]) or not wheel_ok(box, "torch", row.torch, row):
            continue
        companions = {name: companion(box, row, name, spec) for name, spec in pins.items() if name != "torch"}
        if None not in companions.values():
            yield row, {"torch": row.torch, **{name: str(version) for name, version in companions.items()}}


def best(box: Box, kind: str, gpus: tuple[str, ...] = ()) -> Found | None:
    for row, versions in installable(box):
        if runs_here(box, row, kind, gpus):
            return Found(versions, row.variant, row.source)
    return None


def served_at_all(box: Box) -> tuple[str, ...]:
    """The GPUs that some build on this platform has code for; the others are left unused, if any remain."""
    cuda = [row for row in rows(box.platform) if kind_of(row.variant) == "cuda"]
    kept = tuple(gpu for gpu in box.gpus if any(has_code(row, box.platform, gpu) for row in cuda))
    return kept or box.gpus


def shared(box: Box, gpus: tuple[str, ...], *, here: bool) -> bool:
    """Has one build that the pins allow code for all of the GPUs? ``here``: and does it install on this machine?"""
    pins = dict(box.pins)
    allowed = [
        row
        for row in ([row for row, _ in installable(box)] if here else rows(box.platform))
        if number(row.torch) in allowed_by(pins["torch"]) and (row.sure or box.unverified)
    ]
    return any(kind_of(r.variant) == "cuda" and all(has_code(r, box.platform, g) for g in gpus) for r in allowed)


def one_alone(box: Box, gpus: tuple[str, ...]) -> bool:
    """Would one of several GPUs be served if it were the only one, with some driver?"""
    newest = replace(box, driver="999.99")
    return len(set(gpus)) > 1 and any(best(replace(newest, gpus=(gpu,)), "cuda", (gpu,)) for gpu in gpus)


def contradictory(box: Box) -> bool:
    """Is there no torch at all that goes with all the pins, on any machine?"""
    pins = dict(box.pins)
    return not any(
        number(torch) in allowed_by(pins["torch"])
        and all(
            any(number(v) in allowed_by(spec) for v in release[name]["all_compatible_on_pypi"])
            for name, spec in pins.items()
            if name != "torch"
        )
        for torch, release in facts("releases")["releases"].items()
    )


EITHER = "no_common_build, or the CPU"
NO_PLAN = "no plan, whatever it is called"


def second(box: Box) -> Found | str:
    """A plan, or the kind of refusal as far as this resolver tells one."""
    wanted = box.accelerator if box.variant is None else kind_of(box.variant)
    on_gpu = None if wanted == "cpu" else second_on_gpu(box, wanted)
    if on_gpu is not None:
        return on_gpu
    return (best(box, "cpu") if wanted in {"auto", "cpu"} else None) or "none"


def second_on_gpu(box: Box, wanted: str) -> Found | str | None:
    """The same without the CPU; None where an automatic choice goes on to it."""
    found: Found | str | None = None
    if box.gpus and wanted in {"auto", "gpu", "cuda"}:
        found = second_on_nvidia(box, wanted)
    elif box.gfx and box.platform == "linux_x86_64" and wanted in {"auto", "gpu", "rocm"}:
        found = best(box, "rocm")
    elif box.xpu == "Intel Arc B580" and wanted in {"auto", "gpu", "xpu"}:
        found = best(box, "xpu")
    elif box.platform == "macos_arm64" and wanted in {"gpu", "mps"} and number(box.system) >= number("14.0"):
        found = best(box, "cpu")
    return found


def second_on_nvidia(box: Box, wanted: str) -> Found | str | None:
    if contradictory(box):
        return "none"
    if JETSON & set(box.gpus) and box.platform == "linux_aarch64" and box.jetpack != "7.2":
        return "jetson_needs_vendor_index"
    gpus = served_at_all(box)
    found = best(box, "cuda", gpus)
    if found or wanted != "auto" or not one_alone(box, gpus) or shared(box, gpus, here=True):
        return found
    if not shared(box, gpus, here=False):
        return "no_common_build"
    # where another Python or system would mend it, that may be told instead, and the CPU build given
    return EITHER if best(box, "cpu") else NO_PLAN


# ── the machines ─────────────────────────────────────────────────────────────────────────────────

PLATFORMS = ["linux_x86_64"] * 6 + ["linux_aarch64"] * 3 + ["windows_x86_64"] * 4 + ["windows_arm64", "macos_arm64"] * 1
PLATFORMS += ["macos_arm64", "macos_x86_64"]
PYTHONS = ["3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.12", "3.13", "3.13", "3.14", "3.14.1", "3.14.2", "3.15"]
GPUS = [
    "3.5",
    "3.7",
    "5.0",
    "5.2",
    "6.0",
    "6.1",
    "7.0",
    "7.5",
    "8.0",
    "8.6",
    "8.9",
    "9.0",
    "10.0",
    "10.3",
    "12.0",
    "12.1",
]
DRIVERS = ["390.46", "418.39", "440.33", "450.36.06", "450.80.02", "452.39", "470.256.02", "511.65", "515.65.01",
           "520.61.05", "525.60.11", "525.60.13", "527.41", "528.33", "535.161.08", "550.54.14", "565.57.01", "570.26",
           "572.83", "576.2", "580", "580.65.05", "580.65.06", "580.95.05", "595.71.05", "610.43.02", "620.1"]  # fmt: skip
GLIBC = ["2.17", "2.18", "2.26", "2.27", "2.28", "2.31", "2.35", "2.36", "2.39", "2.40"]
MACOS = ["10.15", "11.0", "11.7", "12.0", "12.6", "13.0", "13.6", "14.0", "14.5", "15.1", "26.0"]
VARIANTS = ["cpu", "cu118", "cu121", "cu124", "cu126", "cu128", "cu129", "cu130", "cu132"]


def pick_pin(rng: random.Random, package: str) -> str:
    releases = facts("releases")["releases"]
    known = {v for r in releases.values() for v in (r[package]["all_compatible_on_pypi"] if package != "torch" else [])}
    version = rng.choice(sorted(known or releases, key=number))
    chance = rng.random()
    if chance < 0.6:
        return ""
    if chance < 0.85:
        return f"=={version}"
    return rng.choice(
        [f">={version}", f"<={version}", f"<{version}", f"!={version}", f"~={version.rpartition('.')[0]}.0"]
    )


def box(rng: random.Random) -> Box:
    platform = rng.choice(PLATFORMS)
    os_name = platform.partition("_")[0]
    python = rng.choice(PYTHONS)
    abi = (
        "cp"
        + "".join(python.split(".")[:2])
        + ("t" if python in {"3.13", "3.14", "3.15"} and rng.random() < 0.25 else "")
    )
    gpus: list[str] = []
    if os_name != "macos" and rng.random() < 0.75:
        pool = [*GPUS, "8.7", "7.2", "11.0", "11.0"] if platform == "linux_aarch64" else GPUS
        gpus = rng.choices(pool, k=rng.choice([1, 1, 1, 2, 2, 3]))
    jetpack = rng.choice([None, "6.2", "7.2"]) if gpus == ["8.7"] else None
    other = not gpus and os_name != "macos" and rng.random() < 0.6
    targets = ["gfx900", "gfx906", "gfx942", "gfx950", "gfx1030", "gfx1031", "gfx1100", "gfx1151", "gfx1201"]
    gfx = rng.choices(targets, k=rng.choice([1, 1, 2])) if other and rng.random() < 0.7 else []
    packages = ["torch", *rng.sample(["torchvision", "torchaudio"], k=rng.choice([0, 1, 2, 2]))]
    variant = rng.choice(VARIANTS) if gpus and rng.random() < 0.12 else None
    return Box(
        platform, python, abi, rng.choice(MACOS if os_name == "macos" else GLIBC), tuple(gpus),
        rng.choice(DRIVERS) if gpus else None, platform == "linux_x86_64" and rng.random() < 0.1, jetpack, tuple(gfx),
        rng.choice(["Intel Arc B580", "Intel UHD Graphics 770"]) if other and not gfx else None,
        tuple((name, pick_pin(rng, name) if rng.random() < 0.7 else "") for name in packages),
        "auto" if variant else rng.choice([*["auto"] * 6, "gpu", "cpu", "cuda", "rocm", "xpu", "mps"]),
        variant, rng.random() < 0.15,
    )  # fmt: skip


def first(asked: Box, catalog: Catalog) -> Plan | NoPlan:
    described = machine(
        asked.platform.replace("_", " ", 1), asked.python, abi=asked.abi, driver=asked.driver, gpus=asked.gpus,
        gfx=asked.gfx, intel=[asked.xpu] if asked.xpu else [], system=asked.system, jetpack=asked.jetpack, wsl=asked.wsl,
    )  # fmt: skip
    packages = tuple(f"{name}{specifier}" for name, specifier in asked.pins)
    request = Request(packages, asked.accelerator, asked.variant, include_unverified=asked.unverified)
    return resolve(described, request, catalog)


def differences(answer: Plan | NoPlan, expected: Found | str) -> str | None:
    """What the two disagree on, None where they agree."""
    if expected == NO_PLAN:
        return None if isinstance(answer, NoPlan) else f"{answer}, but {expected}"
    if expected == EITHER:
        on_cpu = isinstance(answer, Plan) and answer.variant == "cpu"
        return None if on_cpu or getattr(answer, "error_kind", "") == "no_common_build" else f"{answer}, but {expected}"
    if isinstance(answer, NoPlan):
        if isinstance(expected, Found):
            return f"{answer.error_kind} ({answer.message}), but {expected}"
        telling = {"no_common_build", "jetson_needs_vendor_index"}
        named = {answer.error_kind, expected} & telling
        return None if len(named) < 2 and (expected in {"none", answer.error_kind}) else f"{answer} but {expected}"
    found = Found(answer.packages, answer.variant, answer.source)
    return None if found == expected else f"{found}, but {expected}"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_two_resolvers_agree(part: int) -> None:
    rng = random.Random(f"audit {part}")
    catalog = load()
    told: list[str] = []
    plans = 0
    for _ in range(CASES):
        asked = box(rng)
        answer = first(asked, catalog)
        plans += isinstance(answer, Plan)
        difference = differences(answer, second(asked))
        if difference:
            told.append(f"{asked}\n    {difference}")
    assert not told, f"{len(told)} of {CASES} differ:\n" + "\n".join(told[:12])
    assert CASES // 4 < plans < CASES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "row", "spoiled"),
    [
        ("drivers", "linux = '525.60.13'", "linux = '520.61.05'"),
        ("releases", "'same-minor'", "'same-major'"),
        ("kernels", "sm = '7.5 8.0 8.6 9.0 10.0 12.0'", "sm = '7.0 7.5 8.0 8.6 9.0 10.0 12.0'"),
        ("kernels", "cudnn_from = '5.0'", "cudnn_from = '3.7'"),
        ("wheels", "manylinux_2_28_x86_64", "manylinux_2_27_x86_64"),
        ("wheels", "!=3.14.1", "!=3.14.9"),
        ("builds", "2.13.0 2.14.0 2.14.1'", "2.13.0 2.14.0'"),
        ("builds", "unseen = 'torchaudio torchvision==0.29.2'", "unseen = 'torchvision==0.29.2'"),
    ],
)
def test_the_audit_notices_a_wrong_row(file: str, row: str, spoiled: str) -> None:
    texts = {}
    for name in FILES:
        with open(os.path.join(_HERE, "..", "envtool", "data", f"{name}.toml"), encoding="utf-8") as opened:
            texts[name] = opened.read()
    assert row in texts[file]
    wrong = parse({**texts, file: texts[file].replace(row, spoiled)})
    rng = random.Random("spoiled")
    boxes = (box(rng) for _ in range(5 * CASES))
    assert any(differences(first(asked, wrong), second(asked)) for asked in boxes)
