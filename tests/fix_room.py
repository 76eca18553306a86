"""A broken environment, the line that the doctor prints for it, a shell that runs that very line, and a second look.

The line goes to its real address: a proxy on this machine leads download.pytorch.org to an index on this machine, with
a certificate that only this shell trusts. The ordinary index is the same one, by the settings of pip and uv.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import zipfile
from functools import lru_cache
from pathlib import Path

from doctor_room import RUN, Room
from loopback_wheels import HERE, SMALL, Index, Wheel

from envtool.catalog import load

CERTIFICATE = str(HERE / "pytorch-index.pem")  # for download.pytorch.org, with its key
AUTHORITY = str(HERE / "pytorch-index-authority.pem")  # who issued it
PROGRAMS = ("bash", "env", "mv", "python3", "rm", "uname")
PYTORCH = "download.pytorch.org"
COMPANIONS = {"torchvision": ("numpy",), "torchaudio": ()}
PINNED = re.compile(r"([A-Za-z][\w.-]*)(?:\[[^\]]*\])?(?:===?|>=)([\w.+!]+)$")


class Tunnel:
    """A proxy that knows one address, and answers for it with ``index``."""

    def __init__(self, index: Index) -> None:
        self.target = index.server.server_address[:2]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(CERTIFICATE)
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self) -> None:
        self.listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=(self.listener.accept()[0],), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            asked = b""
            while b"\r\n\r\n" not in asked and len(asked) < 9999:
                asked += client.recv(1)
            if asked.split()[1:2] != [f"{PYTORCH}:443".encode()]:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            inside = self.context.wrap_socket(client, server_side=True)
            with inside, socket.create_connection(self.target) as server:
                back = threading.Thread(target=_pour, args=(server, inside), daemon=True)
                back.start()
                _pour(inside, server)
                back.join(5)


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


# ── what is on the index ─────────────────────────────────────────────────────────────────────────


class Built(Wheel):
    """Its version.py is the one given, not one made from the version."""

    @property
    def content(self) -> dict[str, bytes]:
        return super().content | {name: text.encode() for name, text in self.files}


def release(version: str, local: str, files: tuple[tuple[str, str], ...] = ()) -> Wheel:
    """torch, or a companion: what its version.py says of its build is what that index's builds say."""
    return family_wheel("torch", version, local, local, files)


def family_wheel(name: str, version: str, label: str, variant: str, files: tuple[tuple[str, str], ...] = ()) -> Wheel:
    """``label``: the local part of the version in the metadata, which PyPI's builds lack; ``variant``: what it is."""
    told = f"{version}+{variant}" if variant else version
    cuda = f"'{variant[2:-1]}.{variant[-1]}'" if variant.startswith("cu") else "None"
    hip = f"'{variant[4:]}'" if variant.startswith("rocm") else "None"
    text = f"__version__ = {told!r}\ncuda = {cuda}\nhip = {hip}\nxpu = None\ngit_version = 'x'\n"
    requires = ("filelock", "typing-extensions>=4.10") if name == "torch" else COMPANIONS.get(name, ())
    found = f"{version}+{label}" if label else version
    return Built(name, found, requires, files=((f"{name}/version.py", text), *files))


@lru_cache(maxsize=16)
def pypis_variant(version: str) -> str:
    """What PyPI's own build of that torch is on this platform."""
    arch = {"AMD64": "x86_64", "arm64": "aarch64"}.get(os.uname().machine, os.uname().machine)
    builds = load().builds(f"linux_{arch}")
    return next((b.variant for b in builds if b.torch == version and b.index_url is None), "cpu")


