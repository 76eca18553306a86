"""A package index, a PyTorch index and a proxy on this machine, with small real wheels, which can be made to fail.

Routes: `/pypi/<package>/`, `/whl/<variant>/<package>/`, `/files/<name>`. What a fault is keyed by is the beginning of
a path, or the whole of it with a "$" behind. Faults: a status, "truncated", "corrupt" (other bytes than announced), "slow" (drips for a minute), "hang"
(answers nothing).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import ssl
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

HERE = Path(__file__).resolve().parent
CERTIFICATE = str(HERE / "loopback.pem")  # for 127.0.0.1, with its key
AUTHORITY = str(HERE / "loopback-authority.pem")  # who issued it; nobody trusts that one unless told to
FAMILY = ("torch", "torchvision", "torchaudio")


@dataclass(frozen=True)
class Wheel:
    """A real wheel. ``size``: bytes that don't compress, to give a download some length."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    tag: str = "py3-none-any"
    size: int = 0
    files: tuple[tuple[str, str], ...] = ()
    sdist: bool = False
    path: str | None = None  # of a wheel that is there already

    @property
    def filename(self) -> str:
        if self.sdist:
            return f"{self.name}-{self.version}.tar.gz"
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"

    @property
    def metadata(self) -> str:
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        return "\n".join([*lines, *(f"Requires-Dist: {text}" for text in self.requires)]) + "\n"

    @property
    def content(self) -> dict[str, bytes]:
        module = self.name.replace("-", "_")
        texts = {f"{module}/__init__.py": f"__version__ = {self.version!r}\n", **dict(self.files)}
        if self.name in FAMILY:
            local = self.version.partition("+")[2]
            cuda = f"'{local[2:-1]}.{local[-1]}'" if local.startswith("cu") else "None"
            texts[f"{module}/version.py"] = (
                f"__version__ = '{self.version}'\ncuda = {cuda}\nhip = None\nxpu = None\ngit_version = 'x'\n"
            )
        found = {name: text.encode() for name, text in texts.items()}
        if self.size:
            found[f"{module}/weights.bin"] = hashlib.shake_128(self.filename.encode()).digest(self.size)
        return found

    def body(self) -> bytes:
        if self.path:
            return Path(self.path).read_bytes()
        if self.sdist:
            return b"not an archive"
        info = f"{self.name.replace('-', '_')}-{self.version}.dist-info"
        files = self.content
        files[f"{info}/METADATA"] = self.metadata.encode()
        files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {self.tag}\n".encode()
        record = [f"{name},{_digest(data)},{len(data)}" for name, data in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
        return buffer.getvalue()


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def family(torch: str, vision: str, audio: str, local: str = "", **more: object) -> list[Wheel]:
    """torch and its companions of one build, each asking for that torch and for the small packages below."""
    suffix = f"+{local}" if local else ""
    return [
        Wheel("torch", torch + suffix, ("filelock", "typing-extensions>=4.10"), **more),  # type: ignore[arg-type]
        Wheel("torchvision", vision + suffix, (f"torch=={torch}", "numpy")),
        Wheel("torchaudio", audio + suffix, ("torch",)),
    ]


def _pip() -> Wheel:
    """The pip that Python brings along: one that works."""
    import ensurepip

    for path in (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"):
        return Wheel("pip", path.name.split("-")[1], path=str(path))
    return Wheel("pip", "1.0")


SMALL = [
    Wheel("filelock", "3.18.0"),
    Wheel("filelock", "3.20.0"),
    Wheel("typing-extensions", "4.15.0"),
    Wheel("numpy", "2.1.0"),
    Wheel("numpy", "2.3.0"),
    Wheel("pandas", "2.3.0", ("numpy>=2",)),
    Wheel("oldthing", "1.0", ("torch<2.3",)),
    _pip(),
    Wheel("sourceonly", "1.0", sdist=True),
]


@dataclass
class Index:
    """``pypi`` and ``whl`` (by variant): what is there. ``password``: "user:password". ``tls``: with CERTIFICATE."""

    pypi: list[Wheel] = field(default_factory=list)
    whl: dict[str, list[Wheel]] = field(default_factory=dict)
    faults: dict[str, object] = field(default_factory=dict)
    password: str | None = None
    tls: bool = False
    tells_sizes: bool = True
    proxy: int | None = None  # answers every request as a proxy that asks for a password
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle()

            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    index.answer(self)

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_CONNECT(self) -> None:
                index.send(self, index.proxy or 405, b"")

            def log_message(self, *_: object) -> None:
                pass

        self._bodies: dict[str, bytes] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def root(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def body(self, wheel: Wheel) -> bytes:
        if wheel.filename not in self._bodies:
            self._bodies[wheel.filename] = wheel.body()
        return self._bodies[wheel.filename]

    def wheels(self) -> list[Wheel]:
        return [*self.pypi, *(wheel for wheels in self.whl.values() for wheel in wheels)]

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    def answer(self, http: BaseHTTPRequestHandler) -> None:
        path = unquote(http.path.partition("?")[0])
        self.asked.append(path if http.command == "GET" else f"{http.command} {path}")
        if self.proxy:
            self.send(http, self.proxy, b"proxy authentication required")
            return
        if self.password:
            expected = "Basic " + base64.b64encode(self.password.encode()).decode()
            if http.headers.get("Authorization") != expected:
                self.send(http, 401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
                return
        fault = next((fault for start, fault in self.faults.items() if f"{path}$".startswith(start)), None)
        fault = fault() if callable(fault) else fault
        found = self.find(path)
        if http.command == "HEAD" and not self.tells_sizes:
            self.send(http, 405, b"")
            return
        if http.command == "HEAD" and isinstance(fault, str):
            fault = None
        if isinstance(fault, int):
            self.send(http, fault, b"no")
        elif found is None:
            self.send(http, 404, b"not here")
        elif fault is None:
            self.send(http, 200, found[1], {"Content-Type": found[0]})
        else:
            self.fail(http, str(fault), found[1])

    def send(
        self, http: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        http.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            http.send_header(name, value)
        http.end_headers()
        if http.command != "HEAD":
            http.wfile.write(body)

    def fail(self, http: BaseHTTPRequestHandler, fault: str, body: bytes) -> None:
        if fault == "hang":
            time.sleep(60)
            return
        if fault == "corrupt":
            self.send(http, 200, body[:-30] + bytes(30))
            return
        http.send_response(200)
        http.send_header("Content-Length", str(len(body)))
        http.end_headers()
        half = len(body) // 2
        if fault == "truncated":
            http.wfile.write(body[:half])
            http.close_connection = True
            return
        for start in range(0, len(body), max(1, len(body) // 600)):
            http.wfile.write(body[start : start + max(1, len(body) // 600)])
            http.wfile.flush()
            time.sleep(0.1)

    def find(self, path: str) -> tuple[str, bytes] | None:
        parts = path.strip("/").split("/")
        if parts[0] == "pypi" and len(parts) == 2:
            return self.page([wheel for wheel in self.pypi if wheel.name == parts[1]])
        if parts[0] == "whl" and len(parts) == 3:
            return self.page([wheel for wheel in self.whl.get(parts[1], []) if wheel.name == parts[2]])
        if parts[0] == "files" and len(parts) == 2:
            name = parts[1].removesuffix(".metadata")
            wheel = next((wheel for wheel in self.wheels() if wheel.filename == name), None)
            if wheel is None:
                return None
            body = wheel.metadata.encode() if parts[1].endswith(".metadata") else self.body(wheel)
            return "application/octet-stream", body
        return None

    def page(self, wheels: list[Wheel]) -> tuple[str, bytes] | None:
        if not wheels:
            return None
        lines = ["<!DOCTYPE html><html><body>"]
        for wheel in wheels:
            digest = hashlib.sha256(self.body(wheel)).hexdigest()
            metadata = "" if wheel.sdist else ' data-core-metadata="true" data-dist-info-metadata="true"'
            lines.append(f'<a href="/files/{quote(wheel.filename)}#sha256={digest}"{metadata}>{wheel.filename}</a><br>')
        return "text/html; charset=utf-8", "\n".join([*lines, "</body></html>"]).encode()
