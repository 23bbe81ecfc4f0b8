"""The table of servers has a row for each server: how to start it, which load it gets, and what is checked."""
# SPDX-License-Identifier: BSD-2-Clause
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from .case import LEAST_SHARE
from .place import Place
from .server import Server

# The context that puts a row's traffic on a server. Inside the `with` statement all work is done and checked, and the
# connections are still open.
Traffic = Callable[[Place], AbstractContextManager[None]]

# The context that checks an effect of SIGUSR1. It is entered before SIGUSR1 is sent to the master, and left when the
# master's dump is there.
Effect = Callable[["Running"], AbstractContextManager[None]]


@dataclass(frozen=True)
class Running:
    """The server of a row, and the place where it runs."""

    server: Server
    place: Place


@dataclass(frozen=True)
class Own:
    """The effect that SIGUSR1 has on the server without the library, and how a test sees this effect."""

    words: str
    effect: Effect
    ends_it: bool = False


@dataclass(frozen=True)
class Row:
    """One server. In commands and configurations, names between @ signs are attributes of Place."""

    name: str
    packages: tuple[str, ...]
    command: str
    traffic: Traffic
    # the fewest requests of the pools' sizes that the traffic brings when it runs the second time
    requests: int
    # None if another row has the same server, or if no dump can come in this way
    own: Own | None
    # the files of the configuration folder that the command needs
    configuration: tuple[str, ...] = ()
    prepare: Callable[[Place], None] = lambda place: None
    ports: int = 1
    # True if the ports are UDP ports
    datagrams: bool = False
    # The account of the server if the tests run as root, and whether the server changes to it by itself.
    account: str | None = None
    changes_account: bool = True
    # The number of processes without clients, including the master and all that descend from it, and the number of
    # processes that clients bring.
    processes: int = 1
    guests: int = 0
    # Returns true if the server behind the port answers.
    ready: Callable[[Place], bool] = lambda place: True
    # the signal that brings a dump and has no other effect on the server
    asks: str = "SIGUSR1"
    # True if that signal brings a dump of the master, too. Otherwise the signal that stops the master brings the
    # master's dump.
    asks_master: bool = True
    # The reason why no signal is sent to the processes. If there is a reason, the command reads their tables from
    # outside.
    outside: str = ""
    # The reason why the second run of the traffic may bring no requests. If there is a reason, requests are counted
    # from the server's start.
    keeps: str = ""
    # how many more slots than before may be live in the end, in all buckets together
    slack: int = 0
    stop: int = signal.SIGTERM
    # The exit status of a server that has stopped well, with the library and without. A negative status is the signal
    # that kills it.
    status: int = 0
    # the least share, in percent, of the bytes in requests of the pools' sizes
    share: float = LEAST_SHARE

    def askable(self, tree: list[int]) -> list[int]:
        """Returns the server's processes, the master first, that can be asked for a dump."""
        return tree if self.asks_master else tree[1:]
