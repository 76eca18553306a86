"""What can't be locked, and what is said of it: the spec's line first, what helps, then the solver's own words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")

from lock_channel import record, records, write_channel
from test_lock_engine import BASE, ONE, lock

from envtool.errors import ToolError
from envtool.lock.request import LockRequest


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    write_channel(folder, records())
    return folder


def refused(channel: Path, request: LockRequest) -> list[tuple[str, str, str]]:
    return [(one.target.subdir, one.message, one.hint) for one in lock(channel, request).refused]


def test_an_unknown_package_is_named_with_its_neighbours(channel: Path) -> None:
    ((_, message, hint),) = refused(channel, replace(ONE, packages=("nunpy",)))
    assert message == "the channel has no package 'nunpy' for linux-64"
    assert hint == "did you mean numpy?"


def test_a_version_that_is_not_there(channel: Path) -> None:
    ((_, message, _),) = refused(channel, replace(ONE, packages=("numpy==5", "tqdm")))
    assert message == "the channel has no 'numpy 5' for linux-64"


def test_lines_that_contradict_each_other_are_both_named(channel: Path) -> None:
    ((_, message, hint),) = refused(channel, replace(ONE, packages=("numpy>=2", "picky", "tqdm")))
    assert "these do not go together" in message
    assert "'numpy >=2', 'picky'" in message
    assert "tqdm" not in message
    assert "loosen or drop one of numpy, picky" in hint


def test_a_line_that_does_not_go_with_pytorch_and_the_python_that_would_help(tmp_path: Path) -> None:
    old = record("old", "1.0", "py312_0", "linux-64", ["python 3.12.*"])
    write_channel(tmp_path, records(extra=[old]))
    ((_, message, hint),) = refused(tmp_path, replace(ONE, packages=("old",)))
    assert message.startswith("'old' does not go with torch")
    assert "Python 3.13 on linux-64" in message
    assert hint == "loosen old or drop it there, or take Python 3.12"


def test_the_solvers_own_words_come_after(channel: Path) -> None:
    (one,) = lock(channel, replace(ONE, packages=("numpy>=2", "picky"))).refused
    assert any("picky" in line for line in one.details)


def test_one_platform_does_not_hide_the_others(channel: Path) -> None:
    request = replace(BASE, variants=("cpu",), packages=("numpy", "nunpy; sys_platform == 'win32'"))
    outcome = lock(channel, request)
    assert [one.target.subdir for one in outcome.refused] == ["win-64"]
    assert [one.target.subdir for one in outcome.locked] == ["linux-64", "linux-aarch64", "osx-arm64"]


def test_torchaudio_on_windows_is_refused_in_words(channel: Path) -> None:
    request = replace(BASE, subdirs=("win-64",), variants=("cpu",), torch=("torch", "torchaudio"))
    ((_, message, hint),) = refused(channel, request)
    assert "torchaudio has no build on conda-forge for win-64" in message
    assert hint == "take torchaudio out of torch in the spec, or win-64 out of platforms"


def test_a_driver_that_runs_no_build_is_refused(channel: Path) -> None:
    request = replace(BASE, subdirs=("linux-64",), variants=("cuda",), driver="390.10")
    ((_, message, hint),) = refused(channel, request)
    assert "needs driver" in message
    assert "[gpu]" in hint


def test_a_channel_that_lacks_pytorch_says_so(tmp_path: Path) -> None:
    write_channel(tmp_path, [one for one in records() if one["name"] != "pytorch" or one["subdir"] != "win-64"])
    found = refused(tmp_path, replace(BASE, variants=("cpu",)))
    assert [subdir for subdir, _, _ in found] == ["win-64"]
    assert found[0][1] == "the channel has no pytorch for Python 3.13 on win-64"


def test_a_channel_that_lacks_a_companion_names_it(tmp_path: Path) -> None:
    write_channel(
        tmp_path, [one for one in records() if one["name"] != "torchvision" or "cuda" not in str(one["build"])]
    )
    found = refused(tmp_path, replace(BASE, variants=("cuda",), subdirs=("linux-64",)))
    assert found[0][1] == "the channel has no torchvision for Python 3.13 on linux-64 with CUDA"
    assert found[0][2].startswith("take torchvision out of torch in the spec, or linux-64 out of platforms")


def test_the_python_that_has_what_is_lacking_is_told(tmp_path: Path) -> None:
    there = [one for one in records() if one["name"] != "torchvision" or "py313" not in str(one["build"])]
    write_channel(
        tmp_path,
        [one for one in there if one["subdir"] == "linux-64" or one["name"] != "torchvision"]
        + [
            one
            for one in records()
            if one["name"] == "torchvision" and one["subdir"] != "linux-64" and "py313" in str(one["build"])
        ],
    )
    found = refused(tmp_path, replace(BASE, variants=("cpu",)))
    assert [(subdir, message) for subdir, message, _ in found] == [
        ("linux-64", "the channel has no torchvision for Python 3.13 on linux-64")
    ]
    assert found[0][2].endswith(", or take Python 3.12")


def test_a_python_that_the_spec_does_not_allow_is_told_where_it_would_help(tmp_path: Path) -> None:
    write_channel(tmp_path, [r for r in records() if r["name"] != "torchvision" or "py313" not in str(r["build"])])
    ((_, message, hint),) = refused(tmp_path, replace(ONE, python="==3.13.*", packages=()))
    assert message == "the channel has no torchvision for Python 3.13 on linux-64"
    assert hint.endswith(", or take Python 3.12")


def test_a_version_of_torch_that_is_to_blame_is_named_with_one_that_is_there(channel: Path) -> None:
    ((_, _, hint),) = refused(channel, replace(ONE, torch=("torch==2.6.0", "torchvision"), packages=()))
    assert re.match(r"take torch [0-9.]+ in place of torch==2\.6\.0, or ", hint)


def test_a_day_before_everything_is_named(channel: Path) -> None:
    ((_, _, hint),) = refused(channel, replace(ONE, packages=(), exclude_newer="2000-01-01"))
    assert hint.startswith("take a later day for --exclude-newer, or ")


def test_what_the_spec_does_not_say_is_not_blamed(tmp_path: Path) -> None:
    """conda-forge has PyTorch for aarch64 built with CUDA 12.0, and no cuda-version 12.0 there any more."""
    write_channel(tmp_path, [one for one in records() if one["name"] != "cuda-version"])
    ((_, message, hint),) = refused(tmp_path, replace(ONE, variants=("cuda",), packages=("numpy==5",)))
    assert message == "the channel has no 'numpy 5' for linux-64"
    assert "cuda-version" not in hint


def test_a_channel_that_lacks_what_pytorch_needs_says_so(tmp_path: Path) -> None:
    write_channel(tmp_path, [one for one in records() if one["name"] != "numpy"])
    ((_, message, _),) = refused(tmp_path, replace(ONE, packages=()))
    assert message.startswith("the channel lacks something that torch")


def test_no_python_that_is_known(channel: Path) -> None:
    ((_, message, _),) = refused(channel, replace(ONE, python=">=4"))
    assert "allows no Python" in message


def test_a_channel_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="can't be read"):
        lock(tmp_path / "nowhere", ONE)
