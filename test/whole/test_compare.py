"""Tests `sockmalloc compare`, which runs a server under several allocators: what it prints, that no process is left
behind if a server fails or the command is interrupted, and that bad input is refused with one line."""

# SPDX-License-Identifier: BSD-2-Clause
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from support import browser, command, settings
from support import page as pages

FAILED = 10
SERVER = Path(__file__).resolve().parent / "support" / "little_server.py"
DEADLINE_SECONDS = 60
# Options of a comparison that takes a few seconds. There are few clients, because the test's small server
# (support/little_server.py) needs a thread for each client.
SHORT = ("--rounds=1", "--seconds=0.2", "--after=0.1,0.3", "--clients=4", "--connections=2")
PATHS = ("--path=/small", "--slow-path=/large")
FIGURES = {
    "requests_per_second",
    "cpu_us_per_request",
    "faults_per_request",
    "p99_ms",
    "load_seconds",
    "cpu_seconds_of_load",
    "faults_of_load",
    "start_mib",
    "before_burst_mib",
    "peak_mib",
    "soon_mib",
    "late_mib",
}


class CompareCase(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
        self.mark = self.directory.name

    def line(self, *options: str, words: tuple[str, ...] = ("http",), only: str | None = "glibc") -> list[str]:
        """Returns the command line of a short comparison, which measures the test's small server. `words` are arguments
        of that server."""
        chosen = () if only is None else (f"--only={only}",)
        library = f"--library={settings.library()}"
        return ["compare", library, *SHORT, *chosen, *options, "--", sys.executable, str(SERVER), self.mark, *words]

    def compare(
        self, *options: str, words: tuple[str, ...] = ("http",), only: str | None = "glibc"
    ) -> subprocess.CompletedProcess[str]:
        result = command.run(*self.line(*options, words=words, only=only))
        self.assertEqual(self.left(), [])
        return result

    def left(self) -> list[int]:
        """Returns the ids of the processes whose command line has the test's mark, the name of its temporary directory.
        The command, the server and the loads of Interruptions have the mark."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if self.mark.encode() in entry.read_bytes():
                    found.append(int(entry.parent.name))
            except OSError:
                continue  # the process has ended since the processes were listed
        return found

    def assert_refused(self, result: subprocess.CompletedProcess[str], code: int, words: str) -> None:
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertRegex(result.stderr, r"\Asockmalloc: [^\n]+\n\Z")
        self.assertIn(words, result.stderr)

    def assert_done(self, result: subprocess.CompletedProcess[str]) -> None:
        self.assertEqual((result.returncode, result.stderr), (0, ""))


class Output(CompareCase):
    def test_the_text(self) -> None:
        result = self.compare(*PATHS)
        self.assert_done(result)
        self.assertTrue(all(len(line) <= 80 for line in result.stdout.splitlines()[4:]), result.stdout)
        for name in ("glibc", "sockmalloc"):
            # the allocator's name begins a line of the table of speed, a line of the table of memory, and the line
            # before the curve of the server's memory
            self.assertEqual(len(re.findall(rf"^{name} +\S", result.stdout, re.MULTILINE)), 3, result.stdout)
        for word in ("(found), HTTP: GET /small", "requests/s", "p99 ms", "peak", "0.1 s after", "0.3 s after"):
            self.assertIn(word, " ".join(result.stdout.split()))
        self.assertRegex(result.stdout, r"(?s)\nsockmalloc: .*MiB.*\.\n\Z")

    def test_json_has_every_figure_of_every_round(self) -> None:
        result = self.compare("--json", "--rounds=2", *PATHS)
        self.assert_done(result)
        said = json.loads(result.stdout)
        self.assertEqual([allocator["name"] for allocator in said["allocators"]], ["glibc", "sockmalloc"])
        self.assertEqual((said["protocol"], said["port_is_given"], said["load"]), ("http", False, None))
        self.assertEqual(said["command"], [sys.executable, str(SERVER), self.mark, "http"])
        for allocator in said["allocators"]:
            self.assertIsNone(allocator["left_out"])
            self.assertEqual(set(allocator["figures"]), FIGURES)
            for name, figure in allocator["figures"].items():
                self.assertEqual(len(figure["rounds"]), 2)
                self.assertEqual((figure["low"], figure["high"]), (min(figure["rounds"]), max(figure["rounds"])), name)
                self.assertAlmostEqual(figure["median"], sum(figure["rounds"]) / 2, delta=figure["median"] / 1000)
            self.assertGreater(allocator["figures"]["requests_per_second"]["low"], 0)
            peak = allocator["figures"]["peak_mib"]["median"]
            self.assertGreaterEqual(peak, allocator["figures"]["before_burst_mib"]["median"])
            times = [time_and_memory[0] for time_and_memory in allocator["curve"]]
            self.assertEqual((times[0], times[-1], len(times)), (-2.0, 0.3, 24))
            self.assertGreater(min(memory for _time, memory in allocator["curve"]), 1)
        self.assertTrue(said["verdict"].startswith("sockmalloc: "))

    def test_the_page_has_the_figures(self) -> None:
        page = self.directory / "page.html"
        result = self.compare("--json", f"--html={page}", *PATHS)
        self.assert_done(result)
        said, found = json.loads(result.stdout), pages.check(self, page.read_text())
        curves, *tables = found.tables
        rows = [one for table in tables for one in zip(table.rows, table.figures)]
        cells = {(row[0], figure) for row, exact in rows for figure in exact}
        for allocator in said["allocators"]:
            for name in FIGURES - {"load_seconds", "cpu_seconds_of_load", "faults_of_load"}:
                self.assertIn((allocator["name"], f"{allocator['figures'][name]['median']:g}"), cells, name)
            column = curves.columns.index(allocator["name"])
            drawn = [[float(row[0] or ""), float(row[column] or "")] for row in curves.figures]
            self.assertEqual(drawn, allocator["curve"])
        self.assertEqual(
            (found.charts[0]["data-ours"], found.charts[0]["data-marks"]), ("sockmalloc", "0=the slow clients leave")
        )
        self.assertIn(said["verdict"], found.texts["p"])
        # the page is the only file that the command leaves in the directory
        self.assertEqual(list(self.directory.iterdir()), [page])
        with self.subTest("in a browser"):
            if browser.find() is None:
                self.skipTest(browser.MISSING)
            shown = browser.Browser()
            self.addCleanup(shown.close)
            shown.open(page)
            shown.settle()
            self.assertEqual(shown.value("document.querySelectorAll('figure[data-kind] canvas').length"), 1)
            self.assertEqual(shown.complaints, [])

    def test_resp(self) -> None:
        result = self.compare("--json", words=("resp",))
        self.assert_done(result)
        self.assertEqual(json.loads(result.stdout)["protocol"], "resp")

    def test_a_peer_and_one_that_is_left_out(self) -> None:
        good, bad = self.directory / "good.so", self.directory / "bad.so"
        for copy in (good, bad):
            shutil.copy(settings.early_library(), copy)
        options = (f"--peer=one={good}", f"--peer=two={bad}", "--json", *PATHS)
        result = self.compare(*options, words=("http", "refuse"), only="glibc,one,two")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, r"\Asockmalloc: two is left out: [^\n]*exit status 3[^\n]*is bad\n\Z")
        allocators = json.loads(result.stdout)["allocators"]
        self.assertEqual([each["name"] for each in allocators], ["glibc", "one", "two", "sockmalloc"])
        self.assertEqual([each["left_out"] is None for each in allocators], [True, True, False, True])
        self.assertEqual(allocators[1]["library"], str(good))

    def test_a_terminal_shows_progress(self) -> None:
        terminal, other_end = pty.openpty()
        with subprocess.Popen(
            [command.path(), *self.line(*PATHS)],
            env=command.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=other_end,
        ) as process:
            os.close(other_end)
            shown = b""
            try:
                while part := os.read(terminal, 4096):
                    shown += part
            except OSError:
                pass  # reading the terminal fails when the program at its other end has ended
            os.close(terminal)
        self.assertEqual(process.returncode, 0, shown)
        for words in (b"round 1 of 1, glibc: the server starts", b"round 1 of 1, sockmalloc, ", b"slow clients"):
            self.assertIn(words, shown)
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown)


class UsersLoad(CompareCase):
    def test_its_environment_and_its_figures(self) -> None:
        said = self.directory / "said"
        load = f"env | grep ^SOCKMALLOC_COMPARE_ >>{said}; echo requests 1000; echo p99 2.5; echo done"
        result = self.compare("--json", "--load", load, "--seconds=7")
        self.assert_done(result)
        lines = said.read_text().splitlines()
        self.assertEqual(lines.count("SOCKMALLOC_COMPARE_HOST=127.0.0.1"), 2)
        self.assertEqual(lines.count("SOCKMALLOC_COMPARE_SECONDS=7"), 2)
        self.assertEqual(len([line for line in lines if re.fullmatch(r"SOCKMALLOC_COMPARE_PORT=\d+", line)]), 2)
        for allocator in json.loads(result.stdout)["allocators"]:
            figures = allocator["figures"]
            self.assertEqual(figures["p99_ms"]["median"], 2.5)
            seconds = figures["load_seconds"]["median"]
            rate = figures["requests_per_second"]["median"]
            self.assertAlmostEqual(rate * seconds, 1000, delta=10)

    def test_a_load_that_does_not_count_its_requests(self) -> None:
        result = self.compare("--load=sleep 0.2")
        self.assert_done(result)
        self.assertIn("load s", result.stdout)
        self.assertNotIn("requests/s", result.stdout)

    def test_a_load_that_fails(self) -> None:
        result = self.compare("--load=echo no route >&2; exit 6")
        self.assert_refused(result, FAILED, "under glibc: the load ended with exit status 6: no route")

    def test_the_load_must_know_the_port(self) -> None:
        result = self.compare("--load=true", words=("http", "second"))
        self.assert_refused(result, command.USAGE, "choose one by --port")


class Servers(CompareCase):
    def test_a_daemon_is_followed(self) -> None:
        self.assert_done(self.compare(*PATHS, words=("http", "daemon")))

    def test_the_port_that_answers_is_found(self) -> None:
        self.assert_done(self.compare(*PATHS, words=("second", "http")))

    def test_a_server_that_fails(self) -> None:
        bad = self.directory / "bad.so"
        shutil.copy(settings.early_library(), bad)
        result = self.compare(f"--peer=it={bad}", words=("refuse",), only="it")
        self.assert_refused(result, FAILED, "exit status 3: this library is bad")

    def test_a_server_that_ends_during_the_load(self) -> None:
        result = self.compare("--load=sleep 0.1; python3 -c 'import os, urllib.request as r; r.urlopen("
                              '"http://127.0.0.1:" + os.environ["SOCKMALLOC_COMPARE_PORT"] + "/leave")\'; sleep 60',
                              words=("http", "leave"))
        self.assert_refused(result, FAILED, "ended: exit status 4")

    def test_a_program_that_leaves_nothing_to_follow(self) -> None:
        result = command.run("compare", f"--library={settings.library()}", *SHORT, "--", "true")
        self.assert_refused(result, FAILED, "left no process that could be followed")

    def test_a_path_that_is_not_there(self) -> None:
        result = self.compare("--path=/missing")
        self.assert_refused(result, FAILED, "the server answers GET /missing with status 404")

    def test_another_port(self) -> None:
        self.assert_refused(self.compare("--port=1"), FAILED, "and not on port 1")


class Interruptions(CompareCase):
    def begin(self, *options: str) -> "subprocess.Popen[str]":
        """Starts a comparison whose load would take 600 seconds, and waits until the load has begun."""
        begun = self.directory / "begun"
        begun.unlink(missing_ok=True)
        # The load is a shell command here. It makes a file when it begins. Its exit status does not matter. The mark is
        # an argument of Python, which replaces the shell, so the test finds a load that was left running.
        sleep = "import time; time.sleep(600)"
        load = f"touch {begun}; exec {sys.executable} -c '{sleep}' {self.mark}"
        line = self.line("--load", load, *options)
        process = subprocess.Popen(
            [command.path(), *line],
            env=command.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not begun.exists():
            self.assertIsNone(process.poll(), "the comparison has ended")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        return process

    def assert_nothing_is_left(self) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.left():
            self.assertLess(time.monotonic(), deadline, self.left())
            time.sleep(0.01)

    def test_signals_leave_nothing(self) -> None:
        for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for words in (("http",), ("http", "daemon")):
                with self.subTest(sent, words=words):
                    process = self.begin()
                    process.send_signal(sent)
                    stdout, stderr = process.communicate(timeout=DEADLINE_SECONDS)
                    self.assertEqual((process.returncode, stdout), (-sent, ""))
                    self.assertRegex(stderr, r"\Asockmalloc: interrupted: [^\n]+\n\Z")
                    self.assertEqual(self.left(), [])

    def test_a_killed_command_leaves_nothing(self) -> None:
        process = self.begin()
        process.kill()
        process.communicate(timeout=DEADLINE_SECONDS)
        self.assert_nothing_is_left()


class Refusals(CompareCase):
    def test_options(self) -> None:
        text = self.directory / "text"
        text.write_text("no library\n")
        for option, words in (
            ("--rounds=0", "--rounds takes a number"),
            ("--seconds=none", "--seconds takes a number"),
            ("--port=65536", "--port takes a number"),
            ("--after=3,1", "--after takes two numbers"),
            ("--after=1", "--after takes two numbers"),
            ("--path=small", "a path begins with /"),
            ("--slow-path=/a b", "a path begins with /"),
            ("--clients=-1", "--clients takes a number"),
            ("--connections=1x", "--connections takes a number"),
            ("--only=nosuch", "nosuch is not installed; there are: glibc, "),
            ("--only=,", "--only names no allocator"),
            ("--only=", "--only names no allocator"),
            ("--peer=name", "not NAME=LIBRARY"),
            (f"--peer=sockmalloc={settings.early_library()}", "the name sockmalloc is taken"),
            (f"--peer=glibc={settings.early_library()}", "the name glibc is taken"),
            (f"--peer=it={text}", "there is no library"),
            ("--peer=it=/nosuch/library.so", "there is no library"),
        ):
            with self.subTest(option):
                self.assert_refused(self.compare(option, only=None), command.USAGE, words)

    def test_what_cannot_be_started(self) -> None:
        library = f"--library={settings.library()}"
        self.assert_refused(command.run("compare", library), command.USAGE, "no server is given")
        self.assert_refused(command.run("compare", library, "/nosuch"), command.NOT_FOUND, "/nosuch")
        self.assert_refused(command.run("compare", library, "/etc/passwd"), command.NOT_EXECUTABLE, "/etc/passwd")
        self.assert_refused(command.run("compare", "--library=/nosuch.so", "true"), command.REFUSED, "/nosuch.so")

    def test_a_page_that_cannot_be_written(self) -> None:
        for path in ("/nosuch/page.html", str(self.directory)):
            self.assert_refused(self.compare(f"--html={path}"), command.UNWRITTEN, "can't be written")

    def test_a_full_disk(self) -> None:
        with open("/dev/full", "wb") as full:
            line = [command.path(), *self.line("--json", "--html=/dev/full")]
            done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, timeout=DEADLINE_SECONDS)
        self.assertEqual(done.returncode, command.UNWRITTEN, done.stderr)
        self.assertRegex(
            done.stderr,
            r"\Asockmalloc: [^\n]* could not be written: [^\n]*\n[^\n]* can't be written: [^\n]*\n\Z",
        )
