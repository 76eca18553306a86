"""Plans for conda, mamba and pixi on tables of cases; the lines to paste, in bash and through a real solver."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
from conda_slice import SLICE, needs_slice, reader
from described import machine, of_case, sample_cases

from envtool.catalog import Catalog, load, parse
from envtool.catalog.conda import conda_catalog
from envtool.catalog.conda_laws import CONDA_LAWS
from envtool.conda_commands import conda_command, conda_commands, conda_specs
from envtool.errors import UsageError
from envtool.machine import Found, Machine, Unknown
from envtool.plan import NoPlan, Plan, resolve
from envtool.plan.conda import cuda_override, resolve_conda
from envtool.spec import Request

TRIO = ("torch", "torchvision", "torchaudio")
PAIR = ("torch", "torchvision")
LINUX, ARM, WINDOWS, MAC, INTEL_MAC = "linux x86_64", "linux aarch64", "windows x86_64", "macos arm64", "macos x86_64"


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    return load()


def answer(described: Machine, *packages: str, **asked: object) -> Plan | NoPlan:
    return resolve(described, Request(packages, **{"installer": "conda", **asked}), catalog())  # type: ignore[arg-type]


def plan(described: Machine, *packages: str, **asked: object) -> Plan:
    found = answer(described, *packages, **asked)
    assert isinstance(found, Plan), found
    return found


def refusal(described: Machine, *packages: str, **asked: object) -> NoPlan:
    found = answer(described, *packages, **asked)
    assert isinstance(found, NoPlan), found
    return found


def short(found: Plan | NoPlan) -> str:
    if isinstance(found, NoPlan):
        return found.error_kind
    assert found.source == "conda-forge"
    assert found.index_url is None
    return " ".join([*found.packages.values(), found.variant])


# ── what each machine gets ───────────────────────────────────────────────────────────────────────

MIXED = ["GTX 1080 Ti=6.1", "RTX 5090=12.0"]
CASES: list[tuple[str, Machine, tuple[str, ...], dict[str, object], str]] = [
    # CUDA family and driver
    ("driver 580", machine(gpus=["8.9"], driver="580.65.06"), PAIR, {}, "2.13.0 0.28.0 cuda130"),
    ("driver 550", machine(gpus=["8.9"], driver="550.54.14"), PAIR, {}, "2.13.0 0.28.0 cuda129"),
    ("driver 525, the family's oldest", machine(gpus=["8.6"], driver="525.60.13"), ("torch",), {}, "2.13.0 cuda129"),
    ("driver 470 still has CUDA 11", machine(gpus=["7.5"], driver="470.223.02"), ("torch",), {}, "2.5.1 cuda118"),
    ("driver 440", machine(gpus=["7.5"], driver="440.33"), ("torch",), {}, "2.13.0 cpu"),
    ("driver 440, gpu", machine(gpus=["7.5"], driver="440.33"), ("torch",), {"accelerator": "gpu"}, "driver_too_old"),
    ("driver unknown", machine(gpus=["8.9"]), ("torch",), {}, "driver_unknown"),
    ("no driver", machine(gpus=["8.9"], driver="absent"), ("torch",), {}, "2.13.0 cpu"),
    ("WSL counts as Windows", machine(gpus=["8.6"], driver="527.41", wsl=True), ("torch",), {"accelerator": "gpu"},
     "2.5.1 cuda118"),
    # the GPU's code; trap 25
    ("trap 25: Pascal and Blackwell", machine(gpus=MIXED, driver="580.95.05"), ("torch",), {}, "2.13.0 cuda129"),
    ("trap 25, Windows", machine(WINDOWS, gpus=MIXED, driver="580.88"), ("torch",), {}, "2.13.0 cuda128"),
    ("Maxwell", machine(gpus=["5.2"], driver="580.95.05"), PAIR, {}, "2.13.0 0.28.0 cuda129"),
    ("V100", machine(gpus=["7.0"], driver="580.95.05"), ("torch",), {}, "2.13.0 cuda129"),
    ("K80", machine(gpus=["3.7"], driver="470.223.02"), ("torch",), {"accelerator": "cuda"}, "gpu_arch_unsupported"),
    ("5090 on 2.6", machine(gpus=["12.0"], driver="580.95.05"), ("torch==2.6.0",), {"accelerator": "gpu"},
     "gpu_arch_unsupported"),
    ("H100 on 2.4, CUDA 12.0", machine(gpus=["9.0"], driver="580.95.05"), ("torch==2.4.1",), {}, "2.4.1 cuda120"),
    ("B300 runs code of 10.0", machine(gpus=["10.3"], driver="580.95.05"), ("torch",), {}, "2.13.0 cuda130"),
    ("Thor's code is not x86's", machine(gpus=["11.0"], driver="575.57.08"), ("torch",), {"accelerator": "gpu"},
     "driver_too_old"),
    # aarch64 and Jetson; trap 29
    ("GH200", machine(ARM, gpus=["9.0"], driver="580.65.06"), PAIR, {}, "2.13.0 0.28.0 cuda130"),
    ("GH200, driver 550", machine(ARM, gpus=["9.0"], driver="550.54.14"), ("torch",), {}, "2.13.0 cuda129"),
    ("trap 29: Orin, JetPack 6", machine(ARM, "3.10", gpus=["Orin=8.7"], driver="540.4.0", jetpack="6.2"), PAIR, {},
     "2.13.0 0.28.0 cuda129"),
    ("trap 29: its glibc", machine(ARM, "3.10", gpus=["Orin=8.7"], jetpack="6.2", system="2.31"), ("torch",),
     {"accelerator": "gpu"}, "glibc_too_old"),
    ("Orin, JetPack 5", machine(ARM, "3.10", gpus=["Orin=8.7"], jetpack="5.1.2", system="2.31"), ("torch",), {},
     "jetson_needs_vendor_index"),
    ("Orin, JetPack not told", machine(ARM, "3.10", gpus=["Orin=8.7"]), ("torch",), {}, "jetson_needs_vendor_index"),
    ("Orin, JetPack 7.2", machine(ARM, gpus=["Orin=8.7"], jetpack="7.2", system="2.39"), ("torch",), {},
     "2.13.0 cuda130"),
    ("Orin, JetPack 7.2, 2.12.1 lacks its code", machine(ARM, gpus=["Orin=8.7"], jetpack="7.2", system="2.39"),
     ("torch==2.12.1",), {"accelerator": "gpu"}, "gpu_arch_unsupported"),
    ("Thor, JetPack 7", machine(ARM, gpus=["Thor=11.0"], jetpack="7.0", system="2.39"), ("torch",), {},
     "2.13.0 cuda130"),
    ("no torchaudio for Jetson", machine(ARM, "3.10", gpus=["Orin=8.7"], jetpack="6.2"), TRIO, {"accelerator": "gpu"},
     "no_wheel_for_platform"),
    # macOS; trap 39
    ("trap 39: Intel Mac, 3.13", machine(INTEL_MAC, "3.13", system="14.5"), PAIR, {}, "2.13.0 0.28.0 cpu"),
    ("Intel Mac, macOS 11", machine(INTEL_MAC, "3.12", system="11.7"), ("torch",), {}, "2.12.0 cpu"),
    ("Apple silicon", machine(MAC, "3.13", system="15.1"), PAIR, {}, "2.13.0 0.28.0 cpu"),
    ("Apple silicon, mps", machine(MAC, "3.13", system="15.1"), PAIR, {"accelerator": "mps"}, "2.13.0 0.28.0 cpu"),
    ("mps needs macOS 14", machine(MAC, "3.13", system="13.6"), PAIR, {"accelerator": "mps"}, "macos_too_old"),
    ("macOS 11", machine(MAC, "3.12", system="11.7"), ("torch",), {}, "2.12.0 cpu"),
    ("macOS 10.13", machine(INTEL_MAC, "3.12", system="10.13"), ("torch",), {}, "macos_too_old"),
    ("CUDA on macOS", machine(MAC, system="15.1"), ("torch",), {"accelerator": "cuda"}, "no_cuda_on_macos"),
    # Windows
    ("Windows, driver 580", machine(WINDOWS, gpus=["8.6"], driver="580.88"), PAIR, {}, "2.13.0 0.28.0 cuda130"),
    ("Windows, driver 552", machine(WINDOWS, gpus=["8.6"], driver="552.22"), PAIR, {}, "2.13.0 0.28.0 cuda128"),
    ("Windows, driver 527", machine(WINDOWS, gpus=["8.6"], driver="527.41"), ("torch",), {"accelerator": "gpu"},
     "driver_too_old"),
    ("Windows has no torchaudio", machine(WINDOWS), TRIO, {}, "no_wheel_for_platform"),
    ("Windows has no torch 2.4", machine(WINDOWS), ("torch==2.4.1",), {}, "no_wheel_for_platform"),
    ("Windows on Arm", machine("windows arm64"), ("torch",), {}, "no_wheel_for_platform"),
    # glibc, musl, processors
    ("glibc 2.17, CPU", machine(system="2.17"), PAIR, {}, "2.13.0 0.28.0 cpu"),
    ("glibc 2.17, CUDA", machine(gpus=["8.0"], driver="535.104.05", system="2.17"), ("torch",), {}, "2.5.1 cuda126"),
    ("glibc 2.28, CUDA", machine(gpus=["8.0"], driver="535.104.05", system="2.28"), ("torch",), {}, "2.13.0 cuda129"),
    ("glibc 2.12", machine(system="2.12"), ("torch",), {}, "glibc_too_old"),
    ("musl", machine(libc="musl", system="1.2"), ("torch",), {}, "musl_unsupported"),
    ("32-bit Python", machine(WINDOWS, bits=32), ("torch",), {}, "no_wheel_for_platform"),
    ("armv7", machine("linux armv7l"), ("torch",), {}, "no_wheel_for_platform"),
    # Python
    ("3.14", machine(python="3.14"), PAIR, {}, "2.13.0 0.28.0 cpu"),
    ("3.14.1 too", machine(python="3.14.1"), PAIR, {}, "2.13.0 0.28.0 cpu"),
    ("3.9", machine(python="3.9"), ("torch",), {}, "2.7.1 cpu"),
    ("3.8", machine(python="3.8"), ("torch",), {}, "2.4.0 cpu"),
    ("3.15", machine(python="3.15"), ("torch",), {}, "no_wheel_for_python"),
    ("no free-threaded builds", machine(python="3.13", abi="cp313t"), ("torch",), {}, "no_wheel_for_python"),
    ("Python unknown", machine(python=None), ("torch",), {}, "no_wheel_for_python"),
    # which belong together; trap 56
    ("trap 56: torchaudio is built for one torch", machine(), TRIO, {}, "2.10.0 0.26.0 2.11.0 cpu"),
    ("trap 56: torchaudio alone", machine(), ("torchaudio",), {}, "2.10.0 2.11.0 cpu"),
    ("trap 56: not beside 2.13", machine(), ("torch==2.13.0", "torchaudio"), {}, "conflicting_pins"),
    ("trap 56: pytorch channel, newest", machine(), ("pytorch",), {"channel": "pytorch"}, "channel_ended"),
    ("trap 56: pytorch channel, 2.6", machine(), ("pytorch==2.6.0",), {"channel": "pytorch"}, "channel_ended"),
    ("torchvision 0.26.0 is for 2.10 and 2.11", machine(), ("torchvision==0.26.0",), {}, "2.11.0 0.26.0 cpu"),
    ("torch 2.9.1", machine(), ("torch==2.9.1", "torchvision"), {}, "2.9.1 0.24.1 cpu"),
    ("a pair that is not there", machine(), ("torch==2.13.0", "torchvision==0.26.0"), {}, "conflicting_pins"),
    # what is asked for
    ("newer than the rows", machine(), ("torch==2.15.0",), {}, "no_such_version"),
    ("the name pytorch", machine(), ("pytorch==2.8.0",), {}, "2.8.0 cpu"),
    ("variant as conda writes it", machine(gpus=["8.9"], driver="595.1"), ("torch",), {"variant": "cuda129"},
     "2.13.0 cuda129"),
    ("variant as the wheels write it", machine(gpus=["8.9"], driver="595.1"), ("torch",), {"variant": "cu129"},
     "2.13.0 cuda129"),
    ("variant that is not there", machine(gpus=["8.9"], driver="595.1"), ("torch",), {"variant": "cu132"},
     "no_such_variant"),
    ("cpu beside a GPU", machine(gpus=["8.9"], driver="595.1"), ("torch",), {"accelerator": "cpu"}, "2.13.0 cpu"),
    ("no GPU, cuda asked", machine(), ("torch",), {"accelerator": "cuda"}, "accelerator_absent"),
    ("no ROCm", machine(gfx=["gfx1100"]), ("torch",), {"accelerator": "rocm"}, "no_wheel_for_platform"),
    ("no ROCm, auto", machine(gfx=["gfx1100"]), ("torch",), {}, "2.13.0 cpu"),
    ("no XPU", machine(intel=["Intel Arc B580"]), ("torch",), {"accelerator": "xpu"}, "no_wheel_for_platform"),
    # channels
    ("conda-forge by name", machine(), ("torch",), {"channel": "conda-forge"}, "2.13.0 cpu"),
    ("conda-forge by address", machine(), ("torch",), {"channel": "https://conda.anaconda.org/conda-forge"},
     "2.13.0 cpu"),
    ("a channel and no installer", machine(), ("torch",), {"channel": "conda-forge", "installer": "pip"},
     "2.13.0 cpu"),
    ("pytorch channel, older", machine(), ("torch==2.5.1",), {"channel": "pytorch"}, "channel_ended"),
    ("defaults", machine(), ("torch",), {"channel": "defaults"}, "no_such_variant"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_case(case: tuple[str, Machine, tuple[str, ...], dict[str, object], str]) -> None:
    _, described, packages, asked, expected = case
    assert short(answer(described, *packages, **asked)) == expected


@pytest.mark.parametrize("installer", ["conda", "mamba", "pixi"])
def test_every_conda_installer_gets_the_same_plan(installer: str) -> None:
    box = machine(gpus=["8.9"], driver="550.54.14")
    assert plan(box, *PAIR, installer=installer) == plan(box, *PAIR)
    assert resolve_conda(box, Request(PAIR, installer=installer), catalog()) == plan(box, *PAIR)


@pytest.mark.skipif(not sample_cases(), reason="no sample cases beside the checkout")
def test_the_sample_cases_that_speak_of_conda() -> None:
    seen = 0
    for case in sample_cases():
        described, request = of_case(case)
        expected = case["expect"]
        assert isinstance(expected, dict)
        if request.installer == "conda":
            seen += 1
            assert short(resolve(described, request, catalog())) == expected["error_kind"]
        for other in case.get("also_ok", []):  # type: ignore[attr-defined]
            if other.get("index_kind") == "conda":
                seen += 1
                found = plan(described, *request.packages)
                assert (found.packages["torch"], found.variant) == (other["torch"], other["variant"])
    assert seen == 2


# ── what is said with a plan ─────────────────────────────────────────────────────────────────────


def test_auto_names_the_gpu_that_it_leaves_unused() -> None:
    found = plan(machine(gpus=["RTX 4090=8.9"], driver="440.33"), "torch")
    assert "left unused" in found.warnings[0]
    assert "needs driver >= 580.65.06, found 440.33" in found.warnings[0]


def test_a_pin_that_windows_lacks_is_named() -> None:
    assert (
        "no cpu build of torch==2.4.1 on conda-forge for windows" in refusal(machine(WINDOWS), "torch==2.4.1").message
    )


def test_auto_says_why_amd_stays_unused() -> None:
    found = plan(machine(gfx=["gfx1100"]), "torch")
    assert any("no rocm build of torch on conda-forge" in warning for warning in found.warnings)


def test_a_plan_held_back_by_torchaudio_says_so() -> None:
    found = plan(machine(), *TRIO)
    assert any("torchaudio on conda-forge is not built for torch 2.13.0" in warning for warning in found.warnings)
    assert found.refusals[0].torch == "2.13.0"


def test_windows_is_told_to_leave_out_torchaudio() -> None:
    assert "leave out torchaudio" in refusal(machine(WINDOWS), *TRIO).hint


def test_a_pin_that_torchaudio_does_not_meet_names_the_torch_that_does() -> None:
    found = refusal(machine(), "torch==2.13.0", "torchaudio")
    assert "torch==2.10.0" in found.hint


def test_what_is_newer_than_the_rows_is_not_called_absent() -> None:
    found = refusal(machine(), "torch==2.15.0")
    assert "2026-08-21" in found.message
    assert "conda-forge" in found.message


@pytest.mark.parametrize("channel", ["defaults", "nvidia", "https://repo.anaconda.com/pkgs/main"])
def test_a_channel_that_nobody_knows_is_refused_by_name(channel: str) -> None:
    assert channel.rpartition("/")[2] in refusal(machine(), "torch", channel=channel).message


def test_the_ended_channel_says_where_it_ended() -> None:
    assert "2.5.1" in refusal(machine(), "torch", channel="pytorch").message
    older = refusal(machine(), "torch==2.4.1", channel="pytorch")
    assert "the catalog knows nothing" in older.message
    assert "conda-forge" in older.hint


@pytest.mark.parametrize(
    ("box", "packages"),
    [
        (machine(python="3.15"), ("torch",)),
        (machine(libc="musl", system="1.2"), ("torch",)),
        (machine(ARM, "3.10", gpus=["Orin=8.7"], jetpack="5.1"), ("torch",)),
        (machine(WINDOWS), TRIO),
        (machine(gpus=["8.9"], driver="440.33"), ("torch", "torchvision")),
    ],
)
def test_nothing_is_said_of_wheels(box: Machine, packages: tuple[str, ...]) -> None:
    found = answer(box, *packages, accelerator="auto")
    said = [found.message, found.hint] if isinstance(found, NoPlan) else []
    assert not any("wheel" in text for text in [*said, *found.warnings, *(r.reason for r in found.refusals)])


def test_an_unverified_build_is_left_out_unless_it_is_asked_for() -> None:
    box = machine(gpus=["8.0"], driver="535.104.05", system="2.17")
    careful = refusal(box, "torch==2.5.1", variant="cuda120")
    assert careful.error_kind == "no_such_variant"
    daring = plan(box, "torch==2.5.1", variant="cuda120", include_unverified=True)
    assert any("not been verified on conda-forge" in warning for warning in daring.warnings)


def test_cudnn_is_kept_where_an_old_gpu_needs_it() -> None:
    """conda would take cuDNN 9.13, which no longer serves Pascal."""
    old = plan(machine(gpus=MIXED, driver="580.95.05"), "torch")
    assert "libcudnn<9.11" in old.constraints
    assert any("GTX 1080 Ti" in warning and "cuDNN" in warning for warning in old.warnings)
    assert plan(machine(gpus=["6.1"], driver="580.95.05"), "torch==2.8.0").constraints == ("cudnn<9.11",)
    assert plan(machine(gpus=["7.5"], driver="580.95.05"), "torch").constraints == ()
    assert plan(machine(gpus=["6.1"], driver="580.95.05"), "torch", accelerator="cpu").constraints == ()


def test_numpy_goes_along() -> None:
    assert plan(machine(), "torch", "numpy>=1.24,<2").constraints == ("numpy<2,>=1.24",)


def test_a_machine_without_an_answering_driver_is_told_of_the_override() -> None:
    box = machine(gpus=["8.9"], driver="550.54.14")
    told = replace(box, nvidia=replace(box.nvidia, nvml_state="not-asked"))
    assert any("CONDA_OVERRIDE_CUDA=12.0" in warning for warning in plan(told, "torch").warnings)
    assert not any("CONDA_OVERRIDE" in warning for warning in plan(box, "torch").warnings)


def test_an_unknown_libc_is_a_warning() -> None:
    found = plan(machine(system=None, gpus=["8.9"], driver="550.54.14"), "torch")
    assert any("glibc 2.28" in warning for warning in found.warnings)


def test_a_driver_that_does_not_answer_is_not_replaced_by_the_cpu() -> None:
    box = machine()
    broken = replace(box.nvidia, status="unknown", nvml_state="library-mismatch", driver=Unknown("mismatch"))
    assert short(answer(replace(box, nvidia=broken), "torch")) == "driver_unknown"


def test_visible_devices_narrow_the_choice() -> None:
    box = machine(gpus=MIXED, driver="580.95.05", visible="1")
    assert short(answer(box, "torch")) == "2.13.0 cuda130"


@pytest.mark.parametrize(
    ("box", "packages", "build"),
    [
        (machine(gpus=MIXED, driver="580.95.05"), ("torch",), "torch 2.13.0 (cuda129)"),
        (machine(INTEL_MAC, "3.13", system="14.5"), ("torch",), "torch 2.13.0 (cpu)"),
        (machine(ARM, "3.10", gpus=["Orin=8.7"], jetpack="6.2"), ("torch",), "torch 2.13.0 (cuda129)"),
    ],
)
def test_where_no_wheel_fits_pip_is_told_of_conda_forge(box: Machine, packages: tuple[str, ...], build: str) -> None:
    found = refusal(box, *packages, installer="pip")
    assert f"conda-forge has {build}: `envtool pick --installer conda`" in found.hint


@pytest.mark.parametrize(
    "box", [machine(bits=32), machine("windows arm64", gpus=["12.1"], driver="615.1"), machine(python="3.15")]
)
def test_conda_forge_is_not_named_where_it_has_nothing(box: Machine) -> None:
    assert "conda" not in refusal(box, *TRIO, installer="pip", accelerator="cuda").hint


def test_an_unknown_accelerator_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no such accelerator"):
        resolve_conda(machine(), Request(("torch",), accelerator="tpu", installer="conda"), catalog())


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def texts() -> dict[str, str]:
    from envtool.catalog import FILES, PACKAGED

    return {name: Path(PACKAGED, f"{name}.toml").read_text(encoding="utf-8") for name in FILES}


def test_the_rows_keep_the_laws() -> None:
    assert [breach for law in CONDA_LAWS for breach in law(catalog())] == []


ROW = "[[pytorch]]\ntorch = '2.13.0'\nsubdir = 'linux-64'\nvariant = 'cpu'\npython = '3.12'\nglibc = '2.17'\nverified = true\nsource = 'cf-slice'\n"
PAIRED = "[[companion]]\npackage = 'torchvision'\nversion = '0.28.0'\ntorch = '2.13.0'\nsubdirs = 'linux-64'\nvariant = 'cpu'\npython = '3.12'\nverified = true\nsource = 'cf-slice'\n"


@pytest.mark.parametrize(
    ("rows", "breach"),
    [
        (ROW + ROW, "is told 2 times"),
        (PAIRED, "not there for linux-64"),
        (ROW + PAIRED + PAIRED, "is told 2 times"),
        (ROW.replace("2.13.0", "2.13.7"), "is no release"),
        (ROW.replace("'cpu'", "'cuda129'"), "nothing tells the code"),
        (ROW.replace("'cpu'", "'cuda990'"), "no driver for"),
        (ROW + ROW.replace("2.13.0", "2.12.1").replace("2.17", "2.28"), "less than its forerunner"),
        (ROW.replace("'cpu'", "'cuda129'") + PAIRED.replace("'cpu'", "'cuda130'\nbeside = 'cuda129'"), "another CUDA"),
    ],
)
def test_a_law_that_is_broken_is_told(rows: str, breach: str) -> None:
    edited = parse({**texts(), "conda": f"date = '2026-08-21'\n{rows}"})
    assert any(breach in told for law in CONDA_LAWS for told in law(edited))


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (("'linux-64'", "'linux-32'"), "is not a subdir"),
        (("'cpu'", "'cu129'"), "write it as in"),
        (("glibc = '2.17'\n", ""), "glibc: missing"),
        (("glibc", "macos"), "glibc: missing"),
        (("'linux-64'", "'win-64'"), "no meaning for win-64"),
        (("python = '3.12'", "python = '3.x'"), "is not a version"),
        (("verified = true", "verified = 'yes'"), "neither true nor false"),
        (("variant", "varant"), "variant: missing"),
        (("source", "arm = 'tegra'\nsource"), "for linux-aarch64 alone"),
    ],
)
def test_a_bad_row_is_named(edit: tuple[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=r"conda.toml, pytorch\[0\]") as told:
        parse({**texts(), "conda": ROW.replace(*edit)})
    assert complaint in f"{told.value.message} {told.value.hint}"


def test_the_digest_covers_the_rows() -> None:
    whole = texts()
    assert parse(whole).digest != parse({**whole, "conda": whole["conda"] + "# changed\n"}).digest


def test_conda_rows_are_not_read_for_wheels() -> None:
    asked: list[str] = []

    def read(name: str) -> str:
        asked.append(name)
        return whole[name]

    whole = texts()
    resolve(machine(gpus=["8.9"], driver="550.54.14"), Request(("torch",)), Catalog(read))
    assert asked
    assert "conda" not in asked


@pytest.mark.slow
@needs_slice
def test_the_rows_agree_with_the_slice() -> None:
    pytest.importorskip("zstandard")
    assert SLICE is not None
    count, problems = reader().check(SLICE)
    assert problems == []
    assert count > 400


def test_the_reader_tells_what_contradicts_the_rows(tmp_path: Path) -> None:
    """The comparison can fail: records that conda.toml knows otherwise, or not at all."""
    record = {
        "name": "pytorch",
        "version": "2.13.0",
        "build": "cuda129_mkl_py312_h0_302",
        "depends": ["__glibc >=2.17"],
    }
    stranger = {**record, "build": "cuda777_mkl_py312_h0_302"}
    python = {**record, "build": "cuda129_mkl_py399_h0_302"}
    vision = {"name": "torchvision", "version": "0.28.0", "build": "cpu_py312_h0_1",
              "depends": ["pytorch >=2.13.9,<2.14.0a0"]}  # fmt: skip
    channel = tmp_path / "linux-64"
    channel.mkdir()
    raw = {f"{i}.conda": one for i, one in enumerate((record, stranger, python, vision))}
    (channel / "repodata.json").write_text(json.dumps({"packages": {}, "packages.conda": raw}), encoding="utf-8")
    count, problems = reader().check(str(tmp_path))
    whole = "\n".join(problems)
    assert count == 4
    assert "0 rows tell of it" in whole
    assert "Python 3.99" in whole
    assert "does not say that it was seen" in whole
    assert "was not seen" in whole


# ── lines to paste ───────────────────────────────────────────────────────────────────────────────

GPU = plan(machine(gpus=["8.9"], driver="550.54.14"), *PAIR)
CPU = plan(machine(), "torch")
ORIN = plan(machine(ARM, "3.10", gpus=["Orin=8.7"], jetpack="6.2"), "torch")
WIN = plan(machine(WINDOWS, "3.10", gpus=["6.1"], driver="552.22"), "torch==2.9.1", "torchvision")
HEAD = "create -n torch -c conda-forge --override-channels"


@pytest.mark.parametrize(
    ("chosen", "how", "line"),
    [
        (GPU, {}, f"conda {HEAD} python=3.12 'pytorch=2.13.0=cuda129*' 'torchvision=0.28.0=cuda129*' cuda-version=12.9"),
        (GPU, {"installer": "mamba", "name": "course"},
         "mamba create -n course -c conda-forge --override-channels python=3.12 'pytorch=2.13.0=cuda129*' "
         "'torchvision=0.28.0=cuda129*' cuda-version=12.9"),
        (CPU, {}, f"conda {HEAD} python=3.12 'pytorch=2.13.0=cpu*'"),
        (CPU, {"without_driver": True}, f"conda {HEAD} python=3.12 'pytorch=2.13.0=cpu*'"),
        (ORIN, {}, f"conda {HEAD} python=3.10 'pytorch=2.13.0=cuda129*' cuda-version=12.9 'arm-variant=*=tegra'"),
        # a torchvision of another minor version of CUDA than torch; cuDNN for a Pascal card
        (WIN, {"shell": "powershell"},
         f"conda {HEAD} python=3.10 'pytorch=2.9.1=cuda128*' 'torchvision=0.24.1=cuda129*' cuda-version=12.9 "
         "'cudnn<9.11'"),
        (WIN, {"shell": "cmd"},
         f'conda {HEAD} "python=3.10" "pytorch=2.9.1=cuda128*" "torchvision=0.24.1=cuda129*" "cuda-version=12.9" '
         '"cudnn<9.11"'),
        (GPU, {"without_driver": True},
         f"CONDA_OVERRIDE_CUDA=12.0 conda {HEAD} python=3.12 'pytorch=2.13.0=cuda129*' "
         "'torchvision=0.28.0=cuda129*' cuda-version=12.9"),
        (WIN, {"shell": "cmd", "without_driver": True},
         f'set "CONDA_OVERRIDE_CUDA=12.0" && conda {HEAD} "python=3.10" "pytorch=2.9.1=cuda128*" '
         '"torchvision=0.24.1=cuda129*" "cuda-version=12.9" "cudnn<9.11"'),
        (WIN, {"shell": "powershell", "without_driver": True},
         f"$env:CONDA_OVERRIDE_CUDA = '12.0'; conda {HEAD} python=3.10 'pytorch=2.9.1=cuda128*' "
         "'torchvision=0.24.1=cuda129*' cuda-version=12.9 'cudnn<9.11'"),
        (GPU, {"installer": "pixi"},
         "pixi init torch --channel conda-forge && cd torch && printf '%s\\n' '' '[system-requirements]' "
         "'cuda = \"12.0\"' 'libc = \"2.28\"' >> pixi.toml && pixi add python=3.12 'pytorch ==2.13.0 cuda129*' "
         "'torchvision ==0.28.0 cuda129*' cuda-version=12.9"),
        (WIN, {"installer": "pixi", "shell": "powershell"},
         "pixi init torch --channel conda-forge; if ($?) { cd torch; if ($?) { Add-Content pixi.toml "
         "'','[system-requirements]','cuda = \"12.0\"'; if ($?) { pixi add python=3.10 'pytorch ==2.9.1 cuda128*' "
         "'torchvision ==0.24.1 cuda129*' cuda-version=12.9 'cudnn<9.11' } } }"),
        (WIN, {"installer": "pixi", "shell": "cmd"},
         "pixi init torch --channel conda-forge && cd torch && (echo.& echo [system-requirements]& "
         'echo cuda = "12.0")>> pixi.toml && pixi add "python=3.10" "pytorch ==2.9.1 cuda128*" '
         '"torchvision ==0.24.1 cuda129*" "cuda-version=12.9" "cudnn<9.11"'),
    ],
)  # fmt: skip
def test_line(chosen: Plan, how: dict[str, object], line: str) -> None:
    assert conda_command(chosen, **how) == line  # type: ignore[arg-type]


def test_the_lines_of_a_plan_for_windows_name_their_shell() -> None:
    lines = conda_commands(WIN)
    assert set(lines) == {"conda", "mamba", "pixi", "conda-cmd", "mamba-cmd", "pixi-cmd"}
    assert lines["conda"] == conda_command(WIN, "conda", "powershell")
    assert lines["pixi-cmd"] == conda_command(WIN, "pixi", "cmd")
    assert set(conda_commands(GPU)) == {"conda", "mamba", "pixi"}


FAKE = """#!{python}
import json, os, sys
with open(os.environ["TOLD"], "a") as file:
    print(json.dumps([sys.argv[1:], os.environ.get("CONDA_OVERRIDE_CUDA")]), file=file)
