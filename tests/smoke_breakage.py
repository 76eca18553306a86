"""Shows that every smoke test can fail: torch is imported once, and each breakage runs its test in a fork.

A module of breakages has a dictionary ``BROKEN``: the test's code, and a list of pairs of a function and words. The
function is given torch and the test's context and breaks something; the test must then fail with those words in its
message. In place of "fail" a triple may name another status. Such a module is run by the interpreter that has torch,
Python 3.8 and newer, and imports nothing of envtool.

As a script: FOLDER (the families'), then files of breakages; prints a line of JSON for each run.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "envtool" / "smoke" / "children"
PYTHON = os.environ.get("ENVTOOL_TORCH_PYTHON", "")
ASIDE = ("torch",)  # reported by the process that runs the tests: shown to fail with stubs in place of torch


# ── for pytest ───────────────────────────────────────────────────────────────────────────────────


def cases(broken):
    """Every breakage of a module by code, number, words and status, for ``pytest.mark.parametrize``."""
    return [
        (code, number, row[1], row[2] if len(row) > 2 else "fail")
        for code, rows in broken.items()
        for number, row in enumerate(rows)
    ]


def outcomes(*files, python=PYTHON, timeout=110):
    """How each test ended, by code and number of the breakage; the number is None where nothing was broken."""
    command = [python, "-X", "faulthandler", str(Path(__file__).resolve()), str(FOLDER), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("smoke:")]
    return {(line["code"], line["number"]): line for line in lines}


# ── in the interpreter that has torch ────────────────────────────────────────────────────────────


def attempt(test, context, breaks, harness):
    try:
        if breaks is not None:
            breaks(context.torch, context)
        return "pass", test.run(context) or ""
    except harness.Skip as reason:
        return "skip", str(reason)
    except harness.Warn as reason:
        return "warn", str(reason)
    except harness.Failure as reason:
        return "fail", str(reason)
    except BaseException as error:
        return "fail", "%s: %s" % (type(error).__name__, error)


LIMIT = 60  # seconds


def in_fork(work):
    """What ``work`` gives, from a process of its own; how that ended where it gave nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(reader)
        status = 1
        try:
            with os.fdopen(writer, "w") as file:
                json.dump(work(), file)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    ended = ended_within(child, LIMIT)
    try:
        os.killpg(child, signal.SIGKILL)  # a worker that began when the test had ended waits for ever, with the pipe
    except ProcessLookupError:
        pass
    with os.fdopen(reader) as file:  # what was written is short: the pipe has held it
        text = file.read()
    if ended is None:
        return ["fail", "not done within %d s" % LIMIT]
    return json.loads(text) if text else ["fail", "the process ended with %d" % ended]


def ended_within(child, seconds):
    """How a process ended; None where it had to be killed, as by the supervisor of the real runner."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def main():
    folder, files = sys.argv[1], sys.argv[2:]
    sys.path[:1] = [folder]
    import devices
    import families
    import harness
    import torch
    import torch._dynamo  # with the first optimizer torch 2.4 to 2.6 loads it, and here every fork would

    tests = {test.code: test for test in families.tests()}
    cores = devices.cores()
    # A loader that is given up on an error waits at times for ever while it is taken down; here its workers are killed.
    loader = importlib.import_module("torch.utils.data.dataloader")._MultiProcessingDataLoaderIter
    loader.__del__ = lambda self: None

    def one(code, number, breaks):
        def work():
            with tempfile.TemporaryDirectory() as own:
                context = harness.Context(torch, "cpu", [], own, cores)
                context.broken = {}
                torch.manual_seed(0)
                return attempt(tests[code], context, breaks, harness)

        status, message = in_fork(work)
        print("smoke:" + json.dumps({"code": code, "number": number, "status": status, "message": message}), flush=True)

    for file in files:
        sys.path.insert(1, os.path.dirname(file))
        broken = importlib.import_module(os.path.basename(file)[: -len(".py")]).BROKEN
        for code, rows in broken.items():
            one(code, None, None)
            for number, row in enumerate(rows):
                one(code, number, row[0])


if __name__ == "__main__":
    main()
