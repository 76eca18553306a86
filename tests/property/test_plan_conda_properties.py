"""Properties of conda plans, and a checker that re-reads conda.toml on its own for every plan."""

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
from envtool.conda_commands import conda_command
from envtool.machine import Found, Libc, Machine
from envtool.plan import NoPlan, Plan, resolve
from envtool.spec import Request

tomllib = pytest.importorskip("tomllib" if __import__("sys").version_info >= (3, 11) else "tomli")
FOLDER = os.path.join(os.path.dirname(os.path.abspath(envtool.__file__)), "data")
CATALOG = load(FOLDER)


def texts() -> dict[str, str]:
    found = {}
    for name in FILES:
        with open(os.path.join(FOLDER, f"{name}.toml"), encoding="utf-8") as file:
            found[name] = file.read()
    return found


ROWS = tomllib.loads(texts()["conda"])
FAMILIES = tomllib.loads(texts()["drivers"])["family"]
TORCHES = sorted(
    {t for row in ROWS["pytorch"] for t in row["torch"].split()}, key=lambda v: tuple(map(int, v.split(".")))
)

# ── machines and requests ────────────────────────────────────────────────────────────────────────

DRIVERS = ["440.33", "450.80.02", "470.223.02", "525.60.13", "528.33", "550.54.14", "570.26", "580.65.06", "580.95.05",
           "595.71.05"]  # fmt: skip
CAPABILITIES = ["3.5", "3.7", "5.0", "5.2", "6.0", "6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "10.3",
                "12.0", "12.1"]  # fmt: skip
PYTHONS = [("3.8", "cp38"), ("3.9", "cp39"), ("3.10", "cp310"), ("3.11", "cp311"), ("3.12", "cp312"), ("3.13", "cp313"),
           ("3.13", "cp313t"), ("3.14.1", "cp314"), ("3.15", "cp315")]  # fmt: skip
GLIBCS = ["2.12", "2.17", "2.27", "2.28", "2.34", "2.39"]
MACOS = ["10.13", "10.15", "11.7", "12.0", "13.6", "14.0", "15.1"]
PLATFORMS = {"linux x86_64": "linux-64", "linux aarch64": "linux-aarch64", "windows x86_64": "win-64",
             "macos arm64": "osx-arm64", "macos x86_64": "osx-64"}  # fmt: skip


@st.composite
def machines(draw: st.DrawFn, platforms: tuple[str, ...] = tuple(PLATFORMS), fewest_gpus: int = 0) -> Machine:
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
        gfx=[] if mac else draw(st.lists(st.just("gfx1100"), max_size=1)),
        system=draw(st.sampled_from(MACOS if mac else GLIBCS)),
        wsl=platform == "linux x86_64" and draw(st.booleans()),
    )


@st.composite
def jetsons(draw: st.DrawFn) -> Machine:
    jetpack = draw(st.sampled_from(["5.1.2", "6.0", "6.2.1", "7.0", "7.2", None]))
    return machine("linux aarch64", "3.10", gpus=[draw(st.sampled_from(["8.7", "11.0"]))], jetpack=jetpack,
                   system=draw(st.sampled_from(["2.31", "2.35", "2.39"])))  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> Request:
    pin = draw(
        st.one_of(st.just(""), st.sampled_from([">=2.5,<2.9", ">=2.0"]), st.sampled_from(TORCHES).map("=={}".format))
    )
    companions = draw(st.sets(st.sampled_from(["torchvision", "torchaudio"])))
    return Request(
        (f"torch{pin}", *sorted(companions)),
        accelerator=draw(st.sampled_from([*["auto"] * 6, "gpu", "cpu", "cuda", "mps"])),
        installer=draw(st.sampled_from(["conda", "mamba", "pixi"])),
        include_unverified=draw(st.booleans()),
    )


# ── the independent checker ──────────────────────────────────────────────────────────────────────


def tuple_of(version: object) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(version)))


def words(row: dict[str, object], field: str) -> list[str]:
    return str(row.get(field, "")).split()


def torch_row(torch: str, subdir: str, variant: str, arm: str | None) -> dict[str, object]:
    (row,) = [r for r in ROWS["pytorch"] if torch in words(r, "torch") and r["subdir"] == subdir
              and r["variant"] == variant and r.get("arm") == arm]  # fmt: skip
    return dict(row)


