"""The catalog: its queries against what is known, its laws against rows that break them, its errors in words."""

from __future__ import annotations

import os.path
import subprocess
import sys
from functools import lru_cache

import pytest

import envtool
from envtool.catalog import FILES, Catalog, Kernels, load, parse, runs_on
from envtool.catalog.builds import platform_of_tag
from envtool.catalog.companions import fits
from envtool.catalog.laws import LAWS, broken
from envtool.errors import UsageError
from envtool.versions import at_least, cuda_of, kind_of, numbers

FOLDER = os.path.join(os.path.dirname(os.path.abspath(envtool.__file__)), "data")


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    return load()


def texts(**changed: str) -> dict[str, str]:
    """The text of every file of the catalog, some of them changed."""
    found = {}
    for name in FILES:
        with open(os.path.join(FOLDER, f"{name}.toml"), encoding="utf-8") as file:
            found[name] = file.read()
    return {**found, **changed}


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_catalog_keeps_its_laws() -> None:
    assert broken(catalog()) == []


def row(table: str, **fields: str) -> str:
    return f"\n[[{table}]]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items())


KERNELS = row("kernels", variant="'cu126'", platform="'linux_x86_64'", torch="'2.14.1'", sm="'9.0'", verified="true", source="'derived'")  # fmt: skip
NO_SOURCE = row("rocm", variant="'rocm9.9'", gfx="'gfx1'", source="'hearsay'")
BUILD_WITHOUT_CODE = row("builds", variant="'cu137'", platform="'linux_x86_64'", torch="'2.14.1'", verified="true", source="'derived'")  # fmt: skip
SECOND_MEANING = row("nvidia", capability="'9.0'", architecture="'Volta'", verified="true", source="'gist'", names="['NVIDIA V100']")  # fmt: skip
STRAY_WHEEL = row("wheels", package="'torch'", versions="'9.9'", python="'cp312'", tags="'win_amd64'", source="'pypi'")
STRAY_RELEASE = row("release", torch="'2.16.0'", date="'2027-01-01'", torchvision="'0.29.2'", torchaudio="'2.10.0'", source="'pypi'")  # fmt: skip
EARLY_FLOOR = row("wheels", package="'torch'", versions="'2.15.0'", python="'cp399'", tags="'manylinux2014_x86_64'", source="'pypi'")  # fmt: skip


@pytest.mark.parametrize(
    ("file", "added", "law", "words"),
    [
        ("kernels", KERNELS, "rows_are_unique", "cu126 of torch 2.14.1 on linux_x86_64 is told 2 times"),
        ("gpus", SECOND_MEANING, "names_mean_one_gpu", "NVIDIA V100 is told to be 7.0 too"),
        ("kernels", NO_SOURCE, "every_row_has_a_source", "no source 'hearsay'"),
        ("sources", "\n[nobody]\ntitle = 'x'\n", "every_row_has_a_source", "'nobody' is the source of nothing"),
        ("gpus", row("nvidea", capability="'9.0'"), "every_table_is_known", "no such table as 'nvidea'"),
        ("builds", BUILD_WITHOUT_CODE, "references_resolve", "nothing on torch 2.14.1 (cu137)"),
        ("wheels", STRAY_WHEEL, "references_resolve", "torch 9.9 on windows_x86_64 is no release"),
        ("releases", STRAY_RELEASE, "every_release_has_companions", "torch 2.16.0 and torchaudio 2.11.0"),
        ("wheels", EARLY_FLOOR, "floors_never_fall", "torch 2.15.0 on linux_x86_64 asks for less"),
        ("wheels", EARLY_FLOOR, "floors_never_fall", "newest_glibc is not what the newest torch asks for"),
    ],
)
def test_each_law_finds_its_breach(file: str, added: str, law: str, words: str) -> None:
    changed = texts(**{file: texts()[file] + added})
    judged = Catalog(changed.__getitem__)
    (chosen,) = [one for one in LAWS if one.__name__ == law]
    assert any(words in breach for breach in chosen(judged)), list(chosen(judged))


