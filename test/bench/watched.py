# Measures how much slower redis becomes if another process reads the statistics of redis's malloc ten times a second.
# SPDX-License-Identifier: BSD-2-Clause
"""A new redis is started for each run. The process that reads is not pinned to a processor, so it may use the
same processors as redis and the load."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator

import loads
import processes
import servers
from command import Progress
from harness import settings, waiting
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
    """A context manager: runs `sockmalloc stat`, which reads the statistics of the process `pid`, until the caller's
    `with` statement ends. The list that it returns then has the number of readings. The output goes to a file, because
    a pipe that nobody reads would get full and stop the reader."""
    readings: list[int] = []
    command = [settings.command(), "stat", str(pid), "--json", "--interval", INTERVAL_SECONDS]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdout=said) as reader:
            try:
                waiting.until(lambda: os.fstat(said.fileno()).st_size > 0, "the reader has begun")
                yield readings
            finally:
                reader.terminate()
        said.seek(0)
        readings.append(sum(1 for _ in said))


def _expect_readings(readings: int, seconds: float) -> None:
    """Fails unless there were at least half as many readings as the interval permits; a busy machine delays
    readings."""
    if readings < seconds / float(INTERVAL_SECONDS) / 2:
        raise Failed(f"the reader has read {readings} times in {seconds:.1f} s")


def _turn(preload: servers.Preload, watched: bool, requests: int) -> dict[str, float]:
    readings = [0]
    with servers.redis(preload) as running:
        pids = running.pids()
        with _reader(running.server.pid) if watched else contextlib.nullcontext(readings) as seen:
            before, start = processes.cost(pids), time.monotonic()
            latencies = LOAD.latencies(running.port, requests)
            spent, seconds = processes.cost(pids).since(before), time.monotonic() - start
        readings = seen
    if watched:
        _expect_readings(readings[0], seconds)
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
