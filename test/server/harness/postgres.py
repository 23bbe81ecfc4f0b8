"""A client for the protocol of PostgreSQL, version 3, with a table of values under keys."""
# SPDX-License-Identifier: BSD-2-Clause
import socket
import struct

TIMEOUT_SECONDS = 30
PROTOCOL = 3 << 16
USER = "tester"

TABLE = "CREATE TABLE IF NOT EXISTS store (key text PRIMARY KEY, value bytea)"
PUT = "INSERT INTO store VALUES ($1, $2)"
GET = "SELECT value FROM store WHERE key = $1"
DROP = "DELETE FROM store WHERE key = $1"


class Refused(AssertionError):
    """Raised if the server answered with an error."""


class Postgres:
    """A connection to PostgreSQL. All parameters and results are in binary form, which for texts is the plain text."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")
        words = b"".join(word.encode() + b"\0" for word in ("user", USER, "database", "postgres", ""))
        self._socket.sendall(struct.pack("!ii", len(words) + 8, PROTOCOL) + words)
        try:
            self._until_ready()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def run(self, statement: str, *parameters: bytes) -> list[list[bytes]]:
        """Runs the statement as a transaction of its own, and returns its rows."""
        values = b"".join(struct.pack("!i", len(value)) + value for value in parameters)
        binary = struct.pack("!hh", 1, 1)
        bind = b"\0\0" + binary + struct.pack("!h", len(parameters)) + values + binary
        self._socket.sendall(
            _message(b"P", b"\0" + statement.encode() + b"\0\0\0")
            + _message(b"B", bind)
            + _message(b"E", b"\0\0\0\0\0")
            + _message(b"S", b"")
        )
        return self._until_ready()

    def put(self, key: str, value: bytes) -> None:
        self.run(PUT, key.encode(), value)

    def get(self, key: str) -> bytes | None:
        rows = self.run(GET, key.encode())
        return rows[0][0] if rows else None

    def drop(self, key: str) -> None:
        self.run(DROP, key.encode())

    def notification(self) -> str:
        """Waits for a notification from another connection, and returns the name of its channel."""
        kind, body = self._receive()
        if kind != b"A":
            raise AssertionError(f"a message {kind!r} instead of a notification")
        return body[4:].partition(b"\0")[0].decode()

    def _until_ready(self) -> list[list[bytes]]:
        """Reads an answer to its end, and returns its rows."""
        rows = []
        while True:
            kind, body = self._receive()
            if kind == b"Z":
                return rows
            if kind == b"D":
                rows.append(_fields(body))
            elif kind == b"E":
                raise Refused(body.replace(b"\0", b" ").decode(errors="replace"))
            elif kind == b"R" and body != b"\0\0\0\0":
                raise AssertionError(f"PostgreSQL asks for a password: {body!r}")

    def _receive(self) -> tuple[bytes, bytes]:
        head = self._reader.read(5)
        if len(head) != 5:
            raise ConnectionError("PostgreSQL closed the connection")
        size = struct.unpack("!i", head[1:])[0] - 4
        body = self._reader.read(size)
        if len(body) != size:
            raise ConnectionError(f"the connection ended within a message of {size} bytes")
        return head[:1], body


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _fields(body: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("!h", body)
    fields = []
    at = 2
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        fields.append(body[at : at + max(size, 0)])
        at += max(size, 0)
    return fields
