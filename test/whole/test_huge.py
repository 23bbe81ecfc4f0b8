"""What SOCKMALLOC_THP says of the regions is what the kernel was told."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

# Flags of /proc/PID/smaps: hg is asked for, nh is refused.
FLAGS = [
    Run(f"THP={word}", {"SOCKMALLOC_THP": word}, flags)
    for word, flags in (("never", ("nh", "hg")), ("always", ("hg", "nh")))
]

load_tests = cases.loader({"huge": {"regions_have_the_flag": FLAGS}})
