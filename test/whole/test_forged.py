"""Tests the command with a hostile process. The library keeps its counters in the memory of each process, and the
command reads them there. The hostile process forges them: it overwrites them with false values. The command must end in
time, print nothing dangerous, and use no forged number unchecked."""
# SPDX-License-Identifier: BSD-2-Clause
import ctypes
import json
import os
import re
import selectors
import signal
import subprocess
import time
from pathlib import Path

from support import command, formats, settings, statistics
from support.exporter import Exporter, value
from support.servant import ServantCase
from support.terminal import Terminal

DEADLINE_SECONDS = 60
PATIENCE_SECONDS = 20
# How many random forgeries the test in the class Drawn makes. scripts/soak sets a larger number.
VIEWS = int(os.environ.get("SOCKMALLOC_VIEWS", "300"))
VIEWS_SEED = int(os.environ.get("SOCKMALLOC_VIEWS_SEED", "1"))
VIEWS_SECONDS = 60 + VIEWS
ENDS = (command.DONE, command.WITHOUT, command.OTHER_VERSION, command.DAMAGED)
HELD = 6  # three threads of the forger keep two blocks of the bucket 4k each; buffers of stdio may add to these
ADDR_NO_RANDOMIZE = 0x0040000
CLONE3 = 435
# Matches all control characters but the newline. The command must print none of them, because a terminal would obey
# them.
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")


