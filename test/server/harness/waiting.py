"""Waits with a deadline until a condition is true, and checks which ports are in use."""
# SPDX-License-Identifier: BSD-2-Clause
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

# The pause between two checks, for events for which the kernel has no call that waits.
LOOK_AGAIN_SECONDS = 0.02

# The states in /proc/net/tcp of a socket that listens, and of one whose connection both ends have closed.
_NOT_CONNECTED = ("0A", "06")

Result = TypeVar("Result")


class TooLate(AssertionError):
    """Raised if the expected event did not happen before the deadline."""


def until(look: Callable[[], Result], what: str, seconds: float = 60.0) -> Result:
    """Calls `look` until its result is true, and returns this result. An error names `what`."""
    end = time.monotonic() + seconds
    while True:
        # The time is read before the last call of `look`, so the last call always begins after the deadline.
        late = time.monotonic() >= end
        result = look()
        if result:
            return result
        if late:
            raise TooLate(f"waited {seconds:g} s in vain: {what}")
        time.sleep(LOOK_AGAIN_SECONDS)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Returns a port of 127.0.0.1 that was free a moment ago. Another process may use it first."""
    with socket.socket(type=kind) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accepts(port: int) -> bool:
    """Returns true if a program on 127.0.0.1 accepts a connection on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60):
            return True
    except ConnectionRefusedError:
        return False


def receives(port: int) -> bool:
    """Returns true if a program on 127.0.0.1 receives datagrams on the port."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1] == f"0100007F:{port:04X}" for line in lines)


def connections(port: int) -> int:
    """Returns the number of connections to the port that its server has not closed."""
    local = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    states = [fields[3] for fields in map(str.split, lines) if fields[1] == local]
    return sum(state not in _NOT_CONNECTED for state in states)
