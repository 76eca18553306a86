"""Properties of the resolver, and a checker that re-reads the TOML rows on its own for every plan."""

from __future__ import annotations

import os.path
import random
import re
import shlex
from dataclasses import replace
from functools import lru_cache

import pytest
from described import machine
from hypothesis import example, given, settings
from hypothesis import strategies as st
from thoroughness import examples

import envtool
from envtool.catalog import FILES, Catalog, load, parse
from envtool.commands import install_command
from envtool.machine import Found, Libc, Machine
from envtool.plan import NoPlan, Plan, resolve
from envtool.spec import Request

tomllib = pytest.importorskip("tomllib" if __import__("sys").version_info >= (3, 11) else "tomli")
FOLDER = os.path.join(os.path.dirname(os.path.abspath(envtool.__file__)), "data")
CATALOG = load()
RELEASES = [release.torch for release in CATALOG.releases]


def texts() -> dict[str, str]:
    found = {}
    for name in FILES:
        with open(os.path.join(FOLDER, f"{name}.toml"), encoding="utf-8") as file:
            found[name] = file.read()
    return found


# ── machines and requests ────────────────────────────────────────────────────────────────────────

DRIVERS = ["440.33", "450.80.02", "470.223.02", "525.60.13", "527.41", "528.33", "550.54.14", "570.26", "572.83",
           "575.51.03", "580.65.06", "580.95.05", "595.71.05", "615.1"]  # fmt: skip
CAPABILITIES = ["3.5", "3.7", "5.0", "5.2", "6.0", "6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "10.3",
                "12.0", "12.1"]  # fmt: skip
PYTHONS = [("3.7", "cp37"), ("3.8", "cp38"), ("3.9", "cp39"), ("3.10", "cp310"), ("3.11", "cp311"), ("3.12", "cp312"),
           ("3.13", "cp313"), ("3.13", "cp313t"), ("3.14.1", "cp314"), ("3.14.2", "cp314"), ("3.14", "cp314t"),
           ("3.15", "cp315"), ("3.10", "pp310")]  # fmt: skip
GLIBCS = ["2.12", "2.17", "2.27", "2.28", "2.35", "2.39"]
MACOS = ["10.15", "11.7", "12.0", "13.6", "14.0", "15.1"]
LINUX = ("linux x86_64", "linux aarch64")
PLATFORMS = (*LINUX, "windows x86_64", "windows arm64", "macos arm64", "macos x86_64")


@st.composite
def machines(draw: st.DrawFn, platforms: tuple[str, ...] = PLATFORMS, fewest_gpus: int = 0) -> Machine:
    platform = draw(st.sampled_from(platforms))
    python, abi = draw(st.sampled_from(PYTHONS))
    mac = platform.startswith("macos")
    gpus = [] if mac else draw(st.lists(st.sampled_from(CAPABILITIES), min_size=fewest_gpus, max_size=3))
    return machine(
        platform,
        python,
        abi=abi,
        gpus=gpus,
        driver=draw(st.sampled_from(DRIVERS)) if gpus else None,
        gfx=[] if mac else draw(st.lists(st.sampled_from(["gfx906", "gfx1100", "gfx1031", "gfx1151"]), max_size=2)),
        intel=draw(st.lists(st.sampled_from(["Intel Arc B580", "Intel UHD Graphics 770"]), max_size=1)),
        system=draw(st.sampled_from(MACOS if mac else GLIBCS)),
        wsl=platform == "linux x86_64" and draw(st.booleans()),
    )


@st.composite
def requests(draw: st.DrawFn) -> Request:
    exact = st.sampled_from(RELEASES).map("=={}".format)
    pin = draw(st.one_of(st.just(""), st.just(""), st.sampled_from([">=2.5,<2.9", "<2", ">=2.0"]), exact))
    companions = draw(st.sets(st.sampled_from(["torchvision", "torchaudio"])))
    return Request(
        (f"torch{pin}", *sorted(companions)),
        accelerator=draw(st.sampled_from([*["auto"] * 6, "gpu", "cpu", "cuda", "rocm", "xpu", "mps"])),
        include_unverified=draw(st.booleans()),
    )


# ── the independent checker: plain dicts out of the TOML, and the promises written anew ──────────


@lru_cache(maxsize=1)
def tables() -> dict[str, dict[str, list[dict[str, object]]]]:
    return {name: tomllib.loads(text) for name, text in texts().items()}


def rows(file: str, table: str, **where: str) -> list[dict[str, object]]:
    """Rows whose fields name these words."""
    return [row for row in tables()[file][table]
            if all(word in str(row[field]).split() for field, word in where.items())]  # fmt: skip


def tuple_of(version: object) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(version)))


