"""The data files that probes look names up in; read when a name is needed, never before."""

from __future__ import annotations

import os
import sys
from typing import Any


def read_table(name: str) -> dict[str, Any]:
    """A TOML file of ``envtool/data``."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", name)
    with open(path, "rb") as file:
        table: dict[str, Any] = tomllib.load(file)
    return table
