"""Folders, shells and environments that are really broken, looked at by the real doctor and its real children."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checks_more import MORE
from doctor_room import Room

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="folders and shells of Linux")
SYSTEMS = Path("/etc/pip.conf").read_text(encoding="utf-8") if Path("/etc/pip.conf").exists() else ""
SECRET = "s3cr3t-t0ken"


def installed(room, name, version, *requires):
    """A distribution of that name, as far as its metadata goes."""
    folder = room.site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (folder / "METADATA").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    (folder / "INSTALLER").write_text("pip\n", encoding="utf-8")


def with_torch(room, version="2.14.1+cpu", cuda=None):
    (room.site / "torch").mkdir(exist_ok=True)
    (room.site / "torch" / "__init__.py").write_text("", encoding="utf-8")
    text = f"__version__ = {version!r}\ncuda = {cuda!r}\nhip = None\nxpu = None\n"
    (room.site / "torch" / "version.py").write_text(text, encoding="utf-8")
    for old in room.site.glob("torch-*"):
        shutil.rmtree(old)
    installed(room, "torch", version)
    return room


@pytest.fixture
def room(tmp_path):
    return with_torch(Room(tmp_path / "home"))


def found(room, *, under=(), **env):
    """What the doctor finds of the checks of this kind, by code: the message."""
    done = room.doctor("--json", "--no-import", "--python", room.python, under=under, **env)
    assert SECRET not in done.out + done.err
    judged = {v["code"]: v for v in json.loads(done.out)["verdicts"]}
    bad = {code for code in MORE if judged[code]["status"] not in ("pass", "skip")}
    return {code: judged[code]["message"] for code in bad}


def write(room, files):
    for name, text in files.items():
        path = room.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def closed_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def test_an_orderly_folder_is_left_alone(room):
    write(
        room,
        {
            "train.py": "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '0'\nimport torch\nprint(torch.cuda.is_available())\n",
            "notes.ipynb": json.dumps(
                {"cells": [{"source": ["import torch\n", "# import pytorch is wrong\n"]}]}, indent=1
            ),
            "requirements.txt": "torch==2.14.1\nnumpy\n-r more.txt\n",
            "Dockerfile": "FROM python:3.12-slim\n",
            ".vscode/settings.json": '{"python.defaultInterpreterPath": "${workspaceFolder}/.venv/bin/python"}\n',
        },
    )
    assert found(room, LANG="C.UTF-8") == {}


def test_programs_are_read(room):
    write(
        room,
        {
            "hello.ipynb": json.dumps({"cells": [{"source": ["import pytorch as torch\n"]}]}, indent=1),
            "late.py": "import os, torch\nif torch.cuda.is_available():\n    print('GPU')\n"
            "os.environ['CUDA_VISIBLE_DEVICES'] = '1'\n",
            "fast.py": "import torch\nmodel = torch.compile(torch.nn.Linear(2, 2))\n",
            "broken.py": "import torch\nthis is no program: CUDA_VISIBLE_DEVICES\n",
        },
    )
    nowhere = room.home / "empty"
    nowhere.mkdir()
    said = found(room, PATH=str(nowhere))
    assert set(said) - {"no-python-h"} == {"import-pytorch", "cvd-set-late", "compile-no-cxx"}
    assert "hello.ipynb" in said["import-pytorch"] and "late.py, line 4" in said["cvd-set-late"]


def test_odd_files_in_the_folder_hold_nothing_up(room):
    for name in ("train.py", "requirements.txt", "Dockerfile"):
        os.mkfifo(room.folder / name)
    (room.folder / "loop.py").symlink_to("loop.py")
    (room.folder / "folder.py").mkdir()
    (room.folder / "latin.py").write_bytes(b"# \xe9\xff torch\nimport pytorch\n")
    (room.folder / "empty.ipynb").touch()
    done = room.doctor("--json", "--no-import", "--python", room.python)
    assert done.seconds < 5
    assert "latin.py, line 2" in done.out


@pytest.mark.slow
def test_a_package_of_ones_own_called_pytorch_is_no_mistake(room):
    write(room, {"pytorch/__init__.py": "", "use.py": "import torch\nimport pytorch\n"})
    assert found(room) == {}


def test_a_shell_full_of_leftovers(room):
    port = closed_port()
    write(room, {"old/conda.txt": ""})
    said = found(
        room,
        PYTHONIOENCODING="latin-1",
        GTK_PATH="/snap/code/172/usr/lib/gtk-3.0",
        HF_HOME=str(room.folder / "old" / "conda.txt" / "hf"),
        GLOO_SOCKET_IFNAME="eth99",
        HTTPS_PROXY=f"http://ana:{SECRET}@127.0.0.1:{port}",
        REQUESTS_CA_BUNDLE="/nowhere/ca.pem",
    )
    assert set(said) == {"locale", "snap-terminal", "cache-not-writable", "gloo-ifname", "proxy", "tls-inspection"}
    assert f"127.0.0.1:{port}" in said["proxy"]
    assert "proxy" in found(room, HTTPS_PROXY=f"http://ana:{SECRET}/{SECRET}")


@pytest.mark.slow
def test_a_proxy_that_listens_is_left_alone(room):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert "proxy" not in found(room, https_proxy=f"http://127.0.0.1:{server.getsockname()[1]}")


def test_requirements_and_indexes(room):
    write(
        room,
        {
            "requirements.txt": f"--index-url https://ana:{SECRET}@download.pytorch.org/whl/cu126\ntorch==2.15.0\nd2l==1.0.3\n"
        },
    )
    said = found(room)
    assert set(said) - {"d2l-install"} == {"wrong-index"}
    assert ("d2l-install" in said) == (sys.version_info >= (3, 12))
    plain = found(room, UV_DEFAULT_INDEX=f"https://{SECRET}@download.pytorch.org/whl/cu126", PIP_CONFIG_FILE=os.devnull)
    assert "wrong-index" in plain


@pytest.mark.slow
@pytest.mark.skipif("file:" in SYSTEMS, reason="this machine's own pip.conf names packages of its own")
def test_a_switch_that_forbids_the_index(room):
    shutil.rmtree(room.site / "torch")
    for old in room.site.glob("torch-*"):
        shutil.rmtree(old)
    said = found(room, PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert "PIP_NO_INDEX" in said["offline"]


def test_libraries_and_modules_before_an_old_torch(room):
    with_torch(room, "2.4.1+cu121", "12.1")
    cuda = room.home / "cuda-11.8"
    (cuda / "lib64").mkdir(parents=True)
    (cuda / "lib64" / "libcudnn.so.8").write_bytes(b"")
    (cuda / "version.json").write_text('{"cuda": {"name": "CUDA SDK", "version": "11.8.20220929"}}', encoding="utf-8")
    write(room, {"setup.py": "from torch.utils.cpp_extension import CUDAExtension\nCUDAExtension('x', ['x.cu'])\n"})
    shell = {"LD_LIBRARY_PATH": str(cuda / "lib64"), "CUDA_HOME": str(cuda)}
    said = found(room, **shell)
    assert set(said) == {"foreign-cuda-libs", "nvcc-torch-mismatch"}
    assert "11.8" in said["nvcc-torch-mismatch"] and "12.1" in said["nvcc-torch-mismatch"]
    assert set(found(room, LOADEDMODULES="gcc/12.2:cuda/11.8", **shell)) == {
        "module-cuda-mismatch",
        "nvcc-torch-mismatch",
    }
    with_torch(room, "2.14.1+cu130", "13.0")
    assert set(found(room, **shell)) == {"nvcc-torch-mismatch"}


def test_other_packages(room):
    installed(room, "pynvml", "11.5.3")
    installed(room, "fastai", "2.7.18", "torch<2.6,>=1.10", "pillow")
    installed(room, "xformers", "0.0.23", "torch==2.1.1", 'torch==1.0; extra == "old"')
    installed(room, "torch_scatter", "2.1.2+pt24cpu")
    installed(room, "numpy", "1.23.5")
    installed(room, "pandas", "2.2.3", "numpy>=1.26.0")
    installed(room, "requests", "2.32.0", "torch<1")  # nobody reads that one
    installed(room, "matplotlib", "3.10.0")
    installed(room, "ipykernel", "7.1.0")
    said = found(room, PATH="/usr/bin:/bin")  # the tests' own environment has a `jupyter`
    assert set(said) == {
        "pynvml-wrong-package", "fastai-pin", "pip-replaced-torch", "extension-abi", "d2l-numpy-abi", "matplotlib-backend",
    }  # fmt: skip


@pytest.mark.slow
def test_kernels_and_the_editor(room):
    installed(room, "ipykernel", "7.1.0")
    installed(room, "matplotlib_inline", "0.2.1")
    kernel = room.home / ".local/share/jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": [sys.executable, "-m", "ipykernel"]}), encoding="utf-8")
    write(room, {".vscode/settings.json": '{\n // a comment\n "python.pythonPath": "/opt/gone/bin/python"\n}\n'})
    programs = room.home / "bin"
    programs.mkdir()
    (programs / "jupyter").touch(0o755)
    room.env["PATH"] = f"{programs}:{room.env['PATH']}"
    said = found(room, JUPYTER_DATA_DIR=None)
    assert set(said) == {"jupyter-kernel-differs", "vscode-interpreter"}
    (kernel / "kernel.json").write_text(json.dumps({"argv": [str(room.python), "-m", "ipykernel"]}), encoding="utf-8")
    assert set(found(room)) == {"vscode-interpreter"}


def test_limits_of_the_shell(room):
    said = found(room, under=("bash", "-c", 'ulimit -Sn 200 && exec "$0" "$@"'))
    assert set(said) == {"too-many-files"} and "200" in said["too-many-files"]


def test_a_clock_that_is_behind(room):
    config = room.prefix / "pyvenv.cfg"
    later = time.time() + 90 * 86400
    os.utime(config, (later, later))
    assert "newer than today" in found(room)["clock-skew"]


def test_a_kernel_with_a_deleted_library(room, tmp_path):
    """A stand-in for a notebook's kernel: its name, a library in its memory, and a command that it starts."""
    library = tmp_path / "lib/site-packages/numpy/_core.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"x" * 4096)
    script = tmp_path / "ipykernel_launcher.py"
    script.write_text(
        "import mmap, os, subprocess, sys\n"
        f"file = open({str(library)!r}, 'rb')\n"
        "kept = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "if 'replace' in sys.argv:\n"
        f"    os.unlink({str(library)!r})\n"
        f"sys.exit(subprocess.call({[str(room.python), '-c', 'BOOT', 'FILE', 'plain']!r}))\n".replace(
            "'BOOT'", "sys.argv[1]"
        ).replace("'FILE'", "sys.argv[2]"),
        encoding="utf-8",
    )
    from envtool.probe.children import BOOT, child_file
    from envtool.probe.python import MARKER

    def replaced(*more):
        command = [sys.executable, str(script), BOOT, child_file("environment.py"), *more]
        done = subprocess.run(command, capture_output=True, text=True, cwd=room.folder, timeout=30, check=True)
        return json.loads(done.stdout.split(MARKER)[1])["workplace"]["replaced"]

    assert replaced() == []
    assert replaced("replace") == ["numpy"]


def test_a_recording_holds_no_password(room, tmp_path):
    file = tmp_path / "machine.json"
    write(room, {"requirements.txt": f"--index-url https://ana:{SECRET}@pypi.example/simple\ntorch\n"})
    secrets = {"HTTPS_PROXY": f"http://ana:{SECRET}@proxy.example:3128", "UV_INDEX": f"https://{SECRET}@x.example/s"}
    room.doctor("--no-import", "--python", room.python, "--record", file, **secrets)
    assert file.exists() and SECRET not in file.read_text(encoding="utf-8")
