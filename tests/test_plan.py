"""The resolver on tables of cases: what it must answer on machines where a naive choice goes wrong."""

from __future__ import annotations

import os.path
from functools import lru_cache

import pytest
from described import SAMPLE, machine, of_case, sample_cases

from envtool.catalog import Catalog, load
from envtool.errors import UsageError
from envtool.machine import Found, Machine, Unknown
from envtool.plan import NoPlan, Plan, resolve
from envtool.spec import Request

TRIO = ("torch", "torchvision", "torchaudio")


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    return load()


def answer(described: Machine, *packages: str, **asked: object) -> Plan | NoPlan:
    return resolve(described, Request(packages, **asked), catalog())  # type: ignore[arg-type]


def short(found: Plan | NoPlan) -> str:
    """An answer in one line: "2.14.1 0.29.1 2.11.0 cu126 index", or the kind of refusal."""
    if isinstance(found, NoPlan):
        return found.error_kind
    return " ".join([*found.packages.values(), found.variant, found.source.removeprefix("pytorch-")])


# ── the sample cases, where their file is present ────────────────────────────────────────────────


@pytest.mark.skipif(not os.path.exists(SAMPLE), reason=f"no sample cases at {os.path.normpath(SAMPLE)}")
def test_every_sample_case() -> None:
    wrong = []
    cases = sample_cases()
    for case in cases:
        described, request = of_case(case)
        found = _as_expectation(resolve(described, request, catalog()))
        good = [case["expect"], *case.get("also_ok", [])]  # type: ignore[misc]
        bad = case.get("must_not", [])
        if not any(_matches(found, one) for one in good) or any(_matches(found, one) for one in bad):
            wrong.append((case["id"], found))
    assert len(cases) == 24
    assert wrong == []


def _as_expectation(found: Plan | NoPlan) -> dict[str, object]:
    if isinstance(found, NoPlan):
        return {"error_kind": found.error_kind}
    known: dict[str, object] = dict(found.packages)
    return {**known, "variant": found.variant, "index_kind": found.source, "constraints": list(found.constraints)}


def _matches(found: dict[str, object], expected: object) -> bool:
    assert isinstance(expected, dict)
    return all(found.get(key) == value for key, value in expected.items() if key != "hint")


# ── traps ────────────────────────────────────────────────────────────────────────────────────────

LINUX, ARM, WINDOWS, MAC, INTEL_MAC = "linux x86_64", "linux aarch64", "windows x86_64", "macos arm64", "macos x86_64"

