"""Where an updated catalog lies. Small, since every start asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

NAME = "catalog.json"


def data_folder(environ: Mapping[str, str]) -> str:
    """Where a user's data of envtool lie; ENVTOOL_DATA overrides what the system says."""
    if environ.get("ENVTOOL_DATA"):
        return environ["ENVTOOL_DATA"]
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        named = environ.get("XDG_DATA_HOME", "")
        base = named if os.path.isabs(named) else os.path.join(home, ".local", "share")
    return os.path.join(base, "envtool")


def updated_path(environ: Mapping[str, str]) -> str:
    """The one file that an update writes."""
    return os.path.join(data_folder(environ), NAME)
