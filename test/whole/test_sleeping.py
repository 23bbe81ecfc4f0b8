"""Tests that free memory goes back to the kernel while a program waits for events, and that the library's version of
each waiting call otherwise does what libc's does."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

KINDS = ("thread", "lockfree", "standard")

# The decay time is short, because the cases often wait until free memory is due to be purged.
SOON = {"SOCKMALLOC_DECAY_MS": "20"}

# With this decay time free memory is due to be purged as soon as the coarse clock, which the library reads, has
# advanced. So the library may be purging at the moment at which a signal arrives.
AT_ONCE = Run("at once", {"SOCKMALLOC_DECAY_MS": "1"})


def kinds() -> list[Run]:
    return [Run(f"by {kind}", {"SOCKMALLOC_POOL": kind, **SOON}) for kind in KINDS]


load_tests = cases.loader(
    {
        "sleeping": {
            "handlers_keep_their_bytes_behind_a_filter": [AT_ONCE],
            "pages_go_in_every_wait": kinds(),
            "pages_go_that_another_thread_frees_later": [Run()],
            "signals_end_every_wait": [Run(variables=SOON)],
            "every_wait_can_be_cancelled": [Run(variables=SOON)],
            "select_tells_what_is_ready_and_left": [Run(variables=SOON)],
            "pages_go_in_a_child": [Run(variables=SOON)],
            "no_signal_is_lost_while_pages_go": [Run(variables=SOON)],
            "wait_has_the_mask_that_it_was_given": [AT_ONCE],
            "no_wait_is_shorter": [Run(), AT_ONCE],
            "bad_arguments_are_refused": [AT_ONCE],
            "filtered_wait_makes_no_other_call": [AT_ONCE],
            "large_slot_goes_at_once_behind_a_filter": [AT_ONCE],
        }
    }
)
