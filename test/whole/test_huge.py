"""Tests that SOCKMALLOC_THP decides what the library tells the kernel about huge pages in the range of the pools."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

# Each row has a flag in /proc/PID/smaps that must be set for a value of SOCKMALLOC_THP, and one that must not: hg
# requests huge pages, nh refuses them.
FLAGS = [
    Run(f"THP={word}", {"SOCKMALLOC_THP": word}, flags)
    for word, flags in (("never", ("nh", "hg")), ("always", ("hg", "nh")))
]

load_tests = cases.loader({"huge": {"regions_have_the_flag": FLAGS}})
