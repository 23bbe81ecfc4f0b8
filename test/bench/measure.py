# Runs one row under one allocator, and checks that the malloc of this allocator served the row.
# SPDX-License-Identifier: BSD-2-Clause
"""If the malloc of a process came from another library than the one to measure, its figures are not used."""

from __future__ import annotations

import os
import subprocess
from math import isnan
from pathlib import Path

from peers import Allocator
from rows import PRELOADS_BY_ITSELF, Row

# names of environment variables that tune an allocator or preload a library begin with one of these
TUNING = ("SOCKMALLOC_", "MALLOC_", "MIMALLOC_", "TCMALLOC_", "TBB_", "GLIBC_TUNABLES", "LD_PRELOAD")

# the time limit of a row in seconds, far above the slowest row, so that only a row that hangs is ended
PATIENCE_SECONDS = 300


class Failed(Exception):
    """Raised if a run has failed, or if another allocator than the wanted one served it."""


def is_tuning(variable: str) -> bool:
    return variable.startswith(TUNING)


def _environment(allocator: Allocator, pool: str | None) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not is_tuning(k)}
    if allocator.library is not None:
        environment["LD_PRELOAD"] = str(allocator.library)
    if pool is not None:
        environment["SOCKMALLOC_POOL"] = pool
    return environment


def _check_origin(what: str, allocator: Allocator, origins: dict[str, str]) -> None:
    for function in ("malloc", "free"):
        origin = Path(origins.get(function, "nothing"))
        if allocator.library is None:
            as_meant = origin.name.startswith("libc.so")
        else:
            as_meant = origin.resolve() == allocator.library.resolve()
        if not as_meant:
            wanted = allocator.library or "the C library"
            raise Failed(f"{what}: {function} came from {origin}, not from {wanted}")


def run(program: Path, row: Row, allocator: Allocator) -> dict[str, float]:
    """Runs the row, and returns its figures as a dictionary by name, without those that this allocator cannot have."""
    what = f"{row.name} with {allocator.name}"
    command = [str(program), *row.command]
    if row.group == PRELOADS_BY_ITSELF:
        command.append(str(allocator.library or "-"))
        inside = Allocator("glibc", None, "")
    else:
        inside = allocator
    try:
        done = subprocess.run(
            command,
            env=_environment(inside, allocator.pool),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{what}: not done after {PATIENCE_SECONDS} s") from error
    except OSError as error:
        raise Failed(f"{what}: {error}") from error
    complaint = done.stderr.strip().splitlines()
    if done.returncode != 0:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        raise Failed(f"{what}: ended with {how}: {complaint[-1] if complaint else 'no message'}")
    # the dynamic linker prints this line if it goes on without a library that it could not preload
    if any("cannot be preloaded" in line for line in complaint):
        raise Failed(f"{what}: {complaint[0]}")
    figures: dict[str, float] = {}
    units: dict[str, str] = {}
    origins: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, value, rest = line.split(maxsplit=2)
        if name == "origin":
            origins[value] = rest
        else:
            figures[name] = float(value)
            units[name] = rest
    _check_origin(what, inside, origins)
    wanted = {figure.name: figure.unit for figure in row.figures}
    if units != wanted:
        raise Failed(f"{what}: printed {units}, where {wanted} should be")
    return {name: value for name, value in figures.items() if not isnan(value)}
