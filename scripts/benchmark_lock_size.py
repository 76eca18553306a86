#!/usr/bin/env python3
"""How fast `envtool lock` is, and how much memory it takes, on a channel of conda-forge's size.

    python scripts/benchmark_lock_size.py CHANNEL [--records 1600000] [--keep FOLDER] [--runs 3]

CHANNEL is a folder with <subdir>/repodata.json.zst (or .json) of real records. Out of them comes a channel with as many
records as are asked for: each package also as a number of packages of other names that need one another as it does
with its own. So the index is as large as conda-forge's, and what has to be solved stays what it was. Told is the
fastest run and the largest memory of it, for py-rattler's bare solves of the same questions and for envtool, each in a
process of its own, imports included.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from benchmark_lock import BARE, SPEC, jobs_of

# runs a command line and tells its peak memory, pages of mapped files included
MEASURED = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1 if sys.platform == "darwin" else 1024
computed = used.ru_utime + used.ru_stime
print(json.dumps([done.returncode, time.perf_counter() - started, computed, used.ru_maxrss * unit, done.stderr[-400:]]))
"""
_NAME = re.compile(r"^([A-Za-z0-9_.-]+)(.*)$", re.DOTALL)


def read(folder: str, subdir: str) -> dict[str, dict[str, dict[str, object]]]:
    path = os.path.join(folder, subdir, "repodata.json")
    if os.path.exists(path):
        with open(path, "rb") as file:
            return json.load(file)
    import zstandard

    with open(f"{path}.zst", "rb") as file:
        return json.loads(zstandard.ZstdDecompressor().stream_reader(file).read())


def other(spec: str, number: int) -> str:
    """The requirement of a copy: of the package of the same copy. Virtual packages have none."""
    match = _NAME.match(spec)
    return spec if match is None or spec.startswith("__") else f"{match[1]}-x{number}{match[2]}"


def write_subdir(source: str, target: str, subdir: str, copies: int) -> int:
    """The real records and copies of them; gives their number."""
    index = read(source, subdir)
    os.makedirs(os.path.join(target, subdir), exist_ok=True)
    count = 0
    with open(os.path.join(target, subdir, "repodata.json"), "w", encoding="utf-8") as file:
        head = json.dumps({"info": index.get("info", {"subdir": subdir}), "repodata_version": 1})
        file.write(head[:-1])
        for part in ("packages", "packages.conda"):
            file.write(f', "{part}": {{')
            first = True
            rows = []
            for number in range(copies + 1):
                for name, record in index.get(part, {}).items():
                    rows.append((copy_name(name, record, number), copied(record, number)))
            for name, record in sorted(rows, key=lambda row: row[0]):  # as real indexes are
                file.write(f"{'' if first else ','}{json.dumps(name)}:{json.dumps(record, separators=(',', ':'))}")
                first = False
            count += len(rows)
            file.write("}")
        file.write("}")
    return count


def copy_name(name: str, record: dict[str, object], number: int) -> str:
    return name if number == 0 else name.replace(str(record["name"]), f"{record['name']}-x{number}", 1)


def copied(record: dict[str, object], number: int) -> dict[str, object]:
    if number == 0:
        return record
    needs = {key: [other(str(one), number) for one in record.get(key, ())] for key in ("depends", "constrains")}  # type: ignore[attr-defined]
    return {**record, "name": f"{record['name']}-x{number}", **needs}


def write_channel(source: str, target: str, wanted: int) -> int:
    subdirs = [name for name in sorted(os.listdir(source)) if os.path.isdir(os.path.join(source, name))]
    real = 0
    for subdir in subdirs:
        index = read(source, subdir)
        real += sum(len(index.get(part, {})) for part in ("packages", "packages.conda"))
    copies = max(0, round(wanted / real) - 1)
    with ProcessPoolExecutor(max_workers=1) as pool:  # each large subdir takes a gigabyte while it is written
        return sum(pool.submit(write_subdir, source, target, subdir, copies).result() for subdir in subdirs)


class Measured(NamedTuple):
    fastest: float
    computing: float  # seconds of processor time, of the run that took least: what a busy machine doesn't change much
    memory: float  # GB, the most that a run took


def measured(commands: dict[str, list[str]], cwd: str, runs: int, fresh: str) -> dict[str, Measured]:
    """The commands in turns, so that a busy minute hits all of them alike. ``fresh`` is removed before each."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, words in commands.items():
            subprocess.run(["rm", "-rf", os.path.join(cwd, fresh)], check=True)
            whole = [sys.executable, "-c", MEASURED, *words]
            done = subprocess.run(whole, cwd=cwd, capture_output=True, text=True, check=True)
            code, seconds, computing, memory, said = json.loads(done.stdout)
            if code != 0:
                raise SystemExit(f"{name} ended with {code}: {said}")
            found[name].append((seconds, computing, memory / 1e9))
    return {
        name: Measured(min(s for s, _, _ in rows), min(c for _, c, _ in rows), max(m for _, _, m in rows))
        for name, rows in found.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("channel", help="folder with <subdir>/repodata.json.zst")
    parser.add_argument("--records", type=int, default=1_600_000)
    parser.add_argument("--keep", help="keep the large channel here, or take the one that is here")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large = options.keep or os.path.join(folder, "channel")
        if not os.path.isdir(large):
            started = time.perf_counter()
            count = write_channel(options.channel, large, options.records)
            print(f"{count:,} records written in {time.perf_counter() - started:.0f} s")
        size = sum(os.path.getsize(os.path.join(large, s, "repodata.json")) for s in os.listdir(large))
        print(f"an index of {size / 1e9:.2f} GB")
        return compare(large, folder, options.runs)


def compare(large: str, folder: str, runs: int) -> int:
    channel = f"file://{os.path.abspath(large)}"
    with open(os.path.join(folder, "envtool.toml"), "w", encoding="utf-8") as file:
        file.write(SPEC.format(variants='["cpu"]'))
    lock = [sys.executable, "-m", "envtool", "lock", "--mirror", f"conda-forge={channel}", "--keep-going"]
    subprocess.run(lock, cwd=folder, capture_output=True)
    print(f"four platforms, CPU: {jobs_of(folder, os.path.join(folder, 'jobs.json'))} questions to the solver")
    commands = {"py-rattler, bare solves": [sys.executable, "-c", BARE, "jobs.json", channel], "envtool lock": lock}
    bare, ours = measured(commands, folder, runs, "lockfiles").values()
    for name, one in zip(commands, (bare, ours), strict=True):
        print(
            f"  {name:<26}{one.fastest:7.2f} s {one.fastest / bare.fastest:5.2f} ×   computing {one.computing:6.2f} s"
            f" {one.computing / bare.computing:5.2f} ×   {one.memory:.2f} GB"
        )
    missed = min(ours.fastest / bare.fastest, ours.computing / bare.computing) > 1.3 or ours.memory > 1.1
    print("at most 1.3 × and 1.1 GB is the aim" + ("; it was missed" if missed else ""))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
