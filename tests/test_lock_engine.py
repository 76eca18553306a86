"""Locking on a closed channel: every platform and variant, what is kept, what is refused, and what is checked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")

from lock_channel import CHANNEL, SUBDIRS, catalog, chosen, numpy, record, records, write_channel

from envtool.errors import ToolError, UsageError
from envtool.lock import engine as engine_module
from envtool.lock.choose import Choice, choose, newest
from envtool.lock.difference import moves
from envtool.lock.files import rendered
from envtool.lock.model import LockedTarget, Lockfile, Missing, Refused, Target
from envtool.lock.place import merged, without_newer
from envtool.lock.request import LockRequest, checked
from envtool.lock.solving import solved
from envtool.lock.system import virtual_packages
from envtool.lock.task import Outcome, Task, moved_names
from envtool.lock.verify import problems

BASE = LockRequest(
    "course", ">=3.12,<3.14", ("torch>=2.6", "torchvision"), packages=("numpy",), variants=("cpu", "cuda")
)
ONE = replace(BASE, subdirs=("linux-64",), variants=("cpu",))


def lock(
    folder: Path, request: LockRequest = BASE, before: Lockfile | None = None, moving: tuple[str, ...] = ()
) -> Outcome:
    request = checked(request)
    return solved(Task(request, request.targets, before, moving), catalog, {CHANNEL: folder.as_uri()}, lambda _: None)


def locked(
    folder: Path, request: LockRequest = BASE, before: Lockfile | None = None, moving: tuple[str, ...] = ()
) -> Lockfile:
    outcome = lock(folder, request, before, moving)
    assert not outcome.refused, outcome.refused
    return merged(checked(request), None, outcome.locked, ())


def versions(lockfile: Lockfile, name: str) -> set[str]:
    return {p.version for one in lockfile.targets for p in one.packages if p.name == name}


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    write_channel(folder, records())
    return folder


@pytest.fixture(scope="module")
def whole(channel: Path) -> Outcome:
    return lock(channel)


# ── what comes out ───────────────────────────────────────────────────────────────────────────────


def test_every_target_gets_the_build_that_the_catalog_says(whole: Outcome) -> None:
    assert not whole.refused
    assert [one.target for one in whole.locked] == [Target(v, s) for v in ("cpu", "cuda") for s in SUBDIRS]
    for one in whole.locked:
        variant = "cpu" if one.target.subdir == "osx-arm64" else one.target.variant
        choice = chosen(one.target.subdir, variant, "3.13")
        torch = one.package("pytorch")
        assert torch is not None
        assert choice is not None
        assert (one.python, one.build, torch.version) == ("3.13", choice.build, choice.torch)
        assert torch.build.startswith(f"{choice.build}_py313")
        assert problems(one) == ()


def test_a_platform_without_cuda_gets_the_cpu_and_a_note(whole: Outcome) -> None:
    assert whole.notes == ("osx-arm64 has no CUDA: it gets the CPU build, which runs on MPS",)


def test_packages_carry_the_channels_own_addresses_and_hashes(whole: Outcome) -> None:
    for package in (package for one in whole.locked for package in one.packages):
        assert package.url == f"{CHANNEL}/{package.subdir}/{package.file_name}"
        assert len(package.sha256) == 64
        assert len(package.md5) == 32


def test_a_python_older_than_the_newest_allowed_is_explained(tmp_path: Path) -> None:
    lacks = [r for r in records() if not ("py313" in str(r["build"]) and r["subdir"] == "win-64")]
    write_channel(tmp_path, lacks)
    outcome = lock(tmp_path, replace(BASE, variants=("cpu",)))
    assert {one.python for one in outcome.locked} == {"3.12"}
    (note,) = outcome.notes
    assert note.startswith("Python 3.12, not 3.13: ")
    assert "win-64" in note


def test_servers_on_arm_get_their_builds(whole: Outcome) -> None:
    arm = next(one for one in whole.locked if one.target == Target("cuda", "linux-aarch64"))
    variant = arm.package("arm-variant")
    assert variant is not None
    assert variant.build == "sbsa"


def test_old_gpus_keep_an_old_cudnn(channel: Path) -> None:
    request = replace(BASE, subdirs=("linux-64",), variants=("cuda",))
    assert versions(locked(channel, request), "libcudnn") == {"9.20.0"}
    assert versions(locked(channel, replace(request, capability="7.0")), "libcudnn") == {"9.10.0"}


def test_cores_and_the_order_of_the_index_change_no_byte(
    whole: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffled = records()
    random.Random(7).shuffle(shuffled)
    write_channel(tmp_path, shuffled)
    monkeypatch.setattr(engine_module, "cores", lambda: 1)
    again = lock(tmp_path)
    texts = [rendered(merged(checked(BASE), None, outcome.locked, ()), "envtool.toml") for outcome in (whole, again)]
    assert texts[0] == texts[1]


def test_a_companion_that_holds_torch_back_is_named() -> None:
    request = checked(replace(ONE, torch=("torch", "torchaudio")))
    (found,) = choose(request, request.targets, catalog(), {}, {}).values()
    assert isinstance(found, Choice)
    newest_alone = chosen("linux-64", "cpu", "3.13", ())
    assert newest_alone is not None
    assert (found.torch == newest_alone.torch) == (not found.notes)
    assert all("torchaudio" in note and "is not built for torch" in note for note in found.notes)
    assert found.notes, "conda-forge has caught up: take another case"


def test_variants_by_name_and_two_majors_of_cuda() -> None:
    request = checked(replace(BASE, subdirs=("linux-64",), variants=("cu126", "cu130"), torch=("torch",)))
    old, new = choose(request, request.targets, catalog(), {}, {}).values()
    assert isinstance(old, Choice)
    assert isinstance(new, Refused), "the default driver runs no CUDA 13"
    assert old.build == "cuda126"
    assert virtual_packages("linux-64", old.build)[1].version == "12.0"
    both = replace(request, driver="580.65.06")
    (_, new) = choose(both, both.targets, catalog(), {}, {}).values()
    assert isinstance(new, Choice)
    assert (new.build, new.plan.accelerator) == ("cuda130", "cuda")
    assert virtual_packages("linux-64", new.build)[1].version == "13.0"


def test_markers_are_asked_on_the_target_and_not_here(channel: Path) -> None:
    request = replace(BASE, variants=("cpu",), packages=("tqdm; sys_platform == 'win32'",))
    found = locked(channel, request)
    assert [one.target.subdir for one in found.targets if one.package("tqdm")] == ["win-64"]


# ── the check after the solver ───────────────────────────────────────────────────────────────────

DAMAGE: dict[str, tuple[Callable[[LockedTarget], LockedTarget], str]] = {
    "a package is gone": (
        lambda one: replace(one, packages=tuple(p for p in one.packages if p.name != "tzdata")), "needs tzdata, which",
    ),
    "another version": (
        lambda one: replace(one, packages=tuple(replace(p, version="9.9") if p.name == "numpy" else p for p in one.packages)),
        "needs numpy >=1.26,<3, and numpy 9.9",
    ),
    "twice": (lambda one: replace(one, packages=(one.packages[0], *one.packages)), "is there 2 times"),
    "unsorted": (lambda one: replace(one, packages=one.packages[::-1]), "not sorted"),
    "another platform": (
        lambda one: replace(one, packages=tuple(replace(p, subdir="win-64") if p.name == "numpy" else p for p in one.packages)),
        "numpy is for win-64",
    ),
    "the CPU in silence": (
        lambda one: replace(
            one,
            packages=tuple(replace(p, build="cpu_py313_h0_2") if p.name == "pytorch" else p for p in one.packages),
            specs=("pytorch",),
        ),
        "not the cuda129 that was asked for",
    ),
    "no driver": (
        lambda one: replace(one, virtual=tuple(v for v in one.virtual if v.name != "__cuda")), "needs __cuda, which",
    ),
    "a constraint": (
        lambda one: replace(one, virtual=tuple(replace(v, version="11.4") if v.name == "__cuda" else v for v in one.virtual)),
        "cuda-version can't be beside __cuda 11.4 0: it goes with __cuda >=12",
    ),
    "a line of the spec": (lambda one: replace(one, specs=(*one.specs, "scipy")), "the spec needs scipy"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_the_checker_finds(name: str, whole: Outcome) -> None:
    damage, told = DAMAGE[name]
    cuda = next(one for one in whole.locked if one.target == Target("cuda", "linux-64"))
    assert any(told in line for line in problems(damage(cuda))), problems(damage(cuda))


def test_an_answer_that_breaks_a_promise_is_an_error(channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envtool.lock.target_solver.problems", lambda _: ("numpy is there 2 times",))
    with pytest.raises(ToolError, match="breaks a promise; nothing is written"):
        lock(channel, ONE)


def test_a_record_without_a_hash_is_refused(tmp_path: Path) -> None:
    bare = [{k: v for k, v in one.items() if k != "sha256" or one["name"] != "tzdata"} for one in records()]
    write_channel(tmp_path, bare)
    with pytest.raises(ToolError, match="gives no sha256 for tzdata"):
        lock(tmp_path, ONE)


# ── what is locked stays ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The channel some weeks later: newer versions of what is locked."""
    folder = tmp_path_factory.mktemp("newer")
    later = [
        *numpy("2.2.0"),
        record("tzdata", "2026b", "h1_0"),
        record("colorama", "0.5", "pyhd8ed1ab_0", depends=["python >=3.9"], noarch="python"),
    ]
    write_channel(folder, records(extra=later))
    return folder


