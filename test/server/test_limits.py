"""Tests nginx and redis with little address space: they start, serve every body correctly, and stop cleanly."""
# SPDX-License-Identifier: BSD-2-Clause
import signal
import urllib.request
from pathlib import Path

from harness import bodies, settings
from harness.case import ServerCase
from harness.resp import Redis
from harness.server import Server

MIB = 1 << 20
LIMITS = {"64M": 64 * MIB, "256M": 256 * MIB, "1G": 1024 * MIB, "8G": 8192 * MIB}

SIZES = (17, 4096, 16384, 65537, 200_000)
NGINX = """
daemon off;
master_process off;
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


def limited(limit: int, command: list[str]) -> list[str]:
    """Returns a command that runs prlimit. It limits the address space to `limit` bytes, and then executes the server
    in its place."""
    return [settings.program("prlimit"), f"--as={limit}", *command]


class Limits(ServerCase):
    """Tests nginx and redis. Each test is repeated with several limits on the address space."""

    def nginx(self, directory: Path, port: int) -> list[str]:
        configuration = directory / "nginx.conf"
        configuration.write_text(NGINX.format(port=port, root=directory))
        log = str(directory / "error.log")
        return [settings.program("nginx"), "-p", str(directory), "-c", str(configuration), "-e", log]

    def test_nginx(self) -> None:
        for name, limit in LIMITS.items():
            with self.subTest(name):
                directory = self.directory / name
                directory.mkdir()
                for size in SIZES:
                    (directory / str(size)).write_bytes(bodies.value(str(size), size))

                def start(ports: list[int], directory: Path = directory, limit: int = limit) -> Server:
                    return self.start(f"nginx-{directory.name}", limited(limit, self.nginx(directory, ports[0])))

                server, (port,) = self.start_on_ports(start)
                self.assertTrue(server.is_preloaded(server.pid))
                self.fetch_all(port)
                self.stop(server, signal.SIGQUIT)

    def fetch_all(self, port: int) -> None:
        for size in SIZES * 3:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{size}", timeout=120) as answer:
                self.assertEqual(answer.read(), bodies.value(str(size), size))

    def redis(self, port: int) -> list[str]:
        return [
            *(settings.program("redis-server"), "--port", str(port), "--bind", "127.0.0.1"),
            *("--save", "", "--dir", str(self.directory), "--maxclients", "50"),
        ]

    def test_redis(self) -> None:
        """The smallest limit is left out. redis has several threads from its start on; their stacks and the memory that
        mimalloc maps for them do not fit into 64 MiB."""
        for name, limit in list(LIMITS.items())[1:]:
            with self.subTest(name):
                server, (port,) = self.start_on_ports(
                    lambda ports, n=name, b=limit: self.start(f"redis-{n}", limited(b, self.redis(ports[0])))
                )
                self.assertTrue(server.is_preloaded(server.pid))
                with Redis(port) as redis:
                    for size in SIZES:
                        value = bodies.value(str(size), size)
                        redis.send("SET", str(size), value)
                        self.assertEqual(redis.receive(), b"OK")
                        redis.send("GET", str(size))
                        self.assertEqual(redis.receive(), value)
                self.stop(server)
