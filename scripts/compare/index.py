"""A package index on loopback: PyPI by its address, and download.pytorch.org through a proxy that answers for it."""

from __future__ import annotations

import html
import os
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import quote, unquote, urlsplit

from pypi_simple import PYPI_SIMPLE_ENDPOINT

from compare.wheels import PYPI, File, Shelf

# light-the-torch names both in its code
HOSTS = ("download.pytorch.org", str(urlsplit(PYPI_SIMPLE_ENDPOINT).hostname))


class Handler(BaseHTTPRequestHandler):
    """Answers ``/simple/NAME/`` as PyPI and ``/whl/VARIANT/NAME/`` as the PyTorch index; CONNECT makes it a proxy."""

    protocol_version = "HTTP/1.1"
    shelf: ClassVar[Shelf]
    tls: ClassVar[ssl.SSLContext]
    asked: ClassVar[list[str]]

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0]
        if host not in HOSTS:
            self.asked.append(f"refused {self.path}")
            self.send_error(502, "only the imitated hosts can be reached")
            return
        self.send_response(200)
        self.end_headers()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)  # type: ignore[assignment]
        self.close_connection = False

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.asked.append(path)
        parts = [part for part in path.split("/") if part]
        index = PYPI if parts[:1] == ["simple"] else parts[1] if parts[:1] == ["whl"] and len(parts) > 1 else None
        rest = parts[1:] if index == PYPI else parts[2:]
        files = self.shelf.package(index, rest[0].replace("_", "-").lower()) if index and rest else None
        if not files:
            # the PyTorch index is a bucket: it answers 403 for what it doesn't have
            self._answer(403 if parts[:1] == ["whl"] else 404, b"", "text/plain")
        elif len(rest) == 1:
            self._answer(200, _page(files).encode(), "text/html")
        else:
            self._file(files, rest[1])

    def do_HEAD(self) -> None:
        self.do_GET()

    def _file(self, files: dict[str, File], name: str) -> None:
        file = files.get(name.removesuffix(".metadata"))
        if file is None:
            self._answer(404, b"", "text/plain")
        elif name.endswith(".metadata"):
            self._answer(200, file.metadata.encode(), "text/plain")
        else:
            self._answer(200, file.content, "application/zip")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing on stderr; ``asked`` holds what was asked for."""


def _page(files: dict[str, File]) -> str:
    lines = []
    for name, file in sorted(files.items()):
        python = f' data-requires-python="{html.escape(file.requires_python)}"' if file.requires_python else ""
        marks = f'{python} data-core-metadata="true" data-dist-info-metadata="true"'
        lines.append(f'<a href="{quote(name)}"{marks}>{html.escape(name)}</a><br>')
    return "<!DOCTYPE html><html><body>\n" + "\n".join(lines) + "\n</body></html>\n"


class Loopback:
    """The running index. ``ca`` is the certificate that a client must trust to be sent to the imitated hosts."""

    def __init__(self, shelf: Shelf, folder: str) -> None:
        self.ca, pair = _certificates(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        self.asked: list[str] = []
        handler = type("Bound", (Handler,), {"shelf": shelf, "tls": context, "asked": self.asked})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """Of the proxy, and of PyPI below ``/simple``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: str, path: str) -> dict[str, str]:
        """Environment variables for a tool that shall see this index and nothing else."""
        return {
            "HOME": home, "PATH": path, "TMPDIR": home, "LC_ALL": "C.UTF-8",
            "HTTPS_PROXY": self.address, "https_proxy": self.address, "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": self.ca, "PIP_CERT": self.ca, "REQUESTS_CA_BUNDLE": self.ca,
            "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"{self.address}/simple", "PIP_NO_CACHE_DIR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1",
            "UV_NO_CONFIG": "1", "UV_INDEX_URL": f"{self.address}/simple", "UV_PYTHON_DOWNLOADS": "never",
            "UV_CACHE_DIR": os.path.join(home, "uv-cache"), "UV_HTTP_RETRIES": "0",
        }  # fmt: skip


def _certificates(folder: str) -> tuple[str, tuple[str, str]]:
    """A certificate authority that lives for a day, and a certificate of it for the imitated hosts."""
    names = ",".join(f"DNS:{host}" for host in HOSTS)
    extensions = os.path.join(folder, "extensions.cnf")
    with open(extensions, "w", encoding="utf-8") as file:
        file.write(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    key = ("-newkey", "rsa:2048", "-nodes", "-days", "1")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=loopback test authority")
    openssl("req", "-new", *key[:3], "-keyout", "host.key", "-out", "host.csr", "-subj", f"/CN={HOSTS[0]}")
    openssl("x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "1", "-out", "host.pem", "-extfile", "extensions.cnf")  # fmt: skip
    return os.path.join(folder, "ca.pem"), (os.path.join(folder, "host.pem"), os.path.join(folder, "host.key"))
