"""Runs one server for a long time under constant load, with disturbances, and measures how its memory changes."""
# SPDX-License-Identifier: BSD-2-Clause
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from . import processes
from .server import Server
from .visitor import Visitor

MEBIBYTE = 1 << 20


class Stage:
    """Holds a server, the visitors (threads that put load on it), and the functions that disturb it."""

    def __init__(
        self,
        server: Server,
        port: int,
        visits: Sequence[Callable[[int], None]],
        disturbances: Sequence[Callable[[], None]],
        dump_signal: int,
    ) -> None:
        self.server = server
        self.port = port
        self.dump_signal = dump_signal
        self.disturbed = 0
        self._visitors = [Visitor(visit) for visit in visits]
        self._disturbances = disturbances
        self._samples: list[tuple[float, int]] = []

    def begin(self) -> None:
        for visitor in self._visitors:
            visitor.start()

    def check(self) -> None:
        """Raises an error if a visitor failed or the server has ended."""
        for visitor in self._visitors:
            if visitor.failure is not None:
                raise AssertionError(f"a client of {self.server.name} failed") from visitor.failure
        if not self.server.running():
            raise AssertionError(f"{self.server.name} ended:\n{self.server.last_words()}")

    def disturb(self, chance: random.Random) -> None:
        chance.choice(self._disturbances)()
        self.disturbed += 1

    def sample(self, second: float) -> None:
        self._samples.append((second, sum(map(resident, self.server.tree()))))

    def visits(self) -> int:
        return sum(visitor.visits for visitor in self._visitors)

    def end(self) -> None:
        for visitor in self._visitors:
            visitor.stop()

    def resident_mebibytes(self) -> float:
        return self._samples[-1][1] / MEBIBYTE if self._samples else 0.0

    def second_half(self) -> list[tuple[float, int]]:
        return self._samples[len(self._samples) // 2 :]

    def slope(self) -> float:
        """Fits a straight line to the samples of resident memory in the run's second half. Returns its slope: by how
        many MiB a minute the memory grew."""
        seconds, sizes = zip(*self.second_half())
        return statistics.linear_regression(seconds, sizes).slope * 60 / MEBIBYTE

    def growth(self) -> float:
        """Returns by how many MiB the memory grew in the second half of the run: from the median of the run's third
        quarter to the median of its fourth quarter."""
        sizes = [size for _, size in self.second_half()]
        part = len(sizes) // 2
        return (statistics.median(sizes[part:]) - statistics.median(sizes[:part])) / MEBIBYTE


def resident(pid: int) -> int:
    """Returns how many bytes of the process's memory are resident; 0 if the process has ended."""
    if processes.start_time(pid) is None:
        return 0
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
