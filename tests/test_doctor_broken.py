"""Libraries that are really broken, really loaded: what the doctor names as the cause, and what it stays silent about.

The stand-ins are compiled here; with ENVTOOL_TORCH_PYTHON the same is done to a real torch.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import loopback_wheels
import nvml_stub_build
import pytest
from doctor_room import Room
from fake_torch import fake_torch
from install_room import HAS_UV, index_of
from install_room import Room as InstallRoom
from interpreters import distribution
from loopback_wheels import Index

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libraries of Linux"),
]
compiled = pytest.mark.skipif(nvml_stub_build.compiler() is None, reason="no C compiler")
REAL = os.environ.get("ENVTOOL_TORCH_PYTHON")
real_torch = pytest.mark.skipif(not REAL, reason="ENVTOOL_TORCH_PYTHON is not set")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "home")


# torch on a machine without a GPU: it says so, and computes on the CPU.
WITHOUT_GPU = fake_torch([], available=False, zeros="Found no NVIDIA driver on your system")


def compile_library(place: Path, source: str, *flags: str, language: str = "c") -> Path:
    """A shared library from a few lines of C."""
    program = nvml_stub_build.compiler()
    assert program is not None
    place.parent.mkdir(parents=True, exist_ok=True)
    words = [program, "-shared", "-fPIC", "-x", language, "-", "-x", "none", *flags, "-o", str(place)]
    subprocess.run(words, input=source.encode(), check=True)
    return place


def torch_that_loads(room: Room, *libraries: Path) -> None:
    """A package that behaves as torch does, after it has loaded these libraries."""
    folder = room.site / "torch"
    folder.mkdir()
    loads = "".join(f"ctypes.CDLL({str(path)!r}, mode=ctypes.RTLD_GLOBAL)\n" for path in libraries)
    (folder / "__init__.py").write_text("import ctypes\n" + loads + WITHOUT_GPU)
    (folder / "version.py").write_text("__version__ = '2.13.0+cpu'\ndebug = False\ncuda = None\nhip = None\n")
    distribution(room.site, "torch", "2.13.0+cpu")


def failures(document: dict) -> dict[str, dict]:
    return {v["code"]: v for v in document["verdicts"] if v["status"] == "fail"}


def asked(room: Room, *words: object, **env: str) -> dict:
    done = room.doctor("--json", *words, **env)
    assert done.code in (0, 1) and "Traceback" not in done.err, done.err
    document: dict = json.loads(done.out)
    return document


# ── a foreign libstdc++ ──────────────────────────────────────────────────────────────────────────


def old_libstdcxx(folder: Path) -> Path:
    """A libstdc++.so.6 as an old module or an old conda brings it: it knows the first version, and none after."""
    script = folder / "old.map"
    folder.mkdir()
    script.write_text("GLIBCXX_3.4 { global: old_one; };\nCXXABI_1.3 { global: old_two; };\n")
    source = "void old_one(void) {}\nvoid old_two(void) {}\n"
    flags = ("-Wl,-soname,libstdc++.so.6", f"-Wl,--version-script={script}")
    return compile_library(folder / "libstdc++.so.6", source, *flags)


def newer_libstdcxx(folder: Path) -> Path:
    """A libstdc++.so.6 with a version that the old one lacks, to link against; no C++ compiler is needed for it."""
    script = folder / "new.map"
    folder.mkdir()
    script.write_text("GLIBCXX_3.4 { global: old_one; };\nGLIBCXX_3.4.30 { global: new_one; } GLIBCXX_3.4;\n")
    flags = ("-Wl,-soname,libstdc++.so.6", f"-Wl,--version-script={script}")
    return compile_library(
        folder / "libstdc++.so.6", "void old_one(void) {}\nint new_one(void) { return 1; }\n", *flags
    )


@compiled
def test_a_foreign_libstdcxx_on_the_path(room: Room, tmp_path: Path) -> None:
    old, new = old_libstdcxx(tmp_path / "old"), newer_libstdcxx(tmp_path / "new")
    source = "int new_one(void);\nint start(void) { return new_one(); }\n"
    library = compile_library(room.site / "torch_libs" / "libtorch_cpu.so", source, str(new), "-Wl,--no-as-needed")
    torch_that_loads(room, library)
    found = asked(room, "--python", room.prefix, LD_LIBRARY_PATH=str(old.parent))
    assert list(failures(found)) == ["glibcxx"]
    assert "GLIBCXX_3.4.30' not found" in failures(found)["glibcxx"]["message"]
    assert found["next_step"] == "unset LD_LIBRARY_PATH"
    assert not failures(asked(room, "--python", room.prefix, LD_LIBRARY_PATH=str(new.parent)))


@compiled
@real_torch
def test_a_foreign_libstdcxx_before_the_real_torch(room: Room, tmp_path: Path) -> None:
    old = old_libstdcxx(tmp_path / "old")
    found = asked(room, "--python", REAL, LD_LIBRARY_PATH=str(old.parent))
    assert list(failures(found)) == ["glibcxx"]
    assert found["next_step"] == "unset LD_LIBRARY_PATH"


# ── two OpenMP runtimes ──────────────────────────────────────────────────────────────────────────

# What two copies of Intel's libiomp5 (intel-openmp 2026.2.0) do when the second one starts, word for word.
OMP = """
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void start(void) {
    if (getenv("KMP_STAND_IN")) {
        fputs("OMP: Error #15: Initializing libiomp5.so, but found libiomp5.so already initialized.\\n", stderr);
        abort();
    }
    setenv("KMP_STAND_IN", "1", 1);
}
"""


@compiled
def test_two_openmp_runtimes(room: Room, tmp_path: Path) -> None:
    first = compile_library(tmp_path / "mkl" / "libiomp5.so", OMP, "-Wl,-soname,libiomp5.so")
    second = compile_library(tmp_path / "torch" / "libiomp5.so", OMP, "-Wl,-soname,libiomp5-torch.so")
    torch_that_loads(room, first, second)
    found = asked(room, "--python", room.prefix)
    assert list(failures(found)) == ["openmp-duplicate"]
    assert "SIGABRT" in failures(found)["openmp-duplicate"]["message"]
    assert "KMP_DUPLICATE_LIB_OK" not in found["next_step"]  # it hides wrong results


@compiled
def test_two_openmp_runtimes_that_meet_at_the_first_calculation(room: Room, tmp_path: Path) -> None:
    """The second one starts when it is first used, and `import torch` went well."""
    first = compile_library(tmp_path / "mkl" / "libiomp5.so", OMP, "-Wl,-soname,libiomp5.so")
    second = compile_library(tmp_path / "torch" / "libiomp5.so", OMP, "-Wl,-soname,libiomp5-torch.so")
    torch_that_loads(room, first)
    with (room.site / "torch" / "__init__.py").open("a") as file:
        file.write(f"def tensor(*rows, **more):\n    ctypes.CDLL({str(second)!r})\n")
    assert list(failures(asked(room, "--python", room.prefix))) == ["openmp-duplicate"]


@compiled
def test_one_openmp_runtime_is_no_fault(room: Room, tmp_path: Path) -> None:
    torch_that_loads(room, compile_library(tmp_path / "mkl" / "libiomp5.so", OMP))
    assert not failures(asked(room, "--python", room.prefix))


# ── children that end as nobody meant ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "check", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "memory-kill", "SIGKILL"),
        ("import os; os.kill(os.getpid(), 4)", "cpu-too-old", "SIGILL"),
        ("import ctypes; ctypes.string_at(0)", "torch-import", "SIGSEGV"),
        ("import time; time.sleep(600)", "torch-import", "did not end within"),
    ],
    ids=["kill-9", "illegal", "segv", "hang"],
)
def test_an_import_that_does_not_return(room: Room, code: str, check: str, words: str) -> None:
    torch_that_loads(room)
    (room.site / "torch" / "__init__.py").write_text(code + "\n")
    found = asked(room, "--timeout", "3", "--python", room.prefix)
    assert list(failures(found)) == [check]
    assert words in failures(found)[check]["message"]


# ── a server with a wrong certificate ────────────────────────────────────────────────────────────

CPU = ("--variant", "cpu", "--no-smoke", "torch==2.14.1", "torchvision", "torchaudio")
TOOLS = [pytest.param("uv", marks=pytest.mark.skipif(not HAS_UV, reason="there is no uv")), "pip"]


def certificate(folder: Path, alternative: str, days: str) -> tuple[str, str]:
    """A server's certificate with its key, and the authority that issued it."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new = ("-newkey", "rsa:2048", "-nodes", "-keyout")
    openssl("req", "-x509", *new, "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=An Authority")
    openssl("req", *new, "own.key", "-out", "own.csr", "-subj", "/CN=own")
    (folder / "more").write_text(f"subjectAltName={alternative}\n")
    issued = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", days, "-extfile", "more")
    openssl("x509", "-req", "-in", "own.csr", *issued, "-out", "own.crt")
    (folder / "own.pem").write_text((folder / "own.key").read_text() + (folder / "own.crt").read_text())
    return str(folder / "own.pem"), str(folder / "ca.pem")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is needed for the certificates")
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("issued", "words"),
    [
        (("DNS:portal.example.org", "30"), ("another server answers in place of", "log in to the network")),
        (("IP:127.0.0.1", "-1"), ("is not valid on the day", "set this computer's clock")),
    ],
    ids=["another-name", "run-out"],
)
def test_a_server_with_a_wrong_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, issued: tuple[str, str], words: tuple[str, str]
) -> None:
    """Its authority is trusted here: to get another one is no help, and is not advised."""
    (tmp_path / "keys").mkdir()
    own, authority = certificate(tmp_path / "keys", *issued)
    monkeypatch.setattr(loopback_wheels, "CERTIFICATE", own)
    plain = index_of("cpu")
    index = Index(pypi=plain.pypi, whl=plain.whl, tls=True)
    InstallRoom(tmp_path, plain).furnish(tool)
    installing = InstallRoom(tmp_path, index)
    installing.more = {"SSL_CERT_FILE": authority, "PIP_CERT": authority, "PIP_RETRIES": "0"}
    done = installing.run("--installer", tool, "pandas", *CPU)
    plain.close()
    index.close()
    assert done.code == 4 and "Traceback" not in done.err
    assert words[0] in done.err and words[1] in done.err.splitlines()[-1], done.err
