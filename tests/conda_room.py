"""A folder to install a lockfile in, its channel a folder on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from conda_lockfiles import locked, lockfile, write
from conda_packages import Made

from envtool.cli.app import main


class Room:
    """A folder to install in; everything comes from the channel's folder, in the place of conda-forge."""

    def __init__(self, folder: Path, channel: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.channel, self.capsys = folder, channel, capsys
        self.out = self.err = ""

    def lock(self, *made: Made, kind: str = "pixi", **more: object) -> str:
        return write(self.folder, lockfile([locked(self.channel, one) for one in made], **more), kind)  # type: ignore[arg-type]

    def run(self, lock: str, *words: str, mirror: str | None = None) -> int:
        place = mirror or str(self.channel)
        code = main(["install", "--lock", lock, "--no-smoke", "--mirror", f"conda-forge={place}", *words])
        self.out, self.err = self.capsys.readouterr()
        return code

    def document(self, lock: str, *words: str) -> tuple[int, dict[str, object]]:
        code = self.run(lock, "--json", *words)
        return code, json.loads(self.out)

    @property
    def env(self) -> Path:
        return self.folder / ".conda"

    def says(self, *words: str) -> str:
        done = subprocess.run([str(self.env / words[0]), *words[1:]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def clean_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to install in, with a cache of its own."""
    place = folder / "my course"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(folder / "cache"))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    return place


def tree(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }
