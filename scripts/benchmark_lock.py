#!/usr/bin/env python3
"""How fast `envtool lock` is: against py-rattler's bare solve of the same requests, and against conda-lock.

    python scripts/benchmark_lock.py CHANNEL [--runs 7] [--conda PATH --conda-lock PATH]

CHANNEL is a folder with <subdir>/repodata.json that stands in for conda-forge. Everything runs in a process of its own,
start and imports included. Told are the seconds of the fastest run, the median, and the least seconds of computing,
which a busy machine changes less. The bare solve reads the channel, asks
py-rattler the questions that envtool asks it, and throws the answers away: no choice, no check, no file.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

SPEC = """name = "course"
python = ">=3.10,<3.14"
torch = ["torch>=2.6", "torchvision"]
packages = ["numpy", "matplotlib", "tqdm"]
variants = {variants}
"""
BARE = """
import asyncio, json, os, sys, time
from rattler import BuildString, Gateway, GenericVirtualPackage, MatchSpec, PackageName, Version, solve
jobs = json.load(open(sys.argv[1]))
async def one(gateway, job):
    virtual = [GenericVirtualPackage(PackageName(n), Version(v), BuildString(b)) for n, v, b in job["virtual"]]
    await solve([sys.argv[2]], [MatchSpec(s, strict=False) for s in job["specs"]], gateway,
                [job["subdir"], "noarch"], virtual_packages=virtual)
async def main():
    gateway = Gateway()
    await asyncio.gather(*(one(gateway, job) for job in jobs))
started = time.process_time()
asyncio.run(main())
print(time.process_time() - started, flush=True)
os._exit(0)  # as envtool ends
"""
# the same from the first question to the last text, with everything imported and the spec and the catalog read
INSIDE = """
import os, sys, time
from envtool.catalog import load
from envtool.cli.spec_option import read
from envtool.lock import choose, files, target_solver
from envtool.lock.from_course import request_of
from envtool.lock.place import merged
from envtool.lock.solving import solved
from envtool.lock.task import Task
request, catalog = request_of(read("envtool.toml")), load()
choose.choose(request, request.targets, catalog, {}, {})
started = time.process_time()
found = solved(Task(request, request.targets), lambda: catalog, {request.channels[0]: sys.argv[1]}, lambda _: None)
files.rendered(merged(request, None, found.locked, found.refused), "envtool.toml")
print(time.process_time() - started, flush=True)
os._exit(0)
"""


class Timing(NamedTuple):
    fastest: float
    median: float
    computing: float
    inside: float  # of computing, as the process itself tells it; 0 where it doesn't


def computed() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(words: list[str], cwd: str, fresh: str | None) -> tuple[float, float, float]:
    """Seconds of one run, of computing in it, and what it prints. ``fresh``: a folder that must not be there."""
    if fresh:
        shutil.rmtree(os.path.join(cwd, fresh), ignore_errors=True)
    before, started = computed(), time.perf_counter()
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words[:4])} … ended with {done.returncode}: {done.stderr[-500:]}")
    inside = float(done.stdout) if words[1] == "-c" else 0.0
    return seconds, computed() - before, inside


def timed(commands: list[tuple[list[str], str | None]], cwd: str, runs: int) -> list[Timing]:
    """The commands in turn, so that a machine that is busy for a while is so for all of them."""
    found = [[once(words, cwd, fresh) for words, fresh in commands] for _ in range(runs)]
    columns = [list(zip(*column, strict=True)) for column in zip(*found, strict=True)]
    return [Timing(min(all_), statistics.median(all_), min(work), min(inside)) for all_, work, inside in columns]


def told(name: str, timing: Timing, against: Timing | None = None) -> None:
    ratio = (
        f"   {timing.fastest / against.fastest:.2f} ×, computing {timing.computing / against.computing:.2f} ×"
        if against
        else ""
    )
    print(f"  {name:<32}{timing.fastest:7.3f} s  median {timing.median:.3f}  computing {timing.computing:.3f}{ratio}")


def jobs_of(folder: str, path: str) -> int:
    """What envtool asked, out of the lockfile that it wrote; one question for targets that ask the same."""
    from envtool.lock import pixi

    lock = os.path.join(folder, "lockfiles", "pixi.lock")
    with open(lock, encoding="utf-8") as file:
        lockfile = pixi.load(lock, file.read(), "pixi.lock")
    jobs = {
        json.dumps(
            {"subdir": t.target.subdir, "specs": t.specs, "virtual": [(v.name, v.version, v.build) for v in t.virtual]}
        )
        for t in lockfile.targets
    }
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[{','.join(sorted(jobs))}]")
    return len(jobs)


def conda_lock(options: argparse.Namespace, folder: str, channel: str) -> None:
    """The same input, by conda-lock with the solver of that conda; its file must hold as many platforms."""
    name = "course-cpu"
    path = os.path.join(folder, "lockfiles", f"{name}.environment.yml")
    with open(path, encoding="utf-8") as file:
        text = file.read().replace("conda-forge", channel)
    with open(os.path.join(folder, "theirs.yml"), "w", encoding="utf-8") as file:
        file.write(text)
    platforms = [word for subdir in ("linux-64", "linux-aarch64", "osx-arm64", "win-64") for word in ("-p", subdir)]
    virtual = os.path.join("lockfiles", f"{name}.virtual-packages.yml")
    words = [
        options.conda_lock, "lock", "--conda", options.conda, "-f", "theirs.yml", "--lockfile", "theirs-lock.yml",
        "--virtual-package-spec", virtual, *platforms,
    ]  # fmt: skip
    told("conda-lock, four platforms", timed([(words, "theirs-lock.yml")], folder, 3)[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("channel", help="folder with <subdir>/repodata.json")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--conda", help="a conda, mamba or micromamba executable, for conda-lock")
    parser.add_argument("--conda-lock", default="conda-lock", help="the conda-lock to compare with")
    options = parser.parse_args()
    channel = f"file://{os.path.abspath(options.channel)}"
    worst = 0.0
    for variants in ('["cpu"]', '["cpu", "cuda"]'):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "envtool.toml"), "w", encoding="utf-8") as file:
                file.write(SPEC.format(variants=variants))
            lock = [sys.executable, "-m", "envtool", "lock", "--mirror", f"conda-forge={channel}", "--keep-going"]
            subprocess.run(lock, cwd=folder, capture_output=True)
            count = jobs_of(folder, os.path.join(folder, "jobs.json"))
            print(f"variants {variants}: {count} questions to the solver")
            solves = [sys.executable, "-c", BARE, "jobs.json", channel]
            inner = [sys.executable, "-c", INSIDE, channel]
            commands = [(solves, None), (lock, "lockfiles"), (lock, None), (inner, None)]
            bare, ours, again, inside = timed(commands, folder, options.runs)
            told("py-rattler, bare solves", bare)
            told("envtool lock, nothing locked", ours, bare)
            told("envtool lock, nothing changed", again)
            ratio = inside.inside / bare.inside
            print(
                f"  computing, without the start: bare {bare.inside:.3f} s, envtool {inside.inside:.3f} s   {ratio:.2f} ×"
            )
            worst = max(worst, ratio)
            if options.conda and variants == '["cpu"]':
                conda_lock(options, folder, channel)
    print(f"at most 1.3 × of the bare solves is the aim, computing without the start; {worst:.2f} × was measured")
    return 0 if worst <= 1.3 else 1


if __name__ == "__main__":
    sys.exit(main())
