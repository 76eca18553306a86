"""One cause, one fix: two causes on one machine, and the one that is earlier in the order of mending wins.

The twelve steps of that order stand in docs/explanation/how-the-doctor-thinks.md. A scene is a machine on
which all is well; a cause changes it. What a cause hides is told as not checked, and is never a second error.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from scenes import (
    ASKED,
    CAUSES,
    CHECKS,
    CLOSED,
    GIB,
    HEALTHY,
    Cause,
    Scene,
    cuda_says,
    first_gpu,
    silent,
    vision,
)

from envtool.checks import is_blocked
from envtool.checks.check import BLOCKED, FAULTS
from envtool.course import Course, Floors
from envtool.diagnosis import Diagnosis
from envtool.environment import Proxy, Workplace
from envtool.machine import Absent, Found, Libc, Storage
from envtool.report.text import Style, render
from envtool.verdicts import Status

# Steps of which no two causes can be on one machine together, and why.
APART = {
    (3, 10): "where torch does not start, CUDA is not started",
    (4, 5): "a way to install is asked for where torch is missing, and a GPU is missed where it is there",
    (4, 9): "torch is missing, so that there is no wheel of it",
    (4, 10): "torch is missing, so that CUDA is not started",
    (4, 11): "torch is missing, so that it has no companions",
    (5, 8): "of a GPU that this place was not given nothing is known",
    (5, 12): "of a GPU that this place was not given nothing is known",
    (7, 8): "where NVML does not answer, it tells of no single GPU",
    (7, 12): "where NVML does not answer, it tells of no single GPU",
}


def together(one: Cause, other: Cause) -> Scene | None:
    """A machine with both, made in one order or the other; None where they can't be there together."""
    for first, second in ((one, other), (other, one)):
        scene = second.change(first.change(HEALTHY))
        if one.holds(scene) and other.holds(scene):
            return scene
    return None


# ── the tests ────────────────────────────────────────────────────────────────────────────────────


def test_without_a_cause_all_is_well():
    assert HEALTHY.diagnosis().problems == ()


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.code)
def test_each_cause_alone_is_the_next_step(cause):
    scene = cause.change(HEALTHY)
    found = scene.diagnosis()
    assert cause.holds(scene)
    failures = [verdict.code for verdict in found.verdicts if verdict.status is Status.FAIL]
    assert failures == ([] if cause.step == 12 else [cause.code])
    assert found.next_step is not None and found.next_step.code == cause.code


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_earlier_of_two_causes_wins(every):
    """Two causes of each two steps, or all that can be on one machine."""
    seen = set()
    for one, other in product(CAUSES, CAUSES):
        asked = one.step < other.step and (every or (one.step, other.step) not in seen)
        scene = together(one, other) if asked else None
        if scene is None:
            continue
        seen.add((one.step, other.step))
        found = scene.diagnosis()
        wins = found.next_step.code if found.next_step else None
        assert wins == one.code, f"{one.code} and {other.code}: {[(v.code, v.message) for v in found.problems]}"
        one_fix(found)
    steps = range(1, 13)
    assert {(one, other) for one in steps for other in steps if one < other} - seen == set(APART)


def one_fix(found: Diagnosis) -> None:
    """The screen ends with one step, and no line of another fix stands on it."""
    screen = render(found, Style())
    lines = screen.splitlines()
    assert sum(line.startswith(("Fix (", "Next (")) for line in lines) == 1, screen
    others = {v.hint for v in found.problems if v.hint and v.command} - {found.next_step.text}
    assert not others & set(lines), screen


