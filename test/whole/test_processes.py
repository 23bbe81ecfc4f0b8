"""Tests threads that end or only allocate, processes that fork, and how many mappings all of them need."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

CASES_OF_THREADS = (
    "exit_gives_everything_back",
    "ledger_closes_after_a_crowd",
    "blocks_outlive_their_thread",
    "frees_after_our_destructor",
)

# The cases of threads also run with other settings, because they do not depend on which buckets are trained.
POOLS = [
    Run(),
    Run("while all buckets are the large pool's", {"SOCKMALLOC_LARGE": "4k"}),
    Run("while all buckets are trained", {"SOCKMALLOC_LARGE": "1g"}),
]

FORK_TRIM = {"SOCKMALLOC_FORK_TRIM": "1"}

# Decay is disabled, so that no slot is purged because of its age. These are the kinds whose free slots any thread can
# get.
SNAPSHOTS = [
    Run(
        f"pool {kind}, FORK_TRIM={trim}",
        {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_FORK_TRIM": trim, "SOCKMALLOC_DECAY_MS": "-1"},
        (trim,),
    )
    for kind in ("thread", "lockfree", "standard")
    for trim in ("0", "1")
]

# Decay is disabled here too, because on a busy machine a slot may lie free for long before it is used again.
WARM = [Run(variables={"SOCKMALLOC_DECAY_MS": "-1"})]

# The child of a fork finds the free slots of each kind in another way.
KINDS = [Run(f"by {kind}", {"SOCKMALLOC_POOL": kind}) for kind in ("thread", "cpu", "lockfree", "standard")]

load_tests = cases.loader(
    {
        "handoff": {"one_takes_another_gives": POOLS, "warm_ones_cost_no_page": WARM},
        "threads": dict.fromkeys(CASES_OF_THREADS, POOLS),
        "fork": {},
        "fork_trim": {"snapshot_shares_what_is_in_use": SNAPSHOTS},
        "mappings": {},
        "forks": {"while_threads_stand_anywhere": [Run(), Run("with FORK_TRIM", FORK_TRIM)]},
        "children": {"child_of_a_handler_goes_on": KINDS},
        "crowds": {},
    }
)
