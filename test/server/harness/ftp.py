"""A load for an FTP server: files are sent to it, fetched again, listed and deleted."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import ftplib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import bodies

TIMEOUT_SECONDS = 30


class Client(ftplib.FTP):
    """The session of an anonymous user with an FTP server."""

    def __init__(self, port: int) -> None:
        super().__init__(timeout=TIMEOUT_SECONDS)
        try:
            self.connect("127.0.0.1", port)
            self.login()
            self.cwd("files")
        except BaseException:
            self.close()
            raise

    def store(self, name: str, content: bytes) -> None:
        self.storbinary(f"STOR {name}", io.BytesIO(content))

    def retrieve(self, name: str) -> bytes:
        got = io.BytesIO()
        self.retrbinary(f"RETR {name}", got.write)
        return got.getvalue()


@dataclass(frozen=True)
class Load:
    """A load of `sessions` sessions. In each of `rounds` rounds every session sends one file and fetches the file of
    another session."""

    sizes: Sequence[int]
    sessions: int = 3
    rounds: int = 6

    def transfers(self) -> int:
        """Returns how many files are sent or fetched in all."""
        return 2 * self.sessions * self.rounds

    @contextlib.contextmanager
    def held(self, port: int) -> Iterator[None]:
        """A context manager: transfers, compares and deletes all files, and keeps the sessions open until the caller's
        `with` statement ends."""
        with contextlib.ExitStack() as stack:
            clients = [Client(port) for _ in range(self.sessions)]
            for client in clients:
                stack.callback(client.close)
            for number in range(self.rounds):
                self._round(number, clients)
            yield
            for client in clients:
                client.quit()

    def _round(self, number: int, clients: Sequence[Client]) -> None:
        files = {
            f"file-{number}-{index}": self.sizes[(number + index) % len(self.sizes)] for index in range(len(clients))
        }
        for client, (name, size) in zip(clients, files.items()):
            client.store(name, bodies.value(name, size))
        readers = clients[1:] + clients[:1]
        for client, (name, size) in zip(readers, files.items()):
            wrong = bodies.difference(client.retrieve(name), bodies.value(name, size))
            if wrong:
                raise AssertionError(f"{name} of {size} bytes: {wrong}")
        listed = clients[0].nlst()
        if sorted(listed) != sorted(files):
            raise AssertionError(f"the files are {listed} instead of {list(files)}")
        for client, name in zip(clients, files):
            client.delete(name)
