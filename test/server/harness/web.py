"""An HTTP and HTTPS client that compares every byte of the bodies, and a load made of such clients."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import bodies

TIMEOUT_SECONDS = 30
# In bytes. The client's buffer is so small that a proxy must keep the rest of a large body in its own buffers.
RECEIVE_BUFFER = 65536


class WrongAnswer(AssertionError):
    """Raised for a status other than 200, or for a wrong body."""


class Client(http.client.HTTPConnection):
    """A connection to 127.0.0.1, with TLS if a context is given."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        super().__init__("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self._context = context

    def connect(self) -> None:
        raw = socket.socket()
        try:
            raw.settimeout(TIMEOUT_SECONDS)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.connect((self.host, self.port))
            self.sock = self._context.wrap_socket(raw, server_hostname=self.host) if self._context else raw
        except BaseException:
            raw.close()
            raise

    def ask(self, size: int, echo: bool = False) -> None:
        """Sends the request, but does not yet read the answer."""
        if echo:
            self.request("POST", "/echo", body=bodies.body(size))
        else:
            self.request("GET", f"/bytes/{size}")

    def check(self, size: int, wanted: bytes | None = None) -> http.client.HTTPResponse:
        """Reads the whole answer and compares its body with `wanted`, or if that is None, with the body that
        upstream.py sends for this size."""
        answer = self.getresponse()
        got = answer.read()
        if answer.status != 200:
            raise WrongAnswer(f"status {answer.status} for {size} bytes: {got[:200]!r}")
        wrong = bodies.difference(got, bodies.body(size) if wanted is None else wanted)
        if wrong:
            raise WrongAnswer(f"body of {size} bytes: {wrong}")
        return answer

    def fetch(self, size: int, echo: bool = False) -> http.client.HTTPResponse:
        self.ask(size, echo)
        return self.check(size)


@dataclass(frozen=True)
class Load:
    """A load of `connections` connections at the same time. On each of them `rounds` requests are made."""

    sizes: Sequence[int]
    connections: int = 32
    rounds: int = 6
    echo_every: int = 4

    def run(self, port: int, context: ssl.SSLContext | None = None) -> None:
        """Runs all rounds and closes every connection. Raises an error at the first wrong answer."""
        with self.held(port, context):
            pass

    @contextlib.contextmanager
    def held(self, port: int, context: ssl.SSLContext | None = None) -> Iterator[None]:
        """A context manager: runs all rounds, and keeps the connections open until the caller's `with` statement
        ends."""
        with contextlib.ExitStack() as open_clients:
            clients = [Client(port, context) for _ in range(self.connections)]
            for client in clients:
                open_clients.callback(client.close)
            for number in range(self.rounds):
                self._round(number, clients)
            yield

    def exchanges(self) -> int:
        return self.connections * self.rounds

    def _round(self, number: int, clients: Sequence[Client]) -> None:
        """Makes one request on each connection. All requests are sent before the first answer is read."""
        plan = []
        for index, client in enumerate(clients, start=number):
            size = self.sizes[index % len(self.sizes)]
            plan.append((client, size))
            client.ask(size, echo=index % self.echo_every == self.echo_every - 1)
        for client, size in plan:
            client.check(size)
