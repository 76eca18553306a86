"""Data files, and the one way to read them: TOML, when it is needed, never before."""

from __future__ import annotations

import os
import sys
from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))


def read_table(name: str) -> dict[str, Any]:
    """A TOML file of this folder."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    with open(os.path.join(FOLDER, name), "rb") as file:
        table: dict[str, Any] = tomllib.load(file)
    return table
