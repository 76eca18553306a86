"""Builds the stubs of NVIDIA's management library and of libcuda, and writes the scenarios that drive the first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SOURCE = Path(__file__).parent / "nvml_stub" / "nvml_stub.c"
SCENARIO = "NVML_STUB_SCENARIO"

# Functions that drivers before 396 lack.
SINCE_396 = (
    "nvmlInitWithFlags",
    "nvmlSystemGetCudaDriverVersion_v2",
    "nvmlSystemGetCudaDriverVersion",
    "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetComputeRunningProcesses_v2",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetRemappedRows",
    "nvmlDeviceGetMigMode",
)


def why_not() -> str | None:
    """Why the stub can't be built here, None where it can."""
    if not sys.platform.startswith("linux"):
        return "the stub of NVML is a Linux library"
    return None if compiler() else "no C compiler (cc, gcc or clang) on PATH"


def compiler() -> str | None:
    """The C compiler, None where there is none."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def build(folder: Path, *, missing: Sequence[str] = (), version: str = "550.54.14") -> Path:
    """``libnvidia-ml.so.1`` in ``folder``, a link to a file with the version in its name, as drivers install it.

    With version "1" the file itself, as in WSL.
    """
    return _built(folder, SOURCE, "libnvidia-ml.so", version, missing)


def build_cuda(folder: Path, *, version: str = "550.54.14") -> Path:
    """``libcuda.so.1`` in ``folder``, likewise; it does what the variables CUDA_STUB_… say."""
    return _built(folder, SOURCE.parent / "cuda_stub.c", "libcuda.so", version)


def _built(folder: Path, source: Path, name: str, version: str, missing: Sequence[str] = ()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.{version}"
    link = folder / f"{name}.1"
    if not file.exists():
        program = compiler()
        assert program is not None
        flags = ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", f"-Wl,-soname,{name}.1"]
        without = [f"-DNO_{name}" for name in missing]
        subprocess.run([program, *flags, *without, "-o", str(file), str(source)], check=True, timeout=60)
        if link != file:
            os.symlink(file.name, link)
    return link


def write(path: Path, *parts: Mapping[str, object]) -> Path:
    """A scenario file; later parts win over earlier ones."""
    merged = {key: value for part in parts for key, value in part.items()}
    path.write_text("".join(f"{key} = {value}\n" for key, value in merged.items()), errors="surrogateescape")
    return path


def machine(gpus: int = 1, driver: str = "550.54.14", cuda: int = 12040) -> dict[str, object]:
    """A healthy machine with that many Tesla T4."""
    healthy: dict[str, object] = {
        "driver": driver,
        "nvml": f"12.{driver}",
        "cuda": cuda,
        "count": gpus,
        "gpu.*.name": "Tesla T4",
        "gpu.*.cc": "7.5",
        "gpu.*.memory": "15360 1024",
        "gpu.*.compute_mode": 0,
        "gpu.*.persistence": 1,
        "gpu.*.ecc": 1,
        "gpu.*.ecc_uncorrected": 0,
        "gpu.*.pages_pending": 0,
        "gpu.*.utilization": 7,
    }
    for index in range(gpus):
        healthy[f"gpu.{index}.uuid"] = f"GPU-00000000-0000-0000-0000-{index:012d}"
        healthy[f"gpu.{index}.pci"] = f"00000000:{index + 1:02X}:00.0"
    return healthy
