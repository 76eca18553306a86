"""A package index and a PyTorch index on this machine, which can be made to answer badly.

Routes are `/pypi/<package>/`, `/whl/`, `/whl/<variant>/<package>/` and `/files/<name>`; each file is a real small zip.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class File:
    name: str
    requires: tuple[str, ...] = ()
    requires_python: str | None = ">=3.11"
    yanked: bool = False
    date: str | None = "2027-01-20"
    metadata: str = "told"  # told | untold | wrong | missing | bomb | none (no METADATA at all)
    ranges: bool = True

    @property
    def version(self) -> str:
        return self.name.split("-")[1]

    @property
    def text(self) -> bytes:
        name = self.name.split("-")[0] if self.metadata != "wrong" else "evil"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {self.version}"]
        return "\n".join([*lines, *(f"Requires-Dist: {r}" for r in self.requires), "", "Text."]).encode()

    @property
    def body(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("torch/__init__.py", "x" * 300_000)
            if self.metadata == "bomb":
                archive.writestr(f"{self.name.split('-')[0]}-{self.version}.dist-info/METADATA", b"\0" * 50_000_000)
            elif self.metadata != "none":
                archive.writestr(f"{self.name.split('-')[0]}-{self.version}.dist-info/METADATA", self.text)
        return buffer.getvalue()


@dataclass
class Index:
    """What is on it. ``faults``: by the beginning of a path, what goes wrong there."""

    pypi: dict[str, list[File]] = field(default_factory=dict)
    whl: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    html: bool = False
    faults: dict[str, object] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    sent: int = 0
    password: str | None = None  # "user:password"

    def __post_init__(self) -> None:
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    index.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        path = unquote(http.path.partition("?")[0])
        self.asked.append((path, http.headers.get("Range")))
        if self.password:
            expected = "Basic " + base64.b64encode(self.password.encode()).decode()
            if http.headers.get("Authorization") != expected:
                http.send_error(401)
                return
        fault = next((fault for start, fault in self.faults.items() if path.startswith(start)), None)
        if fault is not None and self.fail(http, fault, path):
            return
        found = self.find(path)
        if found is None:
            http.send_error(404)
        else:
            self.send(http, *found, ranges=path.startswith("/files/") and self.file(path).ranges)

    def send(self, http: BaseHTTPRequestHandler, kind: str, body: bytes, *, ranges: bool = False) -> None:
        span, status, headers = http.headers.get("Range"), 200, {"Content-Type": kind}
        if span and ranges:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start = max(0, len(body) - int(last)) if not first else int(first)
            end = min(len(body), int(last) + 1) if first and last else len(body)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
            status, body = 206, body[start:end]
        http.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            http.send_header(name, value)
        http.end_headers()
        self.sent += len(body)
        http.wfile.write(body)

    def fail(self, http: BaseHTTPRequestHandler, fault: object, path: str) -> bool:
        """Answer badly; False where the fault changes nothing of the answer."""
        if isinstance(fault, int):
            http.send_error(fault)
        elif isinstance(fault, tuple):
            self.send(http, *fault)
        elif fault == "truncated":
            kind, body = self.find(path) or ("text/html", b"x" * 100)
            http.send_response(200)
            http.send_header("Content-Type", kind)
            http.send_header("Content-Length", str(len(body)))
            http.end_headers()
            http.wfile.write(body[: len(body) // 2])
        elif fault in ("slow", "drip"):
            http.send_response(200)
            http.send_header("Content-Type", JSON)
            http.end_headers()
            for _ in range(200):
                http.wfile.write(b" " if fault == "drip" else b"")
                http.wfile.flush()
                time.sleep(0.05)
        elif fault == "huge":
            http.send_response(200)
            http.send_header("Content-Type", JSON)
            http.end_headers()
            for _ in range(80):
                http.wfile.write(b" " * 1_000_000)
        elif fault == "gzip":
            http.send_response(200)
            http.send_header("Content-Type", JSON)
            http.send_header("Content-Encoding", "gzip")
            http.end_headers()
            http.wfile.write(b"\x1f\x8b" + b"\0" * 100)
        elif isinstance(fault, str) and fault.startswith("to "):
            http.send_response(302)
            http.send_header("Location", fault[3:])
            http.end_headers()
        else:
            return False
        return True

    def file(self, path: str) -> File:
        name = path.removeprefix("/files/").removesuffix(".metadata")
        return next(
            (f for files in self.pypi.values() for f in files if f.name == name), File("none-0-py3-none-any.whl")
        )

    def find(self, path: str) -> tuple[str, bytes] | None:
        parts = path.strip("/").split("/")
        if parts[0] == "pypi" and len(parts) == 2 and parts[1] in self.pypi:
            return self.html_page(self.pypi[parts[1]]) if self.html else self.json_page(parts[1])
        if parts == ["whl"]:
            links = "".join(f'<a href="{variant}/">{variant}</a>' for variant in self.whl)
            return (
                "text/html",
                f"<html><body><script>bad()</script>{links}<a href='torch/'>torch</a></body></html>".encode(),
            )
        if parts[0] == "whl" and len(parts) == 3 and parts[2] in self.whl.get(parts[1], {}):
            return self.html_page([File(name, metadata="untold") for name in self.whl[parts[1]][parts[2]]])
        if parts[0] == "files" and len(parts) == 2:
            file = self.file(path)
            if path.endswith(".metadata"):
                return ("application/octet-stream", file.text) if file.metadata in ("told", "wrong") else None
            return "application/octet-stream", file.body
        return None

    def json_page(self, package: str) -> tuple[str, bytes]:
        files = []
        for f in self.pypi[package]:
            entry: dict[str, object] = {"filename": f.name, "url": f"{self.root}/files/{quote(f.name)}", "hashes": {},
                                        "requires-python": f.requires_python, "yanked": f.yanked, "size": 1}  # fmt: skip
            if f.date:
                entry["upload-time"] = f"{f.date}T10:00:00Z"
            if f.metadata in ("told", "wrong", "missing"):
                entry["core-metadata"] = True
            files.append(entry)
        page = {"meta": {"api-version": "1.1"}, "name": package, "versions": [], "files": files}
        return JSON, json.dumps(page).encode()

    def html_page(self, files: list[File]) -> tuple[str, bytes]:
        lines = ["<!DOCTYPE html><html><body><script>alert('<a href=x>')</script>"]
        for f in files:
            more = f' data-requires-python="{f.requires_python.replace(">", "&gt;")}"' if f.requires_python else ""
            more += ' data-yanked=""' if f.yanked else ""
            more += ' data-core-metadata="true"' if f.metadata in ("told", "wrong", "missing") else ""
            lines.append(f'<a href="/files/{quote(f.name)}#sha256={"0" * 64}"{more}>{f.name}</a><br>')
        return "text/html; charset=utf-8", "\n".join([*lines, "</body></html>"]).encode()


# ── a made-up release ────────────────────────────────────────────────────────────────────────────

PLACES = ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64", "macosx_14_0_arm64")
CUDA = ('cuda-toolkit[cublas,cudart]==13.2.4; platform_system == "Linux"', 'nvidia-cudnn-cu13==9.30; platform_system == "Linux"',
        "filelock", 'numpy>=2; extra == "opt"')  # fmt: skip


def wheels(package: str, version: str, *, abis: tuple[str, ...] = ("cp312-cp312", "cp313-cp313t"),
           places: tuple[str, ...] = PLACES, **told: object) -> list[File]:  # fmt: skip
    return [File(f"{package}-{version}-{abi}-{place}.whl", **told) for abi in abis for place in places]  # type: ignore[arg-type]


def tomorrow(**changed: object) -> Index:
    """Torch 2.16.0 with torchvision 0.30.0 and torchaudio 2.16.0 on PyPI, and torch's builds on the PyTorch index."""
    pypi = {
        "torch": [
            *wheels("torch", "2.16.0", requires=CUDA),
            *wheels("torch", "2.17.0.dev1"), *wheels("torch", "99999!1"), *wheels("torch", "2.16.1rc1"),
            *wheels("torch", "2.16.1", yanked=True), File("torch-2.16.0.tar.gz"), File("../../etc/passwd"),
            File("torch-..-cp312-cp312-win_amd64.whl"), *wheels("evil", "2.18.0"),
        ],
        "torchvision": wheels("torchvision", "0.30.0", requires=("torch==2.16.0", "numpy")),
        "torchaudio": wheels("torchaudio", "2.16.0", requires=("torch==2.16.0",)),
    }  # fmt: skip
    whl = {
        variant: {
            package: [f"{package}-{version}%2B{variant}-cp312-cp312-{place}.whl".replace("%2B", "+")
                      for place in ("manylinux_2_28_x86_64", "win_amd64")]
            for package, version in (("torch", "2.16.0"), ("torchvision", "0.30.0"))
        }
        for variant in ("cpu", "cu132", "cu140")
    }  # fmt: skip
    return Index(pypi=pypi, whl=whl, **changed)  # type: ignore[arg-type]
