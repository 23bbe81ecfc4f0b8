"""Defines a row of the table of servers: how one server is started, which load it gets, and what is checked."""
# SPDX-License-Identifier: BSD-2-Clause
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from .case import LEAST_SHARE
from .place import Place
from .server import Server

# A context that puts a row's traffic on a server. When the body of the `with` statement begins, all work of the traffic
# has been done and checked, and the connections are still open.
Traffic = Callable[[Place], AbstractContextManager[None]]

# A context that checks an effect of SIGUSR1 on the server. It is entered before SIGUSR1 is sent to the master process,
# and left when the master has written its statistics.
Effect = Callable[["Running"], AbstractContextManager[None]]


@dataclass(frozen=True)
class Running:
    """The server that was started for a row, and the place where it runs."""

    server: Server
    place: Place


@dataclass(frozen=True)
class Own:
    """Says which effect SIGUSR1 has on the server even without the library, and how a test sees this effect."""

    words: str
    effect: Effect
    ends_it: bool = False


@dataclass(frozen=True)
class Row:
    """A row: one server and its test. In commands and configurations, a name between @ signs stands for an attribute of
    Place."""

    name: str
    packages: tuple[str, ...]
    command: str
    traffic: Traffic
    # the traffic runs twice; its second run must make at least this many requests of sizes that the pools serve
    requests: int
    # the server's own reaction to SIGUSR1; None if another row tests it, or if the server writes no statistics at
    # SIGUSR1
    own: Own | None
    # the files of the configuration folder that the command needs
    configuration: tuple[str, ...] = ()
    prepare: Callable[[Place], None] = lambda place: None
    ports: int = 1
    # true if the server's ports are UDP ports, not TCP ports
    datagrams: bool = False
    # If root runs the tests, the server runs under this account; None means the account that runs the tests.
    # `changes_account` is true if the server changes to this account by itself.
    account: str | None = None
    changes_account: bool = True
    # `processes` is the number of processes while there is no client: the master, and all that descend from it.
    # `guests` is the number of processes that the clients add.
    processes: int = 1
    guests: int = 0
    # a function that returns true if the server answers at its port
    ready: Callable[[Place], bool] = lambda place: True
    # the signal that requests statistics in this row; if it has another effect on the server, this must not disturb the
    # traffic
    asks: str = "SIGUSR1"
    # True if the master process, too, writes its statistics at the signal `asks`. Otherwise the master writes them at
    # the signal that stops it.
    asks_master: bool = True
    # The reason why the processes are sent no signal; empty if they are sent one. If there is a reason, the command
    # sockmalloc reads their statistics from outside.
    outside: str = ""
    # The reason why the server may make no requests to malloc in the second run of the traffic; empty if it must make
    # some. If there is a reason, the requests are counted from the server's start, and not from the first run's end.
    keeps: str = ""
    # how many more slots than before the traffic may be live after it, in all buckets together
    slack: int = 0
    stop: int = signal.SIGTERM
    # The exit status of a server that has stopped well, both with the library and without it. A negative number -N
    # means that signal N kills the server.
    status: int = 0
    # The pools must have served at least this share, in percent, of the bytes in all requests whose sizes the pools
    # serve.
    share: float = LEAST_SHARE

    def askable(self, tree: list[int]) -> list[int]:
        """Returns those of the server's processes that write statistics when a signal requests them; the master is the
        first."""
        return tree if self.asks_master else tree[1:]
