"""The checks of lockfiles: each where it fails and where it passes, and its one fix."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import Lines, build, environment, evidence, laptop
from check_samples import (
    AGAIN,
    CONDA_ENV,
    CONDA_GOOD,
    CONDA_LOCK,
    CONDA_NUMPY,
    CONDA_TORCH,
    CPU,
    EXACT,
    GOOD,
    GPU_TORCH,
    HELD,
    NUMPY,
    OTHER,
    PIP_LOCK,
    SHA,
    SPEC,
    TORCH,
    TQDM,
    held,
    judged,
    without,
)

from envtool.checks import every, of_lock, run
from envtool.checks.mend_lock import requirement
from envtool.drift import CONDA, PIP, Drift, Held, Pin, Term, Unusable
from envtool.drift.compare import compare, extra, matched
from envtool.drift.variant import plain
from envtool.environment import BrokenEnvironment
from envtool.machine import Absent, Found, Unknown
from envtool.verdicts import Status

GPU_LOCK = replace(PIP_LOCK, pins=(NUMPY, TQDM, GPU_TORCH), variant="cuda")
REQUIREMENTS = replace(
    PIP_LOCK, kind="requirements", shown="requirements.lock", pins=(replace(NUMPY, url=""), TQDM, TORCH)
)
UNTOLD = "another tool made it"
NO_ENV = BrokenEnvironment("", "--files-only", "not-asked", "no environment is looked at")
TERM = Term("2026-11-23", "2027-03-23", (("3.12", "2028-10"), ("3.10", "2026-10"), ("3.11", "2027-01")))

# code, drift, environment, course, status, words of the message and of the fix
CASES = [
    ("locked-newer", GOOD, CPU, None, "pass", ("none of 3",)),
    ("locked-newer", held("numpy", "2.3.0"), CPU, None, "fail", ("numpy is 2.3.0 (locked: 2.1.0)", f"INSTALL --no-deps {EXACT}")),
    ("locked-older", held("numpy", "2.3.0"), CPU, None, "pass", ()),
    ("locked-older", held("tqdm", "4.9"), CPU, None, "fail", ("tqdm is 4.9 (locked: 4.67.0)", "INSTALL --no-deps tqdm===4.67.0")),
    ("locked-missing", GOOD, CPU, None, "pass", ("all 3",)),
    ("locked-missing", without("tqdm"), CPU, None, "fail", ("not installed: tqdm 4.67.0", "tqdm===4.67.0")),
    ("locked-missing", replace(without("tqdm"), locked=REQUIREMENTS), CPU, None, "fail",
     ("INSTALL --no-deps --requirement requirements.lock --extra-index-url https://download.pytorch.org/whl/cpu",)),
    ("locked-variant", GOOD, CPU, None, "pass", ("for cpu",)),
    ("locked-variant", replace(GOOD, locked=GPU_LOCK), CPU, None, "fail",
     ("is the build for cpu; the lockfile has the one for cu130", "INSTALL --force-reinstall --no-deps torch===2.14.1+cu130 --extra-index-url https://download.pytorch.org/whl/cu130")),
    ("locked-variant", replace(GOOD, locked=replace(GPU_LOCK, pins=(Pin("torch", "2.14.1", PIP),))), CPU, None, "fail", ("cu130", "torch===2.14.1")),
    ("locked-variant", GOOD, environment(build("torch", "2.14.1", None)), None, "unknown", ("could not be told",)),
    ("locked-variant", replace(GOOD, locked=replace(PIP_LOCK, pins=(NUMPY,))), CPU, None, "skip", ()),
    ("locked-missing", replace(without("tqdm"), locked=GPU_LOCK), CPU, None, "skip", ("not checked, because of locked-variant",)),
    ("locked-newer", held("torch", "2.15.0+cpu"), CPU, None, "fail", ("torch is 2.15.0+cpu",)),
    ("locked-build", held("torch", "2.14.1"), CPU, None, "pass", ()),
    ("locked-build", held("tqdm", "4.67.0+mine"), CPU, None, "fail", ("is the build 4.67.0+mine", "--force-reinstall")),
    ("locked-hash", GOOD, CPU, None, "skip", ("keeps none",)),
    ("locked-hash", held("numpy", "2.1.0", hashes=(SHA,)), CPU, None, "pass", ("1 of 3",)),
    ("locked-hash", held("numpy", "2.1.0", hashes=(OTHER,)), CPU, None, "fail", ("another file", "--force-reinstall")),
    ("locked-files", GOOD, CPU, None, "pass", ()),
    ("locked-files", replace(GOOD, lost=(("numpy", "numpy/core.so"),)), CPU, None, "fail", ("numpy/core.so is missing", f"--force-reinstall --no-deps {EXACT}")),
    ("locked-extra", held("idna", "3.0"), CPU, None, "pass", ("idna 3.0. They count with --strict",)),
    ("locked-extra", replace(held("idna", "3.0"), strict=True), CPU, None, "fail", ("idna 3.0", "UNINSTALL idna")),
    ("locked-extra", replace(held("idna", "3.0"), strict=True, own=frozenset({"idna"})), CPU, None, "pass", ()),
    ("locked-extra", replace(held("pip", "25"), strict=True), CPU, None, "pass", ()),
    ("locked-extra", replace(held("course", "1", editable=True), strict=True), CPU, None, "pass", ()),
    ("locked-replaced", GOOD, CPU, None, "pass", ()),
    ("locked-replaced", held("numpy", "2.1.0", CONDA), CPU, None, "fail", ("numpy is conda's 2.1.0 (locked: pip's 2.1.0)", "conda remove --yes --force --prefix /home/ana/course/.venv numpy && INSTALL --no-deps numpy @")),
    ("locked-python", GOOD, CPU, None, "pass", ("3.12.4",)),
    ("locked-python", replace(GOOD, locked=replace(PIP_LOCK, python="==3.11.*")), CPU, None, "fail",
     ("has Python 3.12.4; the lockfile is for 3.11.*", "uv venv --python 3.11 .venv-3.11 && uv pip install --python .venv-3.11 --requirements pylock.cpu.toml")),
    ("locked-newer", replace(held("numpy", "2.3.0"), locked=replace(PIP_LOCK, python="==3.11.*")), CPU, None, "skip", ("not checked, because of locked-python",)),
    # ── conda ──
    ("locked-newer", CONDA_GOOD, CONDA_ENV, None, "pass", ()),
    ("locked-newer", held("numpy", "2.3", CONDA, CONDA_GOOD, record=True), CONDA_ENV, None, "fail", ("numpy is 2.3 (locked: 2.1.0)", AGAIN)),
    ("locked-build", held("numpy", "2.1.0", CONDA, CONDA_GOOD, record=True, build="py312_1"), CONDA_ENV, None, "fail", ("is the build py312_1 (locked: py312_0)", AGAIN)),
    ("locked-hash", CONDA_GOOD, CONDA_ENV, None, "pass", ("1 of 3",)),
    ("locked-hash", held("numpy", "2.1.0", CONDA, CONDA_GOOD, record=True, build="py312_0", hashes=("md5:2",)), CONDA_ENV, None, "fail", (AGAIN,)),
    ("locked-missing", without("numpy", CONDA_GOOD), CONDA_ENV, None, "fail", ("numpy 2.1.0", AGAIN)),
    ("locked-replaced", held("numpy", "2.3.0", PIP, CONDA_GOOD), CONDA_ENV, None, "fail", ("numpy is pip's 2.3.0 (locked: conda's 2.1.0)", AGAIN)),
    ("locked-newer", held("numpy", "2.3.0", PIP, CONDA_GOOD), CONDA_ENV, None, "pass", ()),
    ("locked-replaced", held("torch", "2.14.1", PIP, without("pytorch", CONDA_GOOD)), CONDA_ENV, None, "fail", ("pytorch is pip's",)),
    ("locked-variant", held("pytorch", "2.14.1", CONDA, CONDA_GOOD, record=True, build="cuda129_mkl_0", brings=("torch",)), CONDA_ENV, None, "fail", ("for cu129; the lockfile has the one for cpu", AGAIN)),
    ("locked-build", held("pytorch", "2.14.1", CONDA, CONDA_GOOD, record=True, build="cuda129_mkl_0", brings=("torch",)), CONDA_ENV, None, "pass", ()),
    ("locked-extra", replace(held("make", "4", CONDA, CONDA_GOOD, record=True), strict=True), CONDA_ENV, None, "fail", ("make 4", AGAIN)),
    ("locked-python", CONDA_GOOD, replace(CONDA_ENV, version="3.13.1"), None, "fail", ("3.13.1", AGAIN)),
    # ── the file itself ──
    ("lock-kind", Drift(), CPU, None, "skip", ()),
    ("lock-kind", GOOD, CPU, None, "pass", ()),
    ("lock-kind", Drift(unusable=Unusable("kind", "of conda's", "do it", True, True)), CPU, None, "fail", ("of conda's", "do it")),
    ("lock-kind", Drift(unusable=Unusable("kind", "of conda's", "do it")), CPU, None, "unknown", ("of conda's",)),
    ("lock-target", Drift(unusable=Unusable("target", "not here", "do it", named=True)), CPU, None, "fail", ("not here",)),
    ("lock-stale", GOOD, CPU, None, "skip", ("no envtool.toml",)),
    ("lock-stale", replace(GOOD, stale=Found(())), CPU, SPEC, "pass", ("what the spec says now",)),
    ("lock-stale", replace(GOOD, stale=Found(("packages: einops is new",))), CPU, SPEC, "fail", ("einops is new", "envtool lock")),
    ("lock-stale", replace(GOOD, stale=Absent(UNTOLD)), CPU, SPEC, "pass", ("holds what the spec asks for",)),
    ("lock-stale", replace(GOOD, stale=Absent(UNTOLD)), CPU, replace(SPEC, packages=("einops",)), "fail", ("einops is not locked", "the tool that made it")),
    ("lock-stale", replace(GOOD, stale=Absent(UNTOLD)), CPU, replace(SPEC, packages=("numpy>=2.3",)), "fail", ("numpy 2.1.0 is locked, the spec asks for >=2.3",)),
    ("lock-stale", replace(GOOD, stale=Unknown("why")), CPU, SPEC, "unknown", ("why",)),
    ("lock-stale", replace(CONDA_GOOD, stale=Absent(UNTOLD)), CONDA_ENV, replace(SPEC, conda_packages=("ffmpeg >=6",)), "fail", ("ffmpeg is not locked",)),
    ("lock-stale", replace(CONDA_GOOD, stale=Absent(UNTOLD)), CONDA_ENV, replace(SPEC, python="<3.12"), "fail", ("Python 3.12.4 is locked, the spec asks for <3.12",)),
    ("lock-edited", replace(GOOD, edited=Found(())), CPU, None, "pass", ("as `envtool lock` wrote it",)),
    ("lock-edited", replace(GOOD, edited=Found(("x is not what pixi.lock says",))), CPU, None, "fail", ("x is not", "envtool lock")),
    ("lock-edited", replace(GOOD, edited=Found(("x",)), edited_source="lockfiles/pixi.lock"), CPU, None, "fail", ("bring back lockfiles/pixi.lock",)),
    ("lock-edited", replace(GOOD, edited=Absent("")), CPU, None, "pass", ("every address",)),
    ("lock-edited", replace(GOOD, edited=Absent(""), locked=replace(PIP_LOCK, pins=(replace(NUMPY, version="2.2.0"),))), CPU, None, "fail", ("numpy 2.2.0 has the address of numpy-2.1.0-py3-none-any.whl", "bring back pylock.cpu.toml")),
    ("lock-edited", replace(CONDA_GOOD, edited=Absent(""), locked=replace(CONDA_LOCK, pins=(replace(CONDA_NUMPY, build="py312_9"),))), CONDA_ENV, None, "fail", ("has the address of numpy-2.1.0-py312_0.conda",)),
    ("lock-edited", replace(GOOD, edited=Unknown("no rattler")), CPU, None, "unknown", ("no rattler",)),
    # ── the device, the term ──
    ("device-lines", GOOD, CPU, None, "skip", ("--max-devices 1",)),
    ("device-lines", replace(GOOD, most_devices=1, devices=Found(("a.py:1: x",))), CPU, None, "pass", ("1 line names",)),
    ("device-lines", replace(GOOD, most_devices=1, devices=Found(("a.py:1: x", "b.py:3: y"))), CPU, None, "fail", ("2 lines name a device, and 1 may", "b.py:3: y", "keep one line")),
    ("device-lines", replace(GOOD, most_devices=1, devices=Unknown("b.py can't be read")), CPU, None, "unknown", ("b.py",)),
    ("catalog-ends", replace(GOOD, term=TERM), CPU, None, "pass", ("until 2027-03-23",)),
    ("catalog-ends", replace(GOOD, term=TERM), replace(CPU, version="3.10.9"), None, "warn", ("Python 3.10 ended in 2026-10",)),
    ("catalog-ends", replace(GOOD, term=TERM), replace(CPU, version="3.11.9"), None, "warn", ("Python 3.11 ends in 2027-01",)),
    ("catalog-ends", replace(GOOD, term=TERM), environment(build("torch", "2.14.1+cu126", "cu126")), None, "warn", ("the index cu126 ends with torch 2.14.1; torch 2.15.0",)),
    ("catalog-ends", replace(GOOD, term=Term("2026-09-25", "2026-10-01")), environment(build("torch", "2.14.1+cu126", "cu126")), None, "pass", ()),
    ("catalog-ends", replace(GOOD, term=TERM), CPU, replace(SPEC, channels=("pytorch",)), "warn", ("the channel pytorch ended with torch 2.5.1; conda-forge",)),
    ("catalog-ends", GOOD, CPU, None, "skip", ()),
    ("catalog-ends", Drift(term=TERM, pythons=("3.10", "3.12")), NO_ENV, None, "warn", ("Python 3.10 ended in 2026-10",)),
]  # fmt: skip


@pytest.mark.parametrize(("check", "drift", "env", "course", "status", "words"), CASES)
def test_a_check(check, drift, env, course, status, words):
    verdict = judged(drift, env, course)[check]
    assert verdict.status.value == status, verdict
    for word in words:
        assert word in f"{verdict.message}\n{verdict.hint}", verdict
    assert verdict.hint is not None or status in ("pass", "skip", "unknown")


@pytest.mark.parametrize("check", [check.code for check in of_lock() if check.code.startswith(("lock-", "locked-"))])
def test_a_broken_python_comes_first_and_nothing_is_said_of_packages(check):
    broken = BrokenEnvironment("/x/bin/python", "--python", "dangling", "gone")
    found = evidence(laptop(), broken, None, Lines())
    verdicts = {v.code: v for v in run(every(), replace(found, drift=GOOD))}
    assert verdicts["venv-broken"].status is Status.FAIL
    assert verdicts[check].status.value in ("skip", "pass")
    assert check.startswith("lock-") or verdicts[check].status is Status.SKIP


def test_a_long_list_of_packages_becomes_the_whole_lockfile():
    pins = tuple(Pin(f"p{i}", "1", PIP) for i in range(9))
    many = Drift(replace(PIP_LOCK, pins=pins))
    fix = judged(many)["locked-missing"].hint
    assert (
        fix == "uv pip install --python /home/ada/course/.venv/bin/python --requirements pylock.cpu.toml"
        or fix.endswith("--requirements pylock.cpu.toml")
    )
    assert "and 4 more" in judged(many)["locked-missing"].message


def test_windows_gets_lines_for_powershell():
    machine = laptop(os="windows", arch="x86_64")
    drift = replace(GOOD, locked=replace(PIP_LOCK, python="==3.11.*"))
    fix = judged(drift, machine=machine)["locked-python"].hint
    assert fix.startswith("uv venv --python 3.11 .venv-3.11; if ($?) { uv pip")


def test_a_pin_as_a_requirement():
    assert requirement(NUMPY) == EXACT
    assert requirement(TORCH) == "torch===2.14.1+cpu"  # an installed 2.14.1+cpu would satisfy ==2.14.1


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [("2.10", "2.9", 1), ("1.0", "1.0.0", 0), ("2024a", "2023d", 1), ("9e", "9f", -1), ("1.0rc1", "1.0", -1), ("1_2", "1_10", -1)],
)  # fmt: skip
def test_versions_of_both_worlds(one, other, order):
    assert compare(one, other) == order and compare(other, one) == -order


def test_a_cpu_build_in_the_place_of_a_cuda_build_and_its_libraries():
    """The trio is forced, since its version may be the same; the rest comes as it is missing."""
    libraries = tuple(Pin(f"nvidia-{i}", "1", PIP) for i in range(12))
    drift = replace(GOOD, locked=replace(GPU_LOCK, pins=(*GPU_LOCK.pins, *libraries)))
    fix = judged(drift)["locked-variant"].hint
    assert fix.startswith("INSTALL --force-reinstall --no-deps torch===2.14.1+cu130 --extra-index-url ")
    assert fix.endswith(
        "/whl/cu130 && uv pip install --python /home/ana/course/.venv/bin/python --requirements pylock.cpu.toml"
    )


def test_uv_is_told_to_look_on_every_index():
    """It takes a package from the first index that has it, and PyTorch's has some versions of numpy."""

    class Uv(Lines):
        def install(self, *requirements):
            return f"uv pip install {' '.join(requirements)}"

    drift = replace(without("tqdm"), locked=REQUIREMENTS)
    fix = judged(drift, mender=Uv())["locked-missing"].hint
    assert fix.endswith("--extra-index-url https://download.pytorch.org/whl/cpu --index-strategy unsafe-best-match")
    assert "strategy" not in judged(without("tqdm"), mender=Uv())["locked-missing"].hint


