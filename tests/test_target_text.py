"""Machines in a line: what each fact becomes, and what is said of one that can't be read."""

from __future__ import annotations

import pytest

from envtool.catalog import Catalog, load
from envtool.errors import UsageError
from envtool.machine import NOT_ASKED, Absent, Found, Libc, Machine, Unknown, found_or
from envtool.target import SUBDIRS, read_target, target_text

CATALOG: Catalog = load()


def read(text: str) -> Machine:
    return read_target(text, CATALOG)


def refused(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert caught.value.exit_code == 2 and caught.value.hint
    return caught.value


# ── facts ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("subdir", "os", "arch"),
    [("linux-64", "linux", "x86_64"), ("linux-aarch64", "linux", "aarch64"), ("osx-64", "macos", "x86_64"),
     ("osx-arm64", "macos", "arm64"), ("win-64", "windows", "x86_64"), ("win-arm64", "windows", "arm64")],
)  # fmt: skip
def test_platforms(subdir: str, os: str, arch: str) -> None:
    found = read(subdir)
    assert (found.os, found.arch) == (os, arch)
    assert read(f" {subdir.upper()} ") == found
    assert found.apple.status == ("found" if subdir == "osx-arm64" else "absent")


def test_what_is_not_named_is_unknown() -> None:
    found = read("linux-64")
    for reading in (found.python, found.nvidia.driver, found.libc, found.os_version, found.wsl, found.jetpack):
        assert isinstance(reading, Unknown)
    assert found.nvidia.status == found.amd.status == found.intel.status == "unknown"
    assert (found.kernel, found.cpus, found.container) == (NOT_ASKED, NOT_ASKED, NOT_ASKED)


@pytest.mark.parametrize(
    ("text", "version", "abi"),
    [("py3.12", "3.12", "cp312"), ("py3.13t", "3.13", "cp313t"), ("py3.14.1", "3.14.1", "cp314"),
     ("py3.7", "3.7", "cp37"), ("PY3.15", "3.15", "cp315"), ("py3.14.2t", "3.14.2", "cp314t")],
)  # fmt: skip
def test_pythons(text: str, version: str, abi: str) -> None:
    python = read(f"linux-64,{text}").python
    assert isinstance(python, Found)
    assert (python.value.version, python.value.abi) == (version, abi)


def test_versions() -> None:
    found = read("linux-64,driver=535.161.08,glibc=2.28,wsl")
    assert found.nvidia.driver == Found("535.161.08") and found.libc == Found(Libc("glibc", "2.28"))
    assert found.wsl == Found(2)
    assert read("osx-arm64,macos=13.6").os_version == Found("13.6")
    assert read("linux-64,musl").libc == Found(Libc("musl", "")) == read("linux-64,musl").libc
    assert read("linux-64,musl=1.2").libc == Found(Libc("musl", "1.2"))
    assert isinstance(read("linux-64,driver=none").nvidia.driver, Absent)


def test_a_jetpack_tells_the_platform() -> None:
    found = read("jetpack=6.2")
    assert (found.os, found.arch, found.jetpack) == ("linux", "aarch64", Found("6.2"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("V100", ["7.0"]), ("Tesla V100-SXM2-32GB", ["7.0"]), ("sm_70", ["7.0"]), ("sm70", ["7.0"]), ("7.0", ["7.0"]),
     ("7.0x8", ["7.0"] * 8), ("V100x2", ["7.0"] * 2), ("RTX 3090 x2", ["8.6"] * 2), ("sm_120", ["12.0"]),
     ("NVIDIA GeForce RTX 4090", ["8.9"]), ("rtx 5090", ["12.0"]), ("12.1", ["12.1"]), ("sm_90a", ["9.0"]),
     ("Jetson AGX Orin", ["8.7"]), ("A100-SXM4-80GB", ["8.0"]), ("GTX 1080 Ti", ["6.1"]), ("T4", ["7.5"]),
     ("4090", ["8.9"]), ("RTX4090", ["8.9"]), ("780", ["3.5"])],
)  # fmt: skip
def test_nvidia_gpus(text: str, expected: list[str]) -> None:
    gpus = read(f"linux-64,gpu={text}").nvidia.gpus
    assert [".".join(map(str, found_or(gpu.compute_capability, (0, 0)))) for gpu in gpus] == expected
    assert [gpu.index for gpu in gpus] == list(range(len(expected)))


