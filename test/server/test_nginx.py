"""Tests nginx under the library: as a proxy, with TLS, and when SIGUSR1 makes it reopen its logs."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from harness import certificate, settings, waiting, web
from harness.case import ServerCase
from harness.server import Server
from harness.upstream import Upstream

WORKERS = 2
PROXY_LOAD = web.Load(sizes=(200 * 1024, 4096, 65536, 17_000, 200_000, 240 * 1024, 131_072))
TLS_LOAD = web.Load(sizes=(200 * 1024, 16384, 4096, 65537), connections=24, rounds=4)

# in bytes: a body of the first size is fetched before the logs are reopened, one of the second size afterwards
OLD_SIZE, NEW_SIZE = 5001, 5002

CONFIGURATION = """
{user}
daemon off;
worker_processes {workers};
pid nginx.pid;
error_log logs/error.log warn;
events {{ worker_connections 512; }}
http {{
    log_format plain '$request_uri';
    access_log logs/access.log plain;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
    add_header X-Worker $pid;
    client_max_body_size 16m;
    client_body_buffer_size 256k;
    server {{
        # A socket for each worker, so that the kernel spreads the connections over both.
        listen 127.0.0.1:{port} {listen};
        {tls}
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_buffer_size 16k;
            proxy_buffers 16 16k;
        }}
    }}
}}
"""


class NginxCase(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        self.upstream = Upstream()
        self.addCleanup(self.upstream.close)
        for name in ("logs", "temp"):
            (self.directory / name).mkdir()
        self.error_log = self.directory / "logs" / "error.log"
        self.access_log = self.directory / "logs" / "access.log"

    def configure(self, port: int, tls: certificate.Certificate | None = None) -> list[str]:
        """Writes the configuration, and returns the command that uses it."""
        path = self.directory / "nginx.conf"
        text = CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",
            workers=WORKERS,
            port=port,
            listen="ssl reuseport" if tls else "reuseport",
            tls=f"ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key};" if tls else "",
            upstream=self.upstream.port,
        )
        path.write_text(text)
        program = settings.program("nginx")
        return [program, "-p", str(self.directory), "-c", str(path), "-e", str(self.error_log)]

    def start_nginx(self, tls: certificate.Certificate | None = None) -> tuple[Server, int, list[int]]:
        """Starts nginx, and waits until each worker has answered. Returns the server (the master process), its port,
        and the workers' pids."""
        server, (port,) = self.start_on_ports(lambda ports: self.start("nginx", self.configure(ports[0], tls)))
        server.logs.append(self.error_log)
        waiting.until(lambda: len(server.children()) == WORKERS, "nginx starts its workers")
        workers = server.children()
        self.assert_preloaded(server, workers)
        context = tls.client_context() if tls else None
        answered: set[int] = set()

        def all_answer() -> bool:
            client = web.Client(port, context)
            try:
                answered.add(int(client.fetch(16).headers["X-Worker"]))
            finally:
                client.close()
            return answered == set(workers)

        waiting.until(all_answer, "each worker answers")
        return server, port, workers

    def stop_nginx(self, server: Server) -> None:
        self.stop(server, signal.SIGQUIT)
        self.assertEqual(self.error_log.read_text(), "", "nginx complained")