if sys.argv[1] == "init":
    os.mkdir(sys.argv[2])
    with open(os.path.join(sys.argv[2], "pixi.toml"), "w") as file:
        file.write('[workspace]\\nname = "torch"\\n\\n[dependencies]\\n')
"""


def pasted(line: str, folder: Path, shell: str) -> list[tuple[list[str], str | None]]:
    """What programs are told when a line is pasted into a real shell: the words, and the override."""
    for name in ("conda", "mamba", "pixi"):
        program = folder / name
        program.write_text(FAKE.format(python=sys.executable), encoding="utf-8")
        program.chmod(0o755)
    told = folder / "told"
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "TOLD": str(told)}
    subprocess.run([shell, "-c", line], cwd=folder, env=env, check=True, timeout=60)
    return [tuple(json.loads(text)) for text in told.read_text(encoding="utf-8").splitlines()]


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell is needed")
@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_a_shell_hands_the_words_on_unchanged(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    # a file that the pattern would match, were it not quoted
    (tmp_path / "pytorch=2.13.0=cuda129_x").touch()
    (told,) = pasted(conda_command(GPU, without_driver=True), tmp_path, shell)
    assert told == ([*HEAD.split(), *conda_specs(GPU)], "12.0")


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell is needed")
def test_a_shell_makes_a_pixi_project_that_declares_what_the_plan_needs(tmp_path: Path) -> None:
    tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    first, second = pasted(conda_command(ORIN, "pixi"), tmp_path, "sh")
    assert first[0] == ["init", "torch", "--channel", "conda-forge"]
    assert second[0] == ["add", *conda_specs(ORIN, spaced=True)]
    with (tmp_path / "torch" / "pixi.toml").open("rb") as file:
        assert tomllib.load(file)["system-requirements"] == {"cuda": "12.0", "libc": "2.34"}


# ── a real solver on real records ────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The slice, unpacked: py-rattler reads no .zst from a folder."""
    pytest.importorskip("rattler")
    pytest.importorskip("zstandard")
    assert SLICE is not None
    folder = tmp_path_factory.mktemp("channel")
    for subdir in ("noarch", "linux-64", "linux-aarch64", "osx-arm64", "win-64"):
        (folder / subdir).mkdir()
        text = json.dumps(reader().repodata(SLICE, subdir))
        (folder / subdir / "repodata.json").write_text(text, encoding="utf-8")
    return folder.as_uri()


