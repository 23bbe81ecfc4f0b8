"""Tests threads that end, threads that free what other threads have allocated, and processes that fork. Also tests that
the library makes few mappings."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

CASES_OF_THREADS = (
    "exit_gives_everything_back",
    "ledger_closes_after_a_crowd",
    "blocks_outlive_their_thread",
    "frees_after_our_destructor",
)

# The cases of threads run with each of these settings, by which some, none or all of the buckets are trained. A trained
# bucket has its free slots in caches of the threads, and the library adapts the size of these caches to the load.
POOLS = [
    Run(),
    Run("while all buckets are the large pool's", {"SOCKMALLOC_LARGE": "4k"}),
    Run("while all buckets are trained", {"SOCKMALLOC_LARGE": "1g"}),
]

FORK_TRIM = {"SOCKMALLOC_FORK_TRIM": "1"}

# The value -1 disables decay: the library does not give the pages of a free slot back because of the slot's age. Only
# these three kinds of pool are tested, because with them any thread can allocate any free slot.
SNAPSHOTS = [
    Run(
        f"pool {kind}, FORK_TRIM={trim}",
        {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_FORK_TRIM": trim, "SOCKMALLOC_DECAY_MS": "-1"},
        (trim,),
    )
    for kind in ("thread", "lockfree", "standard")
    for trim in ("0", "1")
]

# The value -1 disables decay, so that the library does not purge a free slot before the slot is used again. On a busy
# machine the time until then may be longer than the default decay time.
WARM = [Run(variables={"SOCKMALLOC_DECAY_MS": "-1"})]

# The child of a fork finds the free slots in a different way with each of these kinds of pool, so all of them are
# tested.
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
