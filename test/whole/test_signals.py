"""Tests the stats signal, by which a process is made to write its statistics, in programs that handle signals
themselves: which handler runs, which signals arrive, and which processes the signal kills."""
# SPDX-License-Identifier: BSD-2-Clause
import sys
import unittest

from support import cases, settings, statistics
from support.cases import Run, outcome_of


# SOCKMALLOC_IN_USE makes the library write a list of slots in use at exit. With SOCKMALLOC_STATS_AT_EXIT this list is a
# part of a dump of statistics, and the test can count whole dumps. Without SOCKMALLOC_STATS_AT_EXIT the library would
# write the list alone.
LISTED = {"SOCKMALLOC_POOL": "standard", "SOCKMALLOC_IN_USE": "1", "SOCKMALLOC_STATS_AT_EXIT": "1"}

# This program starts child processes by Python's subprocess. Python makes them by vfork, and each child resets the
# handler of every signal. This must not change the parent's handlers.
AFTER_A_SUBPROCESS = """
import os, signal, subprocess
seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
subprocess.run(["true"], check=True)
assert callable(signal.getsignal(signal.SIGUSR1))
subprocess.run(["/bin/kill", "-USR1", str(os.getpid())], check=True)
os.kill(os.getpid(), signal.SIGUSR1)
assert len(seen) == 2, seen
"""


class Python(unittest.TestCase):
    def test_handler_stays_after_a_subprocess(self) -> None:
        outcome = outcome_of([sys.executable, "-c", AFTER_A_SUBPROCESS], settings.environment({}))
        self.assertEqual(outcome.status, 0, outcome.stderr)
        statistics.tables(outcome.stderr, 2, at_rest=False)


# With these settings, malloc and free never leave the fast path to purge old slots or to change how many free slots a
# cache may hold.
UNTROUBLED = [Run(variables={"SOCKMALLOC_DECAY_MS": "-1", "SOCKMALLOC_TRAINING": "0"})]


# Each row: a kind of pool, the size of the blocks in bytes, and the stride. The signal is sent at every stride-th
# instruction. The stride is above 1 where malloc and free execute many instructions. The kind `cpu` is left out,
# because its restartable sequences begin again whenever the tracer stops the thread.
FORKED = [
    Run(f"by {kind}, of {size}", {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_DECAY_MS": "-1"}, (size, stride))
    for kind, size, stride in (
        ("thread", "4096", "1"),
        ("thread", "200000", "7"),
        ("lockfree", "4096", "7"),
        ("standard", "4096", "29"),
    )
]


def dumps(**counts: int) -> dict[str, list[Run]]:
    """Returns one run of each case. `counts` maps a case to the number of dumps that it must write to stderr."""
    return {case: [Run(dumps=count)] for case, count in counts.items()}


load_tests = cases.loader(
    {
        "disposition": {},
        "delivery": dumps(
            without_handler=3,
            siginfo_handler=1,
            handler_by_signal_stays=3,
            handler_by_sysv_signal_goes=2,
            handler_by_sigset_stays=2,
            reset_hand=2,
            ignored=1,
            default_set_again=1,
            handler_sets_itself_again=3,
            jumping_handler=2,
            errno_survives=1,
            queued_without_handler=1,
            queued_with_a_value=1,
            dump_only_is_not_for_the_program=3,
        ),
        "waiting": dumps(
            sigwait_returns_it=1,
            sigwait_goes_on_after_dump_only=2,
            sigwaitinfo_returns_it_whole=1,
            sigwaitinfo_is_interrupted_by_dump_only=1,
            sigtimedwait_takes_its_time=1,
            others_are_no_wish=0,
            cancelled_in_sigwait=0,
            signalfd_has_it_to_itself=0,
            blocked_in_every_thread=1,
        ),
        "interruption": {
            **dumps(
                mask_is_honoured=1,
                nodefer=1,
                restarted_for_the_handler=1,
                interrupted_for_the_handler=1,
                restarted_without_handler=2,
                interrupted_after_siginterrupt=2,
                blocked_until_sigsuspend=1,
            ),
            "alternate_stack": [Run(dumps=2), Run("with a list of slots in use", LISTED, dumps=3)],
        },
        "borrowers": dumps(
            what_a_child_sets_is_its_own=1,
            ignored_by_a_child=1,
            reset_after_vfork=1,
            reset_by_posix_spawn=1,
            handler_that_goes_in_a_child=2,
        ),
        "cancelled": {
            **dumps(
                signal_meets_a_pending_cancel=2, call_meets_a_pending_cancel=2, malloc_stats_meets_a_pending_cancel=2
            ),
            # the runner does not run these two cases: other cases run them in a new process, with a full pipe as stderr
            "held_up_and_left_by_a_jump": [],
            "held_up_and_cancelled": [],
        },
        "stepped": {"handler_takes_and_frees": UNTROUBLED, "handler_jumps_out": UNTROUBLED, "handler_forks": FORKED},
        "fate": {
            **dumps(
                own_signal_kills=1,
                own_signal_runs_the_handler=1,
                other_signals_are_left_alone=0,
                exec_drops_the_handler=1,
                ignored_over_exec=1,
                child_of_a_fork=1,
                parent_ends_a_child_without_a_handler=1,
            ),
            "stats_signal_is_ordinary": [
                Run("while SIGUSR2 is the stats signal", {"SOCKMALLOC_SIGNAL": "SIGUSR2"}),
                Run("while there is no stats signal", {"SOCKMALLOC_SIGNAL": "off"}),
            ],
            "while_busy": [Run(dumps=40, at_rest=False)],
        },
        "kin": dumps(
            own_signals_bring_a_table_a_second=0,
            timers_are_own_ones=0,
            signals_of_a_child_are_own_ones=0,
            own_signals_are_harmless_behind_a_filter=0,
            the_filter_kills_for_opening=0,
        ),
    }
)
