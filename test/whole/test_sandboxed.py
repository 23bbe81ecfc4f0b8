"""Tests programs behind a seccomp filter, which they have installed themselves or which was in force before their
start. The library must make no system call for which the kernel would kill the program."""
# SPDX-License-Identifier: BSD-2-Clause

from support import cases, settings
from support.cases import Run

# These settings turn on all features of the library that make system calls while the program calls no function of the
# library or calls only malloc and free. One of these features is the background thread.
ALL_AT_ONCE = {
    "SOCKMALLOC_DECAY_MS": "10",
    "SOCKMALLOC_BACKGROUND": "1",
    "SOCKMALLOC_PRESSURE": "1",
    "SOCKMALLOC_AUTO_THREADS": "1",
}
KINDS = [
    Run(f"pool {kind}", {"SOCKMALLOC_POOL": kind, **ALL_AT_ONCE})
    for kind in ("thread", "lockfree", "standard", "cpu", "auto")
]
OTHERS = [
    Run("default settings"),
    Run("decay after a millisecond", {"SOCKMALLOC_DECAY_MS": "1"}),
    Run("little retained", {"SOCKMALLOC_RETAIN": "1m", "SOCKMALLOC_LARGE_RETAIN": "0"}),
    Run("fork trim", {"SOCKMALLOC_FORK_TRIM": "1", "SOCKMALLOC_SAMPLE_SMALL": "1"}),
]
SANDBOXED = KINDS + OTHERS
# In these runs SOCKMALLOC_PRESSURE is off. With it, the background thread could be opening a file at the moment at
# which another thread installs the filter for all threads, and the process would be killed (see doc/promises).
NO_FILES = [Run(run.label, {**run.variables, "SOCKMALLOC_PRESSURE": "0"}) for run in SANDBOXED]
AT_EXIT = [Run("at exit", {"SOCKMALLOC_POOL": "standard", "SOCKMALLOC_IN_USE": "1", "SOCKMALLOC_STATS_AT_EXIT": "1"})]
WORKS = (
    "takes_its_first_block_there",
    "main_begins_there",
    "goes_on_there",
    "forks_there",
    "is_signalled_there",
)
KINDS_ALONE = [Run(f"pool {kind}", {"SOCKMALLOC_POOL": kind}) for kind in ("thread", "lockfree", "standard", "cpu")]


class Inherited(cases.unittest.TestCase):
    """A filter is in force before the program starts. The test program `behind` installs the filter and executes env,
    which sets the variables of the test and executes the program."""

    maxDiff = None

    def run_behind(self, verdict: str, calls: str, program: str, case: str, variables: dict[str, str]) -> cases.Outcome:
        wrapper = [str(settings.program("behind")), verdict, calls]
        return cases.run_case(program, case, Run("", variables, wrapper=wrapper))

    def test_tables_come_without_what_a_container_may_forbid(self) -> None:
        for run in KINDS_ALONE:
            with self.subTest(run.label):
                calls = "mincore,prctl,process_vm_readv,process_madvise,getcpu"
                variables = dict(run.variables)
                outcome = self.run_behind("kill", calls, "inherited", "table_comes_by_the_signal", variables)
                self.assertEqual(outcome.status, 0, outcome.stderr)
                self.assertRegex(outcome.stderr, r"(?m)^16k .* unknown +unknown +unknown +unknown ")
                self.assertRegex(outcome.stderr, r"\nend of statistics of process \d+\n\Z")

    def test_filter_is_one(self) -> None:
        outcome = self.run_behind("kill", "openat", "inherited", "table_comes_by_the_signal", {})
        self.assertEqual(outcome.status, -31, "SIGSYS")

    def test_purge_that_does_nothing(self) -> None:
        for run in KINDS_ALONE:
            with self.subTest(run.label):
                variables = {"SOCKMALLOC_DECAY_MS": "1", **run.variables}
                case = "calloc_is_zero_though_no_page_goes"
                outcome = self.run_behind("void", "madvise", "inherited", case, variables)
                self.assertEqual((outcome.status, outcome.stderr), (0, ""))

    def test_trap(self) -> None:
        outcome = cases.run_case("sandboxed", "the_filter_does_trap", Run())
        self.assertEqual((outcome.status, outcome.stderr), (1, "system call 110 is not allowed\n"))


load_tests = cases.loader(
    {
        "sandboxed": {
            **{name: SANDBOXED + AT_EXIT for name in WORKS},
            "threads_begin_and_end_there": NO_FILES + AT_EXIT,
            "threads_go_on_there": NO_FILES,
            "child_has_a_filter_of_its_own": SANDBOXED,
            "the_filter_does_trap": [],
        },
        "inherited": {"table_comes_by_the_signal": [], "calloc_is_zero_though_no_page_goes": KINDS_ALONE},
    }
)