def python_of(box: Machine) -> str:
    assert isinstance(box.python, Found)
    return ".".join(box.python.value.version.split(".")[:2])


def check_system(row: dict[str, object], box: Machine) -> None:
    if box.os == "linux":
        assert isinstance(box.libc, Found)
        assert box.libc.value.name == "glibc"
        assert tuple_of(box.libc.value.version) >= tuple_of(row["glibc"])
    elif box.os == "macos":
        assert isinstance(box.os_version, Found)
        assert tuple_of(box.os_version.value) >= tuple_of(row["macos"])


def runs(code: tuple[int, ...], gpu: tuple[int, ...]) -> bool:
    alone = {(8, 7), (10, 1), (11, 0)}
    return code == gpu if alone & {code, gpu} else code[0] == gpu[0] and code[1] <= gpu[1]


def check_cuda(plan: Plan, box: Machine, subdir: str, arm: str | None) -> None:
    torch = plan.packages["torch"]
    (code,) = [r for r in ROWS["code"] if r["variant"] == plan.variant and torch in words(r, "torch")
               and subdir in words(r, "subdirs") and r.get("arm") == arm]  # fmt: skip
    unused = [warning for warning in plan.warnings if "left unused" in warning]
    for gpu in box.nvidia.gpus:
        assert isinstance(gpu.compute_capability, Found)
        capability = gpu.compute_capability.value
        if any(f"GPU {capability[0]}.{capability[1]} " in warning for warning in unused):
            continue
        by_ptx = any(tuple_of(ptx) <= capability for ptx in words(code, "ptx")) and capability <= tuple_of(
            code["ptx_to"]
        )
        assert by_ptx or any(runs(tuple_of(sm), capability) for sm in words(code, "sm"))
        assert capability >= tuple_of(code.get("cudnn_from", "0"))
        if capability < (7, 5):
            assert {"libcudnn<9.11", "cudnn<9.11"} & set(plan.constraints)
    if isinstance(box.jetpack, Found):
        assert (arm == "tegra") == (tuple_of(box.jetpack.value) < (7,))
        return
    assert isinstance(box.nvidia.driver, Found)
    system = "windows" if box.os == "windows" or isinstance(box.wsl, Found) else "linux"
    (family,) = [row for row in FAMILIES if row["cuda"] == plan.variant[4:6]]
    assert tuple_of(box.nvidia.driver.value) >= tuple_of(family[system])


def check_companion(package: str, version: str, plan: Plan, box: Machine, place: tuple[str, str | None]) -> bool:
    """Is it built for exactly this torch, variant, subdir and Python? Says whether it is verified."""
    found = [r for r in ROWS["companion"] if r["package"] == package and r["version"] == version
             and plan.packages["torch"] in words(r, "torch") and place[0] in words(r, "subdirs")
             and plan.variant in (words(r, "beside") or [r["variant"]])
             and (r.get("arm") == place[1] or plan.variant == "cpu")]  # fmt: skip
    assert len(found) == 1, (package, version, found)
    assert python_of(box) in words(found[0], "python")
    assert found[0]["variant"][:6] == plan.variant[:6]  # "cpu", or the same CUDA major
    return bool(found[0]["verified"])


def check(plan: Plan, box: Machine, request: Request) -> None:
    subdir = PLATFORMS[f"{box.os} {box.arch}"]
    arm = "tegra" if plan.build.arm == "tegra" else None  # type: ignore[attr-defined]
    row = torch_row(plan.packages["torch"], subdir, plan.variant, arm)
    assert isinstance(box.python, Found)
    assert box.python.value.abi == f"cp{python_of(box).replace('.', '')}"
    assert plan.python == python_of(box)
    assert python_of(box) in words(row, "python")
    assert set(plan.packages) == {re.split(r"[=<>]", text)[0] for text in request.packages}
    check_system(row, box)
    verified = [bool(row["verified"])]
    for package in set(plan.packages) - {"torch"}:
        verified.append(check_companion(package, plan.packages[package], plan, box, (subdir, arm)))
    assert all(verified) or request.include_unverified
    if plan.accelerator == "cuda":
        check_cuda(plan, box, subdir, arm)
    else:
        assert plan.variant == "cpu"
    if request.accelerator not in {"auto", "cpu"}:
        assert plan.accelerator != "cpu"
    assert plan.source == "conda-forge"
    assert plan.index_url is None


