"""Tests the demo server under its own load generator: the share that the pools serve, the bytes that come back, and how
the server ends."""
# SPDX-License-Identifier: BSD-2-Clause
import signal
import subprocess
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

from harness import settings, web
from harness.case import ServerCase
from harness.server import Server

EXCHANGES = 3000
CONNECTIONS = 48


def pattern(size: int) -> bytes:
    """Returns the body that the demo server sends for /bytes/SIZE. It is computed here independently of the server's
    code."""
    odd, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1
    return bytes((((at + size * 0x10001) * odd) & mask) >> 56 for at in range(size))


def run_load(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = [settings.demo_program("demo-load"), f"--port={port}", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


class Demo(ServerCase):
    def start_demo(self, *options: str) -> tuple[Server, int]:
        server = self.start("demo-server", [settings.demo_program("demo-server"), *options])
        line = server.first_line()
        self.assertRegex(line, r"^\d+$", server.output())
        self.assert_preloaded(server, [server.pid])
        return server, int(line)

    def test_load(self) -> None:
        server, port = self.start_demo()
        before = self.dump_at_rest([port], [server.pid])
        load = run_load(port, f"--exchanges={EXCHANGES}", f"--connections={CONNECTIONS}")
        self.assertEqual(load.returncode, 0, load.stdout + load.stderr)
        self.assertRegex(load.stdout, rf"^demo-load: {EXCHANGES} exchanges .*, 0 errors, ")
        after = self.assert_live_returns(before)
        # the pools must have served a body for each exchange, and a read buffer for each connection
        self.assert_served(before, after, EXCHANGES + CONNECTIONS)
        self.stop(server)

    def test_bodies_seen_by_another_client(self) -> None:
        server, port = self.start_demo("--threads=1")
        before = self.dump_at_rest([port], [server.pid])
        client = web.Client(port)
        self.addCleanup(client.close)
        for size in (4096, 16390, 65536, 200_000, 1 << 20):
            client.fetch(size, echo=True)
            client.ask(size)
            client.check(size, pattern(size))
        client.close()
        self.assert_served(before, self.assert_live_returns(before), 10)
        self.stop(server)

    def test_ends_with_its_standard_input(self) -> None:
        server, _port = self.start_demo()
        server.close_input()
        self.assert_ended_well(server, server.wait_for_exit())

    def test_ends_when_idle(self) -> None:
        server, _port = self.start_demo("--idle=1")
        self.assert_ended_well(server, server.wait_for_exit())

    def test_ends_by_signal_with_connections_open(self) -> None:
        server, port = self.start_demo()
        client = web.Client(port)
        self.addCleanup(client.close)
        client.fetch(65536, echo=True)
        self.stop(server, signal.SIGINT)


class _OneWrongByte(BaseHTTPRequestHandler):
    """A server that answers with the right bodies, except that the last byte is wrong in bodies of 8192 bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = bytearray(pattern(int(self.path.rpartition("/")[2])))
        if len(body) == 8192:
            body[-1] ^= 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Logs nothing."""


class Control(unittest.TestCase):
    """Controls: the load generator must report errors, because the tests above rely on its reports."""

    def setUp(self) -> None:
        server = HTTPServer(("127.0.0.1", 0), _OneWrongByte)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        # addCleanup's functions run in reverse order: shutdown is the first
        for end in (thread.join, server.server_close, server.shutdown):
            self.addCleanup(end)
        self.options = ["--connections=1", "--exchanges=2", "--echo-every=0"]
        self.port = server.server_port

    def test_load_accepts_right_bytes(self) -> None:
        load = run_load(self.port, *self.options, "--sizes=4k,64k")
        self.assertEqual(load.returncode, 0, load.stdout + load.stderr)

    def test_load_notices_one_wrong_byte(self) -> None:
        load = run_load(self.port, *self.options, "--sizes=4k,8k")
        self.assertEqual(load.returncode, 1, load.stdout + load.stderr)
        self.assertIn("at byte 8191 of the answer's body: a byte of the body is wrong", load.stderr)
        self.assertIn(" 1 exchanges ", load.stdout)
        self.assertIn(" 1 errors, ", load.stdout)

    def test_load_that_only_counts_accepts_it(self) -> None:
        load = run_load(self.port, *self.options, "--sizes=4k,8k", "--count-only")
        self.assertEqual(load.returncode, 0, load.stdout + load.stderr)
        self.assertIn(" 12288 bytes counted, 0 errors, ", load.stdout)
