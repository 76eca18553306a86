"""How fast the doctor is, beside a bare Python and PyTorch's own collect_env, in one run.

    python scripts/measure_startup.py --python PATH_OF_A_PYTHON_WITH_TORCH [--rounds 9] [--write FILE]

Every round runs each command once, in turn, so that a slow moment of the machine hits all of them alike. Medians are
compared, and only their ratios mean anything elsewhere. Exit code 1 where a ratio misses its limit.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

LIMIT_BARE = 15.0  # times a bare `python -c pass`
LIMIT_COLLECT = 1 / 15  # of `python -m torch.utils.collect_env`
LIMIT_IMPORT = 1.3  # times a bare process that imports the same packages, plus the no-import part


def seconds(command):
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')[-800:]}")
    return time.perf_counter() - started


def same_packages(envtool, target):
    """The packages that the doctor imports there."""
    done = subprocess.run([*envtool, "doctor", "--json", "--python", target], capture_output=True, text=True)
    stages = json.loads(done.stdout)["imports"]["found"]["stages"]
    tried = ("torch", "torchvision", "torchaudio")
    names = [s["name"] for s in stages if s["name"] in tried and s["outcome"] == "ok"]
    if any(s["name"] == "numpy-bridge" and s["outcome"] == "ok" for s in stages):
        names.append("numpy")
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, metavar="PATH", help="a Python with torch")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", metavar="FILE", help="write the table as a page")
    options = parser.parse_args()
    script = os.path.join(os.path.dirname(sys.executable), "envtool" + (".exe" if os.name == "nt" else ""))
    envtool = [script] if os.path.exists(script) else [sys.executable, "-m", "envtool"]
    target = os.path.abspath(options.python)
    packages = same_packages(envtool, target)
    commands = {
        "bare": [sys.executable, "-c", "pass"],
        "help": [*envtool, "--help"],
        "quick": [*envtool, "doctor", "--no-import", "--python", target],
        "full": [*envtool, "doctor", "--python", target],
        "import": [target, "-c", f"import {', '.join(packages)}"],
        "collect": [target, "-m", "torch.utils.collect_env"],
    }
    times = {name: [] for name in commands}
    for command in commands.values():  # once unmeasured, to warm the disk's cache
        seconds(command)
    for _ in range(options.rounds):
        for name, command in commands.items():
            times[name].append(seconds(command))
    median = {name: statistics.median(values) for name, values in times.items()}
    rows = [
        ("envtool --help / python -c pass", median["help"] / median["bare"], LIMIT_BARE),
        ("doctor --no-import / python -c pass", median["quick"] / median["bare"], LIMIT_BARE),
        ("doctor --no-import / collect_env", median["quick"] / median["collect"], LIMIT_COLLECT),
        (
            "(doctor - doctor --no-import) / bare import",
            (median["full"] - median["quick"]) / median["import"],
            LIMIT_IMPORT,
        ),
    ]
    text = report(rows, median, packages, options.rounds)
    print(text)
    if options.write:
        with open(options.write, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    return 0 if all(ratio <= limit for _, ratio, limit in rows) else 1


def report(rows, median, packages, rounds):
    lines = [
        "# How fast the doctor is",
        "",
        "Made by `python scripts/measure_startup.py --python PATH --write docs/explanation/speed.md`.",
        f"{rounds} rounds in turn; medians; {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores. Imported: {', '.join(packages)}.",
        "",
        "| ratio | measured | limit |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {ratio:.3g} | {limit:.3g} |" for name, ratio, limit in rows]
    lines += ["", "| command | median |", "|---|---|"]
    words = {
        "bare": "`python -c pass`",
        "help": "`envtool --help`",
        "quick": "`envtool doctor --no-import`",
        "full": "`envtool doctor`",
        "import": f'`python -c "import {", ".join(packages)}"`',
        "collect": "`python -m torch.utils.collect_env`",
    }
    lines += [f"| {words[name]} | {median[name] * 1000:.0f} ms |" for name in words]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
