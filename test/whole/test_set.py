"""Tests that `sockmalloc set` changes settings of running programs that permit changes, refuses to do so in other
programs, and does not disturb the programs."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import os
import shutil
import signal

from support import command
from support.servant import Servant, ServantCase

UNANSWERED = 12  # the exit status of `set` if the process has not carried the change out
NOBODY = 65534
ROUNDS = 400


class SetCase(ServantCase):
    def figures(self, servant: Servant) -> dict[str, object]:
        result = command.run("stat", servant.pid, "--json")
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        return json.loads(result.stdout)

    def set(self, servant: Servant, *words: str) -> str:
        result = command.run("set", servant.pid, *words)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        return result.stdout


class Changes(SetCase):
    def test_what_each_setting_changes(self) -> None:
        """At first no setting makes the servant give free memory back, so the servant keeps it. Each row changes one
        setting to 0, and names a figure. While the servant goes on allocating and freeing, this figure must fall to 0.
        resident_free is the memory of free slots, and charged is what the quotas allow the caches to hold, in bytes."""
        for word, figure in (("DECAY_MS=0", "resident_free"), ("RETAIN=0", "resident_free"), ("CACHE=0", "charged"),
                             ("LARGE_RETAIN=0", "resident_free")):  # fmt: skip
            size = 400_000 if word.startswith("LARGE") else 40_000
            with self.subTest(word):
                servant = self.start(CONTROL="1", DECAY_MS="never", LARGE="100000")
                servant.ask(f"churn {size}")
                before = self.figures(servant)
                self.assertGreater({**before, **before["total"]}[figure], 300_000)
                self.set(servant, word)
                for _ in range(ROUNDS):
                    servant.ask(f"pair {size}")
                    servant.ask(f"churn {size}")
                    after = self.figures(servant)
                    if {**after, **after["total"]}[figure] == 0:
                        break
                else:
                    self.fail(f"{figure} is still {after}")

    def test_what_is_said(self) -> None:
        servant = self.start(CONTROL="1")
        name = f"process {servant.pid} (servant): SOCKMALLOC_"
        self.assertEqual(self.set(servant, "decay-ms=2s"), f"{name}DECAY_MS=2000 (was 250)\n")
        said = self.set(servant, "SOCKMALLOC_RETAIN=1MiB", "cache=auto")
        self.assertEqual(said, f"{name}RETAIN=1m (was none)\n{name}CACHE=auto (was auto)\n")
        figures = self.figures(servant)
        self.assertEqual(figures["changed"], [f"SOCKMALLOC_{name}" for name in ("CACHE", "RETAIN", "DECAY_MS")])
        self.assertEqual(figures["configuration"]["SOCKMALLOC_DECAY_MS"], "2000")
        line = "changed while the program ran: SOCKMALLOC_CACHE=auto SOCKMALLOC_RETAIN=1m SOCKMALLOC_DECAY_MS=2000\n"
        self.assertIn(line, command.run("stat", servant.pid).stdout)
        wide = command.run("stat", servant.pid, "--wide").stdout
        self.assertIn("changed while the program ran: SOCKMALLOC_CACHE SOCKMALLOC_RETAIN SOCKMALLOC_DECAY_MS\n", wide)

    def test_a_dry_run_changes_nothing(self) -> None:
        servant = self.start(CONTROL="1")
        said = f"process {servant.pid} (servant): SOCKMALLOC_DECAY_MS=2000 (not changed, is 250)\n"
        self.assertEqual(self.set(servant, "--dry-run", "DECAY_MS=2s"), said)
        self.assertEqual(self.figures(servant)["changed"], [])

    def test_the_program_does_not_notice(self) -> None:
        servant = self.start(CONTROL="1")
        servant.ask(f"handle {int(signal.SIGUSR1)}")
        self.set(servant, "DECAY_MS=100")
        self.assertEqual(servant.ask("handled"), "0")
        self.assert_ends_well(servant)

    def test_each_process_of_a_server(self) -> None:
        master = self.start(CONTROL="1")
        worker = int(master.ask("worker"))
        lines = self.set(master, "DECAY_MS=100").splitlines()
        self.assertEqual(sorted(int(line.split()[1]) for line in lines), sorted((master.pid, worker)))
        master.end()


class Refusals(SetCase):
    def test_bad_words(self) -> None:
        servant = self.start(CONTROL="1")
        for words, said in (
            ([servant.pid], "no NAME=VALUE"),
            (["DECAY_MS=1"], "no process"),
            ([servant.pid, "DECAY_MS=1k"], "SOCKMALLOC_DECAY_MS=1k: not milliseconds from 0"),
            ([servant.pid, "DECAY_MS="], "SOCKMALLOC_DECAY_MS=: not milliseconds"),
            ([servant.pid, "RETAIN=1025g"], "not a size from 0 to 1024g"),
            ([servant.pid, "RETIAN=1"], "RETIAN: no such setting; did you mean SOCKMALLOC_RETAIN?"),
            (
                [servant.pid, "MIN=8k"],
                "SOCKMALLOC_MIN cannot change while a program runs; only these can: CACHE RETAIN",
            ),
            ([servant.pid, "x" * 99 + "=1"], "no such setting"),
            ([servant.pid, *["CACHE=1"] * 17], "too many settings"),
        ):
            with self.subTest(words):
                self.assert_refused(command.run("set", *words), command.USAGE, said)
        self.assertEqual(self.figures(servant)["changed"], [])

    def test_processes_that_do_not_allow_it(self) -> None:
        for variables, said in (
            ({}, "started without SOCKMALLOC_CONTROL=1"),
            ({"CONTROL": "1", "SIGNAL": "off"}, "SOCKMALLOC_SIGNAL=off"),
            ({"CONTROL": "1", "DISABLE": "1"}, "SOCKMALLOC_DISABLE=1"),
            ({"CONTROL": "1", "POOL": "cpu"}, "cannot change with SOCKMALLOC_POOL=cpu"),
        ):
            with self.subTest(variables):
                servant = self.start(**variables)
                self.assert_refused(command.run("set", servant.pid, "CACHE=1m"), command.FORBIDDEN, said)
                self.assertEqual(self.figures(servant)["changed"], [])

    def test_a_process_that_blocks_the_signal(self) -> None:
        servant = self.start(CONTROL="1", prepare=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]))
        self.assert_refused(command.run("set", servant.pid, "CACHE=1m"), UNANSWERED, "has not carried that out")

    def test_another_user(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        servant = self.start(CONTROL="1")
        copy = self.directory / "sockmalloc"
        shutil.copy(command.path(), copy)
        self.directory.chmod(0o755)
        result = command.run("set", servant.pid, "CACHE=1m", prepare=lambda: os.setuid(NOBODY), command=copy)
        self.assert_refused(result, command.FORBIDDEN, "CAP_SYS_PTRACE")

    def test_the_library_checks_again(self) -> None:
        """Any process that may send the signal can send any value with it. The upper 16 bits of a request's value are
        the mark 0x50c5, the next 6 bits are the number of a setting, and the rest is its new value. The library must
        change a setting only if the mark is right, the setting may change at run time, the new value is permitted, and
        SOCKMALLOC_CONTROL=1 is set. If the mark is wrong, the program's own handler must get the signal."""
        mark = 0x50C5 << 48
        names = list(self.figures(self.start())["configuration"])
        decay, retain, least = (names.index(f"SOCKMALLOC_{name}") for name in ("DECAY_MS", "RETAIN", "MIN"))
        allowed = mark | decay << 42 | 77
        for value, control, changed in (
            (mark | decay << 42 | 86_400_001, "1", []),
            (mark | least << 42 | 8192, "1", []),
            (mark | 63 << 42 | 1, "1", []),
            (mark | (1 << 42) - 2 | retain << 42, "1", []),
            (allowed, "0", []),
            (allowed, "1", ["SOCKMALLOC_DECAY_MS"]),
        ):
            with self.subTest(hex(value)):
                servant = self.start(CONTROL=control)
                servant.ask(f"handle {int(signal.SIGUSR1)}")
                self.queue(servant, value)
                self.assertEqual(self.figures(servant)["changed"], changed)
                self.assertEqual(servant.ask("handled"), "0")
                self.queue(servant, value ^ 1 << 48)
                self.assertEqual(servant.ask("handled"), "1")

    def queue(self, servant: Servant, value: int) -> None:
        """Makes the servant send the signal with this value to itself. The servant has handled the signal before it
        gives its next answer."""
        self.assertEqual(servant.ask(f"queue {int(signal.SIGUSR1)} {value}"), "done")