def test_a_new_package_moves_no_other(channel: Path, newer: Path) -> None:
    before = locked(channel)
    after = locked(newer, replace(BASE, packages=("numpy", "tqdm")), before)
    assert {move.package for move in moves(before, after)} == {"tqdm", "colorama"}
    assert versions(locked(newer), "numpy") == {"2.2.0"}, "without a lockfile it would have moved"


def test_a_package_less_takes_its_own_needs_with_it_and_moves_no_other(channel: Path, newer: Path) -> None:
    before = locked(channel, replace(BASE, packages=("numpy", "tqdm")))
    after = locked(newer, BASE, before)
    assert {(move.package, move.new) for move in moves(before, after)} == {("tqdm", None), ("colorama", None)}


def test_update_moves_that_package_alone(channel: Path, newer: Path) -> None:
    before = locked(channel)
    after = locked(newer, BASE, before, moved_names(before, ("NumPy",)))
    assert {(m.package, m.old, m.new) for m in moves(before, after)} == {("numpy", "2.1.0", "2.2.0")}


def test_update_takes_along_what_must_follow(channel: Path, newer: Path) -> None:
    request = replace(BASE, packages=("numpy", "follows"))
    before = locked(channel, request)
    after = locked(newer, request, before, ("numpy",))
    assert {m.package for m in moves(before, after)} == {"numpy", "follows"}


