"""Tests `sockmalloc compare` on real servers: nginx as a proxy, with a master and a worker, in the foreground and as a
daemon; and redis."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import os
import subprocess
import tempfile
import unittest
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness import settings, waiting
from harness.upstream import Upstream

DEADLINE_SECONDS = 300
CLIENTS = 40
# In bytes: the body that each slow client fetches. While the client is slow, nginx must hold the body in memory, except
# for what the kernel buffers. The rest of nginx's memory is small.
SLOW_SIZE = 1_000_000
LEAST_BURST_MEBIBYTES = CLIENTS / 2
SHORT = ("--rounds=1", "--seconds=0.5", "--after=1,3", f"--clients={CLIENTS}", "--connections=4", "--only=glibc")

NGINX = """
{user}
daemon {daemon};
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_buffer_size 16k;
            proxy_buffers 64 16k;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"""


class Compare(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="server-test-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
        (self.directory / "temp").mkdir()

    def compare(self, server: Iterable[str], *options: str) -> dict[str, Any]:
        library = f"--library={settings.library()}"
        line = [settings.command(), "compare", library, *SHORT, *options, "--json", "--", *server]
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_SECONDS, cwd=self.directory
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.left(), [])
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def left(self) -> list[str]:
        """Returns the command lines of all processes that run in the directory of this test."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(entry / "cwd") == str(self.directory):
                    found.append((entry / "cmdline").read_text(errors="replace"))
            except OSError:
                continue  # the process has ended, or belongs to another user
        return found

    def assert_burst(self, result: dict[str, Any]) -> None:
        """Checks that with each allocator the server needed memory for the slow clients."""
        self.assertEqual([each["name"] for each in result["allocators"]], ["glibc", "sockmalloc"])
        for allocator in result["allocators"]:
            figures = {name: figure["median"] for name, figure in allocator["figures"].items()}
            self.assertGreater(figures["peak_mib"] - figures["before_burst_mib"], LEAST_BURST_MEBIBYTES)
            self.assertGreater(figures["requests_per_second"], 0)
            self.assertGreater(figures["cpu_us_per_request"], 0)
            self.assertGreater(max(memory for _time, memory in allocator["curve"]), LEAST_BURST_MEBIBYTES)

    def nginx(self, daemon: str) -> tuple[list[str], int]:
        upstream = Upstream()
        self.addCleanup(upstream.close)
        port = waiting.free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        text = NGINX.format(user=user, daemon=daemon, port=port, upstream=upstream.port)
        (self.directory / "nginx.conf").write_text(text)
        return [settings.program("nginx"), "-p", str(self.directory), "-c", "nginx.conf", "-e", "error.log"], port

    def test_nginx(self) -> None:
        for daemon in ("off", "on"):
            with self.subTest(daemon=daemon):
                server, port = self.nginx(daemon)
                result = self.compare(server, "--path=/bytes/20000", f"--slow-path=/bytes/{SLOW_SIZE}")
                self.assertEqual((result["protocol"], result["port"]), ("http", port))
                self.assert_burst(result)

    def test_redis(self) -> None:
        server = [settings.program("redis-server"), "--bind", "127.0.0.1", "--port", str(waiting.free_port())]
        result = self.compare([*server, "--save", "", "--appendonly", "no"])
        self.assertEqual(result["protocol"], "resp")
        self.assert_burst(result)
