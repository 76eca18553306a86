"""CUDA's driver library, started in a child: what a CUDA program meets before PyTorch has said a word."""

from __future__ import annotations

import dataclasses
import os
import sys

from envtool.machine import Absent, Found, Nvidia, Reading, Unknown
from envtool.probe.child import Completed
from envtool.probe.host import Host

CUDA_LIMIT = 15.0  # seconds: eight GPUs that nothing keeps awake take several to start
MARKER = "envtool-cuda/1 "  # as in children/cuda.py


def with_cuda(host: Host, nvidia: Nvidia, *, timeout: float = CUDA_LIMIT) -> Nvidia:
    """The same, with cuInit's answer. Asked only where NVML shows a GPU: without one, CUDA has nothing to add."""
    if nvidia.status != "found" or not nvidia.gpus:
        return nvidia
    name = "nvcuda.dll" if host.facts().get("sys_platform") == "win32" else "libcuda.so.1"
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "children", "cuda.py")
    child = host.start("cuda", [sys.executable, "-I", "-S", program, name], timeout=timeout)
    init, library = parse(child.result(), timeout)
    return dataclasses.replace(nvidia, cuda_init=init, cuda_library=library)


def parse(reading: Reading[Completed], limit: float) -> tuple[Reading[int], Reading[str]]:
    """cuInit's code, and the file that it is from. Whatever the child did, an answer."""
    import json

    if not isinstance(reading, Found):
        reason = f"the program that starts CUDA did not start: {reading.reason}"
        return Unknown(reason), Unknown(reason)
    init: Reading[int] | None = None
    library: Reading[str] | None = None
    asked = "load"
    for line in reading.value.stdout.split("\n"):
        if not line.startswith(MARKER):
            continue
        try:
            said = json.loads(line[len(MARKER) :])
        except (ValueError, RecursionError):
            continue
        if not isinstance(said, dict):
            continue
        asked = said["ask"] if isinstance(said.get("ask"), str) else asked
        if isinstance(said.get("loader"), str):
            init = library = Absent(said["loader"])
        if isinstance(said.get("library"), str):
            library = Found(said["library"])
        code = said.get("init")
        if isinstance(code, int) and not isinstance(code, bool) and (code != 0 or "count" in said):
            init = Found(NO_DEVICE if said.get("count") == 0 else code)  # 0: the count is not told yet
    missing = Unknown(_how_it_ended(reading.value, asked, limit))
    return missing if init is None else init, missing if library is None else library


NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE


def _how_it_ended(done: Completed, asked: str, limit: float) -> str:
    if done.timed_out:
        return f"{asked} did not end within {limit:g} s"
    if done.returncode is not None and done.returncode < 0:
        return f"{asked} was killed by signal {-done.returncode}"
    return f"{asked} ended the program with exit code {done.returncode}"
