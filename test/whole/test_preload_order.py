"""Another preloaded library whose constructor allocates, before this one is born and after."""
# SPDX-License-Identifier: BSD-2-Clause
import unittest

from support import cases, settings


class PreloadOrder(unittest.TestCase):
    def run_preloaded(self, *libraries: object, case: str = "blocks_from_before_main", **variables: str) -> str:
        """Whose the blocks were that the other library allocated; the program has checked them."""
        command = [settings.program("early_user"), case]
        outcome = cases.outcome_of(command, settings.environment(variables, libraries))
        self.assertEqual((outcome.status, outcome.stderr), (0, ""))
        return outcome.stdout

    def test_both_orders(self) -> None:
        """Constructors of what is preloaded run from the last to the first."""
        ours, other = settings.library(), settings.early_library()
        self.assertEqual(self.run_preloaded(ours, other), "mimalloc\n")
        self.assertEqual(self.run_preloaded(other, ours), "pools\n")

    def test_thread_from_before_the_constructor(self) -> None:
        """It allocates before this library is born, or after, and goes on."""
        ours, other = settings.library(), settings.early_library()
        for libraries in ((ours, other), (other, ours)):
            self.run_preloaded(*libraries, case="thread_from_before_main", EARLY_THREAD="1")