@pytest.mark.parametrize(
    ("build", "variant"),
    [("cuda129_mkl_py312_h0_1", "cu129"), ("cpu_generic_py312_0", "cpu"), ("py3.12_cuda12.1_cudnn8.9.2_0", "cu121"),
     ("py3.12_cpu_0", "cpu"), ("py3.12_0", None), ("h0_0", None)],
)  # fmt: skip
def test_what_a_build_of_conda_s_tells(build, variant):
    assert plain(build) == variant


def test_a_build_that_tells_nothing_is_the_locked_one_where_it_is_the_same():
    mute = replace(CONDA_LOCK, pins=(replace(CONDA_TORCH, build="py3.12_0"),))
    drift = held(
        "pytorch", "2.14.1", CONDA, replace(CONDA_GOOD, locked=mute), record=True, build="py3.12_0", brings=("torch",)
    )
    assert judged(drift, CONDA_ENV)["locked-variant"].status is Status.PASS
    other = held("pytorch", "2.14.1", CONDA, drift, record=True, build="py3.12_1", brings=("torch",))
    assert judged(other, CONDA_ENV)["locked-variant"].status is Status.UNKNOWN


def test_the_lockfile_that_describes_the_environment_best():
    other = replace(PIP_LOCK, pins=(NUMPY, TQDM, GPU_TORCH, Pin("nvidia-cudnn-cu13", "9", PIP)), variant="cuda")
    swapped = replace(GOOD, pip=(*HELD, Held("nvidia-cudnn-cu13", "9", PIP)))
    assert matched(GOOD, PIP_LOCK) > matched(GOOD, other)
    assert matched(swapped, other) > matched(swapped, PIP_LOCK)  # made from it, and its torch replaced since
    assert [one.name for one in extra(swapped, PIP_LOCK)] == ["nvidia-cudnn-cu13"]