ENDS = {"linux x86_64": "x86_64", "linux aarch64": "aarch64", "windows x86_64": "win_amd64",
        "windows arm64": "win_arm64", "macos arm64": "arm64", "macos x86_64": "x86_64"}  # fmt: skip
STARTS = {"linux": "manylinux", "windows": "win", "macos": "macosx"}


def has_wheel(package: str, version: str, box: Machine, extra_glibc: object = None) -> bool:
    """Promise 1: a wheel for this Python, platform and libc, by its tag and its Requires-Python."""
    assert isinstance(box.python, Found)
    for row in rows("wheels", "wheels", package=package, versions=version):
        if not {box.python.value.abi, "py3"} & set(str(row["python"]).split()):
            continue
        for tag in str(row["tags"]).split():
            if not (tag.startswith(STARTS[box.os]) and tag.endswith(ENDS[f"{box.os} {box.arch}"])):
                continue
            if box.os == "windows" or old_enough(tag, box, extra_glibc):
                return python_allowed(package, version, box.python.value.version)
    return False


def old_enough(tag: str, box: Machine, extra_glibc: object) -> bool:
    if box.os == "macos":
        assert isinstance(box.os_version, Found)
        return tuple_of(box.os_version.value) >= tuple_of(tag)[:2]
    assert isinstance(box.libc, Found)
    floor = tuple_of(tag)[:2] if tag.startswith("manylinux_") else (2, 17)
    return tuple_of(box.libc.value.version) >= max(floor, tuple_of(extra_glibc or ""))


def python_allowed(package: str, version: str, python: str) -> bool:
    for row in rows("wheels", "requires", package=package, versions=version):
        for clause in str(row["python"]).split(","):
            bound = tuple_of(clause)
            if clause.startswith(">=") and tuple_of(python) < bound[: len(tuple_of(python))]:
                return False
            if clause.startswith("!=") and tuple_of(python) == bound:
                return False
    return True


def code_runs(code: tuple[int, ...], gpu: tuple[int, ...]) -> bool:
    """Binary compatibility, without the Jetson numbers, which these machines don't have."""
    return code not in {(5, 3), (6, 2), (7, 2), (8, 7), (11, 0)} and code[0] == gpu[0] and code[1] <= gpu[1]


def check_cuda(plan: Plan, box: Machine, served: list[tuple[int, ...]]) -> None:
    """Promise 1: code for every GPU, and the driver of the CUDA family."""
    (kernels,) = rows("kernels", "kernels", variant=plan.variant, torch=plan.packages["torch"],
                      platform=plan.build.platform)  # fmt: skip
    codes = [tuple_of(word) for word in str(kernels["sm"]).split()]
    ptx = [tuple_of(word) for word in str(kernels.get("ptx", "")).split()]
    for gpu in served:
        by_ptx = any(code <= gpu for code in ptx) and gpu <= tuple_of(kernels.get("ptx_to", "0"))
        assert any(code_runs(code, gpu) for code in codes) or by_ptx
        assert gpu >= tuple_of(kernels.get("cudnn_from", "0"))
    assert isinstance(box.nvidia.driver, Found)
    system = "windows" if box.os == "windows" or isinstance(box.wsl, Found) else "linux"
    (family,) = [row for row in tables()["drivers"]["family"] if row["cuda"] == plan.variant[2:4]]
    assert tuple_of(box.nvidia.driver.value) >= tuple_of(family[system])


def check_companions(plan: Plan, box: Machine, glibc: object) -> None:
    """Promise 1: they import together, by version and by CUDA."""
    torch = plan.packages["torch"]
    (release,) = rows("releases", "release", torch=torch)
    needed = tuple_of(plan.variant[2:-1] + "." + plan.variant[-1]) if plan.variant.startswith("cu") else None
    for package in ("torchvision", "torchaudio"):
        if package not in plan.packages:
            continue
        version = plan.packages[package]
        assert version in str(release[package]).split()
        assert has_wheel(package, version, box, glibc)
        if plan.source == "pypi":
            (row,) = rows("releases", "companion", package=package, versions=version)
            variant = dict(row["pypi"]).get(plan.build.platform)  # type: ignore[call-overload]
            found = tuple_of(variant[2:-1] + "." + variant[-1]) if variant else None
            assert (found is None) == (needed is None)
            if found and needed:
                assert found[0] == needed[0]
                assert package == "torchvision" or found == needed