def virtual_packages(box: Machine, cuda: str | None) -> list[object]:
    from rattler import BuildString, GenericVirtualPackage, PackageName, Version

    versions = {"__archspec": "1"}
    if box.os == "linux":
        assert isinstance(box.libc, Found)
        versions |= {"__unix": "0", "__linux": "5.10", "__glibc": box.libc.value.version}
    elif box.os == "macos":
        assert isinstance(box.os_version, Found)
        versions |= {"__unix": "0", "__osx": box.os_version.value}
    else:
        versions |= {"__win": "10"}
    if cuda:
        versions["__cuda"] = cuda
    return [GenericVirtualPackage(PackageName(n), Version(v), BuildString("0")) for n, v in versions.items()]


def solved(channel: str, box: Machine, chosen: Plan, specs: list[str], cuda: str | None) -> dict[str, tuple[str, str]]:
    """Name to version and build, as a real solver answers; raises where there is no solution."""
    from rattler import MatchSpec, solve

    return {
        record.name.normalized: (str(record.version), str(record.build))
        for record in asyncio.run(
            solve(
                [channel],
                [MatchSpec(spec) for spec in specs],
                platforms=[chosen.build.subdir, "noarch"],  # type: ignore[attr-defined, list-item]
                virtual_packages=virtual_packages(box, cuda),  # type: ignore[arg-type]
            )
        )
    }


