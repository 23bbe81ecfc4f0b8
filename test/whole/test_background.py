"""Tests the background thread, which purges free pages while the program is idle."""
# SPDX-License-Identifier: BSD-2-Clause
import unittest

from support import cases, settings
from support.cases import Run, run_case

WANTED = [Run(variables={"SOCKMALLOC_BACKGROUND": "1", "SOCKMALLOC_DECAY_MS": "100"})]
NOT_WANTED = [
    Run("by default"),
    Run("with SOCKMALLOC_DECAY_MS=never", {"SOCKMALLOC_BACKGROUND": "1", "SOCKMALLOC_DECAY_MS": "never"}),
]


class Plugin(unittest.TestCase):
    def test_threads_end_with_storage_of_a_plugin(self) -> None:
        run = Run(variables=WANTED[0].variables, arguments=[str(settings.plugin())])
        outcome = run_case("background", "threads_end_with_storage_of_a_plugin", run)
        self.assertEqual((outcome.status, outcome.stderr), (0, ""))


load_tests = cases.loader(
    {
        "background": {
            "is_made_when_main_begins": WANTED,
            "is_not_made_unless_wanted": NOT_WANTED,
            "pages_go_while_the_program_is_silent": WANTED,
            "wakes_for_the_next_burst": WANTED,
            "blocks_every_signal": WANTED,
            "is_gone_in_a_child_and_made_anew_there": WANTED,
            "is_not_made_by_a_child_that_borrows": WANTED,
            "is_ended_by_sigterm": WANTED,
            "process_ends_with_its_own_last_thread": WANTED,
            "threads_end_with_storage_of_a_plugin": [],  # run by the class Plugin, which names the plug-in
        },
    }
)
