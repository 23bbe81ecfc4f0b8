# Measures how much faster nginx answers its first requests if sockmalloc reads a profile at the start of nginx. A
# profile is a file with the quotas (how many slots a cache may hold) that an earlier run has learnt.
# SPDX-License-Identifier: BSD-2-Clause
"""One nginx serves a load and writes the profile. Then an nginx without the profile and one with it run in turn."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import faults
import processes
import servers
from command import Progress
from judge import Results
from measure import Failed
from rows import Figure

COLD, LOADED = "cold", "loaded"
REQUESTS = 1000

FIGURES = [
    Figure("first.faults", "faults"),
    Figure("first.pages", "pages"),
    Figure("first.time", "ms"),
    Figure("first.cpu", "ms"),
]


def _with_profile(preload: servers.Preload, profile: Path) -> servers.Preload:
    variables = {**preload.variables, "SOCKMALLOC_PROFILE": str(profile)}
    return replace(preload, variables=variables)


def learn(preload: servers.Preload, upstream_port: int, requests: int, profile: Path) -> None:
    """Runs an nginx whose workers write the profile when they end, and puts a load on it."""
    with servers.nginx(_with_profile(preload, profile), upstream_port) as running:
        servers.NGINX_LOAD.run(running.port, requests)
    if not profile.exists():
        raise Failed("nginx was loaded and ended, and left no profile: nothing was trained")


def _first(preload: servers.Preload, upstream_port: int) -> dict[str, float]:
    with servers.nginx(preload, upstream_port) as running:
        pids = running.pids()
        before = processes.cost(pids)
        with faults.counted(pids) as taken:
            rate = servers.NGINX_LOAD.run(running.port, REQUESTS)
        spent = processes.cost(pids).since(before)
        words = running.server.output()
        if "sockmalloc" in words:
            raise Failed(f"the library complained: {words}")
    return taken.figures("first.faults") | {
        "first.pages": float(spent.pages),
        "first.time": 1000 * REQUESTS / rate,
        "first.cpu": 1000 * spent.seconds,
    }


def measure(preload: servers.Preload, upstream_port: int, profile: Path, rounds: int) -> Results:
    """Runs an nginx without the profile and one with it in turn. The latter reads a copy of the profile, because nginx
    writes its own profile over that file when it ends."""
    results = Results(ours=LOADED)
    progress = Progress(2 * rounds)
    copy = profile.with_suffix(".copy")
    try:
        for round_number in range(1, rounds + 1):
            for name in (COLD, LOADED) if round_number % 2 else (LOADED, COLD):
                progress.running(round_number, "first requests", name)
                shutil.copy(profile, copy)
                chosen = _with_profile(preload, copy) if name == LOADED else preload
                results.add(round_number, name, _first(chosen, upstream_port))
            progress.row_done(round_number, "first requests")
    finally:
        progress.end()
    return results
