"""Tests another preloaded library whose constructor allocates before this library's constructor has run, or after
it."""
# SPDX-License-Identifier: BSD-2-Clause
import unittest

from support import cases, settings


class PreloadOrder(unittest.TestCase):
    def run_preloaded(self, *libraries: object, case: str = "blocks_from_before_main", **variables: str) -> str:
        """Returns the allocator of the blocks that the other library allocated, after the program has checked them."""
        command = [settings.program("early_user"), case]
        outcome = cases.outcome_of(command, settings.environment(variables, libraries))
        self.assertEqual((outcome.status, outcome.stderr), (0, ""))
        return outcome.stdout

    def test_both_orders(self) -> None:
        """Constructors of preloaded libraries run from the last library to the first."""
        ours, other = settings.library(), settings.early_library()
        self.assertEqual(self.run_preloaded(ours, other), "mimalloc\n")
        self.assertEqual(self.run_preloaded(other, ours), "pools\n")

    def test_thread_from_before_the_constructor(self) -> None:
        """A thread begins to allocate before this library's constructor has run, or after it has run, and goes on
        afterwards."""
        ours, other = settings.library(), settings.early_library()
        for libraries in ((ours, other), (other, ours)):
            self.run_preloaded(*libraries, case="thread_from_before_main", EARLY_THREAD="1")