@settings(max_examples=examples(400), deadline=None)
@given(st.one_of(machines(), machines(), machines(), jetsons()), requests())
@example(machine(gpus=["6.1", "12.0"], driver="580.95.05"), Request(("torch",), installer="conda"))
@example(machine("linux aarch64", "3.10", gpus=["8.7"], jetpack="6.2"), Request(("torch",), installer="conda"))
@example(machine("windows x86_64", "3.10", gpus=["8.6"], driver="552.1"),
         Request(("torch==2.9.1", "torchvision"), installer="conda"))  # fmt: skip
def test_every_conda_plan_keeps_its_promises(box: Machine, request: Request) -> None:
    answer = resolve(box, request, CATALOG)
    if isinstance(answer, NoPlan):
        assert answer.error_kind
        assert answer.message
        assert answer.hint
    else:
        check(answer, box, request)


@pytest.mark.slow
def test_the_conda_machines_above_get_plans_of_every_kind() -> None:
    found: list[str] = []

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(st.one_of(machines(), jetsons()), requests())
    def collect(box: Machine, request: Request) -> None:
        answer = resolve(box, request, CATALOG)
        found.append("none" if isinstance(answer, NoPlan) else f"{answer.accelerator} {answer.build.arm}")  # type: ignore[attr-defined]

    collect()
    assert {"cuda None", "cuda sbsa", "cuda tegra", "mps None", "cpu None"} <= set(found)
    assert found.count("none") < 0.9 * len(found)


@settings(max_examples=examples(100), deadline=None)
@given(machines(), st.sets(st.sampled_from(["torchvision", "torchaudio"])))
def test_no_newer_conda_torch_would_have_done(box: Machine, companions: set[str]) -> None:
    request = Request(("torch", *sorted(companions)), installer="conda")
    answer = resolve(box, request, CATALOG)
    if isinstance(answer, NoPlan):
        return
    for torch in TORCHES[TORCHES.index(answer.packages["torch"]) + 1 :]:
        pinned = resolve(box, replace(request, packages=(f"torch=={torch}", *sorted(companions))), CATALOG)
        assert isinstance(pinned, NoPlan) or pinned.accelerator != answer.accelerator, torch


# ── more never gives less ────────────────────────────────────────────────────────────────────────


def rank(answer: Plan | NoPlan) -> tuple[int, ...]:
    if isinstance(answer, NoPlan):
        return (0,)
    return (1 + ("cpu", "mps", "cuda").index(answer.accelerator), *tuple_of(answer.packages["torch"]))


def ranks_of(boxes: list[Machine], request: Request) -> list[tuple[int, ...]]:
    """The ranks of the answers. A box without a common build asks its user to choose, which is no lesser answer."""
    answers = [resolve(box, request, CATALOG) for box in boxes]
    return [rank(a) for a in answers if isinstance(a, Plan) or a.error_kind != "no_common_build"]


@settings(max_examples=examples(150), deadline=None)
@given(machines(fewest_gpus=1, platforms=("linux x86_64", "linux aarch64", "windows x86_64")), requests(),
       st.lists(st.sampled_from(DRIVERS), min_size=2, max_size=4))  # fmt: skip
def test_a_newer_driver_never_gives_an_older_conda_torch(box: Machine, request: Request, drivers: list[str]) -> None:
    boxes = [replace(box, nvidia=replace(box.nvidia, driver=Found(d))) for d in sorted(drivers, key=tuple_of)]
    ranks = ranks_of(boxes, request)
    assert ranks == sorted(ranks)


@settings(max_examples=examples(150), deadline=None)
@given(machines(platforms=("linux x86_64", "linux aarch64")), requests(),
       st.lists(st.sampled_from(GLIBCS), min_size=2, max_size=4))  # fmt: skip
