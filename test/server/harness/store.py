"""A load for servers that store values under keys. Each value is written by one client and read back by another."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from . import bodies


class Client(Protocol):
    """The methods that a client must have for this load. Each store server has a client of its own."""

    def put(self, key: str, value: bytes) -> None: ...

    def get(self, key: str) -> bytes | None: ...

    def drop(self, key: str) -> None: ...

    def close(self) -> None: ...


Connect = Callable[[int], Client]


@dataclass(frozen=True)
class StoreLoad:
    """A load of `clients` clients. In each of `rounds` rounds every client writes one value, reads the value of the
    next client, and deletes its own."""

    sizes: Sequence[int]
    clients: int = 8
    rounds: int = 12

    def values(self) -> int:
        return self.clients * self.rounds

    @contextlib.contextmanager
    def held(self, connect: Connect, port: int) -> Iterator[None]:
        """A context manager: writes, reads and deletes all values, and keeps the connections open until the caller's
        `with` statement ends."""
        with contextlib.ExitStack() as stack:
            clients = [connect(port) for _ in range(self.clients)]
            for client in clients:
                stack.callback(client.close)
            crowd = stack.enter_context(ThreadPoolExecutor(self.clients))
            for number in range(self.rounds):
                for step in (self._put, self._get, self._drop):
                    jobs = [crowd.submit(step, client, number, index) for index, client in enumerate(clients)]
                    for job in jobs:
                        job.result()
            yield

    def _key(self, number: int, index: int) -> str:
        return f"{number}-{index % self.clients}"

    def _value(self, number: int, index: int) -> bytes:
        size = self.sizes[(number + index % self.clients) % len(self.sizes)]
        return bodies.value(self._key(number, index), size)

    def _put(self, client: Client, number: int, index: int) -> None:
        client.put(self._key(number, index), self._value(number, index))

    def _get(self, client: Client, number: int, index: int) -> None:
        """Reads a value that the next client in the list has written, and checks it."""
        got = client.get(self._key(number, index + 1))
        wrong = bodies.difference(got or b"", self._value(number, index + 1))
        if wrong:
            raise AssertionError(f"{self._key(number, index + 1)}: {wrong}")

    def _drop(self, client: Client, number: int, index: int) -> None:
        client.drop(self._key(number, index))
        if client.get(self._key(number, index)) is not None:
            raise AssertionError(f"{self._key(number, index)} outlives its end")
