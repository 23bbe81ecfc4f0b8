# Describes the machine that the benchmark runs on.
# SPDX-License-Identifier: BSD-2-Clause
"""Measured times are true for one machine only, so the benchmark prints this description above its tables."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def _value_after(path: str, key: str) -> str:
    """Returns the text that follows `key` and a colon in a file such as /proc/cpuinfo, or an empty text if there is
    none."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _huge_pages() -> str:
    """Returns the kernel's present mode for huge pages: the word that the kernel's file has in brackets."""
    try:
        modes = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(encoding="ascii")
    except OSError:
        return "none"
    return modes.partition("[")[2].partition("]")[0]


def describe() -> dict[str, str]:
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    return {
        "processor": _value_after("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": _value_after("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "huge pages": _huge_pages(),
        "load before": load,
    }