# name, machine, packages, what else is asked, answer
TRAPS: list[tuple[str, Machine, tuple[str, ...], dict[str, object], str]] = [
    # A: packages that no longer fit together
    ("A1 the newest trio", machine(gpus=["8.9"], driver="595.71.05"), TRIO, {}, "2.14.1 0.29.1 2.11.0 cu130 pypi"),
    ("A2 audio of 2.5.1", machine(gpus=["8.9"], driver="595.71.05"), ("torch==2.5.1", "torchaudio"), {},
     "2.5.1 2.5.1 cu124 pypi"),
    ("A2 audio of 2.10", machine(gpus=["8.9"], driver="595.71.05"), ("torch==2.10.0", "torchaudio"), {},
     "2.10.0 2.10.0 cu128 pypi"),
    ("A3 audio alone", machine(gpus=["8.9"], driver="595.71.05"), ("torchaudio",), {}, "2.14.1 2.11.0 cu130 pypi"),
    ("A4 vision for cu126", machine(gpus=["8.9"], driver="550.54.14"), ("torch==2.14.1", "torchvision"), {},
     "2.14.1 0.29.1 cu126 index"),
    ("A5 no GPU", machine(), TRIO, {}, "2.14.1 0.29.1 2.11.0 cpu index"),
    ("A6 vision 0.29.0", machine(gpus=["8.9"], driver="595.71.05"), ("torch==2.14.0", "torchvision"), {},
     "2.14.0 0.29.0 cu130 pypi"),
    ("A6 vision 0.29.2", machine(gpus=["8.9"], driver="595.71.05"), ("torch", "torchvision"), {},
     "2.15.0 0.29.2 cu132 pypi"),
    ("A7 torch 2.0.0", machine(python="3.10"), ("torch==2.0.0", "torchvision", "torchaudio"), {},
     "2.0.0 0.15.1 2.0.1 cpu index"),
    ("A7 torch 2.0.1", machine(python="3.10"), ("torch==2.0.1", "torchvision", "torchaudio"), {},
     "2.0.1 0.15.2 2.0.2 cpu index"),
    ("A8 aarch64", machine(ARM, "3.10"), ("torch==1.13.1", "torchvision", "torchaudio"), {},
     "1.13.1 0.14.1 0.13.1 cpu index"),
    ("A8 Apple", machine(MAC, "3.10", system="13.0"), ("torch==1.13.1", "torchvision", "torchaudio"), {},
     "1.13.1 0.14.1 0.13.1 cpu pypi"),
    ("A9 audio 2.11.1 is nowhere", machine(), ("torchaudio==2.11.1",), {}, "no_such_version"),
    # B: CUDA against the driver
    ("B10 4090, driver 550", machine(gpus=["8.9"], driver="550.54.14"), TRIO, {}, "2.14.1 0.29.1 2.11.0 cu126 index"),
    ("B11 2.15 on 550", machine(gpus=["8.9"], driver="550.54.14"), ("torch==2.15.0",), {"accelerator": "gpu"},
     "driver_too_old"),
    ("B11 2.15 on 550, auto", machine(gpus=["8.9"], driver="550.54.14"), ("torch==2.15.0",), {}, "2.15.0 cpu index"),
    ("B13 12.8 on 525", machine(gpus=["8.6"], driver="525.60.13"), ("torch==2.8.0",), {}, "2.8.0 cu128 pypi"),
    ("B13 11.7 on 450", machine(python="3.10", gpus=["7.5"], driver="450.80.02"), ("torch==2.0.1",), {},
     "2.0.1 cu117 pypi"),
    ("B14 T4, driver 520", machine(gpus=["7.5"], driver="520.61.05"), ("torch",), {}, "2.7.1 cu118 index"),
    ("B14 T4, driver 440", machine(gpus=["7.5"], driver="440.33"), ("torch",), {"accelerator": "cuda"},
     "driver_too_old"),
    ("B15 Windows 528.33", machine(WINDOWS, gpus=["8.6"], driver="528.33"), ("torch",), {}, "2.14.1 cu126 index"),
    ("B15 Windows 527.41", machine(WINDOWS, gpus=["8.6"], driver="527.41"), ("torch",), {}, "2.7.1 cu118 index"),
    ("B15 Windows 580", machine(WINDOWS, gpus=["8.6"], driver="580.88"), ("torch",), {}, "2.14.1 cu132 index"),
    ("B16 WSL, Windows driver", machine(gpus=["8.6"], driver="527.41", wsl=True), ("torch",), {}, "2.7.1 cu118 index"),
    ("B17 Pascal, driver 580", machine(gpus=["6.1"], driver="580.95.05"), ("torch",), {}, "2.14.1 cu126 index"),
    # C: the GPU's architecture
    ("C19 Maxwell", machine(gpus=["5.2"], driver="580.95.05"), TRIO, {}, "2.14.1 0.29.1 2.11.0 cu126 index"),
    ("C19 Maxwell, Windows", machine(WINDOWS, gpus=["5.2"], driver="580.88"), ("torch",), {}, "2.14.1 cu126 index"),
    ("C19 Maxwell, 2.15", machine(gpus=["5.2"], driver="580.95.05"), ("torch==2.15.0",), {"accelerator": "gpu"},
     "gpu_arch_unsupported"),
    ("C20 Pascal, 2.10", machine(gpus=["6.1"], driver="580.95.05"), ("torch==2.10.0",), {}, "2.10.0 cu126 index"),
    ("C20 Pascal, 2.7.1", machine(gpus=["6.1"], driver="580.95.05"), ("torch==2.7.1",), {}, "2.7.1 cu126 pypi"),
    ("C21 V100, newest", machine(gpus=["7.0"], driver="580.95.05"), ("torch",), {}, "2.14.1 cu126 index"),
    ("C21 V100, 2.8", machine(gpus=["7.0"], driver="550.54.14"), ("torch==2.8.0",), {}, "2.8.0 cu128 pypi"),
    ("C21 V100, 2.7 cu128", machine(gpus=["7.0"], driver="550.54.14"), ("torch==2.7.1",), {"variant": "cu128"},
     "gpu_arch_unsupported"),
    ("C21 V100, 2.11 cu128", machine(gpus=["7.0"], driver="550.54.14"), ("torch==2.11.0",), {"variant": "cu128"},
     "gpu_arch_unsupported"),
    ("C22 K80", machine(python="3.10", gpus=["3.7"], driver="470.223.02"), ("torch",), {}, "2.3.1 cu118 index"),
    ("C22 K40", machine(python="3.10", gpus=["3.5"], driver="470.223.02"), ("torch",), {"accelerator": "gpu"},
     "gpu_arch_unsupported"),
    ("C23 5090, 2.7", machine(gpus=["12.0"], driver="580.95.05"), ("torch==2.7.0",), {}, "2.7.0 cu128 index"),
    ("C23 5090, cu126", machine(gpus=["12.0"], driver="580.95.05"), ("torch",), {"variant": "cu126"},
     "gpu_arch_unsupported"),
    ("C24 5090, driver 570", machine(gpus=["12.0"], driver="570.133.20"), TRIO, {}, "2.13.0 0.28.0 2.11.0 cu129 index"),
    ("C24 5090, 570, Windows", machine(WINDOWS, gpus=["12.0"], driver="572.83"), ("torch",), {}, "2.11.0 cu128 index"),
    ("C25 1080 Ti and 5090", machine(gpus=["6.1", "12.0"], driver="580.95.05"), ("torch",), {}, "no_common_build"),
    ("C25 V100 and 5090", machine(gpus=["7.0", "12.0"], driver="580.95.05"), ("torch",), {}, "2.10.0 cu128 pypi"),
    ("C26 B300", machine(gpus=["10.3"], driver="580.95.05"), ("torch",), {}, "2.15.0 cu132 pypi"),
    ("C26 DGX Spark", machine(ARM, gpus=["12.1"], driver="580.95.05"), ("torch",), {}, "2.15.0 cu132 pypi"),
    ("C28 PTX is no net", machine(WINDOWS, gpus=["12.0"], driver="580.88"), ("torch==2.6.0",), {"accelerator": "gpu"},
     "gpu_arch_unsupported"),
    # D: Jetson and aarch64
    ("D29 Orin, JetPack 6", machine(ARM, "3.10", gpus=["8.7"], driver="540.4.0", jetpack="6.2"), ("torch",), {},
     "jetson_needs_vendor_index"),
    ("D29 Orin, no JetPack told", machine(ARM, "3.10", gpus=["8.7"]), ("torch",), {}, "jetson_needs_vendor_index"),
    ("D29 Orin, CPU", machine(ARM, "3.10", gpus=["8.7"], jetpack="6.2"), ("torch",), {"accelerator": "cpu"},
     "2.14.1 cpu index"),
    ("D30 Orin, JetPack 7.2", machine(ARM, gpus=["8.7"], jetpack="7.2"), ("torch",), {}, "2.15.0 cu132 pypi"),
    ("D31 Thor", machine(ARM, gpus=["11.0"], driver="580.00", jetpack="7.0"), ("torch",), {}, "2.15.0 cu132 pypi"),
    ("D32 GH200, 2.10", machine(ARM, gpus=["9.0"], driver="580.65.06"), ("torch==2.10.0",), {}, "2.10.0 cu130 index"),
    ("D32 Graviton", machine(ARM), ("torch",), {"include_unverified": True}, "2.15.0 cpu index"),
    ("D33 GH200, driver 550", machine(ARM, gpus=["9.0"], driver="550.54.14"), ("torch",), {}, "2.14.1 cu126 index"),
    ("D33 GB200, driver 570", machine(ARM, gpus=["10.0"], driver="570.124.06"), ("torch",), {}, "2.11.0 cu128 index"),
    ("D34 GH200, 2.5.1", machine(ARM, gpus=["9.0"], driver="550.54.14"), ("torch==2.5.1",), {}, "2.5.1 cu124 index"),
    # E: system, libc, macOS, Windows
    ("E35 CentOS 7", machine(python="3.11", gpus=["8.0"], driver="535.104.05", system="2.17"), ("torch",), {},
     "2.6.0 cu124 pypi"),
    ("E35 CentOS 7, aarch64", machine(ARM, "3.11", system="2.17"), ("torch",), {}, "2.5.1 cpu index"),
    ("E36 2.6 cu126", machine(python="3.11", system="2.17"), ("torch==2.6.0",), {"variant": "cu126"}, "glibc_too_old"),
    ("E37 manylinux1", machine(python="3.10", system="2.12"), ("torch==2.0.1",), {}, "glibc_too_old"),
    ("E38 Alpine", machine(libc="musl", system="1.2"), ("torch",), {}, "musl_unsupported"),
    ("E39 Intel Mac", machine(INTEL_MAC, "3.12", system="13.0"), TRIO, {}, "2.2.2 0.17.2 2.2.2 cpu pypi"),
    ("E39 Intel Mac, 3.13", machine(INTEL_MAC, "3.13", system="13.0"), ("torch",), {}, "no_wheel_for_platform"),
    ("E40 macOS 13", machine(MAC, "3.12", system="13.6"), TRIO, {}, "2.11.0 0.26.0 2.11.0 cpu pypi"),
    ("E40 macOS 11, 3.13", machine(MAC, "3.13", system="11.7"), TRIO, {}, "2.8.0 0.23.0 2.8.0 cpu pypi"),
    ("E40 macOS 15", machine(MAC, "3.13", system="15.1"), TRIO, {}, "2.15.0 0.29.2 2.11.0 cpu pypi"),
    ("E40 macOS 10", machine(MAC, "3.12", system="10.15"), ("torch",), {}, "macos_too_old"),
    ("E40 MPS on macOS 13", machine(MAC, "3.12", system="13.6"), ("torch",), {"accelerator": "mps"}, "macos_too_old"),
    ("E41 Windows, no GPU", machine(WINDOWS), TRIO, {}, "2.15.0 0.29.2 2.11.0 cpu pypi"),
    ("E41 Windows, cu128", machine(WINDOWS, gpus=["8.6"], driver="552.22"), ("torch",), {"variant": "cu128"},
     "2.11.0 cu128 index"),
    ("E41 Windows, cu129", machine(WINDOWS, gpus=["8.6"], driver="576.02"), ("torch",), {"variant": "cu129"},
     "2.8.0 cu129 index"),
    ("E42 Windows on Arm", machine("windows arm64"), ("torch",), {}, "2.13.0 cpu index"),
    ("E42 Windows on Arm, trio", machine("windows arm64"), TRIO, {}, "no_wheel_for_platform"),
    ("E42 Windows on Arm, CUDA", machine("windows arm64", gpus=["12.1"], driver="615.10"), ("torch",),
     {"accelerator": "gpu"}, "no_wheel_for_platform"),
    ("E 32-bit Python", machine(WINDOWS, bits=32), ("torch",), {}, "no_wheel_for_platform"),
    ("E 32-bit Arm", machine("linux armv7l"), ("torch",), {}, "no_wheel_for_platform"),
    ("E CUDA on macOS", machine(MAC, system="15.1"), ("torch",), {"accelerator": "cuda"}, "no_cuda_on_macos"),
    ("E MPS on Linux", machine(), ("torch",), {"accelerator": "mps"}, "accelerator_absent"),
    # F: Python
    ("F43 3.10", machine(MAC, "3.10", system="15.1"), TRIO, {}, "2.14.1 0.29.1 2.11.0 cpu pypi"),
    ("F43 3.9", machine(MAC, "3.9", system="15.1"), TRIO, {}, "2.8.0 0.23.0 2.8.0 cpu pypi"),
    ("F43 3.8", machine(MAC, "3.8", system="15.1"), TRIO, {}, "2.4.1 0.19.1 2.4.1 cpu pypi"),
    ("F43 3.15", machine(gpus=["8.9"], driver="595.71.05", python="3.15"), ("torch", "torchvision"), {},
     "2.15.0 0.29.2 cu132 pypi"),
    ("F43 3.15, audio", machine(gpus=["8.9"], driver="595.71.05", python="3.15"), TRIO, {"accelerator": "gpu"},
     "no_wheel_for_python"),
    ("F44 3.14.1", machine(gpus=["8.9"], driver="595.71.05", python="3.14.1"), ("torch", "torchvision"), {},
     "2.10.0 0.25.0 cu128 pypi"),
    ("F44 3.14.2", machine(gpus=["8.9"], driver="595.71.05", python="3.14.2"), ("torch", "torchvision"), {},
     "2.15.0 0.29.2 cu132 pypi"),
    ("F45 3.13t", machine(gpus=["8.9"], driver="595.71.05", python="3.13", abi="cp313t"), TRIO, {},
     "2.12.0 0.27.0 2.11.0 cu130 pypi"),
    ("F46 3.13, 2.5.1", machine(gpus=["8.9"], driver="595.71.05", python="3.13"), ("torch==2.5.1",), {},
     "2.5.1 cu124 pypi"),
    ("F46 3.13, 2.5.1, vision", machine(gpus=["8.9"], driver="595.71.05", python="3.13"),
     ("torch==2.5.1", "torchvision"), {"accelerator": "gpu"}, "no_wheel_for_python"),
    ("F47 3.14t", machine(gpus=["8.9"], driver="595.71.05", python="3.14", abi="cp314t"), ("torch", "torchvision"), {},
     "2.15.0 0.29.2 cu132 pypi"),
    ("F47 3.14t, audio", machine(gpus=["8.9"], driver="595.71.05", python="3.14", abi="cp314t"), TRIO, {},
     "2.14.1 0.29.1 2.11.0 cu130 pypi"),
    ("F unknown Python", machine(python=None), ("torch",), {}, "no_wheel_for_python"),
    # G: AMD, Intel, pins
    ("G50 7.14 is newer than 7.2 and unknown", machine(gfx=["gfx942"]), ("torch",), {}, "2.14.1 rocm7.2 index"),
    ("G51 gfx1031", machine(gfx=["gfx1031"]), ("torch",), {"accelerator": "rocm"}, "gpu_arch_unsupported"),
    ("G51 gfx1151", machine(gfx=["gfx1151"]), ("torch==2.11.0",), {}, "2.11.0 rocm7.2 index"),
    ("G52 AMD, Windows", machine(WINDOWS, gfx=["gfx1100"]), ("torch",), {"accelerator": "rocm"}, "rocm_linux_only"),
    ("G52 AMD, gpu, Windows", machine(WINDOWS, gfx=["gfx1100"]), ("torch",), {"accelerator": "gpu"}, "rocm_linux_only"),
    ("G53 UHD 770", machine(intel=["Intel UHD Graphics 770"]), ("torch",), {}, "2.15.0 cpu index"),
    ("G53 Arc", machine(intel=["Intel Arc B580"]), ("torch",), {}, "2.14.1 xpu index"),
    ("G pins contradict", machine(), ("torch==2.5.1", "torchvision==0.19.0"), {}, "conflicting_pins"),
    ("G no such torch", machine(), ("torch==2.99",), {}, "no_such_version"),
    ("G no such variant", machine(gpus=["8.9"], driver="595.1"), ("torch",), {"variant": "cu133"}, "no_such_variant"),
    ("G ended variant", machine(gpus=["8.9"], driver="595.1"), ("torch==2.15.0",), {"variant": "cu126"},
     "no_such_variant"),
    ("G local version", machine(gpus=["8.9"], driver="595.1"), ("torch==2.8.0+cu126",), {}, "2.8.0 cu126 index"),
    ("G two variants", machine(), ("torch==2.8.0+cu126",), {"variant": "cpu"}, "conflicting_pins"),
    ("G unknown driver", machine(gpus=["8.9"]), ("torch",), {}, "driver_unknown"),
    ("G no driver", machine(gpus=["8.9"], driver="absent"), ("torch",), {}, "2.15.0 cpu index"),
    ("G no GPU, gpu asked", machine(), ("torch",), {"accelerator": "gpu"}, "accelerator_absent"),
    ("G GPU by name only", machine(gpus=["Tesla V100-SXM2-32GB"], driver="580.65.06"), ("torch",), {},
     "2.14.1 cu126 index"),
]  # fmt: skip


