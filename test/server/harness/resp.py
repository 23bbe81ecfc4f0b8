"""A client for the protocol of redis, over a plain socket."""
# SPDX-License-Identifier: BSD-2-Clause
import socket
from typing import Union

TIMEOUT_SECONDS = 30

Reply = Union[bytes, int, None, list["Reply"]]


class RedisError(AssertionError):
    """Raised if the server answered with an error."""


class Redis:
    """A connection to redis. Commands can be sent before the replies to earlier ones are read."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def send(self, *words: bytes | str | int) -> None:
        parts = [f"*{len(words)}\r\n".encode()]
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            parts += [f"${len(data)}\r\n".encode(), data, b"\r\n"]
        self._socket.sendall(b"".join(parts))

    def receive(self) -> Reply:
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"the connection ended within a reply: {line!r}")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"*":
            return [self.receive() for _ in range(int(rest))]
        if kind == b"$":
            return self._bulk(int(rest))
        raise ConnectionError(f"this is no reply: {line!r}")

    def call(self, *words: bytes | str | int) -> Reply:
        self.send(*words)
        return self.receive()

    def put(self, key: str, value: bytes) -> None:
        if self.call("SET", key, value) != b"OK":
            raise AssertionError(f"redis did not take {key}")

    def get(self, key: str) -> bytes | None:
        value = self.call("GET", key)
        assert value is None or isinstance(value, bytes)
        return value

    def drop(self, key: str) -> None:
        if self.call("DEL", key) != 1:
            raise AssertionError(f"redis had no {key}")

    def info(self, section: str) -> dict[str, str]:
        """Returns the fields of one section of INFO."""
        text = self.call("INFO", section)
        assert isinstance(text, bytes)
        pairs = (line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
        return dict(pairs)

    def _bulk(self, size: int) -> bytes | None:
        if size < 0:
            return None
        data = self._reader.read(size + 2)
        if len(data) != size + 2:
            raise ConnectionError(f"the connection ended within a value of {size} bytes")
        return data[:-2]
