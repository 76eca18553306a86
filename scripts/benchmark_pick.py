#!/usr/bin/env python3
"""How many machines a second does `envtool pick --machine - --json` answer, on one core?

N machines that differ in system, Python, libc, driver, GPUs and request are written as JSON lines, always the same
ones. One process reads, decides and writes; all of its processor time counts, start and catalog too (wall time where
the system does not tell), so that a busy machine measures the same. Exit 1 below the floor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLOOR = 1000  # machines a second

GPUS = [
    ("Tesla K80", "3.7"), ("GeForce GTX 970", "5.2"), ("GeForce GTX 1080 Ti", "6.1"), ("Tesla P100", "6.0"),
    ("Tesla V100-SXM2-32GB", "7.0"), ("Tesla T4", "7.5"), ("NVIDIA A100-SXM4-80GB", "8.0"), ("NVIDIA A10", "8.6"),
    ("NVIDIA GeForce RTX 3090", "8.6"), ("NVIDIA GeForce RTX 4090", "8.9"), ("NVIDIA H100 80GB HBM3", "9.0"),
    ("NVIDIA B200", "10.0"), ("NVIDIA GeForce RTX 5090", "12.0"),
]  # fmt: skip
DRIVERS = (
    "418.226.00",
    "440.33.01",
    "450.80.02",
    "450.248.02",
    "460.106.00",
    "470.129.06",
    "470.223.02",
    "470.256.02",
    "510.47.03",
    "510.108.03",
    "515.65.01",
    "515.105.01",
    "520.61.05",
    "525.60.13",
    "525.105.17",
    "525.147.05",
    "530.30.02",
    "535.54.03",
    "535.104.05",
    "535.129.03",
    "535.161.08",
    "535.183.01",
    "535.230.02",
    "545.23.08",
    "545.29.06",
    "550.54.14",
    "550.54.15",
    "550.90.07",
    "550.127.05",
    "550.163.01",
    "555.42.06",
    "560.35.03",
    "565.57.01",
    "570.86.15",
    "570.124.06",
    "570.133.20",
    "570.195.03",
    "575.51.03",
    "575.64.05",
    "580.65.06",
    "580.82.07",
    "580.95.05",
    "590.44.01",
    "595.71.05",
)
REQUESTS = (
    None, None, None, {"packages": ["torch"]}, {"packages": ["torch", "torchvision"]}, {"accelerator": "gpu"},
    {"packages": ["torch==2.8.0", "torchvision"]}, {"packages": ["torch>=2.5,<2.10"]}, {"installer": "uv"},
    {"accelerator": "cpu"},
)  # fmt: skip


def machine(chance: random.Random) -> dict[str, object]:
    os_name = chance.choices(("linux", "windows", "macos"), (8, 2, 1))[0]
    python = f"3.{chance.randint(8, 15)}.{chance.randint(0, 12)}"
    document: dict[str, object] = {
        "schema": "envtool.machine/1",
        "os": os_name,
        "os_version": f"{chance.randint(11, 26)}.{chance.randint(0, 6)}",
        "arch": chance.choices(("x86_64", "aarch64"), (9, 1))[0] if os_name == "linux" else "x86_64",
        "wsl": False,
        "container": None,
        "python": {"version": python, "abi": f"cp3{python.split('.')[1]}", "executable": "/usr/bin/python3"},
        "amd": {"status": "absent", "reason": "no AMD card", "gpus": []},
        "intel": {"status": "absent", "reason": "no Intel card", "gpus": []},
        "apple": {"status": "absent", "reason": None, "chip": None},
        "nvidia": {"status": "absent", "reason": "no NVIDIA card", "driver": None, "gpus": []},
    }
    if os_name == "linux":
        document["libc"] = {"name": "glibc", "version": f"2.{chance.randint(17, 41)}"}
    if os_name == "macos":
        document["arch"] = "arm64"
    elif chance.random() < 0.85:
        document["nvidia"] = nvidia(chance)
    return document


def nvidia(chance: random.Random) -> dict[str, object]:
    kinds = chance.sample(GPUS, chance.choices((1, 2), (9, 1))[0])
    cards = [card for card in kinds for _ in range(chance.choice((1, 1, 1, 2, 4)))]
    gpus = [
        {"index": index, "name": name, "uuid": f"GPU-{chance.getrandbits(64):016x}", "compute_capability": capability,
         "memory_mib": 24564, "mig": False}
        for index, (name, capability) in enumerate(cards)
    ]  # fmt: skip
    driver = chance.choice(DRIVERS)
    return {
        "status": "found",
        "reason": None,
        "nvml_error": None,
        "driver": driver,
        "cuda_driver": "12.4",
        "gpus": gpus,
    }


def lines(count: int) -> str:
    chance = random.Random(20261123)  # noqa: S311 - the same machines in every run
    rows = []
    for _ in range(count):
        request = chance.choice(REQUESTS)
        document = machine(chance)
        rows.append(json.dumps(document if request is None else {"machine": document, "request": request}))
    return "\n".join(rows) + "\n"


def seconds(text: str, count: int) -> float:
    """The time of one run; it is checked that every machine was answered."""
    with tempfile.TemporaryFile("w+") as source, tempfile.TemporaryFile("w+") as sink:
        source.write(text)
        source.seek(0)
        command = [sys.executable, "-m", "envtool", "pick", "--machine", "-", "--json"]
        start, before = time.perf_counter(), processor_seconds()
        done = subprocess.run(
            command,
            stdin=source,
            stdout=sink,
            cwd=ROOT,
            check=False,
            preexec_fn=one_core() if os.name == "posix" else None,
        )
        wall = time.perf_counter() - start
        after = processor_seconds()
        taken = after - before if before is not None and after is not None else wall
        sink.seek(0)
        answers = [json.loads(line) for line in sink]
    wrong = [answer for answer in answers if answer["schema"] != "envtool.plan/1"]
    if done.returncode or len(answers) != count or wrong:
        raise SystemExit(f"{len(answers)} answers, {len(wrong)} of them errors; exit code {done.returncode}")
    plans = sum(answer["result"] == "plan" for answer in answers)
    distinct = len({json.dumps(answer) for answer in answers})
    print(
        f"{count} machines, {plans} plans, {distinct} different answers, {taken:.2f} s ({wall:.2f} s wall)",
        file=sys.stderr,
    )
    return taken


def processor_seconds() -> float | None:
    """What the children of this process have used so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def one_core():  # noqa: ANN201 - a hook for subprocess
    """Keep the process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {core})


PAGE = """# How fast `pick` is

