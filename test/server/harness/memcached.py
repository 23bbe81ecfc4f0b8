"""A connection to memcached, which uses Debian's python3-pymemcache."""
# SPDX-License-Identifier: BSD-2-Clause
from pymemcache.client.base import Client

TIMEOUT_SECONDS = 30


class Memcached:
    """A connection to memcached."""

    def __init__(self, port: int) -> None:
        seconds = TIMEOUT_SECONDS
        self._client = Client(
            ("127.0.0.1", port), connect_timeout=seconds, timeout=seconds, no_delay=True, default_noreply=False
        )

    def close(self) -> None:
        self._client.close()

    def put(self, key: str, value: bytes) -> None:
        if not self._client.set(key, value):
            raise AssertionError(f"memcached did not take {key}")

    def get(self, key: str) -> bytes | None:
        return self._client.get(key)

    def drop(self, key: str) -> None:
        if not self._client.delete(key):
            raise AssertionError(f"memcached had no {key}")
