# The servers of the benchmark: how each is started, which load it gets, and the bounds of its figures.
# SPDX-License-Identifier: BSD-2-Clause
"""One server runs at a time, on free ports of 127.0.0.1, in a directory that is removed afterwards. The cost of a load
is measured from the server's first request on, because a server that has already served requests takes so few page
faults that a ratio of them would depend on luck. `faults` are page faults that interrupted a thread. `pages` is the
kernel's own count, which also has pages that a system call has populated before they were touched."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import faults
import loads
import peers
import processes
from harness import bodies, settings, waiting
from harness.resp import Redis
from harness.server import Server, start_on_free_ports
from measure import Failed
from rows import BEST, Bound, Figure, Row, untouched

SETTLE_SECONDS = 20.0

NGINX_LOAD = loads.Http(sizes=(200_000,))
HAPROXY_LOAD = loads.Http(sizes=(16_384, 65_536, 200_000))
REDIS_LOADS = {"16k": loads.RedisValues(16_384), "64k": loads.RedisValues(65_536)}
HAPROXY_THREADS = 2

# BURST_SIZE is the size in bytes of a body that fills nearly all buffers which nginx has for one request in
# `bench-servers --idle`. SMALL_SIZE is the size of a body that needs few of them: three if they have 4 KiB each.
BURST_SIZE = 1_000_000
SMALL_SIZE = 10_000
CONNECTIONS = 512
BURST_CONNECTIONS = 1024

NGINX = """
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    keepalive_requests 1000000000;
{http}
}}
"""

UPSTREAM = """
    sendfile on;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
"""

PROXY = """
    upstream back {{ server 127.0.0.1:{upstream}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port}{listen};
        location / {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffer_size {size};
            proxy_buffers {buffers} {size};
            proxy_max_temp_file_size 0;
        }}
    }}
"""

HAPROXY = """
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
    server upstream 127.0.0.1:{upstream}
"""


@dataclass(frozen=True)
class Running:
    """A server that runs and accepts connections, with all its processes."""

    server: Server
    port: int

    def pids(self) -> list[int]:
        return [self.server.pid, *self.server.children()]

    def settle(self) -> None:
        """Waits until the server has no open connection any more, so that earlier clients do not count."""
        open_still = f"{self.server.name} still has connections on port {self.port}"
        waiting.until(lambda: waiting.connections(self.port) == 0, open_still, SETTLE_SECONDS)


@dataclass(frozen=True)
class Preload:
    """The library that is preloaded into a server, and the variables that tune it."""

    library: Path
    variables: Mapping[str, str]


def preload_of(allocator: peers.Allocator) -> Preload:
    """Returns which library is preloaded to measure an allocator. To measure glibc's malloc, the C library itself is
    preloaded, because redis is linked with jemalloc, and would otherwise use jemalloc."""
    variables = {} if allocator.pool is None else {"SOCKMALLOC_POOL": allocator.pool}
    return Preload(allocator.library or peers.c_library(), variables)


@contextlib.contextmanager
def _running(
    name: str, preload: Preload, command: Callable[[Path, int], list[str]], children: int = 0
) -> Iterator[Running]:
    """A context manager: starts a server, and ends it when the caller's `with` statement ends. `command` returns the
    server's command line for a directory and a port."""
    with tempfile.TemporaryDirectory(prefix="bench-servers-") as holder:
        directory = Path(holder)

        def start(ports: list[int]) -> Server:
            arguments = command(directory, ports[0])
            return Server(name, arguments, directory, preload.variables, preload.library)

        server, (port,) = start_on_free_ports(start, 1)
        try:
            waiting.until(lambda: len(server.children()) == children, f"{name} starts its workers")
            running = Running(server, port)
            for pid in running.pids():
                if not server.is_preloaded(pid):
                    raise Failed(f"{preload.library} is not in {name}, process {pid}")
            yield running
            status = server.stop()
            if status not in (0, -signal.SIGTERM):  # SIGTERM kills haproxy, so its status is not 0
                raise Failed(f"{name} ended with {status}:\n{server.last_words()}")
        finally:
            server.destroy()


def _nginx_command(directory: Path, http: str, connections: int = CONNECTIONS) -> list[str]:
    (directory / "temp").mkdir(exist_ok=True)
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(NGINX.format(user=user, http=http, connections=connections))
    program = settings.program("nginx")
    return [program, "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"]


@contextlib.contextmanager
def upstream(preload: Preload) -> Iterator[int]:
    """Starts an nginx that serves all bodies from files. Returns its port."""

    def command(directory: Path, port: int) -> list[str]:
        files = directory / "bytes"
        files.mkdir(exist_ok=True)
        for size in {*NGINX_LOAD.sizes, *HAPROXY_LOAD.sizes, BURST_SIZE, SMALL_SIZE}:
            (files / str(size)).write_bytes(bodies.body(size))
        text = UPSTREAM.format(port=port, root=directory)
        return _nginx_command(directory, text, BURST_CONNECTIONS)

    with _running("upstream", preload, command, children=1) as running:
        yield running.port


