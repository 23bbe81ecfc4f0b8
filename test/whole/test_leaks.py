"""Tests that `sockmalloc leaks` reads another, running process, and lists the functions that allocated the blocks which
the process has not freed."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import os
import re
import shutil
import subprocess
from unittest import mock

from support import command, settings
from support.servant import Servant, ServantCase

KEPT = {"POOL": "standard", "IN_USE": "1"}
NOBODY = 65534


class Leaks(ServantCase):
    def callers(self, servant: Servant) -> list[tuple[int, int, str]]:
        """Runs `sockmalloc leaks`, and returns a row for each caller of malloc in the output: the number of slots that
        the caller allocated and that are still in use, the bytes of these slots, and the caller's name."""
        result = command.run("leaks", servant.pid)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        first, head, *lines = result.stdout.splitlines()
        self.assertEqual(head.split(), ["slots", "bytes", "oldest", "caller"])
        rows = [re.fullmatch(r" *(\d+) +(\d+) +\d+\.\d{3} s  (.+)", line) for line in lines]
        callers = [(int(row[1]), int(row[2]), row[3]) for row in rows]
        slots, size = (sum(row[i] for row in callers) for i in (0, 1))
        words = f"process {servant.pid} (servant): in use {slots} slots, {size} bytes, by {len(callers)} callers"
        self.assertEqual(first, words)
        return callers

    def test_names_functions_and_lines(self) -> None:
        servant = self.start(**KEPT)
        self.assertEqual(self.callers(servant), [])
        for order in ("take 5000", "churn 6000", "take 100000", "hold 9000"):
            servant.ask(order)
        (slots, size, taken), (_, _, held) = self.callers(servant)
        self.assertEqual((slots, size), (2, 105000))
        rows = [json.loads(line) for line in command.run("leaks", "--json", servant.pid).stdout.splitlines()]
        self.assertEqual([(row["process"], row["slots"], row["bytes"], row["caller"]) for row in rows],
                         [(servant.pid, 2, 105000, taken), (servant.pid, 1, 9000, held)])
        self.assertTrue(all(0 <= row["age"] < 3600 * 10**9 for row in rows), rows)
        for name, function in ((taken, "take"), (held, "hold")):
            self.assertRegex(name, rf"\A({function}|main)\+0x[0-9a-f]+ at \S*servant\.c:\d+\Z")

    def test_names_the_object_where_there_is_no_symbol_or_no_trust(self) -> None:
        program, built = self.directory / "servant", settings.program("servant")
        nameless = r"\Aservant( \(deleted\))?\+0x[0-9a-f]+\Z"
        for change, pattern in (
            (lambda: None, r"\A(take|main)\+0x[0-9a-f]+ at \S*servant\.c:\d+\Z"),
            (lambda: program.chmod(0o777), nameless),
            (lambda: os.chown(program, NOBODY, NOBODY), nameless),
            (lambda: (program.unlink(), shutil.copy("/bin/true", program)), nameless),
        ):
            with self.subTest(pattern):
                shutil.copy(built, program)
                with mock.patch("support.settings.program", lambda _name: program):
                    servant = self.start(**KEPT)
                change()
                servant.ask("take 5000")
                callers = self.callers(servant)
                servant.dismiss()
                program.unlink()
                self.assertRegex(callers[0][2], pattern)

    def test_a_process_that_notes_no_callers_hides_no_other(self) -> None:
        plain, keeping = self.start(), self.start(**KEPT)
        keeping.ask("take 5000")
        for first, second in ((plain, keeping), (keeping, plain)):
            result = command.run("leaks", first.pid, second.pid)
            self.assertEqual(result.returncode, command.WITHOUT)
            self.assert_complaint(result.stderr, f"process {plain.pid} (servant) notes no callers")
            self.assertIn(f"process {keeping.pid} (servant): in use 1 slots, 5000 bytes", result.stdout)

    def test_refusals(self) -> None:
        plain = self.start()
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
            for code, words, process in (
                (command.USAGE, "has to be named", ()),
                (command.WITHOUT, "notes no callers: it was started without SOCKMALLOC_POOL=standard", (plain.pid,)),
                (command.WITHOUT, "does not carry the library", (other.pid,)),
                (command.GONE, "has ended", (command.ended_process(),)),
            ):
                with self.subTest(words):
                    self.assert_refused(command.run("leaks", *process), code, words)