def check(plan: Plan, box: Machine, request: Request) -> None:
    torch = plan.packages["torch"]
    asked = {re.split(r"[=<>]", text)[0] for text in request.packages}
    assert set(plan.packages) == asked
    glibc: object = None
    if plan.source == "pytorch-index":
        (row,) = rows("builds", "builds", variant=plan.variant, platform=plan.build.platform, torch=torch)
        assert row["verified"] or request.include_unverified
        unseen = set(str(row.get("unseen", "")).split())
        assert not unseen & asked or request.include_unverified
        glibc = row.get("glibc")
        assert plan.index_url == f"https://download.pytorch.org/whl/{plan.variant}"
        plain = set(str(row.get("plain", "")).split())
        assert {pin.package for pin in plan.pins if pin.local is None} == plain & asked
    else:
        (release,) = rows("releases", "release", torch=torch)
        assert plan.variant == dict(release["pypi"]).get(plan.build.platform, "cpu")  # type: ignore[call-overload]
        assert plan.index_url is None
        assert {pin.local for pin in plan.pins} == {None}
        assert plan.variant != "cpu" or box.os != "linux", "CPU builds on Linux come from the PyTorch index"
    assert has_wheel("torch", torch, box, glibc)
    check_companions(plan, box, glibc)
    if plan.accelerator == "cuda":
        unused = [w for w in plan.warnings if "left unused" in w]
        gpus = [gpu.compute_capability.value for gpu in box.nvidia.gpus if isinstance(gpu.compute_capability, Found)]
        check_cuda(plan, box, [gpu for gpu in gpus if not any(f"GPU {gpu[0]}.{gpu[1]} " in w for w in unused)])
    if plan.accelerator == "rocm":
        (row,) = rows("kernels", "rocm", variant=plan.variant)
        for amd in box.amd.gpus:
            assert isinstance(amd.gfx, Found)
            assert amd.gfx.value in str(row["gfx"]).split()
    if request.accelerator not in {"auto", "cpu"}:
        assert plan.accelerator != "cpu"
    numpy_1_only = box.os not in str(rows("releases", "release", torch=torch)[0]["numpy2"]).split()
    assert plan.constraints == (("numpy<2",) if numpy_1_only else ())


BIG = settings(max_examples=examples(400), deadline=None)


@BIG
@given(machines(), requests())
@example(machine(gpus=["8.9"], driver="595.71.05"), Request())
@example(machine(gpus=["7.0", "12.0"], driver="580.95.05"), Request(("torch",)))
@example(machine(python="3.10", gpus=["3.7"], driver="470.223.02"), Request(("torch",)))
def test_every_plan_keeps_its_promises(box: Machine, request: Request) -> None:
    answer = resolve(box, request, CATALOG)
    if isinstance(answer, NoPlan):
        assert answer.error_kind
        assert answer.message
        assert answer.hint
        assert answer.error_kind in KINDS
    else:
        whole = replace(request, packages=request.packages or ("torch", "torchvision", "torchaudio"))
        check(answer, box, whole)
    assert all(refusal.kind in KINDS and refusal.reason for refusal in answer.refusals)


KINDS = {
    "driver_too_old", "driver_unknown", "gpu_arch_unsupported", "no_wheel_for_python", "no_wheel_for_platform",
    "glibc_too_old", "macos_too_old", "musl_unsupported", "no_common_build", "no_such_version", "no_such_variant",
    "conflicting_pins", "no_cuda_on_macos", "rocm_linux_only", "jetson_needs_vendor_index", "channel_ended",
    "accelerator_absent",
}  # fmt: skip


@pytest.mark.slow
def test_the_machines_above_get_plans_of_every_kind() -> None:
    """A property of answers says little if there are hardly any: plans must be common, on every accelerator."""
    found: list[str] = []

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(machines(), requests())
    def collect(box: Machine, request: Request) -> None:
        answer = resolve(box, request, CATALOG)
        found.append("none" if isinstance(answer, NoPlan) else answer.accelerator)

    collect()
    assert {"cuda", "rocm", "xpu", "mps", "cpu"} <= set(found)
    assert found.count("none") < 0.9 * len(found)  # what is drawn differs from Python to Python


# ── nothing newer fits: the plan is the best of all builds ───────────────────────────────────────


@settings(max_examples=examples(150), deadline=None)
@given(machines(), st.sets(st.sampled_from(["torchvision", "torchaudio"])))
def test_no_newer_torch_would_have_done(box: Machine, companions: set[str]) -> None:
    """Ask for each newer torch by name: none of them has a plan for the same accelerator."""
    request = Request(("torch", *sorted(companions)), "auto")
    answer = resolve(box, request, CATALOG)
    if isinstance(answer, NoPlan):
        return
    for torch in RELEASES[: RELEASES.index(answer.packages["torch"])]:
        pinned = resolve(box, replace(request, packages=(f"torch=={torch}", *sorted(companions))), CATALOG)
        assert isinstance(pinned, NoPlan) or pinned.accelerator != answer.accelerator, torch


# ── more never gives less ────────────────────────────────────────────────────────────────────────


