"""Reads facts about a process from /proc: its descendants, when it began, if it has ended, its open files, and its
signals."""
# SPDX-License-Identifier: BSD-2-Clause
import os
from pathlib import Path


def children(pid: int) -> list[int]:
    """Returns the pids of the children that the threads of the process have started; an empty list if the process has
    ended."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            listing = Path(f"/proc/{pid}/task/{thread}/children").read_text()
        except OSError:  # the process has ended meanwhile
            continue
        found += map(int, listing.split())
    return found


def threads(pid: int) -> list[int]:
    return list(map(int, os.listdir(f"/proc/{pid}/task")))


def descendants(pid: int) -> list[int]:
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


def start_time(pid: int) -> int | None:
    """Returns when the process began, in clock ticks since the machine started. The time shows if a pid belongs to
    another process by now.

    Returns None if there is no such process, or if it has ended and its parent has not waited for it yet."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def files(pid: int) -> set[str]:
    """Returns the names of the files that the process has open; an empty set if the process has ended."""
    found = set()
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            found.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    except FileNotFoundError:  # the process has ended, or has closed the descriptor meanwhile
        pass
    return found


def signals(pid: int, field: str) -> set[int]:
    """Returns the set of signals in a field of /proc/PID/status. SigBlk are the signals that the first thread blocks,
    ShdPnd those that were sent to the process and have not been received by any thread."""
    text = Path(f"/proc/{pid}/status").read_text()
    (bits,) = (line.split()[1] for line in text.splitlines() if line.startswith(f"{field}:"))
    mask = int(bits, 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}
