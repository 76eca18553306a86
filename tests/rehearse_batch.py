"""Run many scripts with one import of torch: one fork a script. Run by the target interpreter, not by pytest.

Arguments: the folder of the rehearsal's children, or "plain" to run them as they are on the CPU; a folder for what they
tell and print; the scripts. Prints the exit code and the path of each.
"""

import importlib
import os
import sys

CHILDREN, EVENTS = sys.argv[1:3]
SCRIPTS = sys.argv[3:]


def redirected(script):
    out = os.open(os.path.join(EVENTS, os.path.basename(script) + ".out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.path[0] = os.path.dirname(script)
    sys.argv = [script]


def rehearse(script):
    telling, running = (sys.modules["_envtool_rehearsal." + name] for name in ("telling", "running"))
    telling.path = os.path.join(EVENTS, os.path.basename(script) + ".events")
    telling.main_process = os.getpid()
    telling.cuda_before_fork = False
    if os.path.basename(os.path.dirname(script)) == "calls":
        telling.FAULTS_AT_MOST = 1000
    with open(telling.path, "w"):
        pass
    return running.run(script, "file", 60.0)


def plain(script):
    import runpy

    runpy.run_path(script, run_name="__main__")
    return 0


def prepare():
    sys.path.insert(0, CHILDREN)
    start = importlib.import_module("start")
    sys.path.insert(0, "")  # start.py has taken its own folder off
    name = start.load_package()
    importlib.import_module(name + ".telling").path = os.devnull
    importlib.import_module(name + ".running").prepare()


def in_a_fork(run, script):
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        return -(status & 0x7F) or status >> 8
    code = 99
    try:
        redirected(script)
        code = run(script)
    except BaseException:  # noqa: BLE001
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main():
    os.environ["DEVICE"] = "cpu" if CHILDREN == "plain" else "meta"
    if CHILDREN == "plain":
        torch = importlib.import_module("torch")
        if hasattr(torch, "_compile"):  # loaded with the first optimizer, which takes seconds
            importlib.import_module("torch._dynamo")
    else:
        prepare()
    for script in SCRIPTS:
        status = in_a_fork(plain if CHILDREN == "plain" else rehearse, script)
        print(status, script, flush=True)


if __name__ == "__main__":
    main()