# (step, cause, what it hides, what makes that): the later step would be a second error.
HIDDEN = (
    (1, "venv-not-active", "torch-not-installed", None),
    (1, "venv-broken", "torchvision-mismatch", vision),
    (1, "venv-broken", "driver-too-old-for-wheel", lambda s: s.with_(gpu={"driver": Found("550.54.15")})),
    (2, "stdlib-shadow", "torch-import", None),
    (2, "file-named-torch", "torch-import", None),
    (2, "pythonpath-leak", "torchvision-mismatch", vision),
    (3, "musl", "torch-import", None),
    (3, "python-32bit", "torch-import", None),
    (3, "python-too-new", "torch-not-installed", None),
    (4, "disk-full", "torch-not-installed", None),
    (4, "offline", "torch-not-installed", None),
    (4, "proxy", "torch-not-installed", None),
    (5, "slurm-no-gres", "driver-too-old-for-wheel", lambda s: s.with_(gpu={"driver": Found("550.54.15")})),
    (5, "slurm-no-gres", "dev-nvidia-permission", silent("no-permission", 4, nodes=CLOSED)),
    (5, "container-without-gpus", "dev-nvidia-permission", silent("no-permission", 4, nodes=Absent("none"))),
    (6, "nouveau-loaded", "nvml-error", silent("unknown-error", 999)),
    (6, "driver-not-loaded", "cuda-unknown-error", cuda_says("CUDA unknown error")),
    (7, "driver-library-mismatch", "cuda-803", cuda_says("Error 803: system has unsupported display driver")),
    (7, "dev-nvidia-permission", "gpu-computes", cuda_says("No CUDA GPUs are available")),
    (8, "gpu-lost", "cuda-unknown-error", cuda_says("CUDA unknown error, Error 999")),
    (8, "gpu-reset-required", "gpu-computes", cuda_says("CUDA error: device not ready")),
    (9, "driver-too-old-for-wheel", "gpu-dropped", first_gpu(compute_capability=Found((6, 1)))),
    (9, "gpu-dropped", "torchvision-mismatch", vision),
    (9, "cpu-wheel-on-gpu-box", "torchvision-mismatch", vision),
    (9, "driver-too-old-for-wheel", "gpu-computes", cuda_says("the driver is too old")),
    (10, "cuda-init", "gpu-computes", cuda_says("CUDA-capable device(s) is/are busy or unavailable")),
    (11, "torchvision-mismatch", "torchvision-import", None),
    (11, "numpy2-old-torch", "numpy-bridge", None),
)


@pytest.mark.parametrize(
    ("step", "cause", "hidden", "change"), HIDDEN, ids=lambda it: it if isinstance(it, str) else ""
)
def test_a_consequence_is_no_second_error(step, cause, hidden, change):
    it = next(one for one in CAUSES if one.code == cause)
    assert it.step == step
    scene = next(
        scene
        for scene in ((change or (lambda s: s))(it.change(HEALTHY)), it.change((change or (lambda s: s))(HEALTHY)))
        if it.holds(scene) and CHECKS[hidden].judge(scene.evidence).status in FAULTS  # alone, it would find a fault
    )
    found = scene.diagnosis()
    failures = [verdict.code for verdict in found.verdicts if verdict.status is Status.FAIL]
    assert failures == [cause]
    verdict = next(verdict for verdict in found.verdicts if verdict.code == hidden)
    assert verdict.status is Status.SKIP and is_blocked(verdict) and verdict.message.startswith("not checked, because")
    assert found.next_step.code == cause
    assert verdict.message.removeprefix(BLOCKED) in {v.code for v in found.verdicts}
    one_fix(found)


def test_every_step_but_the_last_hides_something():
    assert {step for step, *_ in HIDDEN} == set(range(1, 12))


def test_a_torch_that_does_not_import_is_not_missed_on_the_gpu():
    """The library that is too old is the cause; that PyTorch then uses no GPU goes without saying."""
    scene = HEALTHY.ended("torch", error_type="ImportError", message="version `GLIBCXX_3.4.30' not found")
    assert [v.code for v in scene.diagnosis().problems] == ["glibcxx"]


