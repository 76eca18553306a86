"""The comparison of pickers: its wheels, its index, its judge and its page; the whole of it where the tools are there."""

from __future__ import annotations

import io
import os
import shutil
import ssl
import sys
import urllib.error
import urllib.request
import zipfile

import pytest
from packaging.utils import parse_wheel_filename

from envtool.catalog import load
from envtool.machine_document import machine_from_json

pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(ROOT, "scripts"))

import compare_pickers  # noqa: E402
from compare import page, tools  # noqa: E402
from compare.index import Loopback  # noqa: E402
from compare.judge import BROKEN, LESSER, RIGHT, Answer, Chosen, Judge, Rows  # noqa: E402
from compare.machines import MACHINES, Described  # noqa: E402
from compare.wheels import PYPI, Shelf, shelf  # noqa: E402

UV = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
BY_KEY = {m.key: m for m in MACHINES}


@pytest.fixture(scope="module")
def goods() -> Shelf:
    return shelf(load())


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(Rows.read(compare_pickers.DATA))


# ── the machines ─────────────────────────────────────────────────────────────────────────────────


def test_there_are_enough_machines_and_each_is_one() -> None:
    assert len(MACHINES) >= 30
    assert len(BY_KEY) == len(MACHINES)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.key)
def test_a_machine_s_document_says_what_the_machine_is(machine: Described) -> None:
    read = machine_from_json(machine.document())  # type: ignore[arg-type]
    assert (read.os, read.arch) == (machine.os, machine.arch)
    assert len(read.nvidia.gpus) == len(machine.gpus)
    assert [gpu.gfx.value for gpu in read.amd.gpus] == list(machine.gfx)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("platform", "system", "tag", "takes"),
    [
        ("linux_x86_64", "2.17", "manylinux1_x86_64", True),
        ("linux_x86_64", "2.17", "manylinux_2_28_x86_64", False),
        ("linux_x86_64", "2.35", "manylinux_2_28_aarch64", False),
        ("macos_arm64", "13.0", "macosx_14_0_arm64", False),
        ("macos_arm64", "14.0", "macosx_14_0_arm64", True),
        ("macos_x86_64", "13.0", "macosx_10_9_x86_64", True),
        ("windows_x86_64", "", "win_amd64", True),
        ("windows_arm64", "", "win_amd64", False),
    ],
)
def test_a_machine_takes_the_wheels_of_its_system(platform: str, system: str, tag: str, takes: bool) -> None:
    assert Described("x", "", platform=platform, system=system).takes(tag, []) is takes


def test_an_index_may_ask_for_more_than_the_tag() -> None:
    assert not Described("x", "", system="2.17").takes("manylinux2014_x86_64", [(2, 28)])


# ── the wheels and the index ─────────────────────────────────────────────────────────────────────


def test_every_wheel_has_a_name_that_can_be_read(goods: Shelf) -> None:
    for index, packages in goods.files.items():
        for files in packages.values():
            for name in files:
                version = parse_wheel_filename(name)[1]
                assert index != PYPI or version.local is None, name


def test_requirements_are_the_real_ones(goods: Shelf) -> None:
    def requires(index: str, package: str, version: str) -> set[tuple[str, ...]]:
        return {f.requires for f in goods.files[index][package].values() if f.version == version}

    assert requires(PYPI, "torchvision", "0.23.0") == {("torch==2.8.0", "numpy")}
    assert requires(PYPI, "torchvision", "0.29.1") == {("torch>=2.14.0", "numpy")}
    assert requires(PYPI, "torchaudio", "2.11.0") == {()}  # the trap: it asks for no torch at all
    assert requires("cu126", "torchaudio", "2.8.0+cu126") == {("torch==2.8.0",)}
    assert requires("cu124", "torch", "2.5.1+cu124") == {()}
    assert requires("cu124", "torch", "2.5.1") == {()}  # on aarch64, without a local version


