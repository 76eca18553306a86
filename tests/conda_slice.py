"""The slice of conda-forge's index that may lie beside the checkout, and its reader."""

from __future__ import annotations

import glob
import importlib.util
import os.path
from types import ModuleType

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# kept outside this repository, in a folder beside the checkout
_BESIDE = os.path.join(ROOT, "..", "*", "conda-forge-slice", "channel")
SLICE = next(iter(sorted(glob.glob(_BESIDE))), None)

needs_slice = pytest.mark.skipif(SLICE is None, reason="no slice of conda-forge beside the checkout")


def reader() -> ModuleType:
    """scripts/read_conda_slice.py as a module."""
    path = os.path.join(ROOT, "scripts", "read_conda_slice.py")
    spec = importlib.util.spec_from_file_location("read_conda_slice", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
