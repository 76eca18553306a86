"""A folder with a real Python environment in it, and envtool run there as a student would."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from interpreters import make_venv, python_of, site_packages


@dataclass
class Done:
    code: int
    out: str
    err: str
    seconds: float


class Room:
    """``home`` is a home folder of its own; variables of the tests' own shell that say who runs them are left out."""

    def __init__(self, home: Path, course: str = "course") -> None:
        self.home = home
        self.folder = home / course
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prefix = make_venv(self.folder / ".venv")
        self.python = python_of(self.prefix)
        self.site = site_packages(self.prefix)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "USERPROFILE": str(home),
            "PYTHONPATH": "",
            **{name: value for name, value in os.environ.items() if name in ("SYSTEMROOT", "TEMP", "COMSPEC")},
        }

    def doctor(
        self, *arguments: object, cwd: Path | None = None, under: tuple[object, ...] = (), **env: str | None
    ) -> Done:
        """``envtool doctor`` about this environment; a variable that is None is not set, ``under`` starts it."""
        variables = {name: value for name, value in {**self.env, **env}.items() if value is not None}
        command = [*map(str, under), sys.executable, "-c", RUN, "doctor", *map(str, arguments)]
        started = time.monotonic()
        done = subprocess.run(
            command, capture_output=True, cwd=cwd or self.folder, env=variables, timeout=60, check=False
        )
        seconds = time.monotonic() - started
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), seconds)


# envtool's own path must not reach the environment that is looked at, as PYTHONPATH would.
RUN = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}; from envtool.cli.app import console; console()"