def test_parse_reads_everything_at_once() -> None:
    assert [r.torch for r in parse(texts()).releases] == [r.torch for r in catalog().releases]
    assert parse(texts()).digest == catalog().digest


@pytest.mark.parametrize(
    ("file", "added", "message", "hint"),
    [
        ("drivers", row("family", cuda="'14'", linux="'580x'", windows="'580'", source="'uv'"),
         "drivers.toml, family[3].linux: '580x' is not a version", "use digits and dots, as in '580.65.06'"),
        ("kernels", row("kernels", variant="'cu140'", platform="'x'", torch="'2'", sm="'9'", verified="true"),
         "].sm: '9' is not a compute capability", "write it as in '8.6'"),
        ("kernels", row("kernels", variant="'cu140'", platform="'x'", torch="'2'", sm="'9.0'"),
         "].verified: missing", None),
        ("builds", row("builds", variant="'cpu'", platform="'x'", torch="'2'", verified="1"),
         "verified: 1 is neither true nor false", None),
        ("builds", row("builds", variant="'cpu'", platform="'linux_x86_64'", torch="'9.9'", verified="true"),
         "builds.toml: torch 9.9 for linux_x86_64 has no release or no wheel", None),
        ("wheels", row("wheels", package="'torch'", versions="'2'", python="'cp312'", tags="'beos_x86_64'"),
         "tags: 'beos_x86_64' is not a platform tag", None),
        ("releases", row("release", torch="'2.16.0'", dat="'x'"), "date: missing", None),
        ("releases", row("rule", package="'torchvision'", cuda="'same-minor'", cudaa="'x'"),
         "cudaa: no such field here", None),
        ("gpus", row("nvidia", capability="'9.0'", architecture="'x'", names="'one'"), "names: is not a list", None),
        ("gpus", "\n[[nvidia\n", "gpus.toml: not TOML", None),
    ],
)  # fmt: skip
def test_a_bad_row_is_named(file: str, added: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse(texts(**{file: texts()[file] + added}))
    assert message in caught.value.message
    assert caught.value.hint == hint


# ── releases and companions ──────────────────────────────────────────────────────────────────────


def test_every_stable_torch_is_there_newest_first() -> None:
    found = [release.torch for release in catalog().releases]
    assert (found[0], found[-1], len(found)) == ("2.15.0", "1.13.0", 30)
    assert found == sorted(found, key=numbers, reverse=True)


@pytest.mark.parametrize(
    ("torch", "vision", "audio"),
    [
        ("2.15.0", ("0.29.2", "0.29.1"), ("2.11.0",)),
        ("2.14.1", ("0.29.1", "0.29.2"), ("2.11.0",)),
        ("2.14.0", ("0.29.0", "0.29.1", "0.29.2"), ("2.11.0",)),
        ("2.13.0+cpu", ("0.28.0",), ("2.11.0",)),
        ("2.0.1", ("0.15.2",), ("2.0.2",)),
        ("2.0.0", ("0.15.1",), ("2.0.1",)),
    ],
)
def test_companions(torch: str, vision: tuple[str, ...], audio: tuple[str, ...]) -> None:
    found = catalog().companions(torch)
    assert found is not None
    assert (found.torchvision, found.torchaudio) == (vision, audio)


@pytest.mark.parametrize("torch", ["2.16.0.dev20261101+cu132", "2.99", ""])
def test_an_unknown_torch_has_no_companions(torch: str) -> None:
    assert catalog().companions(torch) is None
    assert catalog().numpy2_ok(torch, "linux") is None
    assert catalog().kernels(torch, "cu132", "linux_x86_64") is None


@pytest.mark.parametrize(
    ("pair", "kind", "words"),
    [
        (("2.13.0+cpu", "cpu", "torchvision", "0.28.0", "cu130"), "cpu-beside-cuda", "CPU build and needs the same"),
        (("2.13.0", "cu130", "torchvision", "0.28.0+cpu", "cpu"), "cpu-beside-cuda", "found a CPU build"),
        (("2.15.0", "cu132", "torchaudio", "2.11.0", "cu130"), "wrong-cuda", "for CUDA 13.2; found CUDA 13.0"),
        (("2.14.1", "cu130", "torchvision", "0.29.2", "cu132"), "ok", "goes with"),
        (("2.14.1+cu126", "cu126", "torchvision", "0.29.2", "cu132"), "wrong-cuda", "CUDA 12.x; found CUDA 13.2"),
        (("2.5.1", "cu124", "torchaudio", "2.11.0", "cu130"), "wrong-version", "needs torchaudio 2.5.1; found 2.11.0"),
        (("2.14.1", "cu130", "torchaudio", "2.11.0", "cu130"), "ok", "both cu130"),
        (("2.12.0", "cu130", "torchaudio", "2.11.0", "cu130"), "ok", "both cu130"),
        (("2.10.0", "cu128", "torchaudio", "2.11.0", "cu130"), "wrong-version", "2.10.0"),
        (("2.14.0", "cu130", "torchvision", "0.28.0", "cu130"), "wrong-version", "0.29.0 or 0.29.1 or 0.29.2"),
        (("2.16.0.dev20261101", "cu132", "torchvision", "0.29.2", "cu132"), "unknown", "does not know torch 2.16.0"),
        (("2.14.1", None, "torchvision", "0.29.1", "cu130"), "unknown", "torch 2.14.1 was built for is not known"),
        (("2.14.1", "cu130", "torchvision", "0.29.1", None), "unknown", "torchvision 0.29.1 was built for"),
        (("2.14.1", "rocm7.2", "torchvision", "0.29.1", "cu130"), "wrong-cuda", "ROCm 7.2"),
        (("2.14.1", "xpu", "torchvision", "0.29.1", "xpu"), "ok", "both xpu"),
    ],
)
def test_fits(pair: tuple[str, str | None, str, str, str | None], kind: str, words: str) -> None:
    found = fits(catalog(), *pair)
    assert (found.kind, found.ok) == (kind, kind == "ok")
    assert words in found.message


@pytest.mark.parametrize(
    ("package", "version", "platform", "variant"),
    [
        ("torch", "2.15.0", "linux_x86_64", "cu132"),
        ("torch", "2.10.0", "linux_aarch64", "cpu"),
        ("torch", "2.11.0", "linux_aarch64", "cu130"),
        ("torch", "2.15.0", "windows_x86_64", "cpu"),
        ("torchvision", "0.29.2", "linux_x86_64", "cu132"),
        ("torchvision", "0.29.1", "linux_x86_64", "cu130"),
        ("torchaudio", "2.11.0", "macos_arm64", "cpu"),
        ("torchaudio", "9.9", "linux_x86_64", None),
    ],
)
def test_what_pypi_s_own_wheels_are(package: str, version: str, platform: str, variant: str | None) -> None:
    assert catalog().pypi_variant(package, version, platform) == variant


@pytest.mark.parametrize(
    ("torch", "os", "expected"),
    [("2.2.2", "linux", False), ("2.3.0", "linux", True), ("2.4.0", "windows", False), ("2.4.1", "windows", True)],
)
def test_numpy_2(torch: str, os: str, expected: bool) -> None:
    assert catalog().numpy2_ok(torch, os) is expected


# ── code, drivers, names ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("torch", "variant", "platform", "capability", "expected"),
    [
        ("2.14.1", "cu130", "linux_x86_64", (8, 9), True),  # 8.6 code on 8.9
        ("2.14.1", "cu130", "linux_x86_64", (7, 0), False),
        ("2.14.1", "cu126", "linux_x86_64", (6, 1), True),
        ("2.14.1", "cu126", "linux_x86_64", (12, 0), False),
        ("2.14.1", "cu130", "linux_x86_64", (10, 3), True),
        ("2.14.1", "cu130", "linux_x86_64", (12, 1), True),
        ("2.14.1", "cu130", "linux_x86_64", (11, 0), False),
        ("2.14.1", "cu130", "linux_aarch64", (11, 0), True),
        ("2.14.1", "cu130", "linux_aarch64", (10, 1), True),  # 10.1 was renamed 11.0
        ("2.14.1", "cu130", "linux_aarch64", (8, 7), False),
        ("2.14.1", "cu132", "linux_aarch64", (8, 7), True),  # one build for Jetson and server
        ("2.14.1", "cu126", "linux_x86_64", (5, 3), False),
        ("2.14.1", "cu126", "linux_x86_64", (6, 2), False),
        ("2.8.0", "cu128", "linux_x86_64", (7, 0), True),
        ("2.7.1", "cu128", "linux_x86_64", (7, 0), False),
        ("2.11.0", "cu128", "linux_x86_64", (7, 0), False),
        ("2.8.0", "cu129", "linux_x86_64", (12, 1), True),
    ],
)
def test_runs_on(torch: str, variant: str, platform: str, capability: tuple[int, int], expected: bool) -> None:
    kernels = catalog().kernels(torch, variant, platform)
    cuda = cuda_of(variant)
    assert kernels is not None
    assert cuda is not None
    assert runs_on(kernels, capability, cuda=f"{cuda[0]}.{cuda[1]}") is expected