`envtool pick --machine machines.jsonl` answers **{rate:,} machines a second** on one core: {count:,} machines, read as
JSON lines, decided and written, in {taken:.2f} s of processor time, start and catalog included. Measured with Python {python} by
`python scripts/benchmark_pick.py --write docs/explanation/pick-speed.md`; it fails below {floor:,}.

The machines differ in system, Python, libc, driver, GPUs and request; {note}

What makes it fast is that nothing is worked out twice. What installs for a Python and a system is judged once, and so is
the code that a build has for a set of GPUs; of a driver only the comparison with a few floors is left. The catalog is
read once. Memory stays flat, since every line is answered before the next is read.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="machines (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs, of which the best counts (default: %(default)s)")
    parser.add_argument("--write", metavar="FILE", help="write the page about it")
    options = parser.parse_args()
    text = lines(options.count)
    taken = min(seconds(text, options.count) for _ in range(options.repeat))
    rate = int(options.count / taken)
    print(f"{rate} machines/s")
    if options.write:
        note = f"the best of {options.repeat} runs counts."
        page = PAGE.format(
            rate=rate, count=options.count, taken=taken, python=platform.python_version(), floor=FLOOR, note=note
        )
        with open(options.write, "w", encoding="utf-8", newline="\n") as file:
            file.write(page)
    return 0 if rate >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