@pytest.mark.parametrize("case", TRAPS, ids=[case[0] for case in TRAPS])
def test_trap(case: tuple[str, Machine, tuple[str, ...], dict[str, object], str]) -> None:
    _, described, packages, asked, expected = case
    assert short(answer(described, *packages, **asked)) == expected


@pytest.mark.parametrize(
    ("torch", "variant"),
    [("1.13.1", "cu117"), ("2.0.1", "cu117"), ("2.1.2", "cu121"), ("2.4.1", "cu121"), ("2.5.1", "cu124"),
     ("2.6.0", "cu124"), ("2.7.1", "cu126"), ("2.8.0", "cu128"), ("2.10.0", "cu128"), ("2.11.0", "cu130"),
     ("2.14.1", "cu130"), ("2.15.0", "cu132")],
)  # fmt: skip
def test_pypi_s_own_build_comes_first(torch: str, variant: str) -> None:  # trap B12
    python = "3.10" if torch < "2.11" and torch != "2.10.0" else "3.12"
    found = answer(machine(python=python, gpus=["8.6"], driver="595.71.05"), f"torch=={torch}")
    assert short(found) == f"{torch} {variant} pypi"


# ── NumPy, warnings, refusals ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("platform", "packages", "expected"),
    [
        (LINUX, ("torch==2.2.2",), ("numpy<2",)),
        (LINUX, ("torch==2.3.0",), ()),
        (WINDOWS, ("torch==2.4.0",), ("numpy<2",)),
        (WINDOWS, ("torch==2.4.1",), ()),
        (LINUX, ("torch==2.2.2", "numpy>=1.24"), ("numpy>=1.24,<2",)),
        (LINUX, ("torch==2.8.0", "numpy==2.1"), ("numpy==2.1",)),
    ],
)
def test_numpy_is_bounded_where_torch_needs_it(
    platform: str, packages: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    found = answer(machine(platform, "3.10"), *packages)
    assert isinstance(found, Plan)
    assert found.constraints == expected


def test_numpy_2_with_an_old_torch_is_a_contradiction() -> None:
    assert short(answer(machine(python="3.10"), "torch==2.2.2", "numpy>=2")) == "conflicting_pins"


def test_auto_names_the_gpu_that_it_leaves_unused() -> None:
    found = answer(machine(gpus=["NVIDIA GeForce GT 710=3.5"], driver="470.223.02"))
    assert isinstance(found, Plan)
    assert found.accelerator == "cpu"
    assert "GeForce GT 710" in found.warnings[0]
    assert "no code" in found.warnings[0]


def test_a_gpu_that_no_build_ever_served_does_not_hold_back_the_others() -> None:
    found = answer(machine(gpus=["GT 710=3.5", "RTX 3090=8.6"], driver="470.223.02"), "torch")
    assert isinstance(found, Plan)
    assert short(found) == "2.7.1 cu118 index"
    assert any("GT 710" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("1", "2.15.0 cu132 pypi"),
        ("0", "2.14.1 cu126 index"),
        ("GPU-1", "2.15.0 cu132 pypi"),
        ("0,1", "no_common_build"),
        ("1,7", "2.15.0 cu132 pypi"),
        ("", "2.15.0 cpu index"),
        ("-1", "2.15.0 cpu index"),
    ],
)
def test_cuda_visible_devices_narrows_the_gpus(visible: str, expected: str) -> None:
    box = machine(gpus=["GTX 1080 Ti=6.1", "RTX 5090=12.0"], driver="580.95.05", visible=visible)
    assert short(answer(box, "torch")) == expected