def test_ptx_counts_where_it_is_listed_and_where_the_libraries_know_the_gpu() -> None:
    assert runs_on(Kernels(((8, 0),), ptx=((8, 0),)), (9, 0), cuda="12.8")
    assert not runs_on(Kernels(((8, 0),)), (9, 0), cuda="12.8")
    assert not runs_on(Kernels(((8, 0),), ptx=((8, 0),), ptx_to=(8, 9)), (9, 0), cuda="11.7")
    assert not runs_on(Kernels(((9, 0),), ptx=((9, 0),)), (8, 9), cuda="12.8")


def test_torch_s_own_arch_list() -> None:
    found = Kernels.parse_arch_list(["sm_80", "sm_90a", "sm_120", "compute_120", "gfx942", "sm_x"])
    assert (found.sm, found.ptx) == (((8, 0), (9, 0), (12, 0)), ((12, 0),))


@pytest.mark.parametrize(
    ("variant", "os", "floor"),
    [
        ("cu118", "linux", "450.80.02"),
        ("cu118", "windows", "452.39"),
        ("cu128", "linux", "525.60.13"),
        ("cu126", "windows", "528.33"),
        ("cu132", "linux", "580.65.06"),
        ("cpu", "linux", None),
        ("rocm7.2", "linux", None),
        ("xpu", "linux", None),
        ("cu142", "linux", None),
    ],
)
def test_driver_floor(variant: str, os: str, floor: str | None) -> None:
    assert catalog().driver_floor(variant, os) == floor


