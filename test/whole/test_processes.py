"""Tests threads that end, threads that only allocate, processes that fork, and how many mappings all of them cause."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

CASES_OF_THREADS = (
    "exit_gives_everything_back",
    "ledger_closes_after_a_crowd",
    "blocks_outlive_their_thread",
    "frees_after_our_destructor",
)

# The settings of the cases of threads. There are several, because these cases hold for any choice of trained buckets.
POOLS = [
    Run(),
    Run("while all buckets are the large pool's", {"SOCKMALLOC_LARGE": "4k"}),
    Run("while all buckets are trained", {"SOCKMALLOC_LARGE": "1g"}),
]

FORK_TRIM = {"SOCKMALLOC_FORK_TRIM": "1"}

# With decay disabled, the library purges no slot because of its age. In these kinds any thread can allocate any free
# slot.
SNAPSHOTS = [
    Run(
        f"pool {kind}, FORK_TRIM={trim}",
        {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_FORK_TRIM": trim, "SOCKMALLOC_DECAY_MS": "-1"},
        (trim,),
    )
    for kind in ("thread", "lockfree", "standard")
    for trim in ("0", "1")
]

# With decay disabled, no slot is purged while it waits for its next use, which may take long on a busy machine.
WARM = [Run(variables={"SOCKMALLOC_DECAY_MS": "-1"})]

# These kinds are all tested, because the child of a fork finds the free slots of each of them in another way.
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
