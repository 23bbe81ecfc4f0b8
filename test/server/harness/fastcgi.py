"""A client for FastCGI that lets php-fpm run a script, and a load of bodies that the script sends back."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import bodies
from .place import Place

TIMEOUT_SECONDS = 30

BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR = 1, 3, 4, 5, 6, 7
RESPONDER, KEEP_CONNECTION = 1, 1
VERSION, REQUEST_ID = 1, 1
RECORD_MAX = 65_535


class WrongAnswer(AssertionError):
    """Raised for an answer that is not FastCGI, an error of the script, or a wrong body."""


def _length(size: int) -> bytes:
    return bytes([size]) if size < 128 else struct.pack("!I", size | 1 << 31)


def _pairs(parameters: dict[str, str]) -> bytes:
    coded = ((name.encode(), value.encode()) for name, value in parameters.items())
    return b"".join(_length(len(name)) + _length(len(value)) + name + value for name, value in coded)


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("!BBHHBx", VERSION, kind, REQUEST_ID, len(content), 0) + content


def _stream(kind: int, content: bytes) -> bytes:
    """Returns the content as FastCGI records of one stream, and after them the empty record that ends the stream."""
    parts = [content[at : at + RECORD_MAX] for at in range(0, len(content), RECORD_MAX)]
    return b"".join(_record(kind, part) for part in [*parts, b""])


class FastCgi:
    """A connection to php-fpm that is kept open for several requests."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def post(self, script: str, query: str, body: bytes) -> bytes:
        """Lets the server run the script with the body as its input. Returns the output of the script without its
        head."""
        parameters = {
            "SCRIPT_FILENAME": script,
            "QUERY_STRING": query,
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": "application/octet-stream",
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        begin = _record(BEGIN_REQUEST, struct.pack("!HB5x", RESPONDER, KEEP_CONNECTION))
        self._socket.sendall(begin + _stream(PARAMS, _pairs(parameters)) + _stream(STDIN, body))
        written, complaints = self._answer()
        head, separator, result = written.partition(b"\r\n\r\n")
        if complaints or not separator or b"Status:" in head:
            raise WrongAnswer(f"{query}, {len(body)} bytes: {complaints!r} {head[:2000]!r} {result[:2000]!r}")
        return result

    def _answer(self) -> tuple[bytes, bytes]:
        """Returns two byte strings: what the script wrote to its output, and its errors."""
        streams: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
        while True:
            head = self._reader.read(8)
            if len(head) < 8:
                raise WrongAnswer(f"the connection ended after {head!r}")
            _version, kind, _request, size, padding = struct.unpack("!BBHHBx", head)
            content = self._reader.read(size + padding)[:size]
            if kind == END_REQUEST:
                if content[:5] != b"\0\0\0\0\0":
                    raise WrongAnswer(f"the request ended with {content!r}")
                return b"".join(streams[STDOUT]), b"".join(streams[STDERR])
            streams[kind].append(content)


@dataclass(frozen=True)
class BodyLoad:
    """A load of `connections` connections at the same time, which send bodies of every size to the script. `ways` are
    query strings of URLs, which tell the script how to send the body back."""

    script: str
    ways: Sequence[str]
    sizes: Sequence[int]
    connections: int
    rounds: int

    def exchanges(self) -> int:
        return self.connections * self.rounds

    @contextlib.contextmanager
    def held(self, place: Place) -> Iterator[None]:
        """A context manager: sends all bodies and compares them, and keeps the connections open until the caller's
        `with` statement ends."""
        with contextlib.ExitStack() as stack:
            clients = [FastCgi(place.port) for _ in range(self.connections)]
            for client in clients:
                stack.callback(client.close)
            with ThreadPoolExecutor(self.connections) as crowd:
                jobs = [crowd.submit(self._post_all, place, client, index) for index, client in enumerate(clients)]
                for job in jobs:
                    job.result()
            yield

    def _post_all(self, place: Place, client: FastCgi, index: int) -> None:
        for turn in range(index, index + self.rounds):
            way = self.ways[turn % len(self.ways)]
            body = bodies.value(f"{index} {turn}", self.sizes[(turn + index) % len(self.sizes)])
            got = client.post(str(place.data / self.script), f"way={way}", body)
            wrong = bodies.difference(got, body)
            if wrong:
                raise WrongAnswer(f"{way}: {wrong}")