@pytest.mark.parametrize(
    ("capability", "first", "last"),
    [((3, 7), None, "470"), ((6, 1), None, "580"), ((7, 5), None, None), ((12, 0), "570", None), ((99, 0), None, None)],
)
def test_driver_branches_of_an_architecture(capability: tuple[int, int], first: str | None, last: str | None) -> None:
    assert (catalog().first_driver(capability, "linux"), catalog().last_driver(capability)) == (first, last)


@pytest.mark.parametrize(
    ("driver", "cuda"), [("550.54.14", "12.4"), ("595.71.05", "13.2"), ("572.83", "12.8"), ("390.1", None)]
)
def test_cuda_of_a_driver(driver: str, cuda: str | None) -> None:
    assert catalog().cuda_of_driver(driver) == cuda


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("NVIDIA GeForce RTX 4090", (8, 9)),
        ("V100", (7, 0)),
        ("Tesla V100-SXM2-32GB", (7, 0)),
        ("NVIDIA A100-SXM4-80GB", (8, 0)),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", (8, 0)),
        ("NVIDIA H100 80GB HBM3", (9, 0)),
        ("NVIDIA GeForce RTX 3080 Ti Laptop GPU", (8, 6)),
        ("GeForce GTX 1060 6GB", (6, 1)),
        ("GTX TITAN X", (5, 2)),
        ("TITAN X (Pascal)", (6, 1)),
        ("Quadro RTX 6000", (7, 5)),
        ("NVIDIA RTX 6000 Ada Generation", (8, 9)),
        ("NVIDIA GB10", (12, 1)),
        ("rtx pro 6000", (12, 0)),
        ("RTX4090", (8, 9)),
        ("rtx4060ti", (8, 9)),
        ("4090", (8, 9)),
        ("1080 Ti", (6, 1)),
        ("980", (5, 2)),
        ("sm_70", (7, 0)),
        ("12.0", (12, 0)),
        ("sm_120", (12, 0)),
        ("GeForce GTX 960M", None),
        ("TITAN", None),
        ("", None),
        ("Voodoo 2", None),
    ],
)
def test_capability_of_a_name(name: str, capability: tuple[int, int] | None) -> None:
    assert catalog().capability_of(name) == capability


