"""Tests how much free memory the process keeps under SOCKMALLOC_RETAIN, SOCKMALLOC_LARGE_RETAIN and
SOCKMALLOC_DECAY_MS=0, and when the library gives back a spare slot: a free slot of a large bucket in a thread's
cache."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

AT_ONCE = [
    Run(f"{name}=0, pool {kind}", {f"SOCKMALLOC_{name}": "0", "SOCKMALLOC_POOL": kind})
    for name in ("DECAY_MS", "RETAIN")
    for kind in ("thread", "lockfree", "standard", "cpu")
]
LARGE_PART = [Run(variables={"SOCKMALLOC_LARGE_RETAIN": "8m", "SOCKMALLOC_DECAY_MS": "never"})]

SOON = [Run(variables={"SOCKMALLOC_DECAY_MS": "50"})]

load_tests = cases.loader(
    {
        "retain": {
            "nothing_free_stays": AT_ONCE,
            "large_pool_keeps_its_part": LARGE_PART,
            "spare_goes_before_a_thread_is_made": [Run()],
            "spare_loses_its_pages_while_the_thread_waits": SOON,
            "spare_is_trimmed": [Run()],
        }
    }
)
