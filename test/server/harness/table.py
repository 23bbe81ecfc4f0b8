"""Runs the checks of one row of the table of servers: its traffic, its statistics, its signals, and its end."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import shutil
import signal

from . import dump, processes, settings, waiting
from .case import FROM_OUTSIDE, SETTLE_SECONDS, ServerCase, Tables
from .place import Place
from .row import Row, Running
from .server import START_SECONDS, Server


def signal_number(name: str) -> int:
    """Returns the number of a signal with a name like SIGUSR1 or SIGRTMIN+5."""
    base, _, offset = name.partition("+")
    return signal.Signals[base] + int(offset or 0)


class TableCase(ServerCase):
    """Tests one row at a time: the server must work under the library, and SIGUSR1 must keep the effect that it has
    without the library."""

    def serve(self, row: Row) -> None:
        """Checks three things: the server answers correctly; the statistics of its processes show that the pools have
        served the traffic's requests; and the traffic leaves no more slots live than the row allows."""
        running = self.begin(row, row.asks)
        server, place = running.server, running.place
        number = FROM_OUTSIDE if row.outside else signal_number(row.asks)
        # the traffic runs once before the first reading of the statistics, because a server allocates some memory at
        # its first use and keeps it
        with row.traffic(place):
            pass
        tree = self.settled_tree(row, server)
        before = self.dump_at_rest(place.ports, row.askable(tree), number)
        with row.traffic(place):
            waiting.until(  # processes that served earlier clients may not have ended yet
                lambda: len(server.tree()) == row.processes + row.guests,
                f"{row.name} has {row.processes + row.guests} processes at work",
                SETTLE_SECONDS,
            )
            crowd = server.tree()
            self.assert_preloaded(server, crowd)
            during = self.dump_balanced(lambda: self.dump_all(row.askable(crowd), number))
        self.assertEqual(self.settled_tree(row, server), tree, "a process was replaced")
        after = self.assert_live_returns(before, number, row.slack)
        self.assert_row_served(row, before, during | after)
        self.finish(row, running)
        if not row.asks_master:
            self.assert_ledgers({server.pid: self.last_dump(server.pid)})

    def signal(self, row: Row) -> None:
        """Checks that SIGUSR1 makes the server write its statistics, and also has the effect that it has without the
        library."""
        assert row.own is not None
        running = self.begin(row, "SIGUSR1")
        with row.traffic(running.place):  # after some traffic, a server has certainly set its signal handlers
            pass
        self.ask_for_nothing_else(row, running)
        with row.own.effect(running):
            self.dump(running.server.pid)
        if row.own.ends_it:
            self.assert_ended_well(running.server, running.server.wait_for_exit())
        else:
            with row.traffic(running.place):
                pass
            self.finish(row, running)

    def ask_for_nothing_else(self, row: Row, running: Running) -> None:
        """Requests statistics of the master process without running the server's own handler of the signal. Checks that
        the server keeps its processes and answers as before."""
        tree = self.settled_tree(row, running.server)
        self.dump_balanced(lambda: {running.server.pid: self.dump_only(running.server.pid)})
        with row.traffic(running.place):
            pass
        self.assertEqual(self.settled_tree(row, running.server), tree, "a process was replaced")

    def assert_row_served(self, row: Row, before: Tables, last: Tables) -> None:
        """Checks how many requests the pools served during the traffic, and which share of the bytes, for all processes
        together. If the traffic has started a process, all requests of this process count."""
        text = "\n".join(table.text for table in last.values())
        first = {} if row.keeps else before
        load = dump.served_between(first.values(), last.values())
        self.assertGreaterEqual(load.requests, row.requests, f"too few requests\n{text}")
        self.assertGreaterEqual(load.share(), row.share, f"{load}\n{text}")

    def begin(self, row: Row, asks: str) -> Running:
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        place = Place(self.directory, row.account, asks, stack)
        # the server loads a copy of the library, because its account may not be able to read the build directory
        shutil.copy(settings.library(), place.library)
        row.prepare(place)

        def start(ports: list[int]) -> Server:
            place.ports = ports
            for template in row.configuration:
                place.configure(template)
            variables = {"SOCKMALLOC_STATS": f"{self.dumps}/%p", "SOCKMALLOC_SIGNAL": asks}
            server = Server(
                row.name,
                place.command(row.command),
                self.directory,
                variables,
                place.library,
                place.other_account if not row.changes_account else None,
            )
            return self.take_charge(server)

        server, _ports = self.start_on_ports(start, row.ports, row.datagrams)
        waiting.until(lambda: row.ready(place), f"{row.name} is ready", START_SECONDS)
        return Running(server, place)

    def settled_tree(self, row: Row, server: Server) -> list[int]:
        """Waits until the server has the number of processes that the row gives for a server at rest. Returns their
        pids."""
        waiting.until(
            lambda: len(server.tree()) == row.processes, f"{row.name} has {row.processes} processes", SETTLE_SECONDS
        )
        tree = server.tree()
        self.assert_preloaded(server, tree)
        return tree

    def finish(self, row: Row, running: Running) -> None:
        """Stops the server, and checks that all of its processes end, also those outside its process group."""
        running.server.logs += sorted(running.place.data.glob("*.log"))
        starts = {pid: processes.start_time(pid) for pid in running.server.tree()}
        # leaves out processes that ended before their start time was read
        starts = {pid: start for pid, start in starts.items() if start is not None}
        self.stop(running.server, row.stop, row.status)
        waiting.until(
            lambda: not any(processes.start_time(pid) == start for pid, start in starts.items()),
            f"{row.name} left processes behind",
            SETTLE_SECONDS,
        )
