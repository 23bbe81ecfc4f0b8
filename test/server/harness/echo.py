"""Runs a server that sends every byte back, without the library, and puts a load on servers of this kind."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import selectors
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from . import bodies

TIMEOUT_SECONDS = 30
PIECE = 1 << 16

Connect = Callable[[], socket.socket]


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.settimeout(TIMEOUT_SECONDS)
        with contextlib.suppress(ConnectionError):  # a proxy may reset a connection that it no longer needs
            while piece := self.request.recv(PIECE):
                self.request.sendall(piece)


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 256
    daemon_threads = True


class EchoUpstream:
    """Runs a server that sends every byte back. Each connection has a thread."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def direct(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)


def tunnel(port: int, target: int) -> socket.socket:
    """Opens a connection to the port `target` through the HTTP proxy at `port`, by the method CONNECT."""
    connection = direct(port)
    connection.sendall(f"CONNECT 127.0.0.1:{target} HTTP/1.1\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        # reads one byte at a time: after the head of the proxy's answer may come bytes from `target`, which the caller
        # must still find on the connection
        byte = connection.recv(1)
        if not byte:
            break
        answer += byte
    if answer.split()[1:2] != [b"200"]:
        connection.close()
        raise AssertionError(f"the proxy refused the tunnel: {answer!r}")
    return connection


def exchange(connection: socket.socket, sent: bytes) -> None:
    """Sends the bytes and receives them back, both at the same time, because the buffers on the way may be too small
    for all bytes."""
    got = bytearray()
    rest = memoryview(sent)
    connection.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while len(got) < len(sent):
            ready = selector.select(TIMEOUT_SECONDS)
            if not ready:
                raise AssertionError(f"{len(got)} of {len(sent)} bytes came back, then none")
            if ready[0][1] & selectors.EVENT_WRITE:
                rest = rest[connection.send(rest[:PIECE]) :]
                if not rest:
                    selector.modify(connection, selectors.EVENT_READ)
            if ready[0][1] & selectors.EVENT_READ:
                piece = connection.recv(PIECE)
                if not piece:
                    raise AssertionError(f"the end came after {len(got)} of {len(sent)} bytes")
                got += piece
    connection.settimeout(TIMEOUT_SECONDS)
    wrong = bodies.difference(bytes(got), sent)
    if wrong:
        raise AssertionError(f"echo of {len(sent)} bytes: {wrong}")


@dataclass(frozen=True)
class EchoLoad:
    """A load of `connections` connections at once. In each of `rounds` rounds every connection sends one body and gets
    it back."""

    sizes: Sequence[int]
    connections: int = 16
    rounds: int = 4

    def exchanges(self) -> int:
        return self.connections * self.rounds

    @contextlib.contextmanager
    def held(self, connect: Connect) -> Iterator[None]:
        """A context manager: runs all rounds, and keeps the connections open until the caller's `with` statement
        ends."""
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(connect()) for _ in range(self.connections)]
            for number in range(self.rounds):
                for index, connection in enumerate(sockets, start=number):
                    exchange(connection, bodies.body(self.sizes[index % len(self.sizes)]))
            yield
