"""A conda channel on this machine that can be made to answer badly: slowly, half, not at all, elsewhere."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

INDEXES = {"plain": "repodata.json", "zst": "repodata.json.zst", "sharded": "repodata_shards.msgpack.zst"}


@dataclass
class Channel:
    """``folder`` over HTTP under /channel/. ``faults``: by a part of a path, what goes wrong there.

    A fault is a status, "truncated", "stall", "drip", "redirect", "loop", or bytes to send instead.
    """

    folder: Path
    indexes: tuple[str, ...] = ("plain", "zst", "sharded")
    faults: dict[str, object] = field(default_factory=dict)
    token: str | None = None
    password: str | None = None  # "user:password"
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        channel = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    channel.answer(self, body=True)

            def do_HEAD(self) -> None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    channel.answer(self, body=False)

            def log_message(self, *_: object) -> None:
                pass

        self.ended = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/channel"

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    def fetched(self, part: str) -> int:
        """How often something with that in its path was asked for."""
        return sum(part in path for path in self.asked)

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    def answer(self, http: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = unquote(http.path.partition("?")[0])
        if body:
            self.asked.append(path)
        if self.token is not None:
            if not path.startswith(f"/t/{self.token}/"):
                return self.send(http, 401, b"", body)
            path = path.removeprefix(f"/t/{self.token}")
        if self.password is not None:
            expected = "Basic " + base64.b64encode(self.password.encode()).decode()
            if http.headers.get("Authorization") != expected:
                return self.send(http, 401, b"", body)
        fault = next((fault for part, fault in self.faults.items() if part in path), None)
        file = self.folder / path.removeprefix("/moved").removeprefix("/channel/")
        name = file.name
        hidden = any(name == index and kind not in self.indexes for kind, index in INDEXES.items())
        if fault is not None and not path.startswith("/moved"):
            return self.fail(http, fault, path, file, body)
        if hidden or not file.is_file():
            return self.send(http, 404, b"", body)
        return self.send(http, 200, file.read_bytes(), body)

    def send(
        self, http: BaseHTTPRequestHandler, status: int, content: bytes, body: bool, *more: tuple[str, str]
    ) -> None:
        http.send_response(status)
        for name, value in (("Content-Length", str(len(content))), *more):
            http.send_header(name, value)
        http.end_headers()
        if body:
            http.wfile.write(content)

    def fail(self, http: BaseHTTPRequestHandler, fault: object, path: str, file: Path, body: bool) -> None:
        content = file.read_bytes() if file.is_file() else b"x" * 200
        if isinstance(fault, int):
            self.send(http, fault, b"trouble", body)
        elif isinstance(fault, bytes):
            self.send(http, 200, fault, body)
        elif fault == "redirect":
            self.send(http, 302, b"", body, ("Location", f"http://{self.host}/moved{path}"))
        elif fault == "loop":
            self.send(http, 302, b"", body, ("Location", f"http://{self.host}{path}"))
        else:
            http.send_response(200)
            http.send_header("Content-Length", str(len(content)))
            http.end_headers()
            http.close_connection = True
            if not body:
                return
            if fault == "drip":  # slowly, but to its end
                for start in range(0, len(content), 64):
                    http.wfile.write(content[start : start + 64])
                    http.wfile.flush()
                    time.sleep(0.02)
                return
            http.wfile.write(content[: len(content) // 2])
            http.wfile.flush()
            if fault == "stall":
                self.ended.wait(60)
