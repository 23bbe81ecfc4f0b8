# Puts a load of a fixed number of requests on a server, and measures how fast the server answers them.
# SPDX-License-Identifier: BSD-2-Clause
"""The load generators end when they have made all requests. If a single request fails, the measurement is an error."""

from __future__ import annotations

import csv
import re
import subprocess
from dataclasses import dataclass

from harness import settings
from measure import Failed

# the time limit of a load in seconds, far above the slowest load, so that only a load that hangs is ended
PATIENCE_SECONDS = 120

_SUMMARY = re.compile(r"^demo-load: (\d+) exchanges .*, 0 errors, .* s, (\d+) exchanges a second$")


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]}: not done after {PATIENCE_SECONDS} s") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Http:
    """A load of HTTP requests that GET bodies of these sizes in turn. Each connection is closed after 50 requests."""

    sizes: tuple[int, ...]
    connections: int = 32

    def run(self, port: int, requests: int) -> float:
        """Runs the load, and returns how many requests a second the server has answered."""
        sizes = ",".join(map(str, self.sizes))
        options = [f"--connections={self.connections}", f"--exchanges={requests}"]
        options += [f"--sizes={sizes}", "--echo-every=0", "--count-only"]
        options += [f"--port={port}", f"--seconds={PATIENCE_SECONDS}"]
        said = _run([settings.demo_program("demo-load"), *options])
        summary = _SUMMARY.match(said.strip())
        if summary is None or int(summary[1]) != requests:
            raise Failed(f"demo-load did not make {requests} requests: {said.strip()}")
        return float(summary[2])


@dataclass(frozen=True)
class RedisValues:
    """A load of redis that first sets and then gets values of `size` bytes. The keys are chosen at random out of a
    thousand."""

    size: int
    connections: int = 50
    keys: int = 1000

    def run(self, port: int, requests: int) -> dict[str, float]:
        """Sends each of the commands SET and GET `requests` times. Returns for each command how many requests a second
        redis has answered."""
        return self._figures(port, requests, "rps")

    def latencies(self, port: int, requests: int) -> dict[str, float]:
        """Sends each of the commands SET and GET `requests` times. Returns for each command the time in milliseconds
        that only one request in a hundred exceeded."""
        return self._figures(port, requests, "p99_latency_ms")

    def _figures(self, port: int, requests: int, column: str) -> dict[str, float]:
        command = [settings.program("redis-benchmark"), "-h", "127.0.0.1", "-p", str(port)]
        command += ["-t", "set,get", "-d", str(self.size), "-n", str(requests)]
        command += ["-r", str(self.keys), "-c", str(self.connections), "--csv"]
        said = _run(command)
        tests = csv.DictReader(said.splitlines())
        figures = {test["test"].lower(): float(test[column]) for test in tests}
        if figures.keys() != {"set", "get"}:
            raise Failed(f"redis-benchmark said\n{said}")
        return figures
