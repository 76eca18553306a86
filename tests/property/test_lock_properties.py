"""What holds for every lock: on channels made at random, against an answer found by trying everything."""
# ruff: noqa: E402

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lock_channel import Record, record, write_channel
from thoroughness import examples

from envtool.lock.engine import Answer, Engine, Job, Unsolvable
from envtool.lock.explicit import in_order
from envtool.lock.model import LockedPackage, LockedTarget, Target
from envtool.lock.request import LockRequest, checked
from envtool.lock.system import virtual_packages
from envtool.lock.verify import match_spec, problems, spec_name
from envtool.lock.yaml_text import scalar, sequence

NAMES = ("a", "b", "c", "d")
VERSIONS = ("1.0", "2.0", "3.0")
BOUNDS = st.sampled_from(["", " >=2", " <3", " 1.*", " >=2,<3", " !=2.0", " 3.0"])
needs = st.lists(st.builds(str.__add__, st.sampled_from(NAMES), BOUNDS), max_size=2)
requests = st.lists(st.builds(str.__add__, st.sampled_from(NAMES), BOUNDS), min_size=1, max_size=3)


@st.composite
def channels(draw: st.DrawFn) -> list[Record]:
    """A few packages in a few versions, which need and exclude each other at random."""
    found = []
    for name in NAMES:
        for version in draw(st.lists(st.sampled_from(VERSIONS), min_size=1, max_size=3, unique=True)):
            others = [line for line in draw(needs) if spec_name(line) != name]
            constrains = [line for line in draw(needs) if spec_name(line) != name]
            found.append(record(name, version, "h_0", depends=others, constrains=constrains))
    return found


def solve(folder: str, specs: list[str], **kept: tuple[LockedPackage, ...]) -> Answer:
    request = checked(LockRequest("x", channels=(folder,)))

    async def ask() -> Answer:
        return await Engine(request, {}).solve(
            Job("linux-64", tuple(specs), virtual_packages("linux-64", "cpu"), **kept)
        )

    return asyncio.run(ask())


def as_locked(specs: list[str], packages: tuple[LockedPackage, ...]) -> LockedTarget:
    virtual = virtual_packages("linux-64", "cpu")
    return LockedTarget(Target("cpu", "linux-64"), "cpu", "3.12", tuple(specs), virtual, packages)


def fits(specs: list[str], chosen: list[Record]) -> bool:
    """The oracle: every need met and no constraint broken, with no help of the checker."""
    versions = {str(one["name"]): str(one["version"]) for one in chosen}

    def met(line: str) -> bool:
        name, _, bound = line.partition(" ")
        return name in versions and within(versions[name], bound)

    lines = [line for one in chosen for line in one["depends"]]  # type: ignore[attr-defined]
    limits = [line for one in chosen for line in one["constrains"] if line.partition(" ")[0] in versions]  # type: ignore[attr-defined]
    return all(map(met, [*specs, *lines, *limits]))


def within(version: str, bound: str) -> bool:
    number = float(version)
    tests = {
        "": True, ">=2": number >= 2, "<3": number < 3, "1.*": number == 1, ">=2,<3": number == 2,
        "!=2.0": number != 2, "3.0": number == 3,
    }  # fmt: skip
    return tests[bound]


def any_answer(specs: list[str], channel: list[Record]) -> bool:
    by_name = [[None, *(one for one in channel if one["name"] == name)] for name in NAMES]
    return any(
        fits(specs, [one for one in combination if one is not None]) for combination in itertools.product(*by_name)
    )


SETTINGS = settings(max_examples=examples(90), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(channels(), requests)
def test_an_answer_keeps_every_promise_and_none_is_missed(channel: list[Record], specs: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_channel(Path(folder), channel)
        answer = solve(folder, specs)
    if isinstance(answer, Unsolvable):
        assert not any_answer(specs, channel)
        return
    assert problems(as_locked(specs, answer)) == ()
    by_file = {one["fn"]: one for one in channel}
    assert fits(specs, [by_file[package.file_name] for package in answer])
    names = [package.name for package in answer]
    assert names == sorted(set(names))
    wanted = {spec_name(spec) for spec in specs}
    needed = wanted | {spec_name(line) for package in answer for line in package.depends}
    assert set(names) <= needed, "something is there that nothing needs"
    assert set(in_order(answer)) == set(answer)


@SETTINGS
@given(channels(), requests, st.randoms(use_true_random=False))
def test_the_order_of_the_index_and_of_the_request_do_not_matter(
    channel: list[Record], specs: list[str], random: object
) -> None:
    shuffled = list(channel)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        write_channel(Path(first), channel)
        write_channel(Path(second), shuffled)
        answers = [solve(first, specs), solve(second, specs)]
    kinds = [isinstance(answer, Unsolvable) for answer in answers]
    assert kinds[0] == kinds[1]
    if not kinds[0]:
        files = [[package.file_name for package in answer] for answer in answers]  # type: ignore[union-attr]
        assert files[0] == files[1]


@SETTINGS
@given(channels(), requests, st.sampled_from(NAMES))
def test_what_is_pinned_never_moves_and_what_is_favored_moves_only_where_it_must(
    channel: list[Record], specs: list[str], added: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_channel(Path(folder), channel)
        before = solve(folder, specs)
        assume(not isinstance(before, Unsolvable))
        assert not isinstance(before, Unsolvable)
        assert solve(folder, specs, pinned=before) == before
        assert solve(folder, specs, favored=before) == before
        after = solve(folder, [*specs, added], pinned=before)
    kept = {package.name: package for package in before}
    if not isinstance(after, Unsolvable):
        assert all(kept.get(package.name, package) == package for package in after)
    else:
        fixed = [f"{package.name} {package.version}" for package in before]
        bounds = [one for one in channel if one["name"] not in kept or f"{one['name']} {one['version']}" in fixed]
        assert not any_answer([*specs, added], bounds)


@settings(max_examples=examples(600), deadline=None)
@given(st.text())
def test_a_scalar_reads_back(text: str) -> None:
    assert yaml.safe_load(f"key: {scalar(text)}") == {"key": text}
    assert yaml.safe_load(f"- {scalar(text)}") == [text]
    assert yaml.safe_load(f"{scalar(text)}: 1") == {text: 1}
    assert yaml.safe_load("\n".join(sequence("key", [text, text]))) == {"key": [text, text]}


WORDS = st.text(alphabet="abyno0123456789.:-_ >=<|*#'\"[]{},&!%@`~?+eEx\n\t", max_size=12)


@settings(max_examples=examples(1500), deadline=None)
@given(WORDS)
def test_a_scalar_that_looks_like_something_else_reads_back(text: str) -> None:
    assert yaml.safe_load(f"key: {scalar(text)}") == {"key": text}


@pytest.mark.parametrize(
    "text", ["1e5", "0x1f", "1_0", "12:30", "2026-08-01", "~", "Null", "=", "<<", "null", "1.0", "Yes", ""]
)
def test_what_yaml_would_take_for_a_number_or_a_word_is_quoted(text: str) -> None:
    assert yaml.safe_load(scalar(text)) == text


@given(st.sampled_from(NAMES), st.sampled_from([" >=2", " <3", " !=2.0", " ==1", " ~=2.0", "[build=x]", ""]))
def test_the_name_of_a_requirement_is_that_of_its_matcher(name: str, bound: str) -> None:
    for line in (f"{name}{bound}", f"conda-forge::{name}{bound}", f"{name}{bound.replace(' ', '')}"):
        assert spec_name(line) == name
        assert match_spec(line).name.normalized == name  # type: ignore[union-attr]
