"""The test case from which all server tests derive: it starts servers, and reads and checks the statistics that the
library writes in their processes (dumps)."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import signal
import subprocess
import tempfile
import unittest
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from . import dump, settings, waiting
from .server import Server, start_on_free_ports

# The least share, in percent, of the requested bytes that the pools must serve. The library promises a higher share, so
# a share below this one is a fault.
LEAST_SHARE = 90.0
# The time limit of a test, in seconds. Even on a busy machine, only a test that hangs takes so long.
DEADLINE_SECONDS = 400
SETTLE_SECONDS = 60.0
DUMP_SECONDS = 60.0
# A test that has this number in place of a signal's number sends no signal. Instead the command sockmalloc reads the
# statistics from outside, and the server does not notice.
FROM_OUTSIDE = 0
DUMP_ONLY = "1355006224"

Table = dump.Table
Tables = dict[int, Table]


def _out_of_time(_number: int, _frame: object) -> None:
    raise waiting.TooLate(f"the test took longer than {DEADLINE_SECONDS} s")


def send(pids: Iterable[int], number: int, *options: str) -> None:
    """Sends the signal to the processes by the program kill. The library answers only one signal a second if the sender
    runs the server's own executable. A server written in Python runs the same executable as these tests, so the tests
    must not send the signal themselves. kill is run only once, for all processes together, because some of them end
    soon, and could have ended before a second run."""
    command = [settings.program("kill"), *options, f"-{number}", *map(str, pids)]
    subprocess.run(command, check=True)


def _returned(before: Table, after: Table, slack: int) -> bool:
    gained = [after.live()[bucket] - live for bucket, live in before.live().items()]
    if slack == 0:
        return not any(gained)
    return sum(max(slots, 0) for slots in gained) <= slack


def _balanced(tables: Tables) -> bool:
    return not any(map(dump.ledger_errors, tables.values()))


class ServerCase(unittest.TestCase):
    """The base class of all server tests. It gives each test a directory of its own and a time limit, and ends the
    test's servers."""

    maxDiff = None

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="server-test-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
        self.dumps = self.directory / "dumps"
        self.dumps.mkdir()
        previous = signal.signal(signal.SIGALRM, _out_of_time)
        self.addCleanup(signal.signal, signal.SIGALRM, previous)
        signal.alarm(DEADLINE_SECONDS)
        self.addCleanup(signal.alarm, 0)

    # --- servers ---

    def start(self, name: str, arguments: Sequence[str], **variables: str) -> Server:
        """Starts a server whose processes each write their dumps to a file of their own in self.dumps."""
        variables = {"SOCKMALLOC_STATS": f"{self.dumps}/%p", **variables}
        return self.start_plainly(name, arguments, **variables)

    def start_plainly(self, name: str, arguments: Sequence[str], **variables: str) -> Server:
        """Starts a server. Of the library's environment variables, it gets only `variables`."""
        server = Server(name, arguments, self.directory, variables)
        return self.take_charge(server)

    def take_charge(self, server: Server) -> Server:
        """Makes sure that the server is ended when the test ends. Returns the server."""
        self.addCleanup(self._end, server)
        return server

    def start_on_ports(
        self, start: Callable[[list[int]], Server], count: int = 1, datagrams: bool = False
    ) -> tuple[Server, list[int]]:
        """Starts a server on free ports, and checks that the library is loaded in it."""
        server, ports = start_on_free_ports(start, count, datagrams)
        self.assert_preloaded(server, [server.pid])
        return server, ports

    def stop(self, server: Server, signal_number: int = signal.SIGTERM, wanted: int = 0) -> None:
        """Ends the server by a signal, as an administrator would, and checks its exit status."""
        self.assertTrue(server.running(), f"{server.name} had ended:\n{server.last_words()}")
        self.assert_ended_well(server, server.stop(signal_number), wanted)

    def assert_ended_well(self, server: Server, status: int, wanted: int = 0) -> None:
        self.assertEqual(status, wanted, f"exit status of {server.name}:\n{server.last_words()}")
        self.assert_library_silent(server.output(), f"the output of {server.name}")

    def _end(self, server: Server) -> None:
        """Runs at the end of the test. If the test has not ended the server and awaited its end, kills the server and
        makes the test fail."""
        seen_to_end = server.status is not None
        state = "still running" if server.running() else f"status {server.process.returncode}"
        server.destroy()
        self.assertTrue(
            seen_to_end,
            f"the test did not get to the end of {server.name} ({state}), which wrote:\n{server.last_words()}",
        )

    # --- dumps ---

    def dump(self, pid: int, number: int = signal.SIGUSR1, path: Path | None = None) -> Table:
        """Sends the signal to the process. Returns the statistics that the process then writes (the dump)."""
        receive = self._expect(pid, path or self.dumps / str(pid))
        send([pid], number)
        return receive()

    def dump_only(self, pid: int, number: int = signal.SIGUSR1) -> Table:
        """Requests a dump by a queued signal with the value DUMP_ONLY. The program's own signal handler does not run
        then. Returns the dump."""
        receive = self._expect(pid, self.dumps / str(pid))
        send([pid], number, "-q", DUMP_ONLY)
        return receive()

    def dump_all(self, pids: Iterable[int], number: int = signal.SIGUSR1) -> Tables:
        """Returns a dump of each process. All processes get the signal before the first dump is read."""
        if number == FROM_OUTSIDE:
            return {pid: self.read(pid) for pid in pids}
        awaited = {pid: self._expect(pid, self.dumps / str(pid)) for pid in pids}
        if awaited:
            send(awaited, number)
        return {pid: receive() for pid, receive in awaited.items()}

    def read(self, pid: int) -> Table:
        """Returns the statistics of one process, which the command sockmalloc reads from outside. The command also
        prints the statistics of the process's descendants, which are left out here."""
        command = [settings.command(), "stat", "--wide", "--each", str(pid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DUMP_SECONDS)
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"sockmalloc stat {pid}")
        (table,) = (table for table in map(dump.parse, dump.split(done.stdout)) if table.pid == pid)
        return table

    def _expect(self, pid: int, path: Path) -> Callable[[], Table]:
        """Returns a function that waits until the process has written one more dump than now, and returns this dump."""

        def complete() -> list[str]:
            # while a process creates the file, some file systems in user space refuse to open it even for root
            with contextlib.suppress(FileNotFoundError, PermissionError):
                return dump.split(path.read_text())
            return []

        def receive() -> dump.Table:
            def another() -> list[str]:
                dumps = complete()
                return dumps if len(dumps) > known else []

            dumps = waiting.until(another, f"no dump of process {pid} in {path}", DUMP_SECONDS)
            table = dump.parse(dumps[-1])
            self.assertEqual(table.pid, pid)
            return table

        known = len(complete())
        return receive

    def last_dump(self, pid: int) -> Table:
        """Returns the last dump of a process, which may have ended."""
        complete = dump.split((self.dumps / str(pid)).read_text())
        self.assertTrue(complete, f"process {pid} wrote no dump")
        return dump.parse(complete[-1])

    def dump_at_rest(self, ports: Iterable[int], pids: Sequence[int], number: int = signal.SIGUSR1) -> Tables:
        """Waits until the servers have closed every connection, the numbers of live slots no longer change, and the
        figures in each dump add up. Returns the dumps."""
        for port in ports:
            open_still = f"the server still has connections on port {port}"
            waiting.until(lambda: waiting.connections(port) == 0, open_still, SETTLE_SECONDS)
        tables = self.dump_all(pids, number)

        def unchanged() -> bool:
            nonlocal tables
            previous, tables = tables, self.dump_all(pids, number)
            return all(previous[pid].live() == tables[pid].live() for pid in pids) and _balanced(tables)

        waiting.until(unchanged, "the server comes to rest", SETTLE_SECONDS)
        return tables

    def dump_balanced(self, ask: Callable[[], Tables]) -> Tables:
        """Calls `ask`, which returns dumps, until the figures in each dump add up, and returns these dumps.

        While the library sums up its counters, another thread of the server may move or purge a slot, and then no
        column of this dump counts the slot. The next dump counts it again. A slot that is lost is missing from every
        dump.
        """
        tables: Tables = {}

        def balanced() -> bool:
            tables.update(ask())
            return _balanced(tables)

        try:
            waiting.until(balanced, "the sums of the dumps agree", SETTLE_SECONDS)
        except waiting.TooLate:
            self.assert_ledgers(tables)
        return tables

    # --- what must hold ---

    def assert_preloaded(self, server: Server, pids: Iterable[int]) -> None:
        """Waits until the processes have loaded the library. After a process has executed itself again, as haproxy's
        master does, it is without the library until the dynamic linker has run."""
        for pid in pids:
            waiting.until(lambda pid=pid: server.is_preloaded(pid), f"the library is in {server.name}, process {pid}")

    def assert_library_silent(self, text: str, where: str) -> None:
        """Checks that `text` contains no message of the library."""
        said = [line for line in text.splitlines() if "sockmalloc" in line]
        self.assertEqual(said, [], f"the library complained in {where}")

    def assert_served(self, before: Tables, after: Tables, least_requests: int) -> None:
        """Checks that the pools served nearly all bytes, both between the two dumps and since the processes were
        started."""
        self.assertEqual(before.keys(), after.keys())
        load = dump.served_between(before.values(), after.values())
        text = "\n".join(table.text for table in after.values())
        self.assertGreaterEqual(load.requests, least_requests, f"too few requests\n{text}")
        self.assertGreaterEqual(load.share(), LEAST_SHARE, f"{load}\n{text}")
        self.assertGreaterEqual(dump.served(after.values()).share(), LEAST_SHARE, text)
        for table in after.values():
            if table.sum("requests"):
                # the share in the dump has two decimals, and is rounded or cut off
                self.assertAlmostEqual(table.share, dump.served([table]).share(), delta=0.011)

    def assert_ledgers(self, tables: Tables) -> None:
        for table in tables.values():
            self.assertEqual(dump.ledger_errors(table), [], table.text)

    def assert_live_returns(self, before: Tables, number: int = signal.SIGUSR1, slack: int = 0) -> Tables:
        """Waits until every bucket has as many live slots as in the dumps `before`, and returns the new dumps.

        With a `slack` above 0, a bucket may also have fewer live slots than before, and all buckets together may have
        up to `slack` additional live slots. The figures in each dump must add up.
        """
        latest: Tables = {}

        def settled() -> bool:
            latest.update(self.dump_all(before, number))
            return all(_returned(before[pid], latest[pid], slack) for pid in before) and _balanced(latest)

        try:
            waiting.until(settled, "live slots return to what they were", SETTLE_SECONDS)
        except waiting.TooLate as late:
            self.assert_ledgers(latest)
            pairs = (
                f"--- before\n{before[pid].text}--- after\n{latest[pid].text}"
                for pid in before
                if pid in latest and latest[pid].live() != before[pid].live()
            )
            raise self.failureException(f"{late}\n" + "\n".join(pairs)) from None
        return latest
