# What it costs a server to be read from outside ten times a second: redis, alone and watched.
# SPDX-License-Identifier: BSD-2-Clause
"""A new redis for each turn. The reader has the same two processors as the load."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import loads
import processes
import servers
from command import Progress
from harness import settings
from judge import Results
from measure import Failed
from rows import Figure

ALONE, WATCHED = "alone", "watched"
INTERVAL_SECONDS = "0.1"
LOAD = loads.RedisValues(16_384)

FIGURES = [
    Figure("watched.set.p99", "ms"),
    Figure("watched.get.p99", "ms"),
    Figure("watched.cpu", "us"),
    Figure("watched.readings", "count"),
]


@contextlib.contextmanager
def _reader(pid: int) -> Iterator[list[int]]:
    """Reads the process until the end; the list then holds how many readings there were."""
    readings: list[int] = []
    command = [settings.command(), "stat", str(pid), "--json", "--interval", INTERVAL_SECONDS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()  # it has begun
        try:
            yield readings
        finally:
            reader.terminate()
            readings.append(1 + len(reader.stdout.read().splitlines()))
    if readings[0] < 2:
        raise Failed("the reader has read next to nothing")


def _turn(preload: servers.Preload, watched: bool, requests: int) -> dict[str, float]:
    readings = [0]
    with servers.redis(preload) as running:
        pids = running.pids()
        with _reader(running.server.pid) if watched else contextlib.nullcontext(readings) as seen:
            before = processes.cost(pids)
            latencies = LOAD.latencies(running.port, requests)
            spent = processes.cost(pids).since(before)
        readings = seen
    return {
        "watched.set.p99": latencies["set"],
        "watched.get.p99": latencies["get"],
        "watched.cpu": spent.seconds * 1e6 / (requests * len(latencies)),
        "watched.readings": float(readings[0]),
    }


def measure(preload: servers.Preload, requests: int, rounds: int) -> Results:
    results = Results(ours=WATCHED)
    progress = Progress(2 * rounds)
    try:
        for round_number in range(1, rounds + 1):
            for name in (ALONE, WATCHED) if round_number % 2 else (WATCHED, ALONE):
                progress.running(round_number, "redis", name)
                results.add(round_number, name, _turn(preload, name == WATCHED, requests))
            progress.row_done(round_number, "redis")
    finally:
        progress.end()
    return results
