"""Tests the library together with another preloaded library, whose constructor allocates before the constructor of our
library has run or after it."""
# SPDX-License-Identifier: BSD-2-Clause
import unittest

from support import cases, settings


class PreloadOrder(unittest.TestCase):
    def run_preloaded(self, *libraries: object, case: str = "blocks_from_before_main", **variables: str) -> str:
        """Runs a case with these preloaded libraries, and returns what the case has printed: the name of the allocator
        that served the blocks which the other library's constructor has allocated."""
        command = [settings.program("early_user"), case]
        outcome = cases.outcome_of(command, settings.environment(variables, libraries))
        self.assertEqual((outcome.status, outcome.stderr), (0, ""))
        return outcome.stdout

    def test_both_orders(self) -> None:
        """Constructors of preloaded libraries run from the last library to the first. If the other library is last, its
        constructor runs before ours, so mimalloc must serve its blocks. Otherwise the pools must serve them."""
        ours, other = settings.library(), settings.early_library()
        self.assertEqual(self.run_preloaded(ours, other), "mimalloc\n")
        self.assertEqual(self.run_preloaded(other, ours), "pools\n")

    def test_thread_from_before_the_constructor(self) -> None:
        """The other library starts a thread, which begins to allocate before our constructor has run, or after it. The
        thread allocates again when main has begun. The case checks that the pools then serve this thread."""
        ours, other = settings.library(), settings.early_library()
        for libraries in ((ours, other), (other, ours)):
            self.run_preloaded(*libraries, case="thread_from_before_main", EARLY_THREAD="1")
