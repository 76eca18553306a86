"""What a course means for a machine: one build for all who can use it, and never a silent step outside."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_spec_file import COURSE

from envtool.catalog import load
from envtool.course import Course, Floors
from envtool.course.gpus import enough_memory
from envtool.machine import Absent, Found
from envtool.plan import NoPlan, Plan, resolve
from envtool.plan.for_course import resolve_for
from envtool.target import read_target

CATALOG = load()
FREE = replace(COURSE, gpu=Floors(), packages=())
OLD = replace(FREE, gpu=Floors(compute_capability=(7, 0), driver="525.60.13"))
LINUX = "linux-64,py3.12,glibc=2.35"
NEW_BOX = f"{LINUX},driver=595.71,gpu=RTX 4090"


def answer(target, course, **request):
    return resolve_for(read_target(target, CATALOG), course.request(**request), course, CATALOG)[0]


def told(found):
    return f"{found.build.torch} {found.variant}" if isinstance(found, Plan) else found.error_kind


def kind(found):
    return found.variant if isinstance(found, Plan) else found.error_kind


@pytest.mark.parametrize(
    ("target", "course", "expected"),
    [
        # one build for all whose GPUs and drivers the course names
        (NEW_BOX, OLD, "cu126"),
        (f"{LINUX},driver=525.60.13,gpu=V100", OLD, "cu126"),
        (f"{LINUX},driver=580.65.06,gpu=T4", OLD, "cu126"),
        ("win-64,py3.12,driver=595.71,gpu=RTX 4090", OLD, "cu126"),
        (f"{LINUX},gpu=none", OLD, "cpu"),
        ("osx-arm64,py3.12,macos=14.5", OLD, "cpu"),
        # a machine below the floor gets what it can use
        (f"{LINUX},driver=470.82,gpu=V100", OLD, "cu118"),
        # variants by name
        (NEW_BOX, replace(FREE, variants=("cpu", "cu126")), "cu126"),
        (NEW_BOX, replace(FREE, variants=("cpu",)), "cpu"),
        (f"{LINUX},driver=595.71,gpu=RTX 5090", replace(FREE, variants=("cpu", "cu126")), "cpu"),
        (f"{LINUX},driver=595.71,gpu=RTX 5090", replace(FREE, variants=("cu126",)), "gpu_arch_unsupported"),
        # what the course is not made for
        (f"{LINUX},gpu=gfx1100", FREE, "cpu"),
        (f"{LINUX},gpu=gfx1100", replace(FREE, variants=("cpu", "rocm")), "rocm7.2"),
        (f"{LINUX},gpu=none", replace(FREE, variants=("cuda",)), "accelerator_absent"),
        ("osx-arm64,py3.12,macos=14.5", replace(FREE, variants=("cuda",)), "no_cuda_on_macos"),
        # Python
        ("linux-64,py3.9,gpu=none", FREE, "conflicting_pins"),
        ("linux-64,py3.14,gpu=none", FREE, "conflicting_pins"),
        ("linux-64,gpu=none", FREE, "no_wheel_for_python"),
        ("linux-64,py3.9,gpu=none", replace(FREE, python=""), "cpu"),
    ],
)
def test_the_variant_of_a_machine(target, course, expected):
    assert kind(answer(target, course)) == expected


@pytest.mark.parametrize(
    ("target", "asked", "places", "hint"),
    [
        ("gpu=none", "auto", ("laptop", "colab"), "use a place that the course names: colab"),
        ("gpu=none", "cuda", ("laptop",), "ask whoever runs the course"),
        ("driver=390.10,gpu=V100", "auto", ("colab",), "update the NVIDIA driver to "),
    ],
)
def test_a_course_that_needs_a_gpu_is_never_told_to_take_the_cpu(target, asked, places, hint):
    course = replace(FREE, variants=("cuda",), runs_on=places)
    found, _ = resolve_for(
        read_target(f"{LINUX},{target}", CATALOG), course.request(accelerator=asked), course, CATALOG
    )
    assert isinstance(found, NoPlan) and found.hint.startswith(hint) and "cpu" not in found.hint
    without = "no NVIDIA GPU was found, and the course (variants in envtool.toml) can't be done without one"
    assert target != "gpu=none" or found.message == without


def test_without_floors_a_machine_gets_what_it_would_get_alone():
    machine = read_target(NEW_BOX, CATALOG)
    assert answer(NEW_BOX, FREE) == resolve(machine, FREE.request(), CATALOG)


def test_what_the_command_line_asks_for_is_not_bent():
    found = answer(NEW_BOX, OLD, accelerator="cuda")
    assert kind(found) != "cu126"
    assert kind(answer(NEW_BOX, replace(OLD, variants=("cpu",)), variant="cu126")) == "cu126"
    outside = answer(NEW_BOX, replace(OLD, variants=("cpu",)), accelerator="cuda")
    assert outside.warnings[0].startswith("the course is made for cpu; ")


@pytest.mark.parametrize(
    ("target", "course", "words"),
    [
        (f"{LINUX},driver=595.71,gpu=RTX 5090", OLD, "is for this machine alone"),
        (f"{LINUX},driver=470.82,gpu=V100", OLD, "the course asks for driver 525.60.13; here is 470.82"),
        (f"{LINUX},driver=580.65.06,gpu=GTX 1060", OLD, "the course asks for compute capability 7.0; the best here is 6.1"),
        (f"{LINUX},gpu=gfx1100", FREE, "the GPU is left unused: the course is made for cpu, cuda, and not for rocm"),
        (f"{LINUX},driver=595.71,gpu=RTX 5090", replace(FREE, variants=("cpu", "cu126")), "the GPU is left unused: torch"),
        (NEW_BOX, replace(FREE, variants=("cpu",)), "the GPU is left unused: the course is made for cpu, and not for cu"),
    ],
)  # fmt: skip
def test_a_step_aside_is_told_first(target, course, words):
    found = answer(target, course)
    assert isinstance(found, Plan)
    assert found.warnings[0].startswith(words) or words in found.warnings[0]


def test_too_little_memory_is_told():
    machine = read_target(NEW_BOX, CATALOG)
    small = replace(machine.nvidia.gpus[0], memory_mib=Found(4096))
    course = replace(FREE, gpu=Floors(8))
    for gpus, warned in (((small,), True), ((small, replace(small, memory_mib=Found(8188))), False)):
        there = replace(machine, nvidia=replace(machine.nvidia, gpus=gpus))
        found, _ = resolve_for(there, course.request(), course, CATALOG)
        assert any("8 GiB" in warning for warning in found.warnings) is warned


@pytest.mark.parametrize(
    ("mib", "floor", "enough"),
    [(15360, 16, True), (23034, 24, True), (8188, 8, True), (81559, 80, True), (40536, 40, True), (6144, 8, False),
     (12288, 16, False), (8192, None, True), (11264, 12, False)],
)  # fmt: skip
def test_memory_as_it_is_sold(mib, floor, enough):
    assert enough_memory(mib, Floors(floor)) is enough


def test_a_refused_python_comes_with_one_that_fits():
    refused = answer("linux-64,py3.9,gpu=none", FREE)
    assert isinstance(refused, NoPlan)
    version = refused.hint.removeprefix("`envtool install --python ").partition("`")[0]
    assert FREE.allows_python(version)
    assert isinstance(answer(f"linux-64,py{version},gpu=none", FREE), Plan)


def test_conda_brings_a_python_of_the_course():
    found = answer("linux-64,py3.9,glibc=2.35,driver=595.71,gpu=V100", FREE, installer="conda")
    assert isinstance(found, Plan) and FREE.allows_python(f"{found.python}.0")
    here = answer(f"{LINUX},driver=595.71,gpu=V100", FREE, installer="conda")
    assert here.python == "3.12", "the one that is there, where it will do"
    assert kind(answer("linux-64,glibc=2.35,gpu=none", FREE, installer="conda")) == "cpu", "and where none is named"


def test_hidden_gpus_stay_hidden_beside_the_weakest():
    machine = read_target(f"{LINUX},driver=595.71,gpu=RTX 4090,gpu=RTX 5090", CATALOG)
    first = replace(machine, nvidia=replace(machine.nvidia, visible_devices=Found("0")))
    assert kind(resolve_for(first, OLD.request(), OLD, CATALOG)[0]) == "cu126"
    second = replace(machine, nvidia=replace(machine.nvidia, visible_devices=Found("1")))
    assert kind(resolve_for(second, OLD.request(), OLD, CATALOG)[0]) != "cu126"
    none = replace(machine, nvidia=replace(machine.nvidia, visible_devices=Found("-1")))
    assert kind(resolve_for(none, OLD.request(), OLD, CATALOG)[0]) == "cpu"


def test_the_weakest_gpu_counts_beside_one_that_is_chosen_by_hand():
    course = replace(FREE, gpu=Floors(compute_capability=(7, 0)))
    machine = read_target(NEW_BOX, CATALOG)
    chosen = replace(machine, nvidia=replace(machine.nvidia, visible_devices=Found("0")))
    expected = kind(resolve_for(machine, course.request(), course, CATALOG)[0])
    assert expected != kind(resolve(machine, course.request(), CATALOG))
    assert kind(resolve_for(chosen, course.request(), course, CATALOG)[0]) == expected


def test_a_request_that_can_not_be_met_is_refused_as_ever():
    course = Course("x", torch=("torch==1.0",))
    assert kind(answer(NEW_BOX, course)) == "no_such_version"
    assert kind(answer(NEW_BOX, replace(FREE, channels=("pytorch",)), installer="conda")) == "channel_ended"


def test_a_machine_without_a_driver_is_not_given_one():
    machine = read_target(f"{LINUX},gpu=V100", CATALOG)
    machine = replace(machine, nvidia=replace(machine.nvidia, driver=Absent("no driver")))
    found, _ = resolve_for(machine, OLD.request(), OLD, CATALOG)
    assert kind(found) == "cpu" and "left unused" in found.warnings[0]
