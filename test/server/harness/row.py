"""What the table of servers says of each: how to start it, what to put on it, what must hold."""
# SPDX-License-Identifier: BSD-2-Clause
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from .case import LEAST_SHARE
from .place import Place
from .server import Server

# All work is done and checked inside, and its connections are still open.
Traffic = Callable[[Place], AbstractContextManager[None]]

# Entered before SIGUSR1 is sent to the master, left when its dump is there.
Effect = Callable[["Running"], AbstractContextManager[None]]


@dataclass(frozen=True)
class Running:
    """A row's server, and the place where it runs."""

    server: Server
    place: Place


@dataclass(frozen=True)
class Own:
    """What SIGUSR1 means to the server itself, and how that shows."""

    words: str
    effect: Effect
    ends_it: bool = False


@dataclass(frozen=True)
class Row:
    """One server. Words between @ signs in commands and configurations are Place's."""

    name: str
    packages: tuple[str, ...]
    command: str
    traffic: Traffic
    # The requests of a pool's size that the traffic brings at the very least, the second time.
    requests: int
    # None where another row has the same server, or where no dump can come.
    own: Own | None
    # The files of the directory of configurations that the command needs.
    configuration: tuple[str, ...] = ()
    prepare: Callable[[Place], None] = lambda place: None
    ports: int = 1
    # True if the ports are of UDP.
    datagrams: bool = False
    # Whom the server runs as where the tests run as root, and whether it sees to that itself.
    account: str | None = None
    changes_account: bool = True
    # With all that descend from the master, when no client is there; and those that clients bring.
    processes: int = 1
    guests: int = 0
    # Returns true if the server behind the port answers.
    ready: Callable[[Place], bool] = lambda place: True
    # The signal that brings a dump and nothing else.
    asks: str = "SIGUSR1"
    # True if the signal brings a dump of the master, too. Otherwise the signal that stops the master brings its dump.
    asks_master: bool = True
    # Why its processes are sent no signal: their tables are read from outside, by the command.
    outside: str = ""
    # Why the traffic may bring none the second time, and is counted from the server's start.
    keeps: str = ""
    # How many slots more than before may be live in the end, in all buckets together.
    slack: int = 0
    stop: int = signal.SIGTERM
    # The exit status of a server that has stopped well, as it is without the library, too; negative
    # for the signal that it dies of.
    status: int = 0
    # In percent, of the bytes asked for in requests of a pool's size.
    share: float = LEAST_SHARE

    def askable(self, tree: list[int]) -> list[int]:
        """Of a server's processes, the master first, those that can be asked for a dump."""
        return tree if self.asks_master else tree[1:]
