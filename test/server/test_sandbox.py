"""Tests servers behind systemd's filter @system-service. The filter allows a set of system calls, and kills a process
that makes any other system call. The servers must serve, and write their statistics."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import signal
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import bodies, settings
from harness.case import ServerCase
from harness.dump import Table
from harness.memcached import Memcached
from harness.resp import Redis
from harness.server import Server
from harness.store import StoreLoad

LAUNCHER = Path(__file__).parent / "programs" / "system_service.py"
VALUES = StoreLoad(sizes=(16_000, 16_384, 65_536, 4096, 250_000, 900_000))
SIZES = (17, 4096, 16_384, 65_537, 200_000, 1 << 20)
VISITORS, ROUNDS = 8, 6
NGINX = """
{user}
daemon off;
worker_processes 2;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    output_buffers 2 128k;
    sendfile off;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
# With these settings the library makes system calls also while the program does not call malloc or free.
FEATURES = {"SOCKMALLOC_DECAY_MS": "20", "SOCKMALLOC_BACKGROUND": "1", "SOCKMALLOC_PRESSURE": "1"}
KINDS = ("thread", "cpu", "lockfree", "standard")


def behind(command: list[str]) -> list[str]:
    return [sys.executable, str(LAUNCHER), *command]


class Sandboxed(ServerCase):
    def launch(self, name: str, command: list[str], kind: str) -> Server:
        return self.start(name, behind(command), SOCKMALLOC_POOL=kind, **FEATURES)

    def assert_filtered(self, pid: int) -> None:
        """Checks that the server runs behind a filter, because without one this test would show nothing."""
        self.assertIn("\nSeccomp:\t2\n", Path(f"/proc/{pid}/status").read_text())

    def assert_table(self, table: Table, least_requests: int) -> None:
        self.assertGreaterEqual(table.sum("requests"), least_requests)
        self.assertNotIn("resident", table.total, "it is unknown, and not 0")
        self.assertRegex(table.text, r"\ntotal .* unknown +unknown +unknown +unknown ")

    def test_redis(self) -> None:
        for kind in KINDS:
            with self.subTest(kind):
                program = settings.program("redis-server")
                server, (port,) = self.start_on_ports(
                    lambda ports, p=program, k=kind: self.launch(
                        f"redis-{k}",
                        [p, "--port", str(ports[0]), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.directory)],
                        k,
                    )
                )
                self.assert_filtered(server.pid)
                with VALUES.held(Redis, port):
                    self.assert_table(self.dump(server.pid), VALUES.values())
                self.stop(server)

    def test_memcached(self) -> None:
        for kind in KINDS:
            with self.subTest(kind):
                program = settings.program("memcached")
                user = ["-u", "root"] if os.geteuid() == 0 else []
                server, (port,) = self.start_on_ports(
                    lambda ports, p=program, k=kind, u=user: self.launch(
                        f"memcached-{k}", [p, "-l", "127.0.0.1", "-p", str(ports[0]), "-U", "0", *u], k
                    )
                )
                self.assert_filtered(server.pid)
                with VALUES.held(Memcached, port):
                    self.assert_table(self.dump_only(server.pid), 1)
                self.stop(server)

    def test_nginx(self) -> None:
        for size in SIZES:
            (self.directory / str(size)).write_bytes(bodies.value(str(size), size))
        for kind in KINDS:
            with self.subTest(kind):
                server, (port,) = self.start_on_ports(
                    lambda ports, k=kind: self.launch(f"nginx-{k}", self.nginx(ports[0]), k)
                )
                with ThreadPoolExecutor(VISITORS) as visitors:
                    for visit in [visitors.submit(self.fetch_all, port) for _ in range(VISITORS)]:
                        visit.result()
                workers = server.children()
                self.assertEqual(len(workers), 2)
                for pid in workers:
                    self.assert_filtered(pid)
                    self.assert_table(self.dump_only(pid), 1)
                self.stop(server, signal.SIGQUIT)

    def nginx(self, port: int) -> list[str]:
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = self.directory / "nginx.conf"
        configuration.write_text(NGINX.format(port=port, root=self.directory, user=user))
        errors = str(self.directory / "error.log")
        return [settings.program("nginx"), "-p", str(self.directory), "-c", str(configuration), "-e", errors]

    def fetch_all(self, port: int) -> None:
        for size in SIZES * ROUNDS:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{size}", timeout=20) as answer:
                self.assertEqual(answer.read(), bodies.value(str(size), size))