def test_no_common_build_tells_what_would_serve_each_gpu_alone() -> None:
    found = answer(machine(gpus=["GTX 1080 Ti=6.1", "RTX 5090=12.0"], driver="580.95.05"), "torch")
    assert isinstance(found, NoPlan)
    assert "GTX 1080 Ti alone: torch 2.14.1 (cu126)" in found.hint
    assert "RTX 5090 alone: torch 2.15.0 (cu132)" in found.hint


def test_a_plan_tells_what_a_newer_driver_would_bring() -> None:
    found = answer(machine(gpus=["8.9"], driver="550.54.14"), "torch")
    assert isinstance(found, Plan)
    assert "torch 2.15.0 (cu132) needs driver >= 580.65.06, found 550.54.14" in " ".join(found.warnings)
    assert found.refusals[0].kind == "driver_too_old"


def test_a_refusal_of_pins_tells_what_the_machine_would_get_without_them() -> None:
    found = answer(machine(gpus=["8.9"], driver="570.133.20"), "torch==2.15.0", accelerator="gpu")
    assert isinstance(found, NoPlan)
    assert "580.65.06" in found.hint
    assert "2.14.1 (cu126)" in found.hint


def test_unverified_builds_come_only_on_request_and_with_a_warning() -> None:
    box = machine(WINDOWS, gpus=["8.9"], driver="595.10")
    careful = answer(box, "torch==2.15.0", accelerator="gpu")
    daring = answer(box, "torch==2.15.0", accelerator="gpu", include_unverified=True)
    assert short(careful) == "no_such_variant"
    assert isinstance(careful, NoPlan)
    assert "--include-unverified" in careful.hint
    assert isinstance(daring, Plan)
    assert any("not been verified" in warning for warning in daring.warnings)


