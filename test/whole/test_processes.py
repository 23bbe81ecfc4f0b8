"""Threads that end, processes that fork, and how many mappings either costs."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

CASES_OF_THREADS = (
    "exit_gives_everything_back",
    "ledger_closes_after_a_crowd",
    "one_takes_another_gives",
    "blocks_outlive_their_thread",
    "frees_after_our_destructor",
)

# The same under other settings: threads neither know nor need to know which buckets are trained.
POOLS = [
    Run(),
    Run("while all buckets are the large pool's", {"SOCKMALLOC_LARGE": "4k"}),
    Run("while all buckets are trained", {"SOCKMALLOC_LARGE": "1g"}),
]

load_tests = cases.loader(
    {"threads": dict.fromkeys(CASES_OF_THREADS, POOLS), "fork": {}, "mappings": {}},
)
