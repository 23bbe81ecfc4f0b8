"""Tests that SOCKMALLOC_THP decides what the library tells the kernel about huge pages in the range of the pools."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

# Each row has a value of SOCKMALLOC_THP, a flag in /proc/PID/smaps that it must set, and a flag that it must not set:
# hg requests huge pages, nh refuses them.
FLAGS = [
    Run(f"THP={word}", {"SOCKMALLOC_THP": word}, flags)
    for word, flags in (("never", ("nh", "hg")), ("always", ("hg", "nh")))
]

load_tests = cases.loader({"huge": {"regions_have_the_flag": FLAGS}})
