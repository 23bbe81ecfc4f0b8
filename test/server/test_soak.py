"""Tests nginx, redis and haproxy under a long load. At random times statistics are requested, servers are
reloaded, workers are ended, and snapshots are made."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import random
import signal
import sys
import time
from collections.abc import Callable

import test_haproxy
import test_nginx
from harness import bodies, dump, settings, soak, waiting, web
from harness.case import ServerCase
from harness.resp import Redis
from harness.upstream import Upstream

SECONDS = int(os.environ.get("SOAK_SECONDS", "30"))
SEED = int(os.environ.get("SOAK_SEED") or random.randrange(1 << 32))
# In seconds: in a run of at least this length, the test checks by how much the memory grows a minute. A shorter run
# does not check this, because there the figure depends on the memory that a burst of load has left.
LONG_SECONDS = 600
SLOPE_MOST = 1.0  # in MiB a minute: the test fails if memory grows faster
GROWTH_MOST = 8.0  # in MiB: a short run fails if memory grows by more
CLIENTS = 2
SIZES = (4096, 200 * 1024, 16_384, 65_536, 17_000, 1 << 20, 131_072, 500)
VALUES = (16_000, 16_384, 64_000, 65_536, 300_000)
PROGRESS_SECONDS = 10.0
# Dumps are requested by SIGWINCH and not by SIGUSR1, because haproxy stops on SIGUSR1. At each
# reload haproxy's master still sends SIGUSR1 to its old worker, so that signal is tested too.
QUIET = signal.SIGWINCH

def fetch(port: int) -> Callable[[int], None]:
    """Returns a function that fetches a body. It uses a new connection each time, because a reload of the server may
    close a connection that is kept."""

    def visit(number: int) -> None:
        client = web.Client(port)
        try:
            client.fetch(SIZES[number % len(SIZES)])
        finally:
            client.close()

    return visit


def store(redis: Redis, name: str) -> Callable[[int], None]:
    """Returns a function that writes a value, reads it back, and deletes a value that an earlier call has written."""

    def visit(number: int) -> None:
        value = bodies.value(f"{name} {number}", VALUES[number % len(VALUES)])
        assert redis.call("SET", f"{name}:{number % 64}", value) == b"OK"
        assert redis.call("GET", f"{name}:{number % 64}") == value, "a value came back changed"
        redis.call("DEL", f"{name}:{(number + 7) % 64}")

    return visit


class Soak(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        signal.alarm(2 * SECONDS + 400)
        self.chance = random.Random(SEED)
        for name in ("logs", "temp"):
            (self.directory / name).mkdir()
        self.error_log = self.directory / "logs" / "error.log"
        self.upstream = Upstream()
        self.addCleanup(self.upstream.close)

    def nginx(self) -> soak.Stage:
        def start(ports: list[int]):
            path = self.directory / "nginx.conf"
            user = "user root;" if os.geteuid() == 0 else ""
            text = test_nginx.CONFIGURATION.format(
                user=user, workers=2, port=ports[0], listen="", tls="", upstream=self.upstream.port
            )
            path.write_text(text)
            log = str(self.error_log)
            command = [settings.program("nginx"), "-p", str(self.directory), "-c", str(path)]
            return self.start("nginx", [*command, "-e", log])

        server, (port,) = self.start_on_ports(start)
        waiting.until(lambda: len(server.children()) == 2, "nginx starts its workers")
        server.logs.append(self.error_log)

        def worker(number: int) -> Callable[[], None]:
            return lambda: self.send(self.chance.choice(server.children() or [server.pid]), number)

        disturbances = (
            lambda: self.send(server.pid, signal.SIGUSR1),
            worker(signal.SIGUSR1),
            lambda: self.send(server.pid, signal.SIGHUP),
            worker(signal.SIGQUIT),
        )
        return soak.Stage(server, port, [fetch(port)] * CLIENTS, disturbances, signal.SIGUSR1)

    def redis(self) -> soak.Stage:
        command = [settings.program("redis-server"), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "no", "--dir", str(self.directory), "--port"]
        server, (port,) = self.start_on_ports(lambda ports: self.start("redis", [*command, str(ports[0])]))
        control, *clients = (Redis(port) for _ in range(1 + CLIENTS))
        for client in (control, *clients):
            self.addCleanup(client.close)

        def save() -> None:
            if control.info("persistence")["rdb_bgsave_in_progress"] == "0":
                control.call("BGSAVE")

        disturbances = (lambda: self.send(server.pid, signal.SIGUSR1), save)
        visits = [store(client, f"client {number}") for number, client in enumerate(clients)]
        return soak.Stage(server, port, visits, disturbances, signal.SIGUSR1)

    def haproxy(self) -> soak.Stage:
        def start(ports: list[int]):
            path = self.directory / "haproxy.cfg"
            text = test_haproxy.CONFIGURATION.format(threads=2, port=ports[0], upstream=self.upstream.port)
            path.write_text(text)
            command = [settings.program("haproxy"), "-W", "-db", "-f", str(path)]
            return self.start("haproxy", command, SOCKMALLOC_SIGNAL=QUIET.name)

        server, (port,) = self.start_on_ports(start)
        disturbances = (
            lambda: self.send(self.chance.choice(server.tree()), QUIET),
            lambda: self.send(server.pid, signal.SIGUSR2),
        )
        return soak.Stage(server, port, [fetch(port)] * CLIENTS, disturbances, QUIET)

    def send(self, pid: int, number: int) -> None:
        """Sends the signal to the process. Does nothing if the process has ended since it was chosen."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def test_soak(self) -> None:
        self.say(f"{SECONDS} s, with the seed {SEED}")
        stages = [self.nginx(), self.redis(), self.haproxy()]
        for stage in stages:
            stage.begin()
        try:
            self.disturb(stages)
        finally:
            for stage in stages:
                stage.end()
        for stage in stages:
            self.check_stage(stage)
        self.check_dumps()
        for stage, number in zip(stages, (signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1)):
            self.stop_stage(stage, number)
        self.assertEqual(self.error_log.read_text(), "", "nginx complained")

    def disturb(self, stages: list[soak.Stage]) -> None:
        """Repeats three steps until the run's time is over: samples the memory of the servers, disturbs one of them,
        and waits for a moment. Reports progress. On a slow machine goes on for longer, until each server has been
        visited and disturbed and a dump was written."""

        def is_short() -> bool:
            tried = all(stage.visits() > 0 and stage.disturbed > 0 for stage in stages)
            return not tried or not any(self.dumps.iterdir())

        begin = time.monotonic()
        told = second = 0.0
        while second < SECONDS or is_short():
            for stage in stages:
                stage.check()
                stage.sample(second)
            self.chance.choice(stages).disturb(self.chance)
            if second - told >= PROGRESS_SECONDS:
                told = second
                self.say_progress(second, stages)
            time.sleep(self.chance.uniform(0.2, 1.0))  # in seconds, the pause between two disturbances
            second = time.monotonic() - begin

    def say_progress(self, second: float, stages: list[soak.Stage]) -> None:
        parts = (
            f"{stage.server.name} {stage.visits()} visits {stage.resident_mebibytes():.1f} MiB" for stage in stages
        )
        self.say(f"{second:.0f} of {SECONDS} s: " + ", ".join(parts))

    def say(self, text: str) -> None:
        print(f"soak: {text}", file=sys.stderr, flush=True)

    def check_stage(self, stage: soak.Stage) -> None:
        """Checks that resident memory has not grown by more than the limit. Then waits until the server is at rest, and
        checks that the figures in each process's dump add up."""
        name = stage.server.name
        stage.check()
        self.assertGreater(stage.visits(), 0, f"{name} had no load")
        self.assertGreater(stage.disturbed, 0, f"{name} was left alone")
        if SECONDS >= LONG_SECONDS:
            self.say(f"{name}: {stage.slope():+.2f} MiB a minute, {stage.disturbed} disturbances")
            self.assertLess(stage.slope(), SLOPE_MOST, f"{name} grows")
        else:
            self.say(f"{name}: {stage.growth():+.2f} MiB, {stage.disturbed} disturbances")
            self.assertLess(stage.growth(), GROWTH_MOST, f"{name} grows")
        settled = self.await_settled(stage)
        self.dump_at_rest([], settled, stage.dump_signal)

    def await_settled(self, stage: soak.Stage) -> list[int]:
        """Waits until processes that a reload has replaced have ended, and returns the others."""
        wanted = {"nginx": 3, "haproxy": 2}.get(stage.server.name, 1)
        waiting.until(lambda: len(stage.server.tree()) == wanted, f"{stage.server.name} settles", 60)
        return stage.server.tree()

    def check_dumps(self) -> None:
        """Checks that all statistics which were requested under load are complete."""
        tables = [dump.parse(text) for path in self.dumps.iterdir() for text in dump.split(path.read_text())]
        self.assertGreater(len(tables), 0, "no dump was written")

    def stop_stage(self, stage: soak.Stage, number: int) -> None:
        """Stops the server, and checks its exit status. haproxy's master exits with 128 plus the number of the signal
        that ended it."""
        status = stage.server.stop(number)
        self.assertIn(status, (0, 128 + number), stage.server.last_words())
        self.assert_library_silent(stage.server.output(), f"the output of {stage.server.name}")
