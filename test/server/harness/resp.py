"""A connection to a redis server, made by Debian's python3-redis."""
# SPDX-License-Identifier: BSD-2-Clause
from typing import Union

from redis.connection import Connection

TIMEOUT_SECONDS = 30

Reply = Union[bytes, int, None, list["Reply"]]


class Redis:
    """A connection to redis. Commands can be sent before the replies to earlier ones are read."""

    def __init__(self, port: int) -> None:
        self._connection = Connection("127.0.0.1", port, socket_timeout=TIMEOUT_SECONDS)
        self._connection.connect()

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.disconnect()

    def send(self, *words: bytes | str | int) -> None:
        self._connection.send_command(*words, check_health=False)

    def receive(self) -> Reply:
        return self._connection.read_response()

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
        """Returns the fields of one section of redis's command INFO."""
        text = self.call("INFO", section)
        assert isinstance(text, bytes)
        pairs = (line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
        return dict(pairs)
