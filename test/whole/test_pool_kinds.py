"""Tests each kind of pool that SOCKMALLOC_POOL can choose, with threads and forks, and the message if a kind is not
available."""
# SPDX-License-Identifier: BSD-2-Clause
from collections.abc import Mapping

from support import cases, statistics
from support.cases import Run
from support.servant import Servant, ServantCase

KINDS = ("thread", "lockfree", "standard", "cpu", "auto")

# With this variable glibc registers no restartable sequences, and then the kind `cpu` is not available.
WITHOUT_SEQUENCES = {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}

POOLS = "thread, lockfree, standard, cpu or auto"


def of(kind: str) -> Run:
    """Returns a run of a case with this kind of pool. The kind `auto` begins as `thread`, and changes to `cpu` as soon
    as there are SOCKMALLOC_AUTO_THREADS threads for each processor. With the value 1 it changes during the case."""
    return Run(f"of the pool {kind}", {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_AUTO_THREADS": "1"})


def of_each(*kinds: str) -> list[Run]:
    return [of(kind) for kind in kinds]


class Kind(ServantCase):
    def assert_in_force(self, servant: Servant, kind: str, said: str = "") -> None:
        """Checks that the pools serve the servant, and that the servant ends with status 0. Checks that the servant's
        stderr has the text `said` and then one table of statistics, which names `kind` as the kind of pool in use."""
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
        """SOCKMALLOC_TRAINING and SOCKMALLOC_CACHE concern the quotas, which limit how many free slots a cache may
        hold. Some kinds of pool have no quotas. These settings must cause no message with any kind."""
        for kind in KINDS:
            with self.subTest(kind):
                servant = self.start(POOL=kind, TRAINING="off", CACHE="0", STATS_AT_EXIT="1")
                self.assert_in_force(servant, kind)

    def test_auto_without_sequences_is_thread(self) -> None:
        """The kind `auto` begins as `thread`, and can change to `cpu` later. If `cpu` is not available, `auto` stays
        `thread` and prints no warning."""
        servant = self.start(others=WITHOUT_SEQUENCES, POOL="auto", STATS_AT_EXIT="1")
        self.assert_in_force(servant, "thread")

    def test_retain_nothing(self) -> None:
        """With SOCKMALLOC_RETAIN=0 the library purges every free slot at once, in each kind of pool."""
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
    """If SOCKMALLOC_POOL has a bad value, names a kind that is not available, or contradicts another setting, one line
    on stderr says so and says what the library does instead. The library must then do that."""

    # Each row: the name of the test, environment variables that are no settings of the library, settings of the
    # library, the message that the library prints, and the kind of pool that the library then uses.
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


# test_processes runs the cases of fork, handoff and threads with the kind `thread`; here they run with the other kinds.
# Cases that check that no cache holds slots after the threads have ended run only with `lockfree` and `standard`: the
# caches of `cpu`, to which `auto` changes, belong to the processors and not to the threads.
OTHERS = of_each("lockfree", "standard", "cpu", "auto")

# The value -1 disables decay: the library purges no free slot because of its age (gives its pages back to the kernel).
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