@lru_cache(maxsize=4)
def unpacked_pip(python: str) -> str:
    wheel = next(wheel for wheel in SMALL if wheel.name == "pip")
    assert wheel.path, "this Python brings no pip"
    folder = Path(tempfile.mkdtemp(prefix="envtool-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(wheel.path) as archive:
        archive.extractall(folder)
    (folder / f"pip-{wheel.version}.dist-info" / "INSTALLER").write_text("pip\n")
    subprocess.run([python, "-m", "compileall", "-q", folder], check=False, timeout=100)
    return str(folder)


class FixRoom(Room):
    """``index`` has what was put there, and each version of the PyTorch family that a line asks for."""

    def __init__(self, home: Path, index: Index, tunnel: Tunnel, course: str = "course") -> None:
        super().__init__(home, course)
        self.index, self.tunnel = index, tunnel
        uv = shutil.which("uv", path=os.path.dirname(sys.executable)) or shutil.which("uv")
        self.programs = home / "programs"  # of this machine's own there are these: none of a cluster, no other Python
        self.programs.mkdir()
        for name, path in [(name, f"/usr/bin/{name}") for name in PROGRAMS] + [("uv", uv)]:
            if path and os.path.exists(path):
                (self.programs / name).symlink_to(path)
        self.env |= {
            "PATH": str(self.programs), "LANG": "C.UTF-8", "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1",
            "PIP_INDEX_URL": f"{index.root}/pypi", "UV_DEFAULT_INDEX": f"{index.root}/pypi",
            "PIP_CERT": AUTHORITY, "SSL_CERT_FILE": AUTHORITY, "HTTPS_PROXY": tunnel.url, "NO_PROXY": "127.0.0.1",
            "PIP_NO_CACHE_DIR": "1", "UV_CACHE_DIR": str(home / "uv-cache"), "UV_PYTHON_DOWNLOADS": "never",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_NO_COMPILE": "1", "PIP_RETRIES": "0",
            "ENVTOOL_DATA": os.path.join(os.path.dirname(__file__), "no-such-folder"), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        self.laid: list[Wheel] = []
        self.arguments: list[str] = ["--python", ".venv", "--no-import"]
        self.before, self.after = ":", ":"  # what the shell runs before the line, and between it and the second look

    def with_pip(self) -> None:
        """The pip that Python brings along, unpacked and compiled once for all."""
        shutil.copytree(
            unpacked_pip(os.path.realpath(self.python)), self.site, dirs_exist_ok=True, copy_function=os.link
        )

    def install(self, *wheels: Wheel) -> None:
        """Lay these down as pip would, record and all."""
        self.laid += wheels
        for wheel in wheels:
            file = self.home / wheel.filename
            file.write_bytes(wheel.body())
            with zipfile.ZipFile(file) as archive:
                archive.extractall(self.site)
            file.unlink()
            info = f"{wheel.name.replace('-', '_')}-{wheel.version}.dist-info"
            (self.site / info / "INSTALLER").write_text("pip\n")
            with open(self.site / info / "RECORD", "a", encoding="utf-8") as record:
                record.write(f"{info}/INSTALLER,,\n")

    def serve(self, line: str) -> None:
        """Put on the index what the line names and the catalog says is there."""
        channel = re.search(rf"https://{re.escape(PYTORCH)}/whl/(\S+)", line)
        if channel:  # the small packages that torch needs are there, too
            shelf = self.index.whl.setdefault(channel[1], [])
            shelf += [wheel for wheel in SMALL if wheel.name != "pip" and wheel not in shelf]
        for word in line.replace("'", " ").split():
            found = PINNED.match(word)
            if not found or found[1] not in ("torch", *COMPANIONS):
                continue
            name, (version, _, local) = found[1], found[2].partition("+")
            if channel:
                shelf = self.index.whl.setdefault(channel[1], [])
                wheel = family_wheel(name, version, local, local or channel[1])
            else:
                shelf, wheel = self.index.pypi, family_wheel(name, version, "", pypis_variant(version))
            if not any(there.filename == wheel.filename for there in shelf):
                shelf.append(wheel)

    # ── looking and mending ──────────────────────────────────────────────────────────────────────

    def look(self, before: str = "") -> dict[str, dict[str, object]]:
        """Every verdict by its code; ``before``: lines that the same shell runs first."""
        words = " ".join(f"'{word}'" for word in (sys.executable, "-c", RUN.replace("'", '"'), "doctor", "--json"))
        told = self.home / "answer.json"
        after = self.after if before else ":"
        script = f"{self.before}\n{before}\n{after}\n{words} {' '.join(self.arguments)} > {told}"
        done = subprocess.run(
            ["/usr/bin/bash", "-e", "-c", script],
            capture_output=True, text=True, cwd=self.folder, env=self.env, timeout=110, check=False,
        )  # fmt: skip
        text = told.read_text(encoding="utf-8") if told.exists() else ""
        told.unlink(missing_ok=True)
        assert text and done.returncode in (0, 1), f"{before}\n{done.stdout}{done.stderr}"
        document = json.loads(text)
        self.next_step, self.said = document["next_step"], done.stdout + done.stderr
        return {verdict["code"]: verdict for verdict in document["verdicts"]}
