"""Tests `sockmalloc top` on terminals of 80 columns and fewer: what it shows, what its keys do, and what it prints if
there is no terminal."""
# SPDX-License-Identifier: BSD-2-Clause
import itertools
import os
import pty
import re
import subprocess
import time

from support import command
from support.servant import Servant, ServantCase
from support.terminal import DEADLINE_SECONDS, Terminal

SIZES = ((80, 24), (60, 24), (40, 24))
FAST = ("--interval", "0.05")
# The number of the terminal's rows: enough for as many processes as top can show, because other processes on the
# machine may have the library too.
TALL = 256 + 20
DOWN = b"\x1bOB"


class TopCase(ServantCase):
    def top(self, *arguments: str | int, columns: int = 80, lines: int = 24) -> Terminal:
        line = [command.path(), "top", *FAST, *map(str, arguments)]
        terminal = Terminal(line, command.environment(), columns, lines)
        self.addCleanup(terminal.close)
        return terminal

    def end(self, terminal: Terminal) -> None:
        terminal.type(b"q")
        self.assertEqual(terminal.process.wait(DEADLINE_SECONDS), command.DONE)
        self.assertEqual(terminal.process.stderr.read(), b"")


def line_of(screen: list[str], label: str) -> list[str]:
    """Returns the words of the row of the screen that begins with the label."""
    return next((line.split() for line in screen if line.startswith(label)), [])


class Screens(TopCase):
    def test_figures_at_all_sizes(self) -> None:
        servant = self.start(DECAY_MS="-1")
        for _ in range(3):
            servant.ask("take 5000")
        servant.ask("churn 100000")
        for columns, lines in SIZES:
            with self.subTest(columns=columns):
                terminal = self.top(servant.pid, columns=columns, lines=lines)
                screen = terminal.wait_for(lambda now: "q quit" in now[-1] and line_of(now, "4m") != [])
                self.assertTrue(screen[0].startswith("sockmalloc top: 1 process, by rate"), screen[0])
                self.assertEqual(len(screen), lines)
                process = f"{servant.pid} servant"[: 20 if columns == 80 else 9]
                self.assertNotEqual(line_of(screen, process), [])
                self.assertEqual(line_of(screen, "4k")[1:2], ["3"])
                if columns == 80:
                    self.assertEqual(line_of(screen, f"of {servant.pid}")[-1], "filled")
                    # The bucket 4k is filled to 61% by 5000 bytes in slots of 8192, and 128k to 74% by 100000 in
                    # 135168. The name of a process adds one word to its rows.
                    filled = [line_of(screen, label)[6] for label in ("4k", "128k", "1m")]
                    self.assertEqual(filled, ["61%", "74%", "0%"])
                    self.assertEqual(line_of(screen, process)[7], "74%")
                # The 200 buffers of 100000 bytes have more resident memory than any other bucket, one page each, so the
                # bar of their bucket is the longest.
                bars = {label: line_of(screen, label)[-1].count("#") for label in ("4k", "128k", "1m")}
                self.assertGreater(bars["128k"], 3)
                self.assertLess(bars["4k"], 2)
                self.assertEqual(bars["1m"], 0)
                self.assertEqual(screen[15:-1], [""] * (lines - 16), "no line runs over into the next")
                self.assertEqual(sum(line.startswith(("4k", "64k", "512k", "4m")) for line in screen), 4)
                self.end(terminal)

    def test_a_rate_and_its_shares(self) -> None:
        """The rates and shares count only the requests since the last reading, and in some intervals these are only
        requests of 8000 bytes, in slots of 8192. Totals since the start would also contain as many requests of 5000
        bytes."""
        servant = self.start()
        servant.ask("churn 5000")
        sizes = itertools.cycle((5000, 8000))
        terminal = self.top(servant.pid)
        terminal.wait_for(lambda now: line_of(now, "4k")[6:7] == ["61%"])

        def rates(now: list[str]) -> bool:
            servant.ask(f"churn {next(sizes)}")
            fields = line_of(now, "4k")
            hits = len(fields) > 6 and re.fullmatch(r"[1-9]\d*%", fields[5]) is not None
            return hits and fields[4] != "0" and fields[6] == "98%"

        terminal.wait_for(rates)
        self.end(terminal)

    def test_a_process_comes_and_goes(self) -> None:
        """Without process ids on its command line, top shows every process that has loaded the library."""
        terminal = self.top(lines=TALL)
        terminal.wait_for(lambda now: now[0].startswith("sockmalloc top: "))
        servant = self.start()
        terminal.wait_for(lambda now: line_of(now, f"{servant.pid} servant") != [])
        servant.end()
        terminal.wait_for(lambda now: line_of(now, f"{servant.pid} servant") == [])
        self.end(terminal)

    def test_the_last_one_goes(self) -> None:
        servant = self.start()
        terminal = self.top(servant.pid)
        terminal.wait_for(lambda now: line_of(now, str(servant.pid)) != [])
        servant.end()
        terminal.wait_for(lambda now: "no process that may be read carries the library" in now[2])
        self.end(terminal)


class Keys(TopCase):
    def two(self) -> tuple[Servant, Servant]:
        large, many = self.start(), self.start()
        large.ask("churn 300000")
        for _ in range(5):
            many.ask("take 5000")
        return large, many

    def test_sort(self) -> None:
        large, many = self.two()
        terminal = self.top(large.pid, many.pid)
        for key, first, word in ((b"l", many, "live"), (b"m", large, "memory"), (b"p", min, "process")):
            with self.subTest(word):
                terminal.type(key)
                pid = min(large.pid, many.pid) if first is min else first.pid
                terminal.wait_for(lambda now: f"by {word}," in now[0] and now[2].startswith(f"{pid} "))
        self.end(terminal)

    def test_the_looks_go_on_between_keys(self) -> None:
        """Each key changes the title of the screen at once, and the next key changes it back. top does not wait for the
        end of its interval."""
        servant = self.start()
        terminal = self.top("--interval", "1", servant.pid)
        terminal.wait_for(lambda now: line_of(now, "4k")[1:2] == ["0"])
        servant.ask("take 5000")
        typed = [b"l"]

        def looked(now: list[str]) -> bool:
            if f"by {'live' if typed[-1] == b'l' else 'memory'}," in now[0]:
                typed.append(b"m" if typed[-1] == b"l" else b"l")
                terminal.type(typed[-1])
            return line_of(now, "4k")[1:2] == ["1"]

        terminal.type(typed[-1])
        terminal.wait_for(looked)
        self.end(terminal)

    def test_select(self) -> None:
        large, many = self.two()
        first, second = sorted((large.pid, many.pid))
        terminal = self.top(large.pid, many.pid)
        terminal.type(b"p")
        terminal.wait_for(lambda now: line_of(now, f"of {first}") != [])
        terminal.type(DOWN)
        terminal.wait_for(lambda now: line_of(now, f"of {second}") != [])
        terminal.type(DOWN)
        terminal.wait_for(lambda now: line_of(now, f"of {second}") != [])
        self.end(terminal)

    def test_workers_are_folded_under_their_master(self) -> None:
        master = self.start()
        master.ask("take 5000")
        worker = int(master.ask("worker"))
        terminal = self.top(master.pid)

        # the master and its worker are one line with two live blocks, and the lower pane adds up both processes too
        def folded(now: list[str]) -> bool:
            upper = line_of(now, f"{master.pid} servant+1")[2:3]
            lower = line_of(now, "4k")[1:2] if line_of(now, f"of {master.pid}+1") else []
            return upper == lower == ["2"]

        screen = terminal.wait_for(folded)
        self.assertEqual(line_of(screen, str(worker)), [])
        terminal.type(b"f")
        terminal.wait_for(
            lambda now: line_of(now, f"{worker} servant") != [] and line_of(now, f"{master.pid} servant ")[2:3] == ["1"]
        )
        self.end(terminal)
        # Waits until the worker has ended, which it does after its master, because until then it has a file open in the
        # test's directory.
        master.end()
        while os.path.exists(f"/proc/{worker}"):
            time.sleep(0.001)


class Refusals(TopCase):
    def test_a_terminal_that_is_none(self) -> None:
        self.assert_refused(command.run("top"), 9, "top needs a terminal")

    def test_a_terminal_that_nothing_is_known_of(self) -> None:
        for name in ({}, {"TERM": "no-such-terminal"}):
            master, slave = pty.openpty()
            result = subprocess.run(
                [command.path(), "top"],
                env=command.environment(name),
                stdin=slave,
                stdout=slave,
                stderr=subprocess.PIPE,
                text=True,
                timeout=DEADLINE_SECONDS,
            )
            os.close(slave)
            self.assertEqual(result.returncode, 9)
            self.assert_complaint(result.stderr, "top needs a terminal")
            os.close(master)

    def test_a_process_that_is_not_there(self) -> None:
        gone = command.ended_process()
        self.assert_refused(command.run("top", gone), command.GONE, f"process {gone}")
        self.assert_refused(command.run("top", "0"), command.USAGE, "0 is not a process id")
