"""Each kind of pool under threads and forks, and what is said where a kind can't be had."""
# SPDX-License-Identifier: BSD-2-Clause
from collections.abc import Mapping

from support import cases, statistics
from support.cases import Run
from support.servant import Servant, ServantCase

KINDS = ("thread", "lockfree", "standard", "cpu", "auto")

# glibc then registers no restartable sequences.
WITHOUT_SEQUENCES = {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}

POOLS = "thread, lockfree, standard, cpu or auto"


def of(kind: str) -> Run:
    """One thread a processor is a crowd: auto then turns while the case runs."""
    return Run(f"of the pool {kind}", {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_AUTO_THREADS": "1"})


def of_each(*kinds: str) -> list[Run]:
    return [of(kind) for kind in kinds]


class Kind(ServantCase):
    def assert_in_force(self, servant: Servant, kind: str, said: str = "") -> None:
        """The servant serves from the pools and ends well, having said this and then its statistics."""
        for _ in range(100):
            self.assertEqual(servant.ask("take 16384"), "pools")
        self.assertEqual(servant.ask("take 1000000"), "pools")
        self.assertEqual(servant.end(), 0, servant.stderr())
        words = servant.stderr()
        self.assertTrue(words.startswith(said), words)
        [table] = statistics.tables(words[len(said) :], 1)
        self.assertIn(f"pool in force: {kind}\n", table.text)
        self.assertEqual((table.rows["16k"]["live"], table.rows["16k"]["requests"]), (100, 100))
        self.assertEqual(table.rows["1m"]["live"], 1)


class InForce(Kind):
    def test_each_kind(self) -> None:
        for kind in KINDS:
            with self.subTest(kind):
                servant = self.start(POOL=kind, STATS_AT_EXIT="1")
                self.assert_in_force(servant, kind)

    def test_frozen_and_without_a_cache(self) -> None:
        """Kinds that have no quotas take the settings of quotas without a word."""
        for kind in KINDS:
            with self.subTest(kind):
                servant = self.start(POOL=kind, TRAINING="off", CACHE="0", STATS_AT_EXIT="1")
                self.assert_in_force(servant, kind)

    def test_auto_without_sequences_is_thread(self) -> None:
        """It asks for the better of two, and gets what there is: nothing to warn about."""
        servant = self.start(others=WITHOUT_SEQUENCES, POOL="auto", STATS_AT_EXIT="1")
        self.assert_in_force(servant, "thread")

    def test_retain_nothing(self) -> None:
        """No free slot keeps its pages, in any kind."""
        for kind in KINDS:
            with self.subTest(kind):
                servant = self.start(POOL=kind, RETAIN="0")
                self.assertEqual(servant.ask("churn 16384"), "done")
                self.assertEqual(servant.ask("churn 1000000"), "done")
                self.assertEqual(servant.ask("figure cached"), "0")
                self.assertEqual(servant.ask("figure depot"), "0")
                self.assertEqual(servant.ask("figure purged"), servant.ask("figure carved"))
                self.assert_ends_well(servant)


class Refused(Kind):
    """One line that says what is wrong and what is used instead; then all is as with that."""

    # Its name, other variables, settings, what is said, and the kind that is used instead.
    FAULTS: tuple[tuple[str, Mapping[str, str], Mapping[str, str], str, str], ...] = (
        ("unknown", {}, {"POOL": "mutex"}, f"SOCKMALLOC_POOL=mutex: not {POOLS}; using thread", "thread"),
        *(
            (
                f"list of what is in use with {kind}",
                {},
                {"POOL": kind, "IN_USE": "1"},
                f"SOCKMALLOC_IN_USE=1 contradicts SOCKMALLOC_POOL={kind}; nothing will be listed",
                kind,
            )
            for kind in ("thread", "lockfree", "cpu", "auto")
        ),
        (
            "cpu without sequences",
            WITHOUT_SEQUENCES,
            {"POOL": "cpu"},
            "SOCKMALLOC_POOL=cpu: no restartable sequences here; using thread",
            "thread",
        ),
    )

    def test_is_said_once_and_nothing_is_lost(self) -> None:
        for name, others, settings, message, kind in self.FAULTS:
            with self.subTest(name):
                servant = self.start(others=others, STATS_AT_EXIT="1", **settings)
                self.assert_in_force(servant, kind, f"sockmalloc: servant[{servant.pid}]: {message}\n")

    def test_is_fatal_where_that_is_wished(self) -> None:
        for name, others, settings, message, _ in self.FAULTS:
            with self.subTest(name):
                servant = self.start_doomed(others=others, STRICT="1", **settings)
                self.assertEqual(servant.wait(), 78, servant.stderr())
                begin = f"sockmalloc: servant[{servant.pid}]: "
                last = "SOCKMALLOC_STRICT=1: refusing to run with the setting above"
                self.assertEqual(servant.stderr(), f"{begin}{message}\n{begin}{last}\n")


# The pool thread runs them without being asked to, in test_processes. Where caches outlive their
# threads, since processors have them, cases that look into them after a thread's end show nothing.
OTHERS = of_each("lockfree", "standard", "cpu", "auto")

# Nothing may go by its age.
KEPT = [Run(f"pool {kind}", {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_DECAY_MS": "-1"}) for kind in KINDS]

load_tests = cases.loader(
    {
        "kinds": {"blocks_and_counts_hold": of_each(*KINDS), "processors_bound_what_is_cached": of_each("cpu", "auto")},
        "fork": {
            "counts_after_fork": OTHERS,
            "child_takes_over_caches": of_each("cpu", "auto"),
            "threads_and_children": OTHERS,
            "many_generations": OTHERS,
            "purged_slots_are_handed_down": OTHERS,
        },
        "handoff": {"one_takes_another_gives": OTHERS, "warm_ones_cost_no_page": KEPT},
        "threads": {
            "exit_gives_everything_back": of_each("lockfree", "standard"),
            "ledger_closes_after_a_crowd": of_each("lockfree", "standard"),
            "blocks_outlive_their_thread": OTHERS,
            "frees_after_our_destructor": of_each("lockfree", "standard"),
        },
    }
)