def test_a_wheel_holds_its_metadata(goods: Shelf) -> None:
    file = next(f for f in goods.files["cu126"]["torchvision"].values() if f.version == "0.29.1+cu126")
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        folder = "torchvision-0.29.1+cu126.dist-info"
        assert archive.read(f"{folder}/METADATA").decode() == file.metadata
        assert f"{folder}/WHEEL" in archive.read(f"{folder}/RECORD").decode()
    assert "Requires-Python: >=3.10,!=3.14.1" in file.metadata


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is needed for the certificate")
def test_the_index_answers_for_both_hosts_and_for_no_other(goods: Shelf, tmp_path: object) -> None:
    with Loopback(goods, str(tmp_path)) as loopback:
        trust = ssl.create_default_context(cafile=loopback.ca)
        handlers = (
            urllib.request.ProxyHandler({"https": loopback.address}),
            urllib.request.HTTPSHandler(context=trust),
        )
        opener = urllib.request.build_opener(*handlers)
        with opener.open("https://download.pytorch.org/whl/cu126/torch/", timeout=20) as answer:
            assert b"torch-2.14.1%2Bcu126-cp312-cp312-manylinux_2_28_x86_64.whl" in answer.read()
        with urllib.request.urlopen(f"{loopback.address}/simple/torchvision/", timeout=20) as answer:
            text = answer.read().decode()
        assert "%2B" not in text
        assert 'data-requires-python="&gt;=3.10,!=3.14.1"' in text
        with pytest.raises(urllib.error.HTTPError) as missing:
            opener.open("https://download.pytorch.org/whl/cu126/nothing/", timeout=20)
        assert missing.value.code == 403
        with pytest.raises(OSError, match="502"):
            opener.open("https://example.org/", timeout=20)


# ── the judge ────────────────────────────────────────────────────────────────────────────────────


def chosen(text: str, variant: str, *other: tuple[str, str]) -> Answer:
    """A set out of versions in the order of the family, all of one variant unless ``other`` says so."""
    names = ("torch", "torchvision", "torchaudio")
    packages = {name: Chosen(v, variant) for name, v in zip(names, text.split(), strict=False) if v != "-"}
    return Answer({**packages, **{name: Chosen(packages[name].version, v) for name, v in other}})


@pytest.mark.parametrize(
    ("key", "answer", "word", "why"),
    [
        ("A1", chosen("2.14.1 0.29.1 2.11.0", "cu130"), RIGHT, ""),
        ("A1", chosen("2.14.1 0.29.2 2.11.0", "cu130", ("torchvision", "cu132")), RIGHT, ""),
        ("A1", chosen("2.15.0 0.29.2 2.11.0", "cu132", ("torchaudio", "cu130")), BROKEN, "torchaudio 2.11.0 is built"),
        ("A1", chosen("2.13.0 0.28.0 2.11.0", "cu130"), LESSER, "older"),
        ("A1", chosen("2.14.1 0.29.1 2.11.0", "cpu"), LESSER, "CPU only"),
        ("A1", chosen("2.14.1 0.29.1 -", "cu130"), BROKEN, "leaves out torchaudio"),
        ("A2-audio", chosen("2.5.1 - 2.11.0", "cu124"), BROKEN, "doesn't import with torch 2.5.1"),
        ("A2-audio", chosen("2.5.0 - 2.5.0", "cu124"), BROKEN, "not what was asked for"),
        ("A3", Answer({"torchaudio": Chosen("2.11.0", "cu130")}), BROKEN, "without torch"),
        ("B10", chosen("2.14.1 0.29.1 2.11.0", "cu130"), BROKEN, "needs driver 580.65.06"),
        (
            "B10",
            chosen("2.14.1 0.29.1 2.11.0", "cu126", ("torchvision", "cu130")),
            BROKEN,
            "torchvision 0.29.1 is built",
        ),
        ("B14", chosen("2.7.1 0.22.1 2.7.1", "cu118"), RIGHT, ""),
        ("B16", chosen("2.14.1 0.29.1 2.11.0", "cu126"), BROKEN, "needs driver 528.33"),
        ("C18", chosen("2.14.1 0.29.1 2.11.0", "cu130"), BROKEN, "no code for compute capability 6.1"),
        ("C22", chosen("2.7.1 0.22.1 2.7.1", "cu118"), BROKEN, "no code for compute capability 3.7"),
        ("C22", chosen("2.3.1 0.18.1 2.3.1", "cu118"), RIGHT, ""),
        ("C25", chosen("2.10.0 0.25.0 2.10.0", "cu128"), RIGHT, ""),
        ("C25-none", Answer(refusal="no"), RIGHT, "refuses"),
        ("C26", chosen("2.14.1 0.29.1 2.11.0", "cu130"), RIGHT, ""),
        ("D29", chosen("2.8.0 0.23.0 2.8.0", "cu129"), BROKEN, "8.7"),
        ("D30", chosen("2.15.0 0.29.2", "cu132"), RIGHT, ""),
        ("E35", chosen("2.14.1 0.29.1 2.11.0", "cu126"), BROKEN, "no wheel for glibc 2.17"),
        ("E38", Answer(refusal="musl"), RIGHT, "refuses"),
        ("A1", Answer(refusal="no idea"), BROKEN, "finds nothing"),
        ("F43-38", chosen("2.14.1 0.29.1 2.11.0", "cu130"), BROKEN, "needs Python"),
        ("F44", chosen("2.14.1 0.29.2 2.11.0", "cu130"), BROKEN, "torchvision 0.29.2 needs Python"),
        ("G51", chosen("2.14.1 0.29.1 2.11.0", "rocm7.2"), BROKEN, "no code for gfx1031"),
        ("G53", chosen("2.14.1 0.29.1 2.11.0", "xpu"), BROKEN, "XPU"),
        ("E39", Answer(chosen("2.2.2 0.17.2 2.2.2", "cpu").packages, numpy="2.2.6"), BROKEN, "NumPy 2.2.6"),
        ("E39", Answer(chosen("2.2.2 0.17.2 2.2.2", "cpu").packages, numpy="1.26.4"), RIGHT, ""),
    ],
)
def test_the_judge(judge: Judge, key: str, answer: Answer, word: str, why: str) -> None:
    verdict = judge.verdict(BY_KEY[key], answer)
    assert verdict.word == word, verdict
    assert why in verdict.why


