"""Runs the HTTP server that stands behind a tested proxy. The server is a thread of the test itself, and runs without
the library."""
# SPDX-License-Identifier: BSD-2-Clause
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import bodies


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: "_Server"

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        directory, _, size = self.path.rpartition("/")
        with self.server.lock:
            self.server.asked[self.path] += 1
        if directory == "/bytes" and size.isdecimal():
            self._answer(200, bodies.body(int(size)))
        else:
            self._answer(404, b"")

    def do_POST(self) -> None:
        self._answer(200, self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_arguments: object) -> None:
        """Does nothing, so that the server writes no lines of its own between those of the test runner."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self.lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        super().__init__(*arguments)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores the errors of connections that a proxy has reset, and prints all other errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Upstream:
    """Answers GET /bytes/N with bodies.body(N), and POST with the body that it received."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def asked(self) -> dict[str, int]:
        """Returns how often each path was requested by GET, as a dictionary from path to count."""
        with self._server.lock:
            return dict(self._server.asked)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
