"""Tests haproxy under the library: as a proxy, and when SIGUSR1 both stops haproxy and requests the library's
statistics."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import re
import signal

from harness import settings, waiting, web
from harness.case import ServerCase
from harness.server import Server
from harness.upstream import Upstream

THREADS = 2
LOAD = web.Load(
    sizes=(4096, 200_000, 16_000, 16_384, 16_392, 65_536, 33_000, 1 << 20, 131_072, 500), connections=40, rounds=8
)
BIG = 16 << 20  # in bytes: more than all socket buffers on the way through haproxy can hold together
# In haproxy SIGUSR1 stops the process, so the library's statistics of a running haproxy are requested by a signal that
# haproxy does not use.
QUIET = signal.SIGWINCH

CONFIGURATION = """
global
    nbthread {threads}
    maxconn 256
defaults
    mode http
    timeout connect 20s
    timeout client 40s
    timeout server 40s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    http-reuse never
    server upstream 127.0.0.1:{upstream}
"""


class Haproxy(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        self.upstream = Upstream()
        self.addCleanup(self.upstream.close)

    def start_haproxy(self, *options: str, **variables: str) -> tuple[Server, int]:
        def start(ports: list[int]) -> Server:
            path = self.directory / "haproxy.cfg"
            text = CONFIGURATION.format(threads=THREADS, port=ports[0], upstream=self.upstream.port)
            path.write_text(text)
            command = [settings.program("haproxy"), "-db", "-f", str(path), *options]
            return self.start("haproxy", command, **variables)

        server, (port,) = self.start_on_ports(start)
        return server, port

    def test_load(self) -> None:
        """Tests haproxy without its own caches, so that every buffer is allocated and freed."""
        server, port = self.start_haproxy("-dMno-cache", SOCKMALLOC_SIGNAL=QUIET.name)
        before = self.dump_at_rest([port], [server.pid], QUIET)
        LOAD.run(port)
        after = self.assert_live_returns(before, QUIET)
        self.assert_served(before, after, 2 * LOAD.exchanges())
        self.stop(server, signal.SIGUSR1)

    def test_load_with_caches(self) -> None:
        """Tests haproxy with its default settings, with which its threads cache buffers. The load must raise the number
        of live slots by exactly as much as the number of buffers that haproxy itself reports."""
        server, port = self.start_haproxy(SOCKMALLOC_SIGNAL=QUIET.name)
        before = self.dump_at_rest([port], [server.pid], QUIET)
        buffers_before = self.buffers_by_haproxy(server)
        LOAD.run(port)
        after = self.dump_at_rest([port], [server.pid], QUIET)
        cached = self.buffers_by_haproxy(server) - buffers_before
        wanted = before[server.pid].live()
        wanted["16k"] += cached
        texts = f"{before[server.pid].text}\n{cached} cached\n{after[server.pid].text}"
        self.assertEqual(after[server.pid].live(), wanted, texts)
        # haproxy takes most buffers from its own caches; how many it allocates by malloc depends on the timing, so only
        # a few requests are demanded
        self.assert_served(before, after, 10)
        self.stop(server, signal.SIGUSR1)

    def test_signal_dumps_and_stops_softly(self) -> None:
        """SIGUSR1 requests statistics, and also ends haproxy once the running requests are finished. A second SIGUSR1
        meanwhile must bring statistics, too."""
        server, port = self.start_haproxy()
        client = web.Client(port)
        self.addCleanup(client.close)
        client.fetch(4096)
        client.ask(BIG)
        for _ in range(2):
            self.dump_balanced(lambda: {server.pid: self.dump(server.pid)})
        waiting.until(lambda: not waiting.accepts(port), "haproxy stops listening")
        client.check(BIG)
        client.close()
        self.assert_ended_well(server, server.wait_for_exit())

    def buffers_by_haproxy(self, server: Server) -> int:
        """Returns how many buffers haproxy has allocated, as haproxy reports on SIGQUIT."""

        def reports() -> list[str]:
            return server.output().split("Dumping pools usage")[1:]

        known = len(reports())
        os.kill(server.pid, signal.SIGQUIT)
        waiting.until(lambda: len(reports()) > known and "\nTotal:" in reports()[-1], "a report")
        counts = dict(re.findall(r"- Pool (\S+) \(\d+ bytes\) : (\d+) allocated", reports()[-1]))
        return int(counts["buffer"]) + int(counts["trash"])
