"""Tests that free memory goes back to the kernel while a program waits in accept, and that accept otherwise behaves as
libc's accept does."""
# SPDX-License-Identifier: BSD-2-Clause
import unittest

from support import cases, settings
from support.cases import Run

KINDS = ("thread", "lockfree", "standard")

# The decay time in milliseconds: after this time the library purges a free slot, which means that the slot's pages go
# back to the kernel. It is short, because the cases often wait until free memory is due to be purged.
SOON = Run(variables={"SOCKMALLOC_DECAY_MS": "20"})

# With a decay time of 1 ms, free memory is due to be purged at the next tick of the kernel's coarse clock, which the
# library reads. So the library may be purging when a signal arrives.
AT_ONCE = Run("at once", {"SOCKMALLOC_DECAY_MS": "1"})

# With a decay time of 10 s, no free memory is due to be purged before the case is over. So each accept begins while
# there is free memory that is not yet due.
LATE = Run("late", {"SOCKMALLOC_DECAY_MS": "10000"})

PURGING = {
    "pages_go_in_every_accept": [Run(f"by {kind}", {"SOCKMALLOC_POOL": kind, **SOON.variables}) for kind in KINDS],
    "pages_go_in_a_child": [SOON],
    "pages_go_beside_handlers_of_both_kinds": [SOON],
    "pages_go_beside_handlers_of_both_kinds_and_threads": [AT_ONCE],
    "pages_go_in_all_workers_of_a_socket": [SOON],
    "no_signal_is_lost_while_pages_go": [SOON],
}
ALIKE = {
    "address_is_the_peer_s": [LATE],
    "handler_without_restart_ends_accept": [LATE, SOON, AT_ONCE],
    "handler_with_restart_does_not_end_accept": [LATE, SOON, AT_ONCE],
    "handlers_of_both_kinds_do_what_each_says": [LATE, SOON, AT_ONCE],
    "handlers_of_both_kinds_in_one_thread": [LATE, SOON],
    "handlers_may_change": [LATE],
    "limit_of_the_socket_holds": [LATE, AT_ONCE],
    "accept_that_does_not_wait_returns_at_once": [LATE, AT_ONCE],
    "listener_that_is_shut_down_ends_accept": [LATE, SOON],
    "every_accept_can_be_cancelled": [LATE, SOON],
    "filtered_accept_makes_no_other_call": [LATE, AT_ONCE],
}


class WithoutTheLibrary(unittest.TestCase):
    def test_the_program_sees_the_same(self) -> None:
        for case in ALIKE:
            with self.subTest(case=case):
                outcome = cases.outcome_of([settings.program("accepting"), case], settings.environment({}, ()))
                self.assertEqual((outcome.status, outcome.stderr), (0, ""))


STATISTICS = {"statistics_do_not_end_accept": [Run(dumps=1)]}

load_tests = cases.loader({"accepting": {**PURGING, **ALIKE, **STATISTICS}})
