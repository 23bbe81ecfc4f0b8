"""Tests each kind of SOCKMALLOC_POOL with threads and forks, and the message that says that a kind is not available."""
# SPDX-License-Identifier: BSD-2-Clause
from collections.abc import Mapping

from support import cases, statistics
from support.cases import Run
from support.servant import Servant, ServantCase

KINDS = ("thread", "lockfree", "standard", "cpu", "auto")

# With this variable glibc registers no restartable sequences, so that the kind `cpu` is not available.
WITHOUT_SEQUENCES = {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}

POOLS = "thread, lockfree, standard, cpu or auto"


def of(kind: str) -> Run:
    """Returns how a case is run with this kind. SOCKMALLOC_AUTO_THREADS=1 makes `auto` change to `cpu` already when
    there is one thread for each processor, and so during the case."""
    return Run(f"of the pool {kind}", {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_AUTO_THREADS": "1"})


def of_each(*kinds: str) -> list[Run]:
    return [of(kind) for kind in kinds]


class Kind(ServantCase):
    def assert_in_force(self, servant: Servant, kind: str, said: str = "") -> None:
        """Checks that the pools serve the servant, that the servant ends well, and that its stderr has the words `said`
        and then its statistics, which name the kind in use."""
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
        """Settings that limit quotas cause no message with the kinds that have no quotas."""
        for kind in KINDS:
            with self.subTest(kind):
                servant = self.start(POOL=kind, TRAINING="off", CACHE="0", STATS_AT_EXIT="1")
                self.assert_in_force(servant, kind)

    def test_auto_without_sequences_is_thread(self) -> None:
        """The kind `auto` changes to `cpu` if it can. If `cpu` is not available, `auto` stays with `thread` and prints
        no warning."""
        servant = self.start(others=WITHOUT_SEQUENCES, POOL="auto", STATS_AT_EXIT="1")
        self.assert_in_force(servant, "thread")

    def test_retain_nothing(self) -> None:
        """If the limit is 0, the library purges every free slot at once, in each kind of pool."""
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
    """One line on stderr says what is wrong with the setting and which kind is used instead. The library then uses that
    kind."""

    # The name of the test, other variables, settings, the message, and the kind that is used instead.
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


# These cases run with the kind `thread` in test_processes, and here with the other kinds. With `cpu`, cases that check
# caches after a thread's end are left out: there the caches belong to the processors, and a thread's end changes
# nothing.
OTHERS = of_each("lockfree", "standard", "cpu", "auto")

# With decay disabled no slot is purged because of its age.
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
