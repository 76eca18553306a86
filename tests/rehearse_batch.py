"""Rehearse many scripts with one import of torch: one fork a script. Run by the target interpreter, not by pytest.

Arguments: the folder of the rehearsal's children, a folder for the events, the scripts.
"""

import importlib
import os
import sys

CHILDREN, EVENTS = sys.argv[1:3]
SCRIPTS = sys.argv[3:]


def rehearse(telling, running, script):
    telling.path = os.path.join(EVENTS, os.path.basename(script) + ".events")
    telling.main_process = os.getpid()
    telling.cuda_before_fork = False
    with open(telling.path, "w"):
        pass
    out = os.open(telling.path + ".out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.path[0] = os.path.dirname(script)
    sys.argv = [script]
    code = running.run(script, "file", 60.0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main():
    sys.path.insert(0, CHILDREN)
    start = importlib.import_module("start")
    sys.path.pop(0)  # start.py itself has taken one entry off
    telling = importlib.import_module(start.load_package() + ".telling")
    telling.path = os.devnull
    os.environ["DEVICE"] = "meta"
    running = importlib.import_module("_envtool_rehearsal.running")
    running.prepare()
    for script in SCRIPTS:
        child = os.fork()
        if child == 0:
            rehearse(telling, running, script)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