@pytest.mark.parametrize(
    ("text", "gfx"),
    [("gfx1100", "gfx1100"), ("RX 7900 XTX", "gfx1100"), ("Instinct MI300X", "gfx942"), ("GFX90A", "gfx90a")],
)
def test_amd_gpus(text: str, gfx: str) -> None:
    found = read(f"linux-64,gpu={text}")
    assert [gpu.gfx for gpu in found.amd.gpus] == [Found(gfx)] and found.nvidia.gpus == ()
    assert found.amd.status == "found"


def test_intel_and_apple_gpus() -> None:
    assert [gpu.name for gpu in read("linux-64,gpu=Arc B580").intel.gpus] == [Found("Arc B580")]
    assert read("osx-arm64,gpu=M2").apple.chip == Found("Apple M2")
    assert read("osx-arm64,gpu=Apple M4 Max").apple.chip == Found("Apple M4 Max")


def test_gpus_add_up_and_none_is_none() -> None:
    assert len(read("linux-64,gpu=V100,gpu=sm_70,gpu=7.5x2").nvidia.gpus) == 4
    bare = read("linux-64,gpu=none")
    assert (bare.nvidia.status, bare.amd.status, bare.intel.status) == ("absent",) * 3


# ── what can't be read ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty part"),
        ("linux-64,", "empty part"),
        ("gpu=V100", "platform is missing"),
        ("linux", "linux-64 or linux-aarch64"),
        ("windows", "win-64"),
        ("linux-63", "linux-64"),
        ("linux-64,py312", "py3.12"),
        ("linux-64,python=3.12", "py3.12"),
        ("linux-64,3.12", "py3.12"),
        ("linux-64,py3", "py3.12"),
        ("linux-64,py3.12t", "py3.13t"),
        ("linux-64,diver=535", "driver="),
        ("linux-64,driver=abc", "driver=550.54.14"),
        ("linux-64,driver=", "driver=550.54.14"),
        ("linux-64,glibc=2", "glibc=2.28"),
        ("linux-64,V100", "gpu=V100"),
        ("linux-64,gpu=V1000", "Tesla V100"),
        ("linux-64,gpu=RTX 4091", "GeForce RTX 4090"),
        ("linux-64,gpu=70", "gpu=7.0"),
        ("linux-64,gpu=Orin", "Jetson AGX Orin"),
        ("linux-64,gpu=", "V100"),
        ("linux-64,gpu=V100x0", "1 to 64"),
        ("linux-64,gpu=V100x999", "1 to 64"),
        ("linux-64,cuda=12.4", "driver="),
        ("linux-64,win-64", "named already"),
        ("linux-64,py3.12,py3.12", "named already"),
        ("linux-64,driver=535,driver=550", "named already"),
        ("win-64,glibc=2.28", "glibc does not go with win-64"),
        ("win-64,wsl", "wsl does not go with win-64"),
        ("linux-64,macos=13", "macos does not go with linux-64"),
        ("linux-64,jetpack=6.2", "jetpack does not go with linux-64"),
        ("linux-64,glibc=2.28,musl", "glibc and musl"),
        ("linux-64,gpu=M2", "osx-arm64"),
        ("linux-64,gpu=none,gpu=V100", "gpu=none"),
        ("linux-64,gpu=none,driver=550", "gpu=none"),
    ],
)
def test_one_bad_part(text: str, words: str) -> None:
    assert words in refused(text).message


def test_each_bad_part_has_its_message() -> None:
    error = refused("linux,py3.12,gpu=V1000,driver=x,foo=1")
    assert "4 parts" in error.message and len(error.details) == 4
    for part, line in zip(("linux", "gpu=V1000", "driver=x", "foo=1"), error.details, strict=True):
        assert line.startswith(repr(part))


# ── and back ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    ["linux-64,py3.12,driver=535.161.08,gpu=7.0,glibc=2.28", "win-arm64,py3.13t", "osx-arm64,py3.12.4,macos=13.6",
     "linux-aarch64,gpu=8.7,jetpack=6.2", "linux-64,gpu=gfx1100,musl,wsl", "linux-64,gpu=Arc B580", "osx-64"],
)  # fmt: skip
def test_a_machine_is_written_as_it_is_read(text: str) -> None:
    assert target_text(read(text), CATALOG) == text


def test_what_can_not_be_written_is_left_out() -> None:
    assert target_text(Machine("linux", "riscv64"), CATALOG) is None
    odd = Machine("linux", "x86_64", python=Unknown("?"), os_version=Found("Debian GNU/Linux 12"))
    assert target_text(odd, CATALOG) == "linux-64"
    assert set(SUBDIRS) == {target_text(read(subdir), CATALOG) for subdir in SUBDIRS}
