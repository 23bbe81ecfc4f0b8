"""Tests that the list of slots in use names the functions that have allocated the slots, the caller with the oldest
slot first, in each dump and at exit."""
# SPDX-License-Identifier: BSD-2-Clause
import unittest
from collections.abc import Mapping

from support import in_use, statistics
from support.cases import Outcome, Run, run_case
from support.in_use import List
from support.servant import Servant, ServantCase, default_path

KEPT = {"SOCKMALLOC_POOL": "standard", "SOCKMALLOC_IN_USE": "1"}
SERVANT = {"POOL": "standard", "IN_USE": "1"}


class Said:
    """A line that the test program prints for a block: the name of the function that has allocated the block, and the
    block's address and size."""

    def __init__(self, line: str) -> None:
        self.function, self.address, size = line.split()
        self.bytes = int(size)


def said(outcome: Outcome) -> list[Said]:
    return [Said(line) for line in outcome.stdout.splitlines()]


class HoldersCase(unittest.TestCase):
    maxDiff = None

    def run_holders(self, case: str, variables: Mapping[str, str] | None = None) -> Outcome:
        outcome = run_case("holders", case, Run(variables={**KEPT, **(variables or {})}))
        self.assertEqual(outcome.status, 0, outcome.stderr)
        return outcome

    def list_at_exit(self, outcome: Outcome) -> List:
        """Checks that stderr has exactly one list of slots in use and nothing else, and returns the parsed list."""
        found = in_use.parse(outcome.stderr)
        self.assertEqual(found.program, "holders")
        return found

    def assert_named(self, caller: str, function: str) -> None:
        self.assertRegex(caller, rf"\Aholders\({function}\+0x[0-9a-f]+\)\Z")

    def assert_holds(self, holder: in_use.Holder, *slots: Said) -> None:
        """Checks one caller in the list: the caller has exactly these slots, in this order, and is the function that
        has allocated the first of them."""
        self.assert_named(holder.caller, slots[0].function)
        listed = [(slot.address, slot.bytes) for slot in holder.slots]
        self.assertEqual(listed, [(slot.address, slot.bytes) for slot in slots])


class AtExit(HoldersCase):
    def test_of_nothing(self) -> None:
        self.assertEqual(self.list_at_exit(self.run_holders("nothing")).holders, ())

    def test_every_function_is_named(self) -> None:
        outcome = self.run_holders("every_function")
        slots, holders = said(outcome), self.list_at_exit(outcome).holders
        self.assertEqual(len(holders), len(slots))
        self.assertGreater(len(slots), 10)
        for holder, slot in zip(holders, slots):
            self.assert_holds(holder, slot)

    def test_groups_are_in_the_order_of_their_oldest(self) -> None:
        outcome = self.run_holders("by_turns")
        a, b, c, d, e = said(outcome)
        by_malloc, by_calloc = self.list_at_exit(outcome).holders
        self.assert_holds(by_malloc, a, c, e)
        self.assert_holds(by_calloc, b, d)
        self.assertEqual([slot.bucket for slot in by_malloc.slots], ["16k", "4k", "4m"])
        self.assertEqual([slot.bucket for slot in by_calloc.slots], ["256k", "4k"])
        ages = [by_malloc.slots[0].age, by_calloc.slots[0].age, by_malloc.slots[1].age]
        self.assertEqual(len(set(ages)), 3)
        self.assertEqual(ages, sorted(ages, reverse=True))

    def test_resized_blocks_keep_their_age(self) -> None:
        for case in ("resized_in_place", "resized_and_moved"):
            with self.subTest(case):
                outcome = self.run_holders(case)
                by_calloc, resized = said(outcome)
                first, second = self.list_at_exit(outcome).holders
                self.assert_holds(first, resized)
                self.assert_holds(second, by_calloc)
                self.assertGreater(first.slots[0].age, second.slots[0].age)

    def test_of_threads_that_have_ended(self) -> None:
        outcome = self.run_holders("threads")
        (holder,) = self.list_at_exit(outcome).holders
        self.assert_holds(holder, *said(outcome))

    def test_a_child_keeps_its_parents_notes(self) -> None:
        outcome = self.run_holders("forked")
        parents, childs = said(outcome)
        texts, rest = in_use.split(outcome.stderr)
        self.assertEqual(rest, "")
        # The parent has waited until the child has ended, so the child's list comes first.
        child, parent = [in_use.parse(text) for text in texts]
        self.assertNotEqual(child.pid, parent.pid)
        self.assert_holds(child.holders[0], parents)
        self.assert_holds(child.holders[1], childs)
        self.assertEqual(len(child.holders), 2)
        (holder,) = parent.holders
        self.assert_holds(holder, parents)
        self.assertEqual(holder.caller, child.holders[0].caller)

    def test_is_a_part_of_the_statistics_where_those_are_wanted(self) -> None:
        outcome = self.run_holders("by_turns", {"SOCKMALLOC_STATS_AT_EXIT": "1"})
        table = statistics.tables(outcome.stderr, 1)[0]
        (text,), _ = in_use.split(outcome.stderr)
        self.assertEqual(len(in_use.parse(text).slots()), table.total["live"])


class Asked(HoldersCase):
    def assert_in_dump(self, case: str, at_exit: int) -> None:
        """Checks that the dump has the list of the slots that were in use when the dump was requested, and that the
        list at exit has `at_exit` slots."""
        outcome = self.run_holders(case)
        texts, _ = in_use.split(outcome.stderr)
        first, last = [in_use.parse(text) for text in texts]
        table = statistics.tables(outcome.stderr.removesuffix(texts[1]), 1)[0]
        slots = said(outcome)
        self.assertEqual((table.total["live"], len(first.holders)), (len(slots), len(slots)))
        for holder, slot in zip(first.holders, slots):
            self.assert_holds(holder, slot)
        self.assertEqual(len(last.slots()), at_exit)

    def test_by_signal(self) -> None:
        self.assert_in_dump("asked_by_signal", at_exit=0)

    def test_by_call(self) -> None:
        self.assert_in_dump("asked_by_call", at_exit=1)


class Place(ServantCase):
    """The library writes the list of slots in use to the file to which it would write statistics, and only if
    SOCKMALLOC_IN_USE requests the list."""

    def assert_listed(self, text: str, servant: Servant) -> None:
        found = in_use.parse(text)
        self.assertEqual((found.program, found.pid), ("servant", servant.pid))
        self.assertEqual([slot.bytes for slot in found.slots()], [16384])

    def test_named_file(self) -> None:
        servant = self.start(STATS=f"{self.directory}/%p", **SERVANT)
        self.assertEqual(servant.ask("take 16384"), "pools")
        self.assert_ends_well(servant)
        self.assert_listed((self.directory / str(servant.pid)).read_text(), servant)

    def test_stderr_closed_later(self) -> None:
        servant = self.start(**SERVANT)
        self.assertEqual(servant.ask("take 16384"), "pools")
        servant.ask("close-stderr")
        self.assert_ends_well(servant)
        self.assert_listed(default_path(servant).read_text(), servant)

    def test_not_asked_for(self) -> None:
        servant = self.start(POOL="standard")
        self.assertEqual(servant.ask("take 16384"), "pools")
        self.assert_ends_well(servant)

    def test_without_pools(self) -> None:
        servant = self.start(DISABLE="1", **SERVANT)
        self.assertEqual(servant.ask("take 16384"), "mimalloc")
        self.assert_ends_well(servant)
