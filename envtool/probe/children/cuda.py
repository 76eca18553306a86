"""Starts CUDA's driver library as every CUDA program does, in a process of its own: what cuInit returns is the answer.

Run as ``python -I -S cuda.py NAME``. The library is asked for by its name alone, as PyTorch does: one that the loader
does not find serves no program, wherever it lies.

Every answer is a line of its own, the marker and a JSON object, written at once: what was answered before a crash or
a hang is not lost. Nothing is set and no context is made, so no GPU's memory is taken.
"""

import ctypes
import json
import os
import sys

MARKER = "envtool-cuda/1 "


class Teller(object):
    """Writes answers to what was standard output when we started; the library's own printing goes to stderr."""

    def __init__(self):
        self.out = os.dup(1)
        os.dup2(2, 1)

    def __call__(self, **answer):
        os.write(self.out, ("\n" + MARKER + json.dumps(answer) + "\n").encode("ascii"))


def loaded_from():
    """The file that the library was loaded from, its links followed."""
    try:
        with open("/proc/self/maps") as maps:
            for line in maps:
                path = line[line.index("/") :].rstrip("\n") if "/" in line else ""
                if os.path.basename(path).startswith("libcuda.so"):
                    return path
    except (OSError, ValueError):
        pass
    return None


def main(name, tell):
    tell(ask="load")
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        tell(loader=str(error)[:300])
        return
    tell(library=loaded_from() or name)
    tell(ask="cuInit")
    code = int(library.cuInit(0))
    tell(init=code)
    if code == 0:
        tell(ask="cuDeviceGetCount")
        count = ctypes.c_int(-1)
        code = int(library.cuDeviceGetCount(ctypes.byref(count)))
        tell(init=code, count=count.value)


if __name__ == "__main__":
    main(sys.argv[1], Teller())
    os._exit(0)  # neither the library's own end nor a thread of it may hold us up
