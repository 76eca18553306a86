"""`envtool doctor --fix`: what is offered, what is not, and that nothing runs that was not agreed to."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from builders import build, dist, environment, laptop
from doctor_room import RUN, Room
from interpreters import distribution, make_venv, python_of, site_packages

from envtool.environment import BrokenEnvironment
from envtool.machine import Found, Slurm
from envtool.mending import Offer, Refused, commands_in, offer
from envtool.verdicts import failed

ENV = replace(
    environment(build("torch", "2.13.0+cu126", "cu126")),
    distributions=(dist("torch", "2.13.0+cu126"), dist("numpy", "1.26.4")),
    prefix="/c/.venv", base_prefix="/usr", executable="/c/.venv/bin/python", chosen_by="--python",
    working_directory="/c", manager="venv", externally_managed=False, conda_base=False,
)  # fmt: skip
posix = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")


def offered(line: str, env=ENV, machine=None, code="torch-import", command=True):
    return offer(replace(failed("It is broken.", hint=line, command=command), code=code), machine or laptop(), env)


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("a b", (("a", "b"),)),
        ("a 'b c' && d", (("a", "b c"), ("d",))),
        ("pip install 'mkl<2024.1'", (("pip", "install", "mkl<2024.1"),)),
        ("pip install mkl<2024.1", None),
        ("a | b", None),
        ("a; b", None),
        ("a > b", None),
        ("a &", None),
        ("a && ", None),
        ("export A=$B", None),
        ("a `b`", None),
        ("a 'b", None),
        ("a ~/b", None),
        ("a\nb", None),
        ("", None),
    ],
)
def test_only_words_and_and_are_understood(line, commands) -> None:
    assert commands_in(line) == commands


@pytest.mark.parametrize(
    ("line", "runs", "undo"),
    [
        ("mv -i random.py my_random.py", "mv -i random.py my_random.py", "mv -i my_random.py random.py"),
        (
            ".venv/bin/python -m pip install torch==2.14.1+cpu --index-url https://download.pytorch.org/whl/cpu",
            "/c/.venv/bin/python -m pip install torch==2.14.1+cpu --index-url https://download.pytorch.org/whl/cpu",
            "/c/.venv/bin/python -m pip install --no-deps torch==2.13.0+cu126"
            " --index-url https://download.pytorch.org/whl/cu126",
        ),
        (
            "/c/.venv/bin/python -m pip install 'numpy<2' scipy",
            "/c/.venv/bin/python -m pip install 'numpy<2' scipy",
            "/c/.venv/bin/python -m pip install --no-deps numpy==1.26.4 && /c/.venv/bin/python -m pip uninstall scipy",
        ),
        (
            "/c/.venv/bin/python -m pip uninstall -y numpy",
            "/c/.venv/bin/python -m pip uninstall -y numpy",
            "/c/.venv/bin/python -m pip install --no-deps numpy==1.26.4",
        ),
        (
            ".venv/bin/python -m ensurepip && .venv/bin/python -m pip install scipy",
            "/c/.venv/bin/python -m ensurepip && /c/.venv/bin/python -m pip install scipy",
            "/c/.venv/bin/python -m pip uninstall scipy && /c/.venv/bin/python -m pip uninstall pip",  # pip last
        ),
        (
            "uv pip install --python .venv/bin/python scipy",
            "uv pip install --python /c/.venv/bin/python scipy",
            "uv pip uninstall --python /c/.venv/bin/python scipy",
        ),
    ],
)
def test_what_is_offered_and_how_it_is_undone(line, runs, undo) -> None:
    found = offered(line)
    assert isinstance(found, Offer), found
    assert (found.line, found.undo) == (runs, undo)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sudo reboot", "not for you alone"),
        ("echo a && sudo tee b", "not for you alone"),
        ("unset PYTHONPATH && sudo x", "not for you alone"),
        ("export LD_LIBRARY_PATH=/x:$LD_LIBRARY_PATH", "your own shell"),
        ("unset PYTHONPATH", "can't be undone"),
        ("source .venv/bin/activate", "can't be undone"),
        ("rm -rf /c/.venv", "can't be undone"),
        ("mv -f a b", "can't be undone"),
        ("conda install 'mkl<2024.1'", "can't be undone"),
        ("/usr/bin/python3 -m pip install torch", "can't be undone"),
        ("python -m pip install torch", "can't be undone"),
        ("/usr/bin/python3 -m venv .venv && .venv/bin/python -m pip install torch", "can't be undone"),
        ("/c/.venv/bin/python -m pip cache purge", "can't be undone"),
        ("/c/.venv/bin/python -c 'import os'", "can't be undone"),
    ],
)
def test_what_is_never_offered(line, reason) -> None:
    found = offered(line)
    assert isinstance(found, Refused) and reason in found.reason


def test_pypis_own_build_is_brought_back_from_there() -> None:
    """Its version has no local part, whatever torch says of itself."""
    found = offered("python -m pip install torch==2.13.0+cpu", replace(
        ENV, distributions=(dist("torch", "2.13.0"),), chosen_by="the active environment (VIRTUAL_ENV)"
    ))  # fmt: skip
    assert isinstance(found, Offer) and found.undo == "/c/.venv/bin/python -m pip install --no-deps torch===2.13.0"


def test_not_offered_for_what_is_not_ones_own() -> None:
    line = "/c/.venv/bin/python -m pip install scipy"
    for env in (
        replace(ENV, manager="conda"),
        replace(ENV, manager="system"),
        replace(ENV, base_prefix=ENV.prefix),
        replace(ENV, externally_managed=True),
        BrokenEnvironment("/c/.venv/bin/python", "--python", "dangling", "x"),
    ):
        assert isinstance(offered(line, env), Refused)
    assert isinstance(offered("rename the file", command=False), Refused)
    assert isinstance(offered(line, machine=replace(laptop(), os="windows")), Refused)
    cluster = replace(laptop(), slurm=Found(Slurm("1", None)))
    assert isinstance(offered("nvidia-smi", machine=cluster, code="driver-missing"), Refused)
    active = replace(ENV, chosen_by="the active environment (VIRTUAL_ENV)")
    assert isinstance(offered("python -m pip install scipy", active), Offer)


# ── asked and run ────────────────────────────────────────────────────────────────────────────────


def test_without_a_terminal_it_is_exit_2_and_nothing_is_looked_at(tmp_path: Path) -> None:
    room = Room(tmp_path / "home")
    (room.folder / "random.py").write_text("")
    done = room.doctor("--fix")
    assert done.code == 2 and not done.out
    assert "no terminal" in done.err and "hint: run `envtool doctor`" in done.err
    assert (room.folder / "random.py").exists()


def talk(room: Room, answers: list[bytes], *arguments: str) -> tuple[int, str]:
    """Run the doctor on a pseudo-terminal and answer its questions in turn."""
    import pty

    primary, secondary = pty.openpty()
    command = [sys.executable, "-c", RUN, "doctor", "--fix", *arguments]
    process = subprocess.Popen(
        command, stdin=secondary, stdout=secondary, stderr=secondary, cwd=room.folder, env={**room.env, "TERM": "dumb"}
    )
    os.close(secondary)
    said, waiting, deadline = b"", list(answers), time.monotonic() + 90
    while time.monotonic() < deadline:
        if not select.select([primary], [], [], 1.0)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            part = os.read(primary, 4096)
        except OSError:
            break
        if not part:
            break
        said += part
        if part.rstrip().endswith(b"[y/N]:") and waiting:
            os.write(primary, waiting.pop(0) + b"\n")
    code = process.wait(timeout=20)
    os.close(primary)
    assert not waiting, said.decode()
    return code, said.decode().replace("\r\n", "\n")


@pytest.mark.slow
@posix
@pytest.mark.parametrize("answer", [b"n", b"", b"perhaps\nn"])
def test_no_is_no(tmp_path: Path, answer: bytes) -> None:
    room = Room(tmp_path / "home")
    (room.folder / "random.py").write_text("mine")
    code, said = talk(room, [answer], "--no-import", "--only", "stdlib-shadow", "--python", ".venv")
    assert code == 1
    assert "This would run:  mv -i random.py my_random.py" in said and "To undo it:" in said
    assert (room.folder / "random.py").read_text() == "mine" and not (room.folder / "my_random.py").exists()


@posix
def test_yes_runs_the_line_that_was_shown_and_looks_again(tmp_path: Path) -> None:
    room = Room(tmp_path / "home")
    (room.folder / "random.py").write_text("mine")
    code, said = talk(room, [b"y"], "--no-import", "--only", "stdlib-shadow", "--python", ".venv")
    assert code == 0, said
    assert (room.folder / "my_random.py").read_text() == "mine" and not (room.folder / "random.py").exists()
    before, _, after = said.partition("Run it?")
    assert "FAIL" in before and "stdlib-shadow: mended." in after and "FAIL" not in after


@posix
@pytest.mark.slow
def test_several_one_by_one_and_what_is_not_offered_is_told(tmp_path: Path) -> None:
    room = Room(tmp_path / "home")
    (room.folder / "random.py").write_text("")
    make_venv(tmp_path / "other")
    room.env["PYTHONPATH"] = str(site_packages(tmp_path / "other"))
    distribution(site_packages(tmp_path / "other"), "torch", "2.0.0")
    subprocess.run([python_of(room.prefix), "-m", "ensurepip"], check=True, capture_output=True)
    distribution(room.site, "pytorch", "1.0.2")
    (room.site / "pytorch-1.0.2.dist-info" / "RECORD").write_text("pytorch-1.0.2.dist-info/METADATA,,\n")
    code, said = talk(room, [b"y", b"n"], "--no-import", "--python", ".venv", "--skip", "torch-not-installed")
    assert code == 1, said
    assert "stdlib-shadow: mended." in said
    assert "pythonpath-leak: not run for you" in said and "unset PYTHONPATH" in said
    assert "pip uninstall -y pytorch" in said and (room.site / "pytorch-1.0.2.dist-info").exists()


@posix
@pytest.mark.slow
def test_a_package_is_really_removed(tmp_path: Path) -> None:
    room = Room(tmp_path / "home")
    subprocess.run([python_of(room.prefix), "-m", "ensurepip"], check=True, capture_output=True)
    distribution(room.site, "pytorch", "1.0.2")
    (room.site / "pytorch-1.0.2.dist-info" / "RECORD").write_text("pytorch-1.0.2.dist-info/METADATA,,\n")
    only = ("--only", "pip-install-pytorch")
    code, said = talk(room, [b"y"], "--no-import", "--python", ".venv", *only)
    assert not (room.site / "pytorch-1.0.2.dist-info" / "METADATA").exists(), said
    assert "mended" in said or "still there" in said
    assert code == (0 if "mended" in said else 1)
