"""The pip section of a conda lockfile: wheels by address and hash, laid down by uv, which solves nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

from envtool.errors import ToolError, UsageError
from envtool.extras import line_for
from envtool.fact import Fact
from envtool.install.failures import explained
from envtool.install.order import Command
from envtool.install.tool import run
from envtool.install.uv import find_uv
from envtool.spec import is_torch_of_pypi
from envtool.write import write_text

TORCH_ON_CONDA = {"pytorch", "pytorch-cpu", "pytorch-gpu", "libtorch", "torchvision", "torchaudio"}
_SETTINGS = ("UV_TORCH_BACKEND", "UV_REQUIRE_HASHES", "UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES", "UV_PYTHON",
             "UV_NO_INDEX", "UV_PROJECT_ENVIRONMENT", "UV_TARGET", "UV_PREFIX", "UV_CONSTRAINT",
             "UV_OVERRIDE")  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Wheel(Fact):
    """One file of the pip section."""

    name: str
    version: str
    url: str
    sha256: str


def refuse_two_torches(conda: Iterable[str], wheels: Iterable[Wheel]) -> None:
    """PyTorch from pip is never laid beside conda's: the two load each other's libraries."""
    ours = sorted(TORCH_ON_CONDA.intersection(conda))
    theirs = [wheel.name for wheel in wheels if is_torch_of_pypi(wheel.name)]
    if ours and theirs:
        raise UsageError(
            f"the lockfile has {ours[0]} from conda and {', '.join(theirs[:3])} from pip, which don't go together",
            hint="take what pip brings out of the [pip] packages of envtool.toml, and lock again",
        )


def uv_for(wheels: tuple[Wheel, ...]) -> str | None:
    """uv's program, asked for before anything is done; None where no wheel needs it."""
    if not wheels:
        return None
    program = find_uv()
    if program is None:
        raise ToolError("the lockfile has packages from pip, which uv lays down, and there is no uv here",
                        hint=f"install it: {line_for('install')}")  # fmt: skip
    return program


def fetch_wheels(program: str, python: str, wheels: tuple[Wheel, ...], held: int | None) -> None:
    """Have all of them in uv's cache, checked: whatever can fail does so before the environment is touched."""
    with tempfile.TemporaryDirectory(prefix="envtool-", ignore_cleanup_errors=True) as folder:
        lay_down_wheels(program, python, wheels, held, "--target", os.path.join(folder, "wheels"))


def lay_down_wheels(program: str, python: str, wheels: tuple[Wheel, ...], held: int | None, *more: str) -> None:
    """All of them, each checked by its hash, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="envtool-", ignore_cleanup_errors=True) as folder:
        wanted = os.path.join(folder, "wheels.txt")
        write_text(wanted, "".join(f"{w.name} @ {w.url} --hash=sha256:{w.sha256}\n" for w in wheels))
        words = (program, "pip", "install", "--python", python, "--no-deps", "--require-hashes", "--no-config",
                 "--requirements", wanted, *more)  # fmt: skip
        ran = run(Command(words, dict.fromkeys(_SETTINGS), ("uv", *words[1:])), show=False, held=held)
    if ran.code != 0:
        raise explained(ran, "uv", doing="laying down the packages from pip")
