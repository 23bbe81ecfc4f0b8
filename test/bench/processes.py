# Reads from the kernel how much processor time, page faults and memory a server's processes have used.
# SPDX-License-Identifier: BSD-2-Clause
"""All counts of cost only grow, so what a load has cost is the difference of two readings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from measure import Failed

# the positions of these fields in /proc/PID/stat; the first field after the program's name has the position 0
_MINOR_FAULTS, _USER_TIME, _SYSTEM_TIME = 7, 11, 12


@dataclass(frozen=True)
class Cost:
    """The minor faults of some processes, and the seconds of processor time of all their threads.

    The kernel also counts a page as a minor fault if a system call has populated it (see faults.py).
    """

    pages: int
    seconds: float

    def since(self, before: Cost) -> Cost:
        return Cost(self.pages - before.pages, self.seconds - before.seconds)


def cost(pids: Iterable[int]) -> Cost:
    pages, ticks = 0, 0
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        pages += int(fields[_MINOR_FAULTS])
        ticks += int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])
    return Cost(pages, ticks / os.sysconf("SC_CLK_TCK"))


@dataclass(frozen=True)
class Memory:
    """The resident memory of some processes in MiB, and the part of it that was populated but never written to."""

    resident: float
    untouched: float


def memory(program: Path, pids: Iterable[int]) -> Memory:
    """Returns the resident memory and the part of it that was populated but never written to, each summed over the
    processes. The benchmark program reads the two figures of one process: its row `memory` prints them."""
    resident, untouched = 0.0, 0.0
    for pid in pids:
        look = [str(program), "memory", str(pid)]
        done = subprocess.run(look, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise Failed(f"{' '.join(look)}: {done.stderr.strip()}")
        figures = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
        resident += float(figures["memory.rss"])
        untouched += float(figures["memory.untouched"])
    return Memory(resident, untouched)
