"""The tools, run for real in a room: the same Python, folder, variables and driver for all of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from compare.doctors.rooms import Room
from compare.doctors.rule import Case, Manner, Said

ENVTOOL, COLLECT_ENV = "envtool", "collect_env"
LIMIT = 180


@dataclass(frozen=True)
class Peer:
    """A tool that looks at the Python it runs in: its package, its entry point, its diagnosing commands."""

    requirement: str
    entry: str  # module:function, as its console script has it
    commands: tuple[tuple[str, ...], ...]
    again: tuple[str, ...]  # how its README starts it so that the folder is on sys.path, as for the student's program
    manner: Manner


PEERS = {
    "env-doctor": Peer(
        "env-doctor==0.3.5", "env_doctor.cli:main", (("check",),),
        ("-c", "from env_doctor import check; check()"),
        Manner("❌(?! +(tensorflow|jax) is NOT)", "all checks passed"),
    ),
    "cuda-doctor": Peer(
        "cuda-doctor==0.2.0", "cuda_doctor.cli:main", ((),), ("-m", "cuda_doctor"),
        Manner(r"✗ +[A-Z]+\d+", r"Status: HEALTHY"),
    ),
    "ai-infradr": Peer(
        "ai-infradr==0.1.0", "ai_infradr.cli.main:main", ((),), ("-m", "ai_infradr"),
        Manner(r"^\W*(CRITICAL|HIGH|MEDIUM) +[A-Z_]+", r"No known v[\d.]+ compatibility issues detected"),
    ),
    "rigsolve": Peer(
        "rigsolve==1.0.0", "rigsolve.cli:main", (("check",), ("verify", "--no-gpu")), ("-m", "rigsolve"),
        Manner(r"\[FAIL\]"),
    ),
}  # fmt: skip
MANNERS = {
    ENVTOOL: Manner(
        r"^(✗|FAIL) ", r"All is well", r"^(✗|FAIL|warn) +[a-z0-9-]+$|(envtool explain|because\s+of)\s+[a-z0-9-]+"
    ),
    COLLECT_ENV: Manner(),
    **{name: peer.manner for name, peer in PEERS.items()},
}
TOOLS = (ENVTOOL, *PEERS, COLLECT_ENV)


@dataclass
class Bench:
    """Where the tools lie: envtool's program, and a folder with each peer's packages for each Python."""

    folder: str
    envtool: Sequence[str]

    def said(self, tool: str, case: Case, room: Room) -> list[Said]:
        """What a tool says in a room; more than one try where the case wants it."""
        if tool == ENVTOOL:
            return [_run([*self.envtool, "doctor"], room)]
        if tool == COLLECT_ENV:
            return [_run([room.python, "-m", "torch.utils.collect_env"], room)]
        if not starts(room):
            return [_run([room.python, *PEERS[tool].again], room)]
        return self._peer(PEERS[tool], tool, case, room)

    def _peer(self, peer: Peer, tool: str, case: Case, room: Room) -> list[Said]:
        mark = os.path.join(room.site, "zz_peer.pth")
        with open(mark, "w", encoding="utf-8") as file:
            file.write(f"{self._packages(peer, tool, room)}\n")
        try:
            script = os.path.join(room.folder, "launch", tool)  # its folder is on sys.path, as a venv's bin is
            module, _, function = peer.entry.partition(":")
            os.makedirs(os.path.dirname(script), exist_ok=True)
            with open(script, "w", encoding="utf-8") as file:
                file.write(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
            commands = [[w for w in words if not (case.driver and w == "--no-gpu")] for words in peer.commands]
            tries = [_together([_run([room.python, script, *words], room) for words in commands])]
            if case.folder:
                ends = commands if peer.again[0] == "-m" else [[]]
                tries.append(_together([_run([room.python, *peer.again, *words], room) for words in ends]))
            return tries
        finally:
            os.unlink(mark)

    def _packages(self, peer: Peer, tool: str, room: Room) -> str:
        version = next(iter(re.findall(r"python3\.\d+", room.site)))
        place = os.path.join(self.folder, version, tool)
        if not os.path.isdir(place):
            number = version.removeprefix("python")
            uv = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
            pip = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
            command = [*pip, "install", "--quiet", "--target", place, "--python-version", number]
            command += ["--only-binary", ":all:"]
            done = subprocess.run([*command, peer.requirement], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{peer.requirement} can't be installed: {done.stderr.strip()[-400:]}")
        return place


def versions(envtool: str) -> dict[str, str]:
    """Of the tools, by name."""
    done = subprocess.run([envtool, "--version"], capture_output=True, text=True)
    own = done.stdout.split()[-1] if done.stdout.split() else "of unknown version"
    return {ENVTOOL: own, **{name: peer.requirement.partition("==")[2] for name, peer in PEERS.items()}}


def starts(room: Room) -> bool:
    """Whether the environment's Python starts at all, which a tool that runs in it needs."""
    return os.path.exists(room.python)


def _together(parts: Sequence[Said]) -> Said:
    command = "; ".join(part.command for part in parts)
    return Said("\n".join(part.text for part in parts), max(part.code for part in parts), True, command)


def _run(command: Sequence[str], room: Room) -> Said:
    shown = " ".join(command)
    try:
        done = subprocess.run(
            [*room.enter, *command], cwd=room.course, env=room.variables, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=LIMIT, check=False,
        )  # fmt: skip
    except OSError as problem:
        return Said(f"{problem}\n", 127, False, shown)
    except subprocess.TimeoutExpired:
        return Said(f"no end after {LIMIT} s\n", 124, True, shown)
    out, err = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    return Said(f"{out}{err}", done.returncode, True, shown)