@pytest.mark.parametrize(
    ("cause", "hidden", "asked"),
    [
        ("venv-broken", "spec-packages", {"packages": ("tqdm",)}),
        ("venv-broken", "spec-python", {"python": "<3.10"}),
        ("pythonpath-leak", "spec-torch", {"torch": ("torch==2.13.0",)}),
        ("cpu-wheel-on-gpu-box", "spec-variant", {"variants": ("cu130",)}),
        ("driver-library-mismatch", "spec-gpu", {"variants": ("cuda",)}),
        ("container-without-gpus", "spec-gpu", {"variants": ("cuda",)}),
    ],
)
def test_what_a_course_asks_for_comes_last(cause, hidden, asked):
    found = next(one for one in CAUSES if one.code == cause).change(HEALTHY).in_course(**asked)
    failures = [verdict.code for verdict in found.verdicts if verdict.status in (Status.FAIL, Status.UNKNOWN)]
    assert failures == [cause]
    assert next(v for v in found.verdicts if v.code == hidden).message == f"{BLOCKED}{cause}"
    one_fix(found)


def test_one_check_of_a_course_where_the_driver_does_not_answer():
    """What it waits for is no check, and the answer is one all the same."""
    from envtool.cli.doctor_choice import select
    from envtool.examination import judge

    scene = silent("driver-not-loaded", 9)(HEALTHY)
    course = Course(**(ASKED | {"variants": ("cuda",), "gpu": Floors(driver="550.54")}))
    chosen = select(("spec-driver",), (), course=True)
    found = judge(scene.machine, scene.env, scene.evidence.imports, course, chosen)
    assert [v.code for v in found.verdicts] == ["spec-driver"]


@pytest.mark.parametrize(
    "change", [{"libc": Found(Libc("musl", "1.2.5"))}, {"env": {"bits": 32}}], ids=["musl", "32-bit"]
)
def test_a_torch_that_somebody_built_for_this_machine_is_believed(change):
    """It imports: Alpine's own package, or the builds for a 32-bit Raspberry Pi."""
    assert HEALTHY.with_(**change).diagnosis().problems == ()


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("proxy", {"env": {"workplace": Workplace(proxies=(Proxy("HTTPS_PROXY", "localhost", "8", "silent"),))}}),
        ("tls-inspection", {"env": {"workplace": Workplace(missing=(("REQUESTS_CA_BUNDLE", "/nowhere"),))}}),
    ],
)
def test_what_keeps_packages_out_is_a_failure_where_torch_is_missing(code, change):
    scene = HEALTHY.with_(**change)
    assert [(v.status, v.code) for v in scene.diagnosis().problems] == [(Status.WARN, code)]
    assert [(v.status, v.code) for v in scene.without_torch().diagnosis().problems] == [(Status.FAIL, code)]


@pytest.mark.parametrize("place", ["colab", "kaggle"])
def test_in_a_hosted_notebook_without_a_gpu_nobody_is_told_to_install(place):
    """Its CUDA build takes gigabytes of somebody else's, and works again when a GPU is switched on."""
    absent = {"status": "absent", "gpus": (), "cards": (), "nvml_state": "library-not-found"}
    absent |= {"driver": Absent("none"), "cuda_driver": Absent("none"), "nodes": Absent("none")}
    absent |= {"kernel_module": Absent("none"), "module_loaded": Found(False)}
    scene = HEALTHY.with_(container=Found(place), colab=place == "colab", gpu=absent)
    kept = tuple(one for one in scene.stages if one.name != "cuda:0")
    found = replace(scene, stages=kept).diagnosis()
    assert [v.code for v in found.problems] == (["colab-no-gpu"] if place == "colab" else [])


def test_little_room_is_a_warning_and_none_a_failure():
    for free, status, first in ((7 * GIB, Status.WARN, "torch-not-installed"), (GIB, Status.FAIL, "disk-full")):
        storage = (
            Storage("packages", "/home", free, 200 * GIB),
            Storage("temporary files", "/tmp", 20 * GIB, 20 * GIB),
        )
        found = HEALTHY.without_torch().with_(storage=storage).diagnosis()
        assert next(v for v in found.verdicts if v.code == "disk-full").status is status
        assert found.next_step.code == first


def test_what_passes_behind_a_failure_is_still_told():
    """A driver in trouble says nothing against the packages: they are read from files."""
    verdicts = {v.code: v for v in silent("library-mismatch", 18)(HEALTHY).diagnosis().verdicts}
    assert verdicts["torchvision-mismatch"].status is Status.PASS
    assert verdicts["torch-import"].status is Status.PASS
