"""One version on two indexes: the plan's build is the one of its own index, with uv and with pip."""

import os
import sys
import time
from dataclasses import replace

import pytest
from install_room import BASE, HAS_UV, Room, index_of
from loopback_wheels import SMALL, Index, Wheel

from envtool.catalog import load
from envtool.errors import ToolError
from envtool.install.ask import SECONDS, with_sizes
from envtool.install.order import Package, Question, Sources
from envtool.install.pip import Pip
from envtool.install.place import python_in
from envtool.install.uv import Uv, find_uv
from envtool.install.work import solve
from envtool.plan import Pin, Plan, resolve
from envtool.spec import Request
from envtool.target import read_target

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="a plan for Linux")]


@pytest.fixture
def two():
    """A torch without local part on the PyTorch index, and PyPI's of the same version."""
    theirs, ours = Wheel("torch", "2.14.1", ("numpy",)), Wheel("torch", "2.14.1", ("filelock",), "py2.py3-none-any")
    index = Index(pypi=[*SMALL, theirs], whl={"cpu": [ours, Wheel("numpy", "1.9")]})
    yield index
    index.close()


def question(index, python):
    answer = resolve(read_target("linux-64,py3.11,gpu=none", load()), Request(("torch==2.14.1",)), load())
    assert isinstance(answer, Plan)
    plan = replace(answer, pins=(Pin("torch", "2.14.1", None),))
    sources = Sources(f"{index.root}/pypi", f"{index.root}/whl")
    return Question(plan, ("pandas",), (), sources, python, "3.11.0", {})


@pytest.mark.skipif(not HAS_UV, reason="there is no uv")
def test_uv_takes_the_plans_build_and_the_newest_of_the_rest(two, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    found = solve(Uv(str(find_uv()), {}), question(two, BASE), str(tmp_path / "work"), print)
    files = {package.name: package.filename for package in found}
    assert files["torch"] == "torch-2.14.1-py2.py3-none-any.whl"
    assert files["numpy"] == "numpy-2.3.0-py3-none-any.whl"  # not the old one that lies beside torch
    assert "filelock" in files


def test_sizes_are_asked_for_a_moment_and_no_more(two):
    two.tells_sizes = True
    packages = tuple(
        Package(f"p{number}", "1", f"{two.root}/files/torch-2.14.1-py3-none-any.whl") for number in range(30)
    )
    assert {package.size for package in with_sizes(packages, None)} == {len(two.body(two.pypi[-1]))}
    gone = tuple(replace(package, url="http://10.255.255.1/x.whl") for package in packages)  # answers nobody
    started = time.monotonic()
    assert {package.size for package in with_sizes(gone, None)} == {None}
    assert time.monotonic() - started < SECONDS + 3


def test_uv_is_told_to_trust_what_the_system_trusts(two, tmp_path, monkeypatch):
    """As pip does by itself. A uv that finds the certificate wrong, until it is told so."""
    for name in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS"):
        monkeypatch.setenv(name, "")  # so that it is taken back after the test
        monkeypatch.delenv(name)
    program = tmp_path / "uv"
    program.write_text(
        "#!/bin/sh\necho call >> calls\n"
        'if [ -z "$UV_SYSTEM_CERTS" ]; then echo "error: invalid peer certificate: UnknownIssuer" >&2; exit 2; fi\n'
        'while [ "$1" != "--output-file" ]; do shift; done\n'
        'printf \'lock-version = "1.0"\\n\' > "$2"\n'
    )
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert solve(Uv(str(program), {}), question(two, BASE), str(tmp_path), print) == ()
    assert (tmp_path / "calls").read_text().count("call") == 2


def test_pip_takes_it_or_says_that_it_cannot(two, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    index = index_of("cpu")
    room = Room(tmp_path, index)
    room.furnish("pip")
    index.close()
    asked = question(two, python_in(str(room.venv)))
    (tmp_path / "work").mkdir()
    try:
        found = solve(Pip({}), asked, str(tmp_path / "work"), print)
    except ToolError as error:
        assert "from another index" in error.message and "uv" in str(error.hint)
    else:
        assert {p.name: p.filename for p in found}["torch"] == "torch-2.14.1-py2.py3-none-any.whl"
