"""Which build of PyTorch is locked, and which is installed. Pure."""

from __future__ import annotations

import re

from envtool.catalog import Catalog
from envtool.drift import CONDA, Drift, Locked, Pin
from envtool.environment import Build


def locked_variant(locked: Locked, catalog: Catalog, platform: str) -> str | None:
    """ "cpu", "cu126", "rocm7.2"; None where the lockfile doesn't tell. ``platform`` as the catalog names it."""
    pin = locked.torch
    if pin is None:
        return None
    if pin.manager == CONDA:
        return plain(pin.build)
    return of_pip(pin, locked, catalog, platform)


def of_pip(pin: Pin, locked: Locked, catalog: Catalog, platform: str) -> str | None:
    """By the version's local part, else by the index, else by what PyPI has for that platform."""
    local = pin.version.partition("+")[2]
    if local:
        return local if re.fullmatch(r"cpu|xpu|cu\d+|rocm[\d.]+", local) else None
    place = re.search(r"/whl/([\w.]+)", pin.url or "")
    if place:
        return place[1] if place[1] != "nightly" else None
    if not pin.url and any("/whl/" in word for word in locked.options):
        return None  # pip takes either index: which one, its record doesn't tell
    return catalog.pypi_variant(pin.name, pin.version, platform)


def held_variant(drift: Drift, torch: Build | None) -> str | None:
    """Of the installed torch: its own files tell; in a conda environment conda's record does."""
    record = drift.conda_by_name.get("pytorch")
    over = drift.pip_by_name.get("torch")
    if record is not None and (over is None or over.manager == CONDA):
        return plain(record.build)
    return torch.variant if torch else None


def plain(build: str) -> str | None:
    """conda's "cuda129_mkl_py312_0" and "py3.12_cuda12.1_cudnn8_0" as "cu129" and "cu121"; None where it tells none."""
    cuda = re.search(r"(?:^|_)cuda(\d+)(?:\.(\d+))?(?:_|$)", build)
    if cuda:
        return f"cu{cuda[1]}{cuda[2] or ''}"
    other = re.search(r"(?:^|_)(cpu|xpu|rocm[\d.]+)(?:_|$)", build)
    return other[1] if other else None