def test_what_nobody_has_seen_is_not_the_best_unless_asked_for(judge: Judge) -> None:
    planned = Judge(judge.rows, unverified=True)
    sure, more = judge.best(BY_KEY["A1"]), planned.best(BY_KEY["A1"])
    assert sure is not None
    assert more is not None
    assert (sure["torch"].version, more["torch"].version) == ("2.14.1", "2.15.0")


# ── the tools ────────────────────────────────────────────────────────────────────────────────────


def test_platforms_as_the_tools_name_them() -> None:
    assert tools.uv_platform(BY_KEY["E35"]) == "x86_64-manylinux_2_17"
    assert tools.uv_platform(BY_KEY["E41"]) == "x86_64-pc-windows-msvc"
    assert tools.pip_tags(BY_KEY["E35"]) == ["manylinux_2_17_x86_64", "manylinux2014_x86_64"]
    assert tools.pip_tags(BY_KEY["E40"])[:2] == ["macosx_13_0_arm64", "macosx_12_0_arm64"]
    assert tools.pip_tags(BY_KEY["E38"])[0].startswith("musllinux_1_")


# ── the page ─────────────────────────────────────────────────────────────────────────────────────


def test_the_page_in_the_docs_has_every_machine_and_every_count() -> None:
    with open(compare_pickers.PAGE, encoding="utf-8") as file:
        text = file.read()
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    rows = [cells for cells in lines if cells[0].removeprefix("| ") in BY_KEY]
    assert [cells[0].removeprefix("| ") for cells in rows] == list(BY_KEY)
    counts = next(cells for cells in lines if cells[0] == "| envtool")
    right = [cells for cells in rows if cells[3].startswith("right")]
    assert counts[1] == str(len(right))
    assert not [cells for cells in rows if cells[3].startswith("**broken**")]


def test_a_cell_says_the_word_the_set_and_the_reason(judge: Judge) -> None:
    machine = BY_KEY["C18"]
    answer = chosen("2.14.1 0.29.1 2.11.0", "cu130")
    text = page.cell(answer, judge.verdict(machine, answer))
    assert text.startswith("**broken**: 2.14.1 / 0.29.1 / 2.11.0 cu130: torch 2.14.1 (cu130) has no code")
    assert page.told({}) == "nothing fits"


# ── the whole ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.skipif(UV is None, reason="uv is not installed")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is needed for the certificate")
@pytest.mark.skipif(os.path.exists("/sys/module/nvidia/version"), reason="uv would ask this machine's own driver")
@pytest.mark.timeout(600)
def test_envtool_is_right_and_uv_is_what_the_page_says(tmp_path: object) -> None:
    assert UV is not None
    ltt, problem = tools.make_ltt(str(tmp_path))
    machines = [BY_KEY[key] for key in ("A1", "A2-audio", "B10", "C18", "C25", "E35", "E39", "E40")]
    rows = compare_pickers.compare(machines, UV, ltt)
    words = {tool: [row.verdicts[tool].word for row in rows] for tool in page.TOOLS}
    assert words["envtool"] == [RIGHT] * len(rows), rows
    assert words["uv"] == [RIGHT, BROKEN, LESSER, BROKEN, BROKEN, RIGHT, BROKEN, RIGHT]
    if ltt is None:
        pytest.skip(f"light-the-torch can't be had: {problem}")
    assert words["light-the-torch"] == [RIGHT, BROKEN, LESSER, BROKEN, BROKEN, RIGHT, BROKEN, RIGHT]
