"""The runner of the smoke tests with a stand-in for torch, and with families that misbehave in place of its own."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

CHILDREN = Path(__file__).resolve().parent.parent / "envtool" / "smoke" / "children"

TORCH = """
__version__ = "9.9.0"
THREADS, DTYPE, DETERMINISTIC, GRAD = [4], ["float32"], [False], [True]


def tensor(data):
    return data


def manual_seed(seed):
    pass


def zeros(count, device):
    raise RuntimeError("no zeros on " + device)


get_num_threads = lambda: THREADS[-1]
set_num_threads = THREADS.append
get_default_dtype = lambda: DTYPE[-1]
set_default_dtype = DTYPE.append
are_deterministic_algorithms_enabled = lambda: DETERMINISTIC[-1]
use_deterministic_algorithms = DETERMINISTIC.append
set_grad_enabled = GRAD.append


class version:
    cuda = hip = None


class backends:
    pass
"""

FIRST = """
from harness import Test

TESTS = (
    Test("torch", "import", "torch is there.", "Bring it.", None, quick=True),
    Test("device", "import", "The device is there.", "Bring it.", lambda context: "there", quick=True),
)
"""


def runner(folder, tests=""):
    """A copy of the runner whose families are the two first tests and those of this source."""
    copy = Path(folder) / "runner"
    shutil.copytree(CHILDREN, copy, ignore=shutil.ignore_patterns("family_*", "__pycache__"))
    supervisor = copy / "supervisor.py"
    text = supervisor.read_text(encoding="utf-8")
    assert "\nGRACE = 1.5 " in text
    supervisor.write_text(text.replace("\nGRACE = 1.5 ", "\nGRACE = 0.6 "), encoding="utf-8")  # the tests wait for it
    (copy / "family_import.py").write_text(FIRST, encoding="utf-8")
    names = ["family_import"]
    if tests:
        names.append("family_made")
        head = "import os, signal, subprocess, sys, time\nfrom harness import Failure, Skip, Test, Warn\n\n\n"
        head += "def made(run, code=None, **more):\n"
        head += "    return Test(code or run.__name__.replace('_', '-'), 'made', 'It is so.', 'Mend it.', run, **more)\n\n\n"
        (copy / "family_made.py").write_text(head + textwrap.dedent(tests), encoding="utf-8")
    text = (copy / "families.py").read_text(encoding="utf-8")
    start, end = text.index("MODULES = ("), text.index(")\n", text.index("MODULES = ("))
    (copy / "families.py").write_text(text[:start] + f"MODULES = {tuple(names)!r}" + text[end + 1 :], encoding="utf-8")
    return copy


def stub(folder, source=TORCH):
    """A folder for PYTHONPATH that holds a module torch."""
    place = Path(folder) / "stub"
    (place / "torch").mkdir(parents=True, exist_ok=True)
    (place / "torch" / "__init__.py").write_text(source, encoding="utf-8")
    return place


def run(runner, *arguments, stub, cwd=None, flags=("-I", "-S"), timeout=60):
    """The runner's process, ended."""
    environment = {**os.environ, "PYTHONPATH": str(stub)}
    command = [sys.executable, *flags, "-X", "faulthandler", str(runner), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=cwd, env=environment)


def ends(done):
    """How each test ended, by its code, from the runner's events."""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {event["code"]: event for event in events if event["event"] == "end"}