def test_a_newer_glibc_never_gives_an_older_conda_torch(box: Machine, request: Request, glibcs: list[str]) -> None:
    boxes = [replace(box, libc=Found(Libc("glibc", glibc))) for glibc in sorted(glibcs, key=tuple_of)]
    ranks = ranks_of(boxes, request)
    assert ranks == sorted(ranks)


@settings(max_examples=examples(100), deadline=None)
@given(machines(platforms=("macos arm64", "macos x86_64")), requests(),
       st.lists(st.sampled_from(MACOS), min_size=2, max_size=4))  # fmt: skip
def test_a_newer_macos_never_gives_an_older_conda_torch(box: Machine, request: Request, releases: list[str]) -> None:
    boxes = [replace(box, os_version=Found(release)) for release in sorted(releases, key=tuple_of)]
    ranks = ranks_of(boxes, request)
    assert ranks == sorted(ranks)


# ── order, lines ─────────────────────────────────────────────────────────────────────────────────


def shuffled(seed: int) -> Catalog:
    """The catalog with the rows of conda.toml, and the words in each, in another order."""
    chance = random.Random(seed)
    head, *blocks = re.split(r"^(?=\[)", texts()["conda"], flags=re.MULTILINE)
    chance.shuffle(blocks)

    def mixed(match: re.Match[str]) -> str:
        order = match[2].split()
        chance.shuffle(order)
        return f"{match[1]} = '{' '.join(order)}'"

    rows = re.sub(r"^(torch|python|subdirs|sm) = '([^']*)'", mixed, "\n".join(blocks), flags=re.MULTILINE)
    return parse({**texts(), "conda": head + rows})


@lru_cache(maxsize=1)
def orders() -> list[Catalog]:
    return [shuffled(seed) for seed in (1, 2, 3)]


def told(answer: Plan | NoPlan) -> tuple[object, ...]:
    if isinstance(answer, NoPlan):
        return answer.error_kind, answer.message, answer.hint, answer.refusals
    return answer.pins, answer.variant, answer.constraints, answer.warnings, answer.refusals, conda_command(answer)


@settings(max_examples=examples(150), deadline=None)
@given(st.one_of(machines(), jetsons()), requests())
def test_the_order_of_conda_rows_never_matters(box: Machine, request: Request) -> None:
    answer = told(resolve(box, request, CATALOG))
    assert all(told(resolve(box, request, other)) == answer for other in orders())


@settings(max_examples=examples(100), deadline=None)
@given(machines(fewest_gpus=2, platforms=("linux x86_64", "windows x86_64")), requests())
def test_the_order_of_gpus_never_matters_to_conda(box: Machine, request: Request) -> None:
    turned = replace(box, nvidia=replace(box.nvidia, gpus=box.nvidia.gpus[::-1]))
    one, other = resolve(box, request, CATALOG), resolve(turned, request, CATALOG)
    assert rank(one) == rank(other)
    assert [r.kind for r in one.refusals] == [r.kind for r in other.refusals]


@settings(max_examples=examples(150), deadline=None)
@given(st.one_of(machines(), jetsons()), requests(), st.booleans())
def test_the_conda_line_says_what_the_plan_says(box: Machine, request: Request, without_driver: bool) -> None:
    answer = resolve(box, replace(request, accelerator="auto"), CATALOG)
    if isinstance(answer, NoPlan):
        return
    line = shlex.split(conda_command(answer, request.installer, without_driver=without_driver))
    pixi = request.installer == "pixi"
    for pin in answer.pins:
        name = "pytorch" if pin.package == "torch" else pin.package
        start = f"{name} =={pin.version} " if pixi else f"{name}={pin.version}="
        (word,) = [word for word in line if word.startswith(start)]
        assert word.endswith("*")
        assert word[len(start) :].startswith(answer.variant[:6])
    assert f"python={answer.python}" in line
    assert any(word.startswith("cuda-version=") for word in line) == (answer.accelerator == "cuda")
    assert ("CONDA_OVERRIDE_CUDA" in line[0]) == (without_driver and not pixi and answer.accelerator == "cuda")
    assert set(answer.constraints) <= set(line)
    assert pixi or line[line.index("-c") + 1 :][:2] == ["conda-forge", "--override-channels"]
    for shell in ("powershell", "cmd"):
        assert conda_command(answer, request.installer, shell).count("pytorch") == 1
