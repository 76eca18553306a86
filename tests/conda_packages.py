"""Real small conda packages and channels of them: built here, indexed by py-rattler, installed and run by the tests.

The package `python` is what a venv has: a link to the Python that runs the tests, and a pyvenv.cfg that says so.
"""

from __future__ import annotations

import asyncio
import bz2
import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

PLACEHOLDER = "/opt/" + "_placehold" * 12  # longer than any prefix of a test
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
BASE = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
HERE = {("linux", "x86_64"): "linux-64", ("linux", "aarch64"): "linux-aarch64", ("darwin", "arm64"): "osx-arm64",
        ("darwin", "x86_64"): "osx-64"}  # fmt: skip


def this_subdir() -> str:
    return HERE.get((sys.platform, os.uname().machine), "linux-64") if os.name == "posix" else "win-64"


@dataclass(frozen=True)
class Made:
    """One package. ``files``: text or bytes by path; a text with the placeholder in it gets the prefix."""

    name: str
    version: str = "1.0"
    build: str = "h0_0"
    subdir: str = "noarch"
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: str | None = "generic"
    files: dict[str, str | bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    entry_points: tuple[str, ...] = ()
    ending: str = ".conda"

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-{self.build}{self.ending}"

    def index(self) -> dict[str, object]:
        number = self.build.rpartition("_")[2]
        found: dict[str, object] = {
            "name": self.name, "version": self.version, "build": self.build, "subdir": self.subdir,
            "build_number": int(number) if number.isdigit() else 0, "depends": list(self.depends),
            "constrains": list(self.constrains), "timestamp": 1750000000000, "license": "MIT",
        }  # fmt: skip
        if self.subdir == "noarch":
            found["noarch"] = self.noarch
        return found


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _tar(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def _info(made: Made) -> dict[str, bytes]:
    paths = []
    for name, content in made.files.items():
        data = _bytes(content)
        entry = {
            "_path": name, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
        }  # fmt: skip
        if PLACEHOLDER.encode() in data:
            entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text" if isinstance(content, str) else "binary"}
        paths.append(entry)
    paths += [
        {"_path": name, "path_type": "softlink", "sha256": hashlib.sha256(b"").hexdigest(), "size_in_bytes": 0}
        for name in made.links
    ]
    found = {
        "info/index.json": json.dumps(made.index()).encode(),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
        "info/files": "\n".join([*made.files, *made.links, ""]).encode(),
    }
    if made.noarch == "python" and made.subdir == "noarch":
        link = {"noarch": {"type": "python", "entry_points": list(made.entry_points)}, "package_metadata_version": 1}
        found["info/link.json"] = json.dumps(link).encode()
    return found


def archive(made: Made) -> bytes:
    """The package's file."""
    import zstandard

    content = {name: _bytes(data) for name, data in made.files.items()}
    if made.ending == ".tar.bz2":
        return bz2.compress(_tar(_info(made) | content, made.links))
    squeeze = zstandard.ZstdCompressor(level=1).compress
    stem = made.file_name.removesuffix(".conda")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        file.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        file.writestr(f"pkg-{stem}.tar.zst", squeeze(_tar(content, made.links)))
        file.writestr(f"info-{stem}.tar.zst", squeeze(_tar(_info(made))))
    return buffer.getvalue()


def write_packages(folder: Path, packages: Iterable[Made]) -> str:
    """The channel's folder as a URL, with every kind of index that a channel may have."""
    from rattler.index import index_fs

    for subdir in ("noarch", this_subdir()):
        (folder / subdir).mkdir(parents=True, exist_ok=True)
    for made in packages:
        (folder / made.subdir).mkdir(exist_ok=True)
        (folder / made.subdir / made.file_name).write_bytes(archive(made))
    asyncio.run(index_fs(folder, write_zst=True, write_shards=True, force=True))
    return folder.as_uri()


# ── packages to install ──────────────────────────────────────────────────────────────────────────


def python_package(subdir: str | None = None) -> Made:
    """A Python for the environment that is this one's."""
    version = ".".join(map(str, sys.version_info[:3]))
    home = f"home = {os.path.dirname(BASE)}\nversion = {version}\ninclude-system-site-packages = false\n"
    return Made(
        "python", version, "h0_0_cpython", subdir or this_subdir(), noarch=None, files={"pyvenv.cfg": home},
        links={f"bin/python{MINOR}": BASE, "bin/python3": f"python{MINOR}", "bin/python": f"python{MINOR}"},
    )  # fmt: skip


GREETER = Made(
    "greeter", "2.0", "py_0", noarch="python", depends=("python >=3.8", "prefix-teller"),
    files={
        "site-packages/greeter/__init__.py": "__version__ = '2.0'\ndef main():\n    print('hello from', __file__)\n",
        "site-packages/greeter-2.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeter\nVersion: 2.0\n",
        "site-packages/greeter-2.0.dist-info/RECORD": "",
    },
    entry_points=("greet = greeter:main",),
)  # fmt: skip
TELLER = Made(
    "prefix-teller", "1.0", "h1_0", this_subdir(), noarch=None,
    files={
        "bin/prefix-teller": f"#!/bin/sh\necho {PLACEHOLDER}\n",
        "lib/prefix-teller.bin": b"\0\1" + PLACEHOLDER.encode() + b"\0after",
        "etc/conda/activate.d/teller.sh": "export TELLER=on\n",
        "etc/conda/deactivate.d/teller.sh": "unset TELLER\n",
        "etc/conda/env_vars.d/teller.json": '{"TELLER_COLOR": "green"}',
    },
)  # fmt: skip
OLD = Made("oldstyle", "0.9", "0", files={"share/oldstyle/readme.txt": "from a .tar.bz2\n"}, ending=".tar.bz2")
SCRIPTED = Made(
    "scripted", "1.0", "h0_0", this_subdir(), noarch=None,
    files={
        "bin/.scripted-post-link.sh": "#!/bin/sh\ntouch \"$PREFIX/post-link-ran\"\n",
        "bin/.scripted-pre-unlink.sh": "#!/bin/sh\ntouch \"$PREFIX/../pre-unlink-ran\"\n",
        "share/scripted.txt": "x\n",
    },
)  # fmt: skip


def packages() -> list[Made]:
    return [python_package(), GREETER, TELLER, OLD, SCRIPTED]


def newer(made: Made, version: str, **more: object) -> Made:
    """The same package in another version."""
    return replace(made, version=version, **more)  # type: ignore[arg-type]
