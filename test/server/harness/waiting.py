"""Provides functions that wait, up to a time limit, until a condition is true, and functions that check which ports are
in use."""
# SPDX-License-Identifier: BSD-2-Clause
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

# In seconds: the pause between two checks for an event. It is needed if the kernel has no call that waits for this
# event.
LOOK_AGAIN_SECONDS = 0.02

# These are states in /proc/net/tcp: of a socket that listens, and of a connection that both ends have closed.
_NOT_CONNECTED = ("0A", "06")

Result = TypeVar("Result")


class TooLate(AssertionError):
    """Raised if an awaited event did not happen before the deadline."""


def until(look: Callable[[], Result], what: str, seconds: float = 60.0) -> Result:
    """Calls `look` until its result is true, and returns this result. If `seconds` pass without that, raises TooLate
    with the text `what`."""
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
    """Returns true if a connection to this port of 127.0.0.1 can be made."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60):
            return True
    except ConnectionRefusedError:
        return False


def receives(port: int) -> bool:
    """Returns true if a socket is bound to this UDP port of 127.0.0.1."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1] == f"0100007F:{port:04X}" for line in lines)


def connections(port: int) -> int:
    """Returns the number of connections to this port that the server has not closed yet."""
    local = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    states = [fields[3] for fields in map(str.split, lines) if fields[1] == local]
    return sum(state not in _NOT_CONNECTED for state in states)
