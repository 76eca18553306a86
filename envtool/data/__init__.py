"""Data files, and the one way to read them: TOML, when it is needed, never before."""

from __future__ import annotations

import os
import sys
from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))


def read_table(name: str) -> dict[str, Any]:
    """A TOML file of this folder."""
    return _parsed(_text(name))


def read_row(name: str, key: str) -> dict[str, Any] | None:
    """The table [….key] of a TOML file, without the time that the others would take; None where there is none."""
    import re

    found = re.search(rf"^\[([\w-]+)\.{re.escape(key)}\]\n(.*?)(?=^\[|\Z)", _text(name), re.MULTILINE | re.DOTALL)
    return _parsed(found[2]) if found else None


def _text(name: str) -> str:
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def _parsed(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    table: dict[str, Any] = tomllib.loads(text)
    return table