def build_text(build: str) -> str:
    return build.removeprefix("BuildString('").removesuffix("')").removeprefix('BuildString("').removesuffix('")')


def check_solution(found: dict[str, tuple[str, str]], chosen: Plan, specs: list[str]) -> None:
    """Exactly the versions and the kinds of build that the plan names, and nothing of CUDA in a CPU plan."""
    wanted = {spec.split("=")[0]: spec.split("=")[2].rstrip("*") for spec in specs if spec.count("=") == 2}
    for pin in chosen.pins:
        name = {"torch": "pytorch"}.get(pin.package, pin.package)
        version, build = found[name]
        assert version == pin.version, name
        assert build_text(build).startswith(wanted[name]), (name, build)
    assert found["python"][0].startswith(f"{chosen.python}.")
    assert found["libtorch"][0] == chosen.packages["torch"]
    assert build_text(found["libtorch"][1]).startswith(chosen.variant)
    assert ("cuda-version" in found) == (chosen.variant != "cpu")
    if "libcudnn<9.11" in chosen.constraints:
        assert tuple(map(int, found["libcudnn"][0].split(".")[:2])) < (9, 11)


# What the slice can solve. Each GPU machine is solved with the __cuda of the oldest driver of its CUDA family.
SOLVABLE: list[tuple[Machine, tuple[str, ...], dict[str, object], str]] = [
    (machine(), ("torch",), {}, "2.13.0 cpu"),
    (machine(system="2.17"), ("torch",), {}, "2.13.0 cpu"),
    (machine(gpus=["8.9"], driver="550.54.14"), ("torch",), {}, "2.13.0 cuda129"),
    (machine(gpus=["8.9"], driver="550.54.14", system="2.28"), ("torch",), {}, "2.13.0 cuda129"),
    (machine(gpus=MIXED, driver="580.95.05"), ("torch",), {}, "2.13.0 cuda129"),
    (machine(gpus=["8.0"], driver="535.104.05", system="2.17"), ("torch",), {}, "2.5.1 cuda126"),
    (machine(gpus=["7.5"], driver="470.223.02"), ("torch==2.4.0",), {}, "2.4.0 cuda118"),
    (machine(python="3.12"), ("torch==2.5.1", "torchvision", "torchaudio"), {}, "2.5.1 0.20.1 2.5.1 cpu"),
    (machine(python="3.12", gpus=["8.9"], driver="550.54.14"), ("torch==2.8.0", "torchvision"), {},
     "2.8.0 0.24.0 cuda129"),
    (machine(python="3.10", gpus=["8.9"], driver="550.54.14"), ("torch==2.9.1", "torchvision"), {},
     "2.9.1 0.24.1 cuda129"),
    (machine(python="3.10"), ("torch==2.12.1", "torchvision"), {}, "2.12.1 0.27.1 cpu"),
    (machine(python="3.10"), ("torch==2.10.0", "torchvision"), {}, "2.10.0 0.26.0 cpu"),
    (machine(ARM, "3.10"), ("torch==2.12.1", "torchvision"), {}, "2.12.1 0.27.1 cpu"),
    (machine(ARM, "3.14", gpus=["9.0"], driver="550.54.14"), ("torch==2.12.1",), {}, "2.12.1 cuda129"),
    (machine(MAC, "3.13", system="14.5"), ("torch",), {}, "2.13.0 cpu"),
    (machine(MAC, "3.13", system="12.0"), ("torch",), {}, "2.13.0 cpu"),
    (machine(MAC, "3.10", system="14.5"), ("torch==2.12.1", "torchvision"), {}, "2.12.1 0.27.1 cpu"),
    (machine(MAC, "3.13", system="11.0"), ("torch",), {}, "2.12.0 cpu"),
    (machine(WINDOWS, "3.13", gpus=["8.6"], driver="552.22"), ("torch",), {}, "2.13.0 cuda128"),
    (machine(WINDOWS, "3.13", gpus=["6.1"], driver="552.22"), ("torch",), {}, "2.13.0 cuda128"),
    (machine(WINDOWS, "3.13"), ("torch",), {}, "2.13.0 cpu"),
    (machine(WINDOWS, "3.10", gpus=["8.6"], driver="552.22"), ("torch==2.9.1", "torchvision"), {},
     "2.9.1 0.24.1 cuda128"),
    (machine(WINDOWS, "3.10"), ("torch==2.12.1", "torchvision"), {}, "2.12.1 0.27.1 cpu"),
]  # fmt: skip