def test_update_of_what_can_not_move_changes_nothing(channel: Path, newer: Path) -> None:
    request = replace(BASE, packages=("numpy<2.2",))
    before = locked(channel, request)
    assert moves(before, locked(newer, request, before, ("numpy",))) == ()


def test_a_changed_line_moves_what_it_must(channel: Path) -> None:
    before = locked(channel)
    after = locked(channel, replace(BASE, packages=("numpy<2",)), before)
    assert {(m.package, m.new, m.why) for m in moves(before, after)} == {("numpy", "1.26.4", "older than before")}


def test_the_locked_torch_and_python_stay_where_they_are_allowed(channel: Path) -> None:
    before = locked(channel, replace(BASE, python="==3.12.*"))
    after = locked(channel, BASE, before)
    assert {one.python for one in after.targets} == {"3.12"}
    assert moves(before, after) == ()


def test_a_new_platform_gets_the_python_and_the_torch_of_the_others(channel: Path) -> None:
    choice = chosen("linux-64", "cpu", "3.12")
    assert choice is not None
    few = replace(BASE, python="==3.12.*", subdirs=("linux-64", "win-64"), variants=("cpu",))
    before = locked(channel, few)
    added = lock(channel, replace(BASE, subdirs=("osx-arm64",), variants=("cpu", "cuda")), before)
    assert {one.python for one in added.locked} == {"3.12"}
    assert {one.package("pytorch").version for one in added.locked} == {choice.torch}  # type: ignore[union-attr]


def test_the_torch_of_the_others_is_taken_though_there_is_a_newer_one() -> None:
    request, target = checked(BASE), Target("cpu", "osx-arm64")
    held = {Target("cpu", "linux-64"): ("3.12", "2.9.1")}
    (found,) = choose(request, (target,), catalog(), {}, held).values()
    assert isinstance(found, Choice)
    assert (found.python, found.torch) == ("3.12", "2.9.1")
    other = {Target("cuda", "linux-64"): ("3.12", "2.9.1")}  # of another variant
    (found,) = choose(request, (target,), catalog(), {}, other).values()
    assert isinstance(found, Choice)
    assert found.torch != "2.9.1"


def test_update_refuses_what_is_not_locked(channel: Path) -> None:
    with pytest.raises(UsageError, match="no such package is locked") as caught:
        moved_names(locked(channel, ONE), ("nunpy",))
    assert "numpy" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="no lockfile to update"):
        moved_names(None, ("numpy",))


def test_exclude_newer_forgets_what_was_built_later(newer: Path) -> None:
    request = replace(ONE, exclude_newer="2025-09-01")
    now = locked(newer, ONE)
    assert versions(now, "numpy") == {"2.2.0"}
    then = locked(newer, request, without_newer(now, 1756771199000))
    assert versions(then, "numpy") == {"2.1.0"}


def test_a_lockfile_keeps_the_targets_that_were_not_asked_for(channel: Path) -> None:
    request = checked(BASE)
    before = locked(channel)
    part = lock(channel, replace(BASE, subdirs=("win-64",))).locked
    out = Missing(Target("cpu", "win-64"), "gone", "0")
    after = merged(request, replace(before, missing=(out,)), part, ())
    assert [one.target for one in after.targets] == [one.target for one in before.targets]
    assert after.missing == ()


@pytest.mark.parametrize("subdir", ["linux-64", "win-64"])
def test_a_gpu_brings_the_driver_that_knows_it(subdir: str) -> None:
    """Nobody has a card of 2025 with a driver of 2022; a spec that names the card alone asks for no such thing."""
    request = checked(replace(BASE, torch=("torch",), variants=("cuda",), capability="12.0"))
    choice = newest(request, catalog(), Target("cuda", subdir), "3.12", "")
    assert isinstance(choice, Choice), choice.message
    assert choice.build.startswith("cuda12")
    old = newest(replace(request, driver="525.60.13"), catalog(), Target("cuda", subdir), "3.12", "")
    assert isinstance(old, Refused), "a spec that names such a driver is taken at its word"
