"""An index on this machine that has envtool itself, and a torch that works: that of ENVTOOL_TORCH_PYTHON, by a path file."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from loopback_wheels import SMALL, Index, Wheel

import envtool

TORCH = os.environ.get("ENVTOOL_TORCH_PYTHON", "")
ANY = "py3-none-any"
OWN = """\
Metadata-Version: 2.1
Name: envtool
Version: {}
Requires-Dist: click
Requires-Dist: nvidia-ml-py
Requires-Dist: packaging
Requires-Dist: tomli; python_version < "3.11"
Provides-Extra: install
Requires-Dist: uv; extra == "install"
"""


class Repacked(Wheel):
    """A wheel on the disk."""

    @property
    def metadata(self) -> str:
        with zipfile.ZipFile(str(self.path)) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            return archive.read(name).decode()


def repacked(name: str, into: Path) -> Repacked:
    """The wheel that an installed distribution came from, made anew."""
    found = distribution(name)
    info = f"{name.replace('-', '_')}-{found.version}"
    files: dict[str, bytes] = {}
    if name == "envtool":
        root = Path(envtool.__file__).parent
        files |= {f"envtool/{p.relative_to(root).as_posix()}": p.read_bytes() for p in root.rglob("*") if p.is_file()}
        files[f"{info}.dist-info/entry_points.txt"] = b"[console_scripts]\nenvtool = envtool.cli.app:console\n"
    else:
        for file in found.files or ():
            parts = file.parts
            path = Path(str(found.locate_file(file)))
            if "__pycache__" in parts or not path.is_file() or parts[-1] in ("RECORD", "INSTALLER", "REQUESTED"):
                continue
            if parts[0] == "..":
                if parts[-1] in ("uv", "uv.exe"):
                    files[f"{info}.data/scripts/{parts[-1]}"] = path.read_bytes()
                continue
            if not parts[0].endswith(".dist-info") or parts[-1] == "entry_points.txt":
                place = f"{info}.dist-info/entry_points.txt" if parts[0].endswith(".dist-info") else file.as_posix()
                files[place] = path.read_bytes()
    files = {place: data for place, data in files.items() if "__pycache__" not in place}
    if name == "envtool":
        files[f"{info}.dist-info/METADATA"] = OWN.format(found.version).encode()
    else:
        files[f"{info}.dist-info/METADATA"] = str(found.read_text("METADATA")).split("\n\n")[0].encode() + b"\n"
    files[f"{info}.dist-info/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {ANY}\n".encode()
    return Repacked(name, found.version, path=written(into / f"{info}-{ANY}.whl", f"{info}.dist-info", files))


def written(path: Path, info: str, files: dict[str, bytes]) -> str:
    """A wheel of these files."""
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {**files, f"{info}/RECORD": "\n".join([*record, f"{info}/RECORD,,", ""]).encode()}.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if "/scripts/" in name else 0o100644) << 16
            archive.writestr(entry, data)
    path.write_bytes(buffer.getvalue())
    return str(path)


@dataclass(frozen=True)
class RealTorch:
    """The Python that has torch: its prefix, where its packages are, and both versions."""

    prefix: str
    packages: str
    python: str
    version: str


def real_torch() -> RealTorch:
    code = "import json, sys, sysconfig, torch; json.dump([sys.base_prefix, sysconfig.get_path('purelib'), "
    code += "'%d.%d' % sys.version_info[:2], torch.__version__], sys.stdout)"
    done = subprocess.run([TORCH, "-c", code], capture_output=True, text=True, check=True)
    return RealTorch(*json.loads(done.stdout))


def torch_wheel(found: RealTorch, into: Path, *, broken: bool = False) -> Repacked:
    """A wheel that leads to that torch; ``broken``: one that can't be imported."""
    farm = into / "torch-packages"
    farm.mkdir(exist_ok=True)
    for path in Path(found.packages).iterdir():
        if not path.name.startswith(("pip", "setuptools", "_", "torch-")) and path.name != "torch":
            (farm / path.name).symlink_to(path)
    (farm / "torch").symlink_to(Path(found.packages) / "torch")
    info = f"torch-{found.version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {found.version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {ANY}\n".encode(),
    }
    if broken:
        files["torch/__init__.py"] = b"raise ImportError('libc10.so: cannot open shared object file')\n"
    else:
        files["torch-elsewhere.pth"] = f"{farm}\n".encode()
    return Repacked("torch", found.version, path=written(into / f"torch-{found.version}-{ANY}.whl", info, files))


def index_with(torch: Wheel, into: Path) -> Index:
    """The index: envtool, what it needs, small packages, and the torch for the CPU."""
    own = [repacked(name, into) for name in ("envtool", "click", "packaging", "nvidia-ml-py", "uv")]
    small = [wheel for wheel in SMALL if not wheel.sdist and wheel.name != "numpy"]
    return Index(pypi=[*own, *small], whl={"cpu": [torch]})
