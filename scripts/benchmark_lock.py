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
import asyncio, json, os, sys
from rattler import BuildString, Gateway, GenericVirtualPackage, MatchSpec, PackageName, Version, solve
jobs = json.load(open(sys.argv[1]))
async def one(gateway, job):
    virtual = [GenericVirtualPackage(PackageName(n), Version(v), BuildString(b)) for n, v, b in job["virtual"]]
    await solve([sys.argv[2]], [MatchSpec(s, strict=False) for s in job["specs"]], gateway,
                [job["subdir"], "noarch"], virtual_packages=virtual)
async def main():
    gateway = Gateway()
    await asyncio.gather(*(one(gateway, job) for job in jobs))
asyncio.run(main())
os._exit(0)  # as envtool ends
"""


class Timing(NamedTuple):
    fastest: float
    median: float
    computing: float


def computed() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(words: list[str], cwd: str, runs: int, fresh: str | None = None) -> Timing:
    found, work = [], []
    for _ in range(runs):
        if fresh:
            subprocess.run(["rm", "-rf", os.path.join(cwd, fresh)], check=True)
        before, started = computed(), time.perf_counter()
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
        found.append(time.perf_counter() - started)
        work.append(computed() - before)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(words[:4])} … ended with {done.returncode}: {done.stderr[-500:]}")
    return Timing(min(found), statistics.median(found), min(work))


def told(name: str, timing: Timing, against: Timing | None = None) -> None:
    ratio = f"   {timing.fastest / against.fastest:.2f} ×, computing {timing.computing / against.computing:.2f} ×" if against else ""
    print(f"  {name:<32}{timing.fastest:7.3f} s  median {timing.median:.3f}  computing {timing.computing:.3f}{ratio}")


def jobs_of(folder: str, path: str) -> int:
    """What envtool asked, out of the lockfile that it wrote; one question for targets that ask the same."""
    from envtool.lock import pixi

    lock = os.path.join(folder, "lockfiles", "pixi.lock")
    with open(lock, encoding="utf-8") as file:
        lockfile = pixi.load(lock, file.read(), "pixi.lock")
    jobs = {
        json.dumps({"subdir": t.target.subdir, "specs": t.specs, "virtual": [(v.name, v.version, v.build) for v in t.virtual]})
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
    told("conda-lock, four platforms", timed(words, folder, 3, "theirs-lock.yml"))


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
            bare = timed([sys.executable, "-c", BARE, "jobs.json", channel], folder, options.runs)
            ours = timed(lock, folder, options.runs, "lockfiles")
            again = timed([sys.executable, "-m", "envtool", "lock"], folder, options.runs)
            told("py-rattler, bare solves", bare)
            told("envtool lock, nothing locked", ours, bare)
            told("envtool lock, nothing changed", again)
            worst = max(worst, ours.fastest / bare.fastest)
            if options.conda and variants == '["cpu"]':
                conda_lock(options, folder, channel)
    print(f"at most 1.3 × is the aim; {worst:.2f} × was measured")
    return 0 if worst <= 1.3 else 1


if __name__ == "__main__":
    sys.exit(main())
