"""The thread that gives pages back while the program is silent."""
# SPDX-License-Identifier: BSD-2-Clause
from support import cases
from support.cases import Run

WANTED = [Run(variables={"SOCKMALLOC_BACKGROUND": "1", "SOCKMALLOC_DECAY_MS": "100"})]
NOT_WANTED = [
    Run("by default"),
    Run("as nothing ever goes", {"SOCKMALLOC_BACKGROUND": "1", "SOCKMALLOC_DECAY_MS": "never"}),
]

load_tests = cases.loader(
    {
        "background": {
            "is_made_at_the_first_need_after_main_began": WANTED,
            "is_not_made_unless_wanted": NOT_WANTED,
            "pages_go_while_the_program_is_silent": WANTED,
            "wakes_for_the_next_burst": WANTED,
            "blocks_every_signal": WANTED,
            "is_gone_in_a_child_and_made_anew_there": WANTED,
            "process_ends_with_its_own_last_thread": WANTED,
        },
    }
)