def nginx(preload: Preload, upstream_port: int) -> contextlib.AbstractContextManager[Running]:
    """Starts an nginx with one worker, because two workers would share the load differently in each run."""

    def command(directory: Path, port: int) -> list[str]:
        text = PROXY.format(port=port, upstream=upstream_port, buffers=16, size="16k", listen="")
        return _nginx_command(directory, text)

    return _running("nginx", preload, command, children=1)


def burst_nginx(
    preload: Preload, upstream_port: int, kibibytes: int
) -> contextlib.AbstractContextManager[Running]:
    """Starts an nginx as a proxy for many slow clients, with one worker. For each request nginx has 1 MiB of buffers,
    each of `kibibytes` KiB. Its sockets have small send buffers, so that most of an answer stays in nginx."""

    def command(directory: Path, port: int) -> list[str]:
        buffers, size = 1024 // kibibytes, f"{kibibytes}k"
        text = PROXY.format(port=port, upstream=upstream_port, buffers=buffers, size=size, listen=" sndbuf=32k")
        return _nginx_command(directory, text, BURST_CONNECTIONS)

    return _running("nginx", preload, command, children=1)


def haproxy(preload: Preload, upstream_port: int) -> contextlib.AbstractContextManager[Running]:
    def command(directory: Path, port: int) -> list[str]:
        text = HAPROXY.format(threads=HAPROXY_THREADS, port=port, upstream=upstream_port)
        (directory / "haproxy.cfg").write_text(text)
        return [settings.program("haproxy"), "-db", "-f", "haproxy.cfg"]

    return _running("haproxy", preload, command)


def redis(preload: Preload) -> contextlib.AbstractContextManager[Running]:
    """Starts a redis that writes no snapshots and no other files: the row `cow` of scripts/bench measures what
    snapshots cost."""

    def command(directory: Path, port: int) -> list[str]:
        options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)]
        options += ["--save", "", "--appendonly", "no"]
        return [settings.program("redis-server"), *options]

    return _running("redis", preload, command)


# --- rows ---

Rates = dict[str, float]


def _load_nginx(running: Running, requests: int) -> tuple[Rates, int]:
    return {"nginx.rate": NGINX_LOAD.run(running.port, requests)}, requests


def _load_haproxy(running: Running, requests: int) -> tuple[Rates, int]:
    return {"haproxy.rate": HAPROXY_LOAD.run(running.port, requests)}, requests


def _load_redis(running: Running, requests: int) -> tuple[Rates, int]:
    """Puts all loads on redis, the one with small values first; larger values then replace the smaller ones under the
    same keys."""
    with Redis(running.port) as client:
        waiting.until(lambda: client.info("persistence")["loading"] == "0", "redis is ready")
    rates: Rates = {}
    for name, load in REDIS_LOADS.items():
        for command, rate in load.run(running.port, requests).items():
            rates[f"redis.{command}.{name}"] = rate
    return rates, requests * len(rates)


@dataclass(frozen=True)
class _Kind:
    start: Callable[[Preload, int], contextlib.AbstractContextManager[Running]]
    load: Callable[[Running, int], tuple[Rates, int]]


_KINDS = {
    "nginx": _Kind(nginx, _load_nginx),
    "haproxy": _Kind(haproxy, _load_haproxy),
    "redis": _Kind(lambda preload, _upstream_port: redis(preload), _load_redis),
}


def _row(name: str, rates: tuple[str, ...]) -> Row:
    figures = (
        *(Figure(f"{name}.{rate}", "1/s", more_is_better=True) for rate in rates),
        Figure(f"{name}.cpu", "us"),
        Figure(f"{name}.rss", "MiB", Bound(1.05, "mimalloc")),
        Figure(f"{name}.faults", "per 1000", Bound(1.00, BEST)),
        Figure(f"{name}.pages", "per 1000"),
        untouched(f"{name}.untouched"),
    )
    return Row((name,), figures)


ROWS = (
    _row("nginx", ("rate",)),
    _row("haproxy", ("rate",)),
    _row("redis", ("set.16k", "get.16k", "set.64k", "get.64k")),
)


def run(program: Path, row: Row, allocator: peers.Allocator, upstream_port: int, requests: int) -> dict[str, float]:
    """Runs the row of one server under one allocator, and returns its figures by their names."""
    kind = _KINDS[row.name]
    with kind.start(preload_of(allocator), upstream_port) as running:
        pids = running.pids()
        before = processes.cost(pids)
        with faults.counted(pids) as taken:
            rates, made = kind.load(running, requests)
        spent = processes.cost(pids).since(before)
        running.settle()
        memory = processes.memory(program, pids)
        if running.pids() != pids:
            raise Failed(f"{row.name} with {allocator.name}: a process of it was replaced")
    return rates | taken.figures(f"{row.name}.faults", 1000 / made) | {
        f"{row.name}.cpu": spent.seconds * 1e6 / made,
        f"{row.name}.rss": memory.resident,
        f"{row.name}.pages": spent.pages * 1000 / made,
        f"{row.name}.untouched": 100 * memory.untouched / memory.resident,
    }