class Forger:
    """A process that overwrites its own counters with false values. The test sends orders to the process, and each
    order makes the process forge the counters in one way."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [settings.program("forger")],
            env=settings.environment(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self.pid = self._process.pid
        self.objects = self.forge("restore")

    def forge(self, *words: str | int) -> int:
        """Sends an order to the forger, and returns the forger's answer. The answer to every order is the number of
        objects (variables of the library) that hold counters. The forger can forge each of these objects."""
        self._process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(DEADLINE_SECONDS):
                raise AssertionError(f"no answer to {words}")
        return int(os.read(self._process.stdout.fileno(), 64))

    def returncode(self) -> int | None:
        return self._process.poll()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class ForgedCase(ServantCase):
    def forger(self, **variables: str) -> Forger:
        forger = Forger({f"SOCKMALLOC_{name}": value for name, value in variables.items()})
        self.addCleanup(forger.end)
        return forger

    def run_command(self, *arguments: str | int) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [command.path(), *map(str, arguments)],
            env=command.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE_SECONDS,
        )

    def assert_bounded(self, result: subprocess.CompletedProcess[bytes]) -> None:
        self.assertIn(result.returncode, ENDS, result.stderr)
        self.assertIsNone(CONTROL.search(result.stdout + result.stderr), result.stdout + result.stderr)
        self.assertLess(len(result.stdout), 80 << 10)
        self.assertNotIn(b"crashed the child process", result.stderr)

    def assert_refused(self, result: subprocess.CompletedProcess[bytes], words: bytes) -> None:
        self.assertEqual((result.returncode, result.stdout), (command.DAMAGED, b""), result.stderr)
        self.assertRegex(result.stderr, rb"\Asockmalloc: [^\n]+\n\Z")
        self.assertIn(words, result.stderr)


class Views(ForgedCase):
    def test_an_honest_one(self) -> None:
        for kind in ("thread", "cpu", "lockfree", "standard"):
            forger = self.forger(POOL=kind)
            result = self.run_command("stat", "--wide", forger.pid)
            self.assertEqual((result.returncode, result.stderr), (command.DONE, b""))
            table, _, others = result.stdout.decode().partition("\npools of process")
            self.assertIn("forged pages\n", others)
            self.assertIn("forged ring\n", others)
            self.assertGreaterEqual(statistics.tables(table, 1)[0].rows["4k"]["live"], HELD)

    def test_objects_of_one_value(self) -> None:
        """The library has its counters in several objects. Forges one object after the other: sets all bytes or all
        words of the object, and so each count, pointer and text in the object, to one value."""
        forger = self.forger()
        for number in range(forger.objects):
            for order in ("fill {} 0", "fill {} ff", "fill {} 41", "words {} 7f0000000000", "words {} 1"):
                with self.subTest(order.format(number)):
                    forger.forge(order.format(number))
                    for options in ((), ("--wide",)):
                        self.assert_bounded(self.run_command("stat", forger.pid, *options))

    def test_pools_of_one_value(self) -> None:
        forger = self.forger()
        self.assertEqual(self.run_command("stat", forger.pid).stdout.count(b" forged\n"), 4)
        for value in ("0", "ffffffffffffffff", "4141414141414141", "7f0000000000", "1"):
            forger.forge("pools", 0, value)
            for options in ((), ("--wide", "--json"), ("--wide", "--prometheus")):
                with self.subTest(value=value, options=options):
                    self.assert_bounded(self.run_command("stat", forger.pid, *options))

    def test_a_name_of_a_pool_that_a_terminal_would_obey(self) -> None:
        forger = self.forger()
        forger.forge("pool")
        result = self.run_command("stat", forger.pid)
        self.assert_bounded(result)
        self.assertIn(rb"\x1b]0;title\x07\x0a\xc2\x9b", result.stdout)
        pools = json.loads(self.run_command("stat", forger.pid, "--json").stdout)["pools"]
        self.assertEqual(sorted(pool["pool"][:6] for pool in pools), ["\x1b]0;ti", "forged"])

    def test_a_name_without_an_end(self) -> None:
        forger = self.forger()
        forger.forge("name")
        first = self.run_command("stat", "--wide", forger.pid).stdout.splitlines()[0]
        self.assertRegex(first, rb"statistics of A{31}, process \d+\Z")
        self.assertRegex(self.run_command("stat", forger.pid).stdout, rb"\AA{31}, process \d+: ")

    def test_names_that_a_terminal_would_obey(self) -> None:
        forger = self.forger()
        forger.forge("escape")
        result = self.run_command("stat", forger.pid)
        self.assert_bounded(result)
        self.assertIn(rb"\x1b]0;title\x07\x0a\xc2\x9bX, process", result.stdout)
        result = self.run_command("stat", "--wide", forger.pid)
        self.assert_bounded(result)
        self.assertIn(rb"statistics of \x1b]0;title\x07\x0a\xc2\x9bX, process", result.stdout)
        second = self.forger()
        second.forge("escape")
        report = self.directory / "report"
        for words in (
            ("check", forger.pid),
            ("check", "forger"),
            ("list", forger.pid),
            ("bugreport", forger.pid, "-o", report),
        ):
            result = self.run_command(*words)
            shown = report.read_bytes() if report.exists() else result.stdout
            self.assertIn(rb"\x1bc\x0a1", shown)
            self.assertIsNone(CONTROL.search(shown + result.stderr), words)
        result = self.run_command("check", forger.pid)
        self.assert_bounded(result)
        self.assertIn(rb"(\x1b[31mX\x0aY\x9b): sockmalloc ", result.stdout)
        forger.forge("signal", 0, "9")
        self.assert_bounded(self.run_command("stat", forger.pid))

    def test_a_path_that_a_terminal_would_obey(self) -> None:
        forger = self.forger()
        forger.forge("path")
        result = self.run_command("stat", "--wide", forger.pid)
        self.assert_bounded(result)
        self.assertIn(rb"SOCKMALLOC_STATS=/tmp/\x1bc\x0a ", result.stdout)

    def test_the_plan_of_buckets_is_mended(self) -> None:
        forger = self.forger()
        forger.forge("plan")
        for form in ("json", "prometheus"):
            with self.subTest(form):
                result = self.run_command("stat", forger.pid, f"--{form}")
                self.assert_bounded(result)
                self.assertGreaterEqual(formats.READERS[form](result.stdout.decode())["4k"]["live"], HELD)
        self.assert_bounded(self.run_command("advise", forger.pid))

    def test_the_exporter_keeps_the_last_figures(self) -> None:
        """While a process has forged counters, the exporter counts the process as unreadable, and the metrics that
        count the process's requests keep their last values. Afterwards these metrics continue, and no request is
        counted twice."""
        forger = self.forger()
        started = Exporter(forger.pid)
        self.addCleanup(started.dismiss)
        pages = [started.samples()]
        forger.forge("signal", 0, f"{int(signal.SIGKILL):x}")
        pages.append(started.samples())
        forger.forge("restore")
        pages.append(started.samples())
        damaged = [value(page, "sockmalloc_exporter_unreadable_processes", reason="damaged") for page in pages]
        self.assertEqual(damaged, [0, 1, 0])
        requests = [value(page, "sockmalloc_requests_total") for page in pages]
        self.assertGreater(requests[0], 0)
        self.assertEqual(requests[1], requests[0])
        self.assertLess(requests[2], 2 * requests[0])

    def test_the_exporter_keeps_the_last_figures_of_pools(self) -> None:
        """Overwrites each of the objects that hold counters in turn. If the exporter then cannot read the process's
        fixed-size pools, it must go on to report their last figures."""
        forger = self.forger()
        started = Exporter(forger.pid)
        self.addCleanup(started.dismiss)
        before = value(started.samples(), "sockmalloc_pool_carved_blocks")
        self.assertGreater(before, 0)
        for number in range(forger.objects):
            with self.subTest(number):
                forger.forge("fill", number, "ff")
                self.assertEqual(value(started.samples(), "sockmalloc_pool_carved_blocks"), before)

    def test_no_signal_that_the_setting_refuses(self) -> None:
        forger = self.forger()
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, 1000):
            with self.subTest(number):
                forger.forge("signal", 0, f"{int(number):x}")
                self.assert_refused(self.run_command("stat", forger.pid, "--signal"), b"makes no sense")
                self.assertIsNone(forger.returncode())
        forger.forge("restore")
        result = self.run_command("stat", forger.pid, "--signal")
        self.assertEqual((result.returncode, result.stderr), (command.DONE, b""))

    def test_more_than_a_reader_takes_on(self) -> None:
        forger = self.forger()
        forger.forge("crowd")
        self.assert_refused(self.run_command("stat", forger.pid), b"tables are larger than")

    def test_counts_that_cannot_be(self) -> None:
        forger = self.forger()
        for order in ("flat", "throng"):
            with self.subTest(order):
                forger.forge(order)
                self.assert_refused(self.run_command("stat", forger.pid), b"makes no sense")

    def test_a_range_of_slots_without_length_is_refused(self) -> None:
        """The forged counters claim that all slots have length 0. The command stat must refuse to report on this
        process. The command top gets the forger and an honest process, and must still show the honest one."""
        forger = self.forger()
        forger.forge("endless")
        self.assert_refused(self.run_command("stat", forger.pid), b"makes no sense")
        servant = self.start()
        line = [command.path(), "top", str(forger.pid), str(servant.pid)]
        terminal = Terminal(line, command.environment(), 80, 24)
        self.addCleanup(terminal.close)
        screen = terminal.wait_for(lambda now: any(text.startswith(f"{servant.pid} servant") for text in now))
        self.assertFalse(any(text.startswith(f"{forger.pid} ") for text in screen))
        terminal.type(b"q")
        self.assertEqual(terminal.process.wait(DEADLINE_SECONDS), command.DONE)

    def test_nobody_is_left_who_looks(self) -> None:
        """The command reads other processes' memory in a child process. However the command ends, this child process
        must end too."""
        servant = self.start()
        reader = subprocess.Popen(
            [command.path(), "stat", "--wide", str(servant.pid), "--interval", "0.01"], stdout=subprocess.PIPE
        )
        self.addCleanup(reader.stdout.close)
        self.assertEqual(reader.stdout.read(1), b"s")
        child, started = self.child_of(reader)
        reader.kill()
        reader.wait()
        self.assert_ends(child, started)

    def test_a_reader_that_stands_still(self) -> None:
        """The command reads another process's memory in a child process. If this child process hangs, the command must
        kill it after some time, and report an error."""
        servant = self.start()
        reader = subprocess.Popen(
            [command.path(), "stat", "--wide", str(servant.pid), "--interval", "0.01"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(reader.kill)
        self.assertEqual(reader.stdout.read(1), b"s")
        child, started = self.child_of(reader)
        os.kill(int(child), signal.SIGSTOP)
        _, stderr = reader.communicate(timeout=DEADLINE_SECONDS)
        self.assertEqual(reader.returncode, command.DAMAGED, stderr)
        self.assertIn(b"reading its memory took too long", stderr)
        self.assert_ends(child, started)

    def child_of(self, reader: "subprocess.Popen[bytes]") -> tuple[str, str]:
        (child,) = Path(f"/proc/{reader.pid}/task/{reader.pid}/children").read_text().split()
        return child, Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[19]

    def assert_ends(self, process: str, started: str) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.is_alive(process, started):
            self.assertLess(time.monotonic(), deadline, f"{process} is still there")

    def is_alive(self, process: str, started: str) -> bool:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return fields[0] not in "ZX" and fields[19] == started


def fixed_addresses() -> None:
    """Turns address randomization off for this process and for the programs that it executes. Two processes of one
    program then have the same addresses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.personality(ADDR_NO_RANDOMIZE) < 0:
        raise OSError(ctypes.get_errno(), "personality")


