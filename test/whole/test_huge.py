"""Tests that the kernel is told about huge pages in the pools' range as SOCKMALLOC_THP says."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

# Flags in /proc/PID/smaps: hg asks for huge pages, nh refuses them.
FLAGS = [
    Run(f"THP={word}", {"SOCKMALLOC_THP": word}, flags)
    for word, flags in (("never", ("nh", "hg")), ("always", ("hg", "nh")))
]

load_tests = cases.loader({"huge": {"regions_have_the_flag": FLAGS}})