def test_names_of_other_makers() -> None:
    names = catalog().names
    assert (names.gfx("AMD Radeon RX 7900 XTX"), names.gfx("gfx942"), names.gfx("Rage 128")) == (
        "gfx1100",
        "gfx942",
        None,
    )
    assert (names.xpu("Intel(R) Arc(TM) B580 Graphics"), names.xpu("Intel UHD Graphics 770")) == (True, False)
    assert names.xpu("Intel HD 4000") is None


@pytest.mark.parametrize(
    ("tag", "platform", "floor"),
    [
        ("manylinux1_x86_64", "linux_x86_64", (2, 17)),
        ("manylinux_2_28_aarch64", "linux_aarch64", (2, 28)),
        ("macosx_11_0_arm64", "macos_arm64", (11, 0)),
        ("macosx_10_9_x86_64", "macos_x86_64", (10, 9)),
        ("win_amd64", "windows_x86_64", ()),
        ("win_arm64", "windows_arm64", ()),
    ],
)
def test_platform_tags(tag: str, platform: str, floor: tuple[int, ...]) -> None:
    assert platform_of_tag(tag) == (platform, floor)


def test_glibc_of_the_newest_torch() -> None:
    assert catalog().newest_glibc_floor("linux_x86_64") == "2.28"
    assert catalog().newest_glibc_floor("macos_arm64") is None


@pytest.mark.parametrize(
    ("found", "floor", "expected"),
    [
        ("580.65.06", "580.65.06", True),
        ("580", "580.65.06", True),
        ("579.99", "580", False),
        ("580.1", "580.65", False),
    ],
)
def test_versions(found: str, floor: str, expected: bool) -> None:
    assert at_least(numbers(found), numbers(floor)) is expected


def test_variants() -> None:
    assert [cuda_of(v) for v in ("cu118", "cu92", "cpu", "cux", "cu1")] == [(11, 8), (9, 2), None, None, None]
    assert [kind_of(v) for v in ("cu118", "rocm7.14", "xpu", "cpu")] == ["cuda", "rocm", "xpu", "cpu"]


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_doctor_s_questions_read_neither_wheels_nor_names() -> None:
    asked = []
    found = texts()

    def read(name: str) -> str:
        asked.append(name)
        return found[name]

    fresh = Catalog(read)
    fresh.kernels("2.13.0", "cu130", "linux_x86_64")
    fresh.driver_floor("cu130", "linux")
    fits(fresh, "2.13.0", "cu130", "torchvision", "0.28.0", "cu130")
    assert fresh.numpy2_ok("2.13.0", "linux")
    assert fresh.newest_glibc_floor("linux_x86_64")
    assert sorted(asked) == ["drivers", "kernels", "releases"]


def test_importing_the_catalog_leaves_the_parsers_for_later() -> None:
    code = "import sys, envtool.catalog; print(*({'tomllib', 'tomli', 'packaging', 'pathlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": os.path.dirname(os.path.dirname(envtool.__file__))})  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr
