"""Tests `sockmalloc top` on terminals of several widths: what it shows, what its keys do, and what it prints without a
terminal."""
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
# A number of terminal rows that is enough for 256 processes, the most that top shows. A test may need so many, because
# other processes on the machine may have the library too.
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
    """Returns the words of the screen row that begins with `label`, or an empty list if there is none."""
    return next((line.split() for line in screen if line.startswith(label)), [])


def figure(screen: list[str], label: str, column: str) -> str:
    """Returns the figure in the row that begins with `label`, below the heading `column`, or "" if there is no such row
    or heading."""
    headings = screen[1] if len(screen) > 1 else ""
    row = next((line for line in screen if line.startswith(label)), "")
    end = headings.find(f" {column} ") + 1 + len(column)
    return row[end - 6 : end].strip() if f" {column} " in headings else ""


class Screens(TopCase):
    def test_figures_at_all_sizes(self) -> None:
        servant = self.start(DECAY_MS="-1")
        for _ in range(3):
            servant.ask("take 5000")
        servant.ask("churn 100000")
        for columns, lines in SIZES:
            with self.subTest(columns=columns):
                terminal = self.top(servant.pid, columns=columns, lines=lines)
                screen = terminal.wait_for(
                    lambda now: "q quit" in now[-1] and line_of(now, "4m") != [] and now[2] != ""
                )
                self.assertTrue(screen[0].startswith("sockmalloc top: 1 process, by rate"), screen[0])
                self.assertEqual(len(screen), lines)
                process = f"{servant.pid} servant"[: 20 if columns == 80 else 9]
                self.assertNotEqual(line_of(screen, process), [])
                self.assertEqual(line_of(screen, "4k")[1:2], ["3"])
                rss = figure(screen, process, "rss")
                self.assertRegex(rss, r"\A\d+(\.\d)?m\Z")
                bar = "share of mem"[: {40: 6, 60: 14, 80: 11}[columns]].rstrip()
                self.assertTrue(screen[1].endswith(bar), screen[1])
                if columns == 80:
                    self.assertEqual(figure(screen, "4k", "cpu"), "-")
                    # Blocks of 5000 bytes fill 61% of their slots of 8192 bytes, and blocks of 100000 bytes fill 74% of
                    # their slots of 135168.
                    filled = [figure(screen, label, "fill") for label in ("4k", "128k", "1m", process)]
                    self.assertEqual(filled, ["61%", "74%", "0%", "74%"])
                # `churn` has written to one page of each of its 200 blocks of 100000 bytes. Their bucket, 128k, has the
                # most resident pages, so its bar is the longest.
                bars = {label: line_of(screen, label)[-1].count("#") for label in ("4k", "128k", "1m")}
                self.assertGreater(bars["128k"], 3)
                self.assertLess(bars["4k"], 2)
                self.assertEqual(bars["1m"], 0)
                self.assertEqual(screen[15:-1], [""] * (lines - 16), "no line runs over into the next")
                self.assertEqual(sum(line.startswith(("4k", "64k", "512k", "4m")) for line in screen), 4)
                self.end(terminal)

    def test_a_rate_and_its_shares(self) -> None:
        """The rates and shares on the screen count only the requests since the last reading. In some intervals the
        servant makes only requests of 8000 bytes, which fill 98% of their slots. If top showed totals since the start,
        these would also contain as many requests of 5000 bytes, and the share would never reach 98%."""
        servant = self.start()
        servant.ask("churn 5000")
        sizes = itertools.cycle((5000, 8000))
        terminal = self.top(servant.pid)
        terminal.wait_for(lambda now: figure(now, "4k", "fill") == "61%")

        def rates(now: list[str]) -> bool:
            servant.ask(f"churn {next(sizes)}")
            hits = re.fullmatch(r"[1-9]\d*%", figure(now, "4k", "hits")) is not None
            return hits and figure(now, "4k", "req/s") != "0" and figure(now, "4k", "fill") == "98%"

        terminal.wait_for(rates)
        self.end(terminal)

    def test_a_process_comes_and_goes(self) -> None:
        """If the command line of top names no process, top shows every process that has loaded the library. A process
        appears when it begins, and disappears when it ends."""
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
        """top must show the effect of each key at once, and must still read the process once in each interval although
        keys come faster. The test types a new key whenever the last key has changed the title, until top shows the
        block that the process has allocated meanwhile."""
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

        # Returns true if top shows the master and its worker as one line with two live blocks, and if the lower pane
        # shows two live blocks too.
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
        # The worker ends after its master. This loop waits for the worker's end, because until then the worker has a
        # file open in the test's directory.
        master.end()
        while os.path.exists(f"/proc/{worker}"):
            time.sleep(0.001)


    def test_help(self) -> None:
        servant = self.start()
        for columns, lines in (*SIZES, (200, 50)):
            with self.subTest(columns=columns):
                terminal = self.top(servant.pid, columns=columns, lines=lines)
                terminal.wait_for(lambda now: line_of(now, "4k") != [])
                terminal.type(b"?")
                screen = terminal.wait_for(lambda now: now[-1] == "any key goes back" and "fell" in "".join(now))
                self.assertRegex("\n".join(screen), r"(?m)^q +quits")
                self.assertRegex("\n".join(screen), r"(?m)\brss +resident")
                terminal.type(b"x")
                terminal.wait_for(lambda now: line_of(now, "4k") != [])
                self.end(terminal)

    def test_sort_by_the_other_columns(self) -> None:
        terminal = self.top(self.start().pid)
        for key, word in ((b"s", "rss"), (b"u", "cpu"), (b"t", "fell"), (b"h", "hits"), (b"c", "cached")):
            terminal.type(key)
            terminal.wait_for(lambda now: f"by {word}," in now[0])
        self.end(terminal)


class Colours(TopCase):
    def colours(self, **variables: str) -> set[str]:
        """Starts top with these environment variables on a terminal that has colours. Returns the colours of the row
        that shows the process, when this row has a bar of # signs."""
        servant = self.start()
        servant.ask("take 5000")
        line = [command.path(), "top", *FAST, str(servant.pid)]
        terminal = Terminal(line, command.environment(variables), 80, 24, name="linux")
        self.addCleanup(terminal.close)
        terminal.wait_for(lambda now: figure(now, "4k", "live") == "1")
        servant.ask("churn 5000")
        terminal.wait_for(lambda now: "#" in now[2])
        found = terminal.colours(2)
        self.end(terminal)
        return found - {"green"}  # green is left out, because it only marks a rate that is not 0

    def test_where_the_terminal_has_them(self) -> None:
        self.assertEqual(self.colours(), {"default", "cyan"})
        self.assertEqual(self.colours(NO_COLOR="1"), {"default"})


class Batch(TopCase):
    def lines(self, *options: str | int, columns: int = 80) -> list[str]:
        result = command.run("top", "--batch", *FAST, *options, variables={"COLUMNS": str(columns)})
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        return result.stdout.splitlines()

    def test_lines_of_each_width(self) -> None:
        servant = self.start()
        servant.ask("take 5000")
        for columns, shown in ((40, 4), (80, 8), (200, 9)):
            lines = self.lines("-n", 1, servant.pid, columns=columns)
            self.assertTrue(lines[0].startswith("sockmalloc top: 1 process, by rate"))
            self.assertLessEqual(max(map(len, lines)), columns)
            self.assertEqual(len(lines[1].partition(" share")[0].split()), 1 + shown)
            self.assertEqual(figure(lines, "4k", "live"), "1")
            self.assertLess(len(lines), 30)

    def test_rates_and_the_number_of_updates(self) -> None:
        servant = self.start()
        line = [command.path(), "top", "-b", *FAST, str(servant.pid)]
        reader = subprocess.Popen(line, env=command.environment(), stdout=subprocess.PIPE, text=True)
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        lines, rate = [""], ""
        while rate in ("", "0"):
            servant.ask("churn 5000")
            text = reader.stdout.readline()
            self.assertNotEqual(text, "")
            lines = [text] if text.startswith("sockmalloc top:") else [*lines, text.rstrip("\n")]
            rate = figure(lines, "4k", "req/s")
        titles = [line for line in self.lines("-n", 3, servant.pid) if line.startswith("sockmalloc top:")]
        self.assertEqual(len(titles), 3)


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
        self.assert_refused(command.run("top", "-b", "-n", "0"), command.USAGE, "a count is a positive number")
