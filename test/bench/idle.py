# Measures how much memory servers still use some time after their load has ended.
# SPDX-License-Identifier: BSD-2-Clause
"""Each server gets a load, whose answers are checked byte by byte, and is then left alone. The figures are the sum of
the PSS of all processes of the server. In the PSS of a process, a page that n processes share counts as one nth of a
page. `before` is read before the load begins, `peak` is the largest value during the load, and `left` is read ten
seconds after the last connection was closed. nginx is a proxy here whose 300 slow clients close their connections
together. nginx has a row for each of four sizes of its buffers, and each row has two more figures: how much more than
`before` the memory is about one second after the clients have left, and how much it is three seconds after. Then the
clients come and leave once more. These two figures and `left` are read again, this time while twenty requests a second
are made."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import peers
import servers
from harness import bodies, fastcgi, mariadb, settings, store, traffic, waiting, web
from harness.place import Place
from harness.server import Server, start_on_free_ports
from judge import OURS
from measure import Failed
from rows import Bound, Figure, Row

# SOON_SECONDS is the time of the first figure of nginx, in seconds after its clients have closed their connections. It
# is one second more than the default of SOCKMALLOC_DECAY_MS.
SOON_SECONDS = 1.25
LATER_SECONDS = 3.0
IDLE_SECONDS = 10.0
SAMPLE_SECONDS = 0.1
STEADY_SAMPLES = 10
TRICKLE_SECONDS = 0.05
SETTLE_SECONDS = 20.0
MEBIBYTE = 1024  # KiB in a MiB; smaps_rollup counts in KiB

SIZES = (100, 4_096, 20_000, 65_536, 262_144, 1_000_000, 3_000_000)
CLIENTS = 8
ROUNDS = 2 * len(SIZES)

NGINX_BUFFERS = (4, 16, 64, 256)  # KiB
SLOW_CLIENTS = 300
SLOW_SIZE = servers.BURST_SIZE


def _kibibytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1])


def pss(server: Server) -> float:
    """Returns the PSS of all processes of the server in MiB. A process that is about to end counts as 0."""
    total = 0
    for pid in server.tree():
        with contextlib.suppress(OSError, ValueError):
            total += _kibibytes(pid)
    return total / MEBIBYTE


@contextlib.contextmanager
def _sampled(server: Server) -> Iterator[list[float]]:
    """A context manager: reads the server's PSS again and again while the caller's `with` statement runs. The list that
    it returns has one item, the largest PSS so far."""
    most = [pss(server)]
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            most[0] = max(most[0], pss(server))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield most
    finally:
        over.set()
        sampler.join()


def _sleep_until(start: float, seconds: float) -> None:
    time.sleep(max(0.0, start + seconds - time.monotonic()))


# --- loads ---


def _all(jobs: Callable[[int], None]) -> None:
    """Runs `jobs` once for each client, all at the same time. If one of them raises an error, raises this error."""
    with ThreadPoolExecutor(CLIENTS) as crowd:
        for job in [crowd.submit(jobs, client) for client in range(CLIENTS)]:
            job.result()


def _size(client: int, turn: int) -> int:
    return SIZES[(client + turn) % len(SIZES)]


def _http(place: Place, gets: bool) -> None:
    """A load over HTTP. Each request has a connection of its own, as the requests of a proxy without keep-alive
    have."""

    def run(client: int) -> None:
        for turn in range(ROUNDS):
            with contextlib.closing(web.Client(place.port)) as connection:
                connection.fetch(_size(client, turn), echo=not gets or turn % 2 == 0)

    _all(run)


def _fastcgi(place: Place) -> None:
    ways = ("none", "zlib", "serialize")
    script = str(place.data / "php_bodies.php")

    def run(client: int) -> None:
        for turn in range(ROUNDS):
            with contextlib.closing(fastcgi.FastCgi(place.port)) as connection:
                body = bodies.body(_size(client, turn))
                wrong = bodies.difference(connection.post(script, f"way={ways[turn % len(ways)]}", body), body)
                if wrong:
                    raise fastcgi.WrongAnswer(wrong)

    _all(run)


def _values(place: Place) -> None:
    with store.StoreLoad(SIZES, CLIENTS, len(SIZES)).held(mariadb.MariaDB, place.port):
        pass


# --- servers ---


@dataclass(frozen=True)
class _Kind:
    """A server to measure: its load, and the command that starts it, in the form that the table of servers in
    test/server has."""

    command: str
    load: Callable[[Place], None]
    processes: int = 1
    configuration: tuple[str, ...] = ()
    prepare: Callable[[Place], None] = lambda place: None
    ready: Callable[[Place], bool] = lambda place: True
    account: str | None = None
    changes_account: bool = True
    # True if the server loads plug-ins with RTLD_DEEPBIND. Such plug-ins call libc's malloc in spite of a preloaded
    # malloc, unless that is ours.
    binds_deeply: bool = False


def _lay_php(place: Place) -> None:
    shutil.copy(place.programs / "php_bodies.php", place.data)


def _make_base(place: Place) -> None:
    place.run("mkdir base")


_KINDS = {
    "starman": _Kind(
        # --max-requests is so large that no worker reaches it. A worker that reaches it ends, and then a new worker,
        # which has not served the load, would be measured in its place.
        command="starman --workers 4 --max-requests 1000000 --listen 127.0.0.1:@port@ @programs@/bodies.psgi",
        load=lambda place: _http(place, gets=False),
        processes=5,
    ),
    "php": _Kind(
        # USE_ZEND_ALLOC=0 makes PHP use malloc. By default PHP uses an allocator of its own, which gets its memory by
        # mmap.
        command="env USE_ZEND_ALLOC=0 @php_fpm@ -F -y @directory@/php-fpm.conf",
        load=_fastcgi,
        processes=3,
        configuration=("php-fpm.conf",),
        prepare=_lay_php,
        account="www-data",
        binds_deeply=True,
    ),
    "mariadb": _Kind(
        command="mariadbd --defaults-file=@directory@/mariadb.cnf",
        load=_values,
        configuration=("mariadb.cnf",),
        prepare=_make_base,
        ready=traffic.has_database,
        account="daemon",
        changes_account=False,
    ),
    "varnish": _Kind(
        command="varnishd -F -j none -n @data@ -a 127.0.0.1:@port@ -b 127.0.0.1:@upstream@"
        " -s malloc,64m -t 3600 -p thread_pools=1 -p thread_pool_min=12 -p thread_pool_max=24",
        load=lambda place: _http(place, gets=True),
        processes=2,
        account="varnish",
        changes_account=False,
    ),
    "gunicorn": _Kind(
        command="gunicorn --workers 4 --bind 127.0.0.1:@port@ --pythonpath @programs@ --worker-tmp-dir /dev/shm"
        " --error-logfile @data@/error.log gunicorn_application:application",
        load=lambda place: _http(place, gets=True),
        processes=5,
    ),
}


def _start(name: str, kind: _Kind, place: Place, preload: servers.Preload) -> Server:
    def start(ports: list[int]) -> Server:
        place.ports = ports
        for template in kind.configuration:
            place.configure(template)
        account = place.other_account if not kind.changes_account else None
        command = place.command(kind.command)
        return Server(name, command, place.directory, preload.variables, preload.library, account)

    server, _ports = start_on_free_ports(start, 1)
    return server


def _is_settled(server: Server, processes: int) -> bool:
    """Returns true if the server has the expected number of processes, if this number has not changed for a moment, and
    if each process has loaded the library."""
    tree = server.tree()
    time.sleep(SAMPLE_SECONDS)
    return len(tree) == processes and server.tree() == tree and all(map(server.is_preloaded, tree))


@contextlib.contextmanager
def _running(name: str, kind: _Kind, preload: servers.Preload) -> Iterator[tuple[Server, Place]]:
    with tempfile.TemporaryDirectory(prefix="bench-idle-") as holder, contextlib.ExitStack() as stack:
        directory = Path(holder)
        (directory / "dumps").mkdir()
        place = Place(directory, kind.account, "", stack)
        kind.prepare(place)
        # Each server loads a copy of the library, because the user that the server runs as may not be able to read the
        # library's own folder. libc is not copied, because a process must not load two libcs.
        own = preload.library == peers.c_library()
        library = preload.library if own else Path(shutil.copy(preload.library, directory))
        server = _start(name, kind, place, servers.Preload(library, preload.variables))
        try:
            waiting.until(lambda: kind.ready(place), f"{name} is ready")
            waiting.until(lambda: _is_settled(server, kind.processes), f"{name} starts its workers")
            yield server, place
            server.stop()
        finally:
            server.destroy()


def _measure(name: str, preload: servers.Preload) -> dict[str, float]:
    kind = _KINDS[name]
    with _running(name, kind, preload) as (server, place):
        time.sleep(SOON_SECONDS)
        before, tree = pss(server), server.tree()
        with _sampled(server) as most:
            kind.load(place)
        waiting.until(lambda: waiting.connections(place.port) == 0, f"{name} closes its connections", SETTLE_SECONDS)
        time.sleep(IDLE_SECONDS)
        if server.tree() != tree:
            raise Failed(f"{name}: a process was replaced")
        return {"before": before, "peak": most[0], "left": pss(server)}


# --- nginx ---


def _slow_client(port: int) -> socket.socket:
    """Connects to the server, sends a request, and reads nothing of the answer, so that the answer fills the server's
    buffers. Returns the connection."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(SETTLE_SECONDS)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET /bytes/{SLOW_SIZE} HTTP/1.0\r\n\r\n".encode())
    return client