@pytest.mark.slow
@needs_slice
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", SOLVABLE, ids=[f"{c[0].os} {c[0].arch} {c[3]} {i}" for i, c in enumerate(SOLVABLE)])
def test_a_real_solver_takes_what_the_plan_says(
    case: tuple[Machine, tuple[str, ...], dict[str, object], str], channel: str
) -> None:
    from rattler import MatchSpec

    box, packages, asked, expected = case
    chosen = plan(box, *packages, **asked)
    assert short(chosen) == expected
    words = shlex.split(conda_command(chosen, "conda", without_driver=True))
    variables = dict(word.split("=", 1) for word in words[: words.index("conda")])
    specs = words[words.index("--override-channels") + 1 :]
    cuda = variables.get("CONDA_OVERRIDE_CUDA")
    check_solution(solved(channel, box, chosen, specs, cuda), chosen, specs)
    # pixi reads strictly, and means the same
    strict = shlex.split(conda_command(chosen, "pixi"))
    strict = strict[strict.index("add") + 1 :]
    assert [str(MatchSpec(spec, strict=True)) for spec in strict] == [str(MatchSpec(spec)) for spec in specs]


@pytest.mark.slow
@needs_slice
@pytest.mark.timeout(600)
def test_without_the_override_a_login_node_gets_an_error_and_never_the_cpu(channel: str) -> None:
    with pytest.raises(Exception, match="__cuda"):
        solved(channel, machine(), GPU, conda_specs(plan(machine(gpus=["8.9"], driver="550.54.14"), "torch")), None)


