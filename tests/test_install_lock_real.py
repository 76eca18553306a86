"""A real PyTorch as a conda package, installed from a lockfile, and the quick smoke tests in what comes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="py-rattler is not installed")
pytest.importorskip("zstandard", reason="zstandard is not installed")

from conda_lockfiles import locked, lockfile, write
from conda_packages import Made, archive, this_subdir

from envtool.cli.app import main

TORCH = os.environ.get("ENVTOOL_TORCH_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.name != "posix", reason="the Python of these environments is a link"),
    pytest.mark.skipif(not TORCH, reason="ENVTOOL_TORCH_PYTHON names no Python with torch"),
]
ASK = "import sys, sysconfig; print(sys.version.split()[0], sys._base_executable, sysconfig.get_path('purelib'), sep='\\n')"


def made_of(python: str) -> tuple[Made, Made]:
    """The Python that has torch, and all that lies in its site-packages."""
    done = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=True)
    version, base, place = done.stdout.splitlines()
    base, minor = os.path.realpath(base), ".".join(version.split(".")[:2])
    home = f"home = {os.path.dirname(base)}\nversion = {version}\ninclude-system-site-packages = false\n"
    interpreter = Made(
        "python", version, "h0_0_cpython", this_subdir(), noarch=None, files={"pyvenv.cfg": home},
        links={f"bin/python{minor}": base, "bin/python": f"python{minor}"},
    )  # fmt: skip
    files: dict[str, str | bytes] = {}
    for path in Path(place).rglob("*"):
        if (
            path.is_file()
            and "__pycache__" not in path.parts
            and path.parts[len(Path(place).parts)] not in {"pip", "uv"}
        ):
            files[f"lib/python{minor}/site-packages/{path.relative_to(place)}"] = path.read_bytes()
    told = subprocess.run([python, "-c", "import torch; print(torch.__version__.split('+')[0])"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    torch = Made("pytorch", told.stdout.strip(), "cpu_generic_0", this_subdir(), ("python",), noarch=None, files=files)
    return interpreter, torch


def test_a_real_pytorch_is_laid_down_and_passes_its_smoke_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    channel = tmp_path / "channel"
    (channel / this_subdir()).mkdir(parents=True)
    both = made_of(str(TORCH))
    for made in both:
        (channel / made.subdir / made.file_name).write_bytes(archive(made))
    write(tmp_path, lockfile([locked(channel, made) for made in both]), "v1")
    words = ["install", "--lock", "course-cpu.conda-lock.yml", "--mirror", f"conda-forge={channel}", "--json"]
    code = main(words)
    out, err = capsys.readouterr()
    assert code == 0, err + out
    document = json.loads(out)
    assert document["smoke"]["status"] == "pass", document["smoke"]
    assert document["smoke"]["torch"].startswith(both[1].version)
    assert document["lock"]["build"] == "cpu"
    program = str(tmp_path / ".conda" / "bin" / "python")
    done = subprocess.run([program, "-c", "import torch; print(torch.__file__)"], capture_output=True, text=True)
    assert done.stdout.startswith(str(tmp_path / ".conda")), done.stderr
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["result"] == "nothing-to-do"
    assert sys.prefix != str(tmp_path / ".conda")
