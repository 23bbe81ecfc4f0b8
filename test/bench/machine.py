# Describes the machine on which the figures were measured.
# SPDX-License-Identifier: BSD-2-Clause
"""Absolute times hold for one machine only, so the machine is printed above them."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def _value_after(path: str, key: str) -> str:
    """Returns the text after `key` and a colon in a file of the kernel, or an empty text."""
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
    """Returns the present mode of huge pages, which the kernel puts into brackets."""
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