def test_an_unknown_libc_is_a_warning_and_no_guess() -> None:
    found = answer(machine(system=None), "torch")
    assert isinstance(found, Plan)
    assert any("glibc 2.28" in warning for warning in found.warnings)


def test_a_driver_without_a_gpu_is_taken_for_the_driver_alone() -> None:
    bare = machine()
    from dataclasses import replace

    box = replace(bare, nvidia=replace(bare.nvidia, status="unknown", driver=Found("535.161.08")))
    found = answer(box, "torch", accelerator="cuda")
    assert isinstance(found, Plan)
    assert found.variant == "cu126"
    assert any("GPU" in warning for warning in found.warnings)


def test_a_gpu_that_does_not_answer_is_asked_for_and_not_replaced_by_the_cpu() -> None:
    from dataclasses import replace

    bare = machine()
    broken = replace(
        bare.nvidia,
        status="unknown",
        nvml_state="library-mismatch",
        driver=Unknown("NVML: mismatch"),
        reason="mismatch",
    )
    assert short(answer(replace(bare, nvidia=broken), "torch")) == "driver_unknown"


@pytest.mark.parametrize("text", ["torch=2.8", "pandas", "torch[opt]", "torch @ https://example.org/x.whl"])
def test_a_bad_requirement_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        answer(machine(), text)


@pytest.mark.parametrize(
    ("box", "index"),
    [
        (machine("windows arm64", gpus=["12.1"], driver="615.10"), "pypi.nvidia.com/nvtorch_oot"),
        (machine(ARM, "3.10", gpus=["8.7"], jetpack="6.2"), "pypi.jetson-ai-lab.io"),
    ],
)
def test_a_vendor_s_index_is_named(box: Machine, index: str) -> None:
    found = answer(box, "torch", accelerator="gpu")
    assert isinstance(found, NoPlan)
    assert index in found.hint


def test_conda_has_answers_of_its_own() -> None:  # tests/test_plan_conda.py
    assert short(answer(machine(), "torch==2.6.0", installer="conda", channel="pytorch")) == "channel_ended"
    assert short(answer(machine(), "torch==2.13.0", installer="conda")) == "2.13.0 cpu conda-forge"