def seen_builds() -> Iterator[tuple[str, str, str, str]]:
    """Version, subdir, variant and Python of the newest pytorch of each variant in the slice, and of a few more."""
    assert SLICE is not None
    found = {(r.version, r.subdir, r.variant, r.python) for r in reader().records(SLICE) if r.package == "pytorch"}
    return iter(sorted(one for one in found if tuple(map(int, one[0].split("."))) >= (2, 4)))


def box_for(subdir: str, variant: str, python: str) -> Machine:
    platform = {"linux-64": LINUX, "linux-aarch64": ARM, "osx-arm64": MAC, "win-64": WINDOWS}[subdir]
    if variant == "cpu":
        return machine(platform, python, system="14.5" if platform == MAC else "2.35")
    return machine(platform, python, gpus=["8.0"], driver="595.71.05")


@pytest.mark.slow
@needs_slice
@pytest.mark.timeout(1200)
def test_whatever_the_slice_can_solve_is_what_the_plan_says(channel: str) -> None:
    """Every build in the slice is asked for by version, variant and Python.

    The slice has not every CUDA library of every minor version: what it can't solve with the CUDA that a build was
    made with, it must solve with a later one of that major.
    """
    done, loosened = 0, 0
    for version, subdir, variant, python in seen_builds():
        if (version, variant) == ("2.5.1", "cuda118"):
            continue  # the slice has no cuDNN 9 for CUDA 11
        box = box_for(subdir, variant, python)
        chosen = plan(box, f"torch=={version}", variant=variant)
        assert chosen.build.subdir == subdir  # type: ignore[attr-defined]
        specs = conda_specs(chosen)
        cuda = cuda_override(chosen)
        try:
            found = solved(channel, box, chosen, specs, cuda)
        except Exception as error:  # noqa: BLE001 - a solver has more than one kind
            assert "cuda" in str(error), (version, subdir, variant, python, error)
            found = solved(channel, box, chosen, [s for s in specs if not s.startswith("cuda-version")], cuda)
            loosened += 1
        check_solution(found, chosen, specs)
        done += 1
    assert done > 150
    assert done > 8 * loosened, loosened


def test_the_view_is_made_once() -> None:
    assert conda_catalog(catalog(), jetson=False) is conda_catalog(catalog(), jetson=False)