def rank(answer: Plan | NoPlan) -> tuple[int, ...]:
    """The accelerator in the order of preference, then the newer torch: CUDA may come with an older torch than XPU."""
    if isinstance(answer, NoPlan):
        return (0,)
    order = ("cpu", "mps", "xpu", "rocm", "cuda")
    return (1 + order.index(answer.accelerator), *tuple_of(answer.packages["torch"]))


def ranks_of(boxes: list[Machine], request: Request) -> list[tuple[int, ...]]:
    """The ranks of the answers. A box without a common build asks its user to choose, which is no lesser answer."""
    answers = [resolve(box, request, CATALOG) for box in boxes]
    return [rank(a) for a in answers if isinstance(a, Plan) or a.error_kind != "no_common_build"]


def in_order(versions: list[str]) -> list[str]:
    return sorted(versions, key=tuple_of)


@BIG
@example(machine(gpus=["6.1", "12.0"], driver="440.33"), Request(("torch",)), ["440.33", "580.65.06"])
@example(machine(gpus=["3.5", "12.0"], driver="440.33"), Request(("torch",)), ["440.33", "550.54.14", "580.65.06"])
@example(machine(gpus=["7.0", "12.0"], driver="440.33", python="3.15"), Request(("torch",)), ["440.33", "595.71.05"])
@given(machines((*LINUX, "windows x86_64"), 1), requests(), st.lists(st.sampled_from(DRIVERS), min_size=2, max_size=4))
def test_a_newer_driver_never_gives_an_older_torch(box: Machine, request: Request, drivers: list[str]) -> None:
    boxes = [replace(box, nvidia=replace(box.nvidia, driver=Found(driver))) for driver in in_order(drivers)]
    ranks = ranks_of(boxes, request)
    assert ranks == sorted(ranks)


@BIG
@given(machines(LINUX), requests(), st.lists(st.sampled_from(GLIBCS), min_size=2, max_size=4))
def test_a_newer_glibc_never_gives_an_older_torch(box: Machine, request: Request, glibcs: list[str]) -> None:
    boxes = [replace(box, libc=Found(Libc("glibc", glibc))) for glibc in in_order(glibcs)]
    ranks = ranks_of(boxes, request)
    assert ranks == sorted(ranks)


# ── order, commands ──────────────────────────────────────────────────────────────────────────────


def shuffled(seed: int) -> Catalog:
    """The catalog with the rows of every file in another order."""
    chance = random.Random(seed)
    mixed = {}
    for name, text in texts().items():
        head, *blocks = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
        chance.shuffle(blocks)
        mixed[name] = head + "\n".join(blocks)
    return parse(mixed)


@lru_cache(maxsize=1)
def orders() -> list[Catalog]:
    return [shuffled(seed) for seed in (1, 2, 3)]


def told(answer: Plan | NoPlan) -> tuple[object, ...]:
    if isinstance(answer, NoPlan):
        return answer.error_kind, answer.message, answer.hint, answer.refusals
    return answer.pins, answer.variant, answer.source, answer.constraints, answer.warnings, answer.refusals


@settings(max_examples=examples(150), deadline=None)
@given(machines(), requests())
def test_the_order_of_rows_never_matters(box: Machine, request: Request) -> None:
    answer = told(resolve(box, request, CATALOG))
    assert all(told(resolve(box, request, other)) == answer for other in orders())


@settings(max_examples=examples(150), deadline=None)
@given(machines(), requests())
def test_the_order_of_gpus_never_matters(box: Machine, request: Request) -> None:
    turned = replace(box, nvidia=replace(box.nvidia, gpus=box.nvidia.gpus[::-1]))
    one, other = resolve(box, request, CATALOG), resolve(turned, request, CATALOG)
    assert rank(one) == rank(other)
    assert [r.kind for r in one.refusals] == [r.kind for r in other.refusals]


@settings(max_examples=examples(150), deadline=None)
@given(machines(), requests(), st.sampled_from(["pip", "uv"]), st.text("ab c'/$\"", min_size=1, max_size=8))
def test_the_command_parses(box: Machine, request: Request, installer: str, python: str) -> None:
    answer = resolve(box, replace(request, accelerator="auto"), CATALOG)
    if isinstance(answer, NoPlan):
        return
    line = install_command(answer, installer=installer, python=python)
    words = shlex.split(line)
    assert python in words
    assert [word for word in words if "==" in word] == [f"{pin.package}=={pin.full}" for pin in answer.pins]
    assert "--extra-index-url" not in line
    assert bool({"--index-url", "--default-index"} & set(words)) == (answer.source == "pytorch-index")
    for shell in ("powershell", "cmd"):
        assert install_command(answer, installer=installer, python=python, shell=shell).count("torch==") == 1
