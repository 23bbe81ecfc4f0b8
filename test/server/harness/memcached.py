"""A client for the text protocol of memcached, over a plain socket."""
# SPDX-License-Identifier: BSD-2-Clause
import socket

TIMEOUT_SECONDS = 30


class Memcached:
    """A connection to memcached."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def put(self, key: str, value: bytes) -> None:
        head = f"set {key} 0 0 {len(value)}\r\n".encode()
        self._call(head + value + b"\r\n", b"STORED\r\n")

    def get(self, key: str) -> bytes | None:
        self._socket.sendall(f"get {key}\r\n".encode())
        line = self._reader.readline()
        if line == b"END\r\n":
            return None
        word, name, _flags, size = line.split()
        value = self._reader.read(int(size) + 2)
        end = self._reader.readline()
        if (word, name, value[-2:], end) != (b"VALUE", key.encode(), b"\r\n", b"END\r\n"):
            raise AssertionError(f"{key}: {line!r} ... {value[-2:]!r} {end!r}")
        return value[:-2]

    def drop(self, key: str) -> None:
        self._call(f"delete {key}\r\n".encode(), b"DELETED\r\n")

    def _call(self, request: bytes, wanted: bytes) -> None:
        self._socket.sendall(request)
        answer = self._reader.readline()
        if answer != wanted:
            raise AssertionError(f"{answer!r} to {request[:40]!r}")