def _burst(running: servers.Running) -> float:
    """Starts the slow clients, waits until the server's memory no longer grows, and closes all their connections
    together. Returns the server's largest PSS."""
    with contextlib.ExitStack() as clients:
        for _ in range(SLOW_CLIENTS):
            clients.enter_context(_slow_client(running.port))
        seen = [0.0]
        while len(seen) <= STEADY_SAMPLES or seen[-1] > seen[-1 - STEADY_SAMPLES]:
            time.sleep(SAMPLE_SECONDS)
            seen.append(pss(running.server))
    return max(seen)


def _trickle(port: int, seconds: float) -> None:
    """Sends twenty requests a second for `seconds` seconds, each over a connection of its own."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SETTLE_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", f"/bytes/{servers.SMALL_SIZE}")
            wrong = bodies.difference(connection.getresponse().read(), bodies.body(servers.SMALL_SIZE))
            if wrong:
                raise Failed(f"nginx: {wrong}")
        time.sleep(TRICKLE_SECONDS)


def _measure_nginx(preload: servers.Preload, upstream_port: int, kibibytes: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    with servers.burst_nginx(preload, upstream_port, kibibytes) as running:
        _trickle(running.port, SOON_SECONDS)
        time.sleep(SOON_SECONDS)
        figures["before"] = pss(running.server)
        figures["peak"] = _burst(running)
        start = time.monotonic()
        for name, seconds in (("1s", SOON_SECONDS), ("3s", LATER_SECONDS), ("left", IDLE_SECONDS)):
            _sleep_until(start, seconds)
            figures[name] = pss(running.server)
        _burst(running)
        _trickle(running.port, SOON_SECONDS)
        figures["busy.1s"] = pss(running.server)
        _trickle(running.port, LATER_SECONDS - SOON_SECONDS)
        figures["busy.3s"] = pss(running.server)
        _trickle(running.port, IDLE_SECONDS - LATER_SECONDS)
        figures["busy.left"] = pss(running.server)
    for name in ("1s", "busy.1s"):
        figures[f"{name}.more"] = max(0.0, figures.pop(name) - figures["before"])
    return figures


# --- rows ---


def _nginx_row(kibibytes: int) -> Row:
    name, more = f"idle.nginx.{kibibytes}k", Bound(4)
    return Row(
        ("idle", "nginx", str(kibibytes)),
        (
            Figure(f"{name}.before", "MiB"),
            Figure(f"{name}.peak", "MiB"),
            Figure(f"{name}.1s.more", "MiB", more, has_ratio=False),
            Figure(f"{name}.3s", "MiB"),
            Figure(f"{name}.left", "MiB", Bound(1.10, "glibc")),
            Figure(f"{name}.busy.1s.more", "MiB", more, has_ratio=False),
            Figure(f"{name}.busy.3s", "MiB"),
            Figure(f"{name}.busy.left", "MiB", Bound(1.10, "glibc")),
        ),
    )


def _row(name: str) -> Row:
    figures = (
        Figure(f"idle.{name}.before", "MiB"),
        Figure(f"idle.{name}.peak", "MiB"),
        Figure(f"idle.{name}.left", "MiB", Bound(1.10, "glibc")),
    )
    return Row(("idle", name), figures)


ROWS = (*map(_nginx_row, NGINX_BUFFERS), *map(_row, _KINDS))


def run(row: Row, allocator: peers.Allocator, upstream_port: int) -> dict[str, float]:
    """Measures one server under one allocator, and returns its figures by their names."""
    preload = servers.preload_of(allocator)
    name = row.command[1]
    if name == "nginx":
        figures = _measure_nginx(preload, upstream_port, int(row.command[2]))
    elif _KINDS[name].binds_deeply and allocator.name not in ("glibc", OURS):
        figures = {}
    else:
        figures = _measure(name, preload)
    return {f"{row.name}.{figure}": value for figure, value in figures.items()}
