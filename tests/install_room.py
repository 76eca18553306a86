"""A room to install in: a folder, an index with what fits this machine, and none of the settings of whoever tests."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from loopback_wheels import FAMILY, SMALL, Index, Wheel

from envtool.install.place import python_in
from envtool.install.uv import find_uv
from envtool.install.work import site_packages_of

ROOT = str(Path(__file__).resolve().parent.parent)
BASE = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
TORCH = "2.14.1"
ASKED = (f"torch=={TORCH}", "torchvision", "torchaudio")
HAS_UV = find_uv() is not None


@lru_cache(maxsize=4)
def picked(variant: str) -> dict[str, object]:
    """The plan of a variant for this machine: what an index has to hold."""
    words = [
        sys.executable,
        "-m",
        "envtool",
        "pick",
        f"torch=={TORCH}",
        "torchvision",
        "torchaudio",
        "--variant",
        variant,
    ]
    done = subprocess.run(
        [*words, "--no-spec", "--json", "--python", BASE], capture_output=True, text=True, env=clean()
    )
    assert done.returncode == 0, done.stderr
    plan: dict[str, object] = json.loads(done.stdout)
    return plan


def clean() -> dict[str, str]:
    """The environment without settings of pip, uv, proxies and active environments."""
    gone = ("PIP_", "UV_", "CONDA_", "VIRTUAL_ENV", "ENVTOOL_", "PYTHON")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(gone) and "PROXY" not in k.upper()}
    data = os.path.join(os.path.dirname(__file__), "no-such-folder")
    bundles = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    kept = {k: v for k, v in kept.items() if k not in bundles}
    return kept | {"PYTHONPATH": ROOT, "ENVTOOL_DATA": data, "UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull}


def wheels_of(variant: str, **more: int) -> list[Wheel]:
    """torch and its companions of a variant, as the plan for this machine names them."""
    pins = picked(variant)["pins"]
    assert isinstance(pins, dict)
    needs = {
        "torch": ("filelock", "typing-extensions>=4.10"),
        "torchvision": (f"torch=={TORCH}", "numpy"),
        "torchaudio": ("torch",),
    }
    return [Wheel(name, pins[name], needs[name], **(more if name == "torch" else {})) for name in FAMILY]  # type: ignore[arg-type]


def index_of(*variants: str, **more: int) -> Index:
    """An index with these variants, each where its plan says that it is, and a few small packages."""
    index = Index(pypi=list(SMALL))
    for variant in variants:
        if picked(variant)["index_url"]:
            index.whl[variant] = wheels_of(variant, **more)
        else:
            index.pypi += wheels_of(variant, **more)
    return index


@lru_cache(maxsize=1)
def _furnished_by_pip() -> str:
    folder = Path(tempfile.mkdtemp(prefix="envtool-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    index = index_of("cpu")
    done = Room(folder, index).run("--installer", "pip", "--variant", "cpu", "--no-smoke", *ASKED)
    assert done.code == 0, done.err
    index.close()
    return str(folder / ".venv")


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        document: dict[str, object] = json.loads(self.out)
        return document


@dataclass
class Room:
    """``more``: variables to add. The index is asked for torch and for everything else."""

    folder: Path
    index: Index | None = None
    more: dict[str, str] = field(default_factory=dict)
    slowed: bool = False

    @property
    def env(self) -> dict[str, str]:
        patience = {"UV_HTTP_TIMEOUT": "3", "UV_HTTP_RETRIES": "0", "PIP_RETRIES": "0", "PIP_TIMEOUT": "3"}
        return clean() | {"UV_CACHE_DIR": str(self.folder / "cache"), "PIP_NO_CACHE_DIR": "1"} | patience | self.more

    def words(self, *words: str) -> list[str]:
        own = ["--no-spec"] if "--spec" not in words else []
        if self.index is not None and "--find-links" not in words:
            own += ["--index-url", f"{self.index.root}/pypi", "--pytorch-index-url", f"{self.index.root}/whl"]
        if not (self.folder / ".venv").exists() and "--python" not in words and "--target" not in words:
            own += ["--python", BASE]
        return [sys.executable, "-m", "envtool", "install", *words, *own]

    def run(self, *words: str, **more: object) -> Done:
        done = subprocess.run(
            self.words(*words), capture_output=True, text=True, cwd=self.folder, env=self.env, timeout=90, **more
        )  # type: ignore[call-overload]
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """In a session of its own, so that it can be killed with all that it started."""
        return subprocess.Popen(self.words(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                cwd=self.folder, env=self.env, start_new_session=True)  # fmt: skip

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    @property
    def site(self) -> Path:
        """Where the packages lie."""
        return Path(str(site_packages_of(str(self.venv))))

    def version(self, package: str, venv: Path | None = None) -> str:
        """What the environment itself says of a package."""
        code = f"import {package}; print({package}.__version__)"
        done = subprocess.run([python_in(str(venv or self.venv)), "-I", "-c", code], capture_output=True, text=True)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    def furnish(self, tool: str) -> None:
        """Put an environment with the CPU builds here; pip's takes its time, so that all are copies of one."""
        if tool == "uv":
            done = self.run("--installer", "uv", "--variant", "cpu", "--no-smoke", *ASKED)
            assert done.code == 0, done.err
            return
        shutil.copytree(_furnished_by_pip(), self.venv, symlinks=True)

    def names(self) -> set[str]:
        """What lies in the folder beside the cache."""
        return {path.name for path in self.folder.iterdir()} - {"cache"}
