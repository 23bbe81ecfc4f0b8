"""The table of servers has a row for each server: how to start it, which load it gets, and what is checked."""
# SPDX-License-Identifier: BSD-2-Clause
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from .case import LEAST_SHARE
from .place import Place
from .server import Server

# A context that puts a row's traffic on a server. Inside the `with` statement all of the traffic's work is done and
# checked, and the connections are still open.
Traffic = Callable[[Place], AbstractContextManager[None]]

# A context that checks an effect of SIGUSR1. It is entered before SIGUSR1 is sent to the master, and left when the
# master's dump has come.
Effect = Callable[["Running"], AbstractContextManager[None]]


@dataclass(frozen=True)
class Running:
    """The server of a row, and the place where it runs."""

    server: Server
    place: Place


@dataclass(frozen=True)
class Own:
    """Describes the effect that SIGUSR1 has on the server without the library, and how a test sees this effect."""

    words: str
    effect: Effect
    ends_it: bool = False


@dataclass(frozen=True)
class Row:
    """A row: one server and its test. In commands and configurations, names between @ signs are attributes of Place."""

    name: str
    packages: tuple[str, ...]
    command: str
    traffic: Traffic
    # the fewest requests of the pools' sizes that the traffic makes when it runs for the second time
    requests: int
    # the server's own reaction to SIGUSR1; None if another row has the same server, or if no dump can come by SIGUSR1
    own: Own | None
    # the files of the configuration folder that the command needs
    configuration: tuple[str, ...] = ()
    prepare: Callable[[Place], None] = lambda place: None
    ports: int = 1
    # True if the ports are UDP ports
    datagrams: bool = False
    # If root runs the tests, the server runs under this account. `changes_account` is true if the server changes to
    # this account by itself.
    account: str | None = None
    changes_account: bool = True
    # `processes` is the number of processes without clients: the master, and all that descend from it. `guests` is the
    # number of processes that the clients add.
    processes: int = 1
    guests: int = 0
    # Returns true if the server behind the port answers.
    ready: Callable[[Place], bool] = lambda place: True
    # the signal that brings a dump and has no other effect on the server
    asks: str = "SIGUSR1"
    # True if the signal `asks` brings a dump of the master, too. Otherwise the master's dump is brought by the signal
    # that stops the master.
    asks_master: bool = True
    # Why no signal is sent to the processes; empty if signals are sent. If there is a reason, the command reads the
    # processes' tables from outside.
    outside: str = ""
    # Why the second run of the traffic may make no requests; empty if it must make some. If there is a reason, requests
    # are counted from the server's start.
    keeps: str = ""
    # how many more slots than before may be live in the end, in all buckets together
    slack: int = 0
    stop: int = signal.SIGTERM
    # The exit status of a server that has stopped well, both with the library and without it. A negative status means
    # the signal that kills the server.
    status: int = 0
    # the least share, in percent, of the bytes requested in the pools' sizes that the pools must serve
    share: float = LEAST_SHARE

    def askable(self, tree: list[int]) -> list[int]:
        """Returns those processes of the server from which a dump can be requested, the master first."""
        return tree if self.asks_master else tree[1:]
