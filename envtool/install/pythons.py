"""Finds the Python that a version names, for a new environment."""

from __future__ import annotations

import os
import re
import shutil

from envtool.errors import ToolError, UsageError
from envtool.install.failures import explained
from envtool.install.order import Command
from envtool.install.tool import run
from envtool.install.uv import Uv

HINT = "install it from python.org, or name one that is here: `envtool install --python PATH`"
_VERSION = re.compile(r"3(\.\d{1,2}){0,2}t?")


def is_version(text: str) -> bool:
    """Is it a version, not a path?"""
    return _VERSION.fullmatch(text) is not None


def find(version: str, uv: Uv | None, *, fetch: bool) -> str:
    """The program of a Python of that version; uv gets one where none is here, if ``fetch`` allows it."""
    found = _by_uv(version, uv) if uv is not None else _by_name(version)
    if found is None and uv is not None and fetch:
        ran = run(uv.fetch_python(version), show=True)
        if ran.code != 0:
            why = explained(ran, "uv", doing="fetching it")  # its words have been read already
            message = f"there is no Python {version} here, and uv could not fetch it"
            if why.name == "no-python":  # uv knows no such version, or may not fetch any
                raise ToolError(message, hint=HINT)
            raise ToolError(f"{message}: {why.message}", hint=HINT)
        found = _by_uv(version, uv)
    if found is None:
        hint = HINT if uv is None or fetch else "without --dry-run, uv fetches it"
        raise UsageError(f"no Python {version} was found on this machine", hint=hint)
    return found


def _by_uv(version: str, uv: Uv) -> str | None:
    ran = run(uv.find_python(version), show=False)
    last = ran.said.strip().splitlines()[-1:] if ran.code == 0 else []
    return last[0].strip() if last and os.path.exists(last[0].strip()) else None


def _by_name(version: str) -> str | None:
    """Without uv: the program of that name on PATH, or the one that Windows' launcher knows."""
    short = ".".join(version.rstrip("t").split(".")[:2]) + ("t" if version.endswith("t") else "")
    found = shutil.which(f"python{short}")
    if found is None and os.name == "nt" and shutil.which("py"):
        words = ("py", f"-{short}", "-c", "import sys; print(sys.executable)")
        ran = run(Command(words, {}, words), show=False)
        found = ran.said.strip().splitlines()[-1] if ran.code == 0 and ran.said.strip() else None
    return found