class Nginx(NginxCase):
    def put_load(self, load: web.Load, tls: certificate.Certificate | None = None) -> None:
        server, port, workers = self.start_nginx(tls)
        context = tls.client_context() if tls else None
        before = self.dump_at_rest([port], workers)
        load.run(port, context)
        after = self.assert_live_returns(before)
        self.assert_served(before, after, load.exchanges())
        for pid in workers:
            gained = after[pid].sum("requests") - before[pid].sum("requests")
            self.assertGreater(gained, 0, f"worker {pid} had no part in the load")
        self.assertEqual(server.children(), workers, "a worker was replaced")
        self.dump_balanced(lambda: self.dump_all([server.pid]))
        self.stop_nginx(server)

    def test_proxy(self) -> None:
        self.put_load(PROXY_LOAD)

    def test_tls(self) -> None:
        self.put_load(TLS_LOAD, certificate.Certificate(self.directory))

    def test_signal_dumps_and_reopens_logs(self) -> None:
        server, port, workers = self.start_nginx()
        client = web.Client(port)
        self.addCleanup(client.close)
        client.fetch(OLD_SIZE)
        first = self.directory / "logs" / "access.log.1"
        waiting.until(lambda: self.logged(self.access_log, OLD_SIZE), "a line in the log")
        self.access_log.rename(first)
        table = self.dump(server.pid)
        self.assertEqual(table.program, "nginx")
        waiting.until(self.access_log.exists, "nginx makes a new log")
        waiting.until(lambda: not self.holders(first, workers), "the workers close the old log")
        client.fetch(NEW_SIZE)
        waiting.until(lambda: self.logged(self.access_log, NEW_SIZE), "a line in the new log")
        self.assertTrue(self.logged(first, OLD_SIZE))
        self.assertFalse(self.logged(first, NEW_SIZE), "the old log is still in use")
        self.assertEqual(server.children(), workers, "a worker was replaced")
        client.close()
        self.stop_nginx(server)

    def test_workers_dump_and_reopen_logs(self) -> None:
        """The test sends SIGUSR1 to each worker, and not to the master. Each worker must write its statistics and
        reopen its logs. A signal that requests only statistics must make neither the workers nor the master reopen
        their logs."""
        server, port, workers = self.start_nginx()
        moved = self.directory / "logs" / "access.log.1"
        self.access_log.rename(moved)
        for pid in (server.pid, *workers):
            self.dump_balanced(lambda pid=pid: {pid: self.dump_only(pid)})
        self.assertEqual(sorted(self.holders(moved, workers)), workers)
        self.assertFalse(self.access_log.exists(), "nginx made a new log")
        self.dump_balanced(lambda: self.dump_all(workers))
        waiting.until(lambda: not self.holders(moved, workers), "the workers close the old log")
        self.assertTrue(self.access_log.exists(), "the workers made no new log")
        self.assertEqual(server.children(), workers, "a worker was replaced")
        client = web.Client(port)
        self.addCleanup(client.close)
        client.fetch(NEW_SIZE)
        waiting.until(lambda: self.logged(self.access_log, NEW_SIZE), "a line in the new log")
        client.close()
        self.stop_nginx(server)

    def test_dump_finds_a_place_of_its_own(self) -> None:
        """Without SOCKMALLOC_STATS the statistics must go to a file in /tmp, and not to descriptor 2, because nginx has
        its error log there."""
        server, _ports = self.start_on_ports(lambda ports: self.start_plainly("nginx", self.configure(ports[0])))
        log = str(self.error_log.resolve())
        waiting.until(lambda: os.readlink(f"/proc/{server.pid}/fd/2") == log, "nginx has its error log at descriptor 2")
        path = Path(f"/tmp/sockmalloc.{server.pid}")
        # removes the file of an earlier process that had the same pid
        path.unlink(missing_ok=True)
        self.addCleanup(path.unlink, missing_ok=True)
        for _ in range(2):
            self.dump_balanced(lambda: {server.pid: self.dump(server.pid, path=path)})
        self.stop_nginx(server)

    def logged(self, log: Path, size: int) -> bool:
        return f"/bytes/{size}\n" in log.read_text()

    def holders(self, path: Path, pids: list[int]) -> list[int]:
        """Returns those of the processes that have the file open."""
        file = path.stat()
        holders = []
        for pid in pids:
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    status = descriptor.stat()
                except OSError:  # the descriptor was closed meanwhile, or belongs to no file
                    continue
                if (status.st_dev, status.st_ino) == (file.st_dev, file.st_ino):
                    holders.append(pid)
        return holders


class Advice(NginxCase):
    """Follows the advice of `sockmalloc advise` to use smaller buffers, and measures if that saves memory. A buffer of
    17 KiB takes five pages, a buffer of 16 KiB only four."""

    CLIENTS = 40
    BUFFERS = 16
    LARGE = 17 << 10

    def configure(self, port: int, tls: certificate.Certificate | None = None) -> list[str]:
        command = super().configure(port, tls)
        path = self.directory / "nginx.conf"
        text = path.read_text().replace("location / {", "location / { proxy_max_temp_file_size 0;")
        path.write_text(re.sub(r"(proxy_buffer_size|proxy_buffers \d+) 16k;", rf"\1 {self.size};", text))
        return command

    def ask(self, name: str, process: int) -> dict[str, Any]:
        line = [settings.command(), name, "--json", str(process)]
        return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)

    def measure(self, size: str) -> tuple[int, dict[str, Any]]:
        """Runs nginx with buffers of this size, and with slow clients that keep all of these buffers full. Returns how
        many bytes of live slots are resident, and what `sockmalloc advise` says."""
        self.size = size
        server, port, _workers = self.start_nginx()
        clients = [web.Client(port) for _ in range(self.CLIENTS)]
        for client in clients:
            client.ask(8 << 20)
        waiting.until(lambda: self.all_are_full(server.pid), "the clients keep all buffers full")
        figures = waiting.until(lambda: self.at_rest(server.pid), "nginx is at rest")
        advice = self.ask("advise", server.pid)
        for client in clients:
            client.close()
        self.stop(server, signal.SIGQUIT)
        return figures["total"]["resident_live"], advice

    def all_are_full(self, process: int) -> bool:
        """Returns true if each client has all its buffers. BUFFERS of them are full, which the resident bytes show. One
        more has the head of the answer, and may have little else."""
        total = self.ask("stat", process)["total"]
        size = int(self.size.replace("k", "")) << (10 if self.size.endswith("k") else 0)
        full = self.CLIENTS * self.BUFFERS * size
        return total["live"] >= self.CLIENTS * (self.BUFFERS + 1) and total["resident_live"] >= full

    def at_rest(self, process: int) -> dict[str, Any] | None:
        """Reads the statistics twice. Returns them if both readings agree, otherwise None."""
        first, second = (self.ask("stat", process) for _ in range(2))
        return second if first["total"] == second["total"] else None

    def test_the_saving_is_what_was_promised(self) -> None:
        before, advice = self.measure(str(self.LARGE))
        self.assertTrue(advice["worth"])
        (over,) = (one for one in advice["advice"] if one["rule"] == "just_over")
        found = dict(re.findall(r"^(proxy_\w+) (?:\d+ )?(\w+);$", over["lines"], re.MULTILINE))
        self.assertEqual(found, {"proxy_buffer_size": "16k", "proxy_buffers": "16k"})
        after, advice = self.measure(found["proxy_buffers"])
        self.assertNotIn("just_over", [one["rule"] for one in advice["advice"]])
        self.assertAlmostEqual(before - after, over["saving"], delta=0.2 * over["saving"])