def start_with_number(number: int, line: list[str], environment: dict[str, str]) -> int:
    """Starts a program as a process whose process id is `number`, which no process may have at that time."""
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = ctypes.c_int(number)
    arguments = (ctypes.c_uint64 * 11)()
    arguments[4] = signal.SIGCHLD  # the field exit_signal of struct clone_args
    arguments[8], arguments[9] = ctypes.addressof(wanted), 1  # the fields set_tid and set_tid_size of struct clone_args
    process = libc.syscall(ctypes.c_long(CLONE3), ctypes.byref(arguments), ctypes.c_size_t(ctypes.sizeof(arguments)))
    if process == 0:
        try:
            fixed_addresses()
            os.execve(line[0], line, environment)
        finally:
            os._exit(127)
    if process < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return process


class Numbers(ForgedCase):
    def wait_for_library(self, process: int) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while command.run("stat", process).returncode != command.DONE:
            self.assertLess(time.monotonic(), deadline)

    def test_one_that_another_process_has_by_now(self) -> None:
        """A process ends while the command reads it again and again, and another process gets the process id of the
        first. Both have the library at the same address, so the command could take the figures of both for those of one
        process. The command must notice that the first process has ended."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to choose a process id")
        line = [settings.tool("sleep"), "1000"]
        first = subprocess.Popen(line, env=settings.environment({}), preexec_fn=fixed_addresses)
        self.addCleanup(first.wait)
        self.addCleanup(first.kill)
        self.wait_for_library(first.pid)
        reader = subprocess.Popen(
            [command.path(), "stat", str(first.pid), "--interval", "0.001"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(reader.stderr.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        # the command's first byte of output shows that the command has found the process that is killed below
        while Path(f"/proc/{reader.pid}/io").read_text().splitlines()[1] == "wchar: 0":
            self.assertIsNone(reader.poll())
        reader.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, reader.pid, os.WSTOPPED)
        first.kill()
        first.wait()
        second = start_with_number(first.pid, line, settings.environment({}))
        self.addCleanup(os.waitpid, second, 0)
        self.addCleanup(os.kill, second, signal.SIGKILL)
        self.wait_for_library(second)
        reader.send_signal(signal.SIGCONT)
        self.assertEqual(reader.wait(PATIENCE_SECONDS), command.GONE)
        self.assertIn(b"does not exist, or has ended", reader.stderr.read())


class Drawn(ForgedCase):
    def test_forged_and_mutated_views(self) -> None:
        """The program `views` has counters and the list of their addresses forged at random, changes recordings at
        random, and reads all these by the command's code. If that code crashes or hangs, `views` prints the seed that
        repeats the failure."""
        result = subprocess.run(
            [settings.program("views"), str(VIEWS), str(VIEWS_SEED), settings.program("forger")],
            env={**command.environment(), "FORGER_PRELOAD": str(settings.library())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=VIEWS_SECONDS,
        )
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertRegex(result.stdout, rf"(?m)^{VIEWS} views and recordings, 0 faults$")
        first = result.stdout.splitlines()[0]
        outcomes = {name: int(count) for name, count in re.findall(r"([a-z][a-z ]*) (\d+)", first)}
        self.assertGreater(outcomes["read"], VIEWS // 10, "few forged processes could be read to the end")
        self.assertGreater(outcomes["senseless"], 0)
        self.assertGreater(outcomes["pools"], VIEWS // 10, "few of the forged pools could be read")
