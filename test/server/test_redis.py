"""Tests redis under the library with values of 16 and 64 KB, values that grow, a snapshot under load, and a child that
ends early."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import itertools
from pathlib import Path

from harness import bodies, settings, waiting
from harness.case import ServerCase
from harness.resp import Redis, Reply
from harness.server import Server
from harness.visitor import Visitor

SIZES = (16 * 1000, 16 * 1024, 64 * 1000, 64 * 1024)
CONNECTIONS = 32
ROUNDS = 6

STABLE_KEYS = 300  # how many keys are written before the snapshot, and not changed later
CHURN_KEYS = 40  # how many keys are written again and again during the snapshot
# How long redis's child pauses after each key that it saves, so that the load goes on for some time during the
# snapshot.
SNAPSHOT_DELAY_MICROSECONDS = 2000

GROWING_KEYS = 60
GROWTH_ROUNDS = 3  # the number of rounds, each of which begins with new values
# How many small steps a round has. Each adds a few bytes to a value. After them one more step adds at least GROWTH_LEAP
# bytes, so that the value becomes larger than its slot.
GROWTH_STEPS = 12
GROWTH_LEAP = 30000

FREED_KEYS = 500  # how many keys are written, deleted before a snapshot, and written again during the snapshot
LONG_DELAY_MICROSECONDS = 20000
ENDLESS_DELAY_MICROSECONDS = 10_000_000


def stable_value(number: int) -> bytes:
    return bodies.value(f"stable {number}", SIZES[number % len(SIZES)])


def growth_length(number: int) -> int:
    """Returns the length in bytes of a value before it grows. Some lengths are below the sizes that the pools serve,
    and some are not."""
    return 1500 + number * 577 + number % 16


def growth_piece(number: int, step: int) -> bytes:
    """Returns the bytes that are added to a value in this step. Each step but the last adds only a few, which may fit
    into the bytes that malloc has granted. The last step adds many bytes, so that realloc must give the value a larger
    block."""
    length = GROWTH_LEAP if step == GROWTH_STEPS else 1 + (number + step) % 3
    return bodies.value(f"growing {number} step {step}", length)


def freed_key(number: int) -> str:
    return f"freed:{number}"


def churn_value(number: int, version: int) -> bytes:
    """Returns the value of a key in this version. The value contains the version's number, so that the whole value can
    be checked whatever its version is."""
    name = f"churn {number} version {version}"
    return f"{version}:".encode() + bodies.value(name, SIZES[number % len(SIZES)])


class Churn(Visitor):
    """Writes CHURN_KEYS keys again and again, each time with values of a new version, and reads each value back."""

    def __init__(self, port: int) -> None:
        super().__init__(self._round)
        self._redis = Redis(port)

    def _round(self, version: int) -> None:
        for number in range(CHURN_KEYS):
            value = churn_value(number, version)
            self._redis.send("SET", f"churn:{number}", value)
            self._redis.send("GET", f"churn:{number}")
            written, got = self._redis.receive(), self._redis.receive()
            if written != b"OK" or got != value:
                raise AssertionError(f"churn:{number}, version {version}, came back changed")

    def stop(self) -> None:
        super().stop()
        self._redis.close()


class RedisServer(ServerCase):
    def start_redis(self, name: str, directory: Path, **variables: str) -> tuple[Server, int]:
        """Starts redis with all its files in the directory. redis makes only those snapshots that the test requests."""
        directory.mkdir(exist_ok=True)
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        options += ["--dir", str(directory), "--dbfilename", "dump.rdb"]
        command = [settings.program("redis-server"), *options, "--port"]
        server, (port,) = self.start_on_ports(lambda ports: self.start(name, [*command, str(ports[0])], **variables))
        with Redis(port) as redis:
            waiting.until(lambda: redis.info("persistence")["loading"] == "0", "redis has its data")
        return server, port

    def load(self, port: int) -> None:
        """Writes values over many connections, reads them back, deletes some, and then deletes all the others."""
        with contextlib.ExitStack() as connections:
            clients = [connections.enter_context(Redis(port)) for _ in range(CONNECTIONS)]
            for number in range(ROUNDS):
                keys = [f"{number}:{index}" for index in range(CONNECTIONS)]
                values = [bodies.value(key, SIZES[(index + number) % len(SIZES)]) for index, key in enumerate(keys)]
                self.on_all(clients, [("SET", *pair) for pair in zip(keys, values)], [b"OK"])
                self.on_all(clients, [("GET", key) for key in keys], values)
                if number % 2:
                    # each value is deleted over another connection than the one over which it was written
                    self.on_all(clients, [("DEL", key) for key in reversed(keys)], [1])
            left = (ROUNDS - ROUNDS // 2) * CONNECTIONS
            self.assertEqual(clients[0].call("DBSIZE"), left, "keys that are left")
            self.assertEqual(clients[0].call("FLUSHALL"), b"OK")
            self.assertEqual(clients[0].call("DBSIZE"), 0)

    def on_all(self, clients: list[Redis], commands: list[tuple[str | bytes, ...]], wanted: list[Reply]) -> None:
        """Sends a command on each connection, then reads all replies and compares them with the wanted ones."""
        for client, command in zip(clients, commands, strict=True):
            client.send(*command)
        for client, command, reply in zip(clients, commands, itertools.cycle(wanted)):
            # assertEqual would print both values, which are long, in full
            self.assertTrue(client.receive() == reply, f"wrong reply to {command[:2]}")

    def test_values(self) -> None:
        server, port = self.start_redis("redis", self.directory / "data")
        # redis keeps a histogram of latencies for every command from its first use on, so the first load, which
        # allocates it, is not measured
        self.load(port)
        before = self.dump_at_rest([port], [server.pid])
        self.load(port)
        after = self.assert_live_returns(before)
        self.assert_served(before, after, 2 * CONNECTIONS * ROUNDS)
        self.stop(server)

    def test_values_that_grow(self) -> None:
        """APPEND, SETRANGE and SETBIT grow a string by realloc, and redis uses all bytes that malloc_usable_size
        grants. Each value is compared byte for byte after each step."""
        server, port = self.start_redis("redis", self.directory / "data")
        grow = (self._append, self._set_range, self._set_bit)
        with Redis(port) as redis:
            for growth_round in range(GROWTH_ROUNDS):
                keys = range(GROWING_KEYS)
                values = [bodies.value(f"{number} in {growth_round}", growth_length(number)) for number in keys]
                for number in keys:
                    self.assertEqual(redis.call("SET", f"grow:{number}", values[number]), b"OK")
                for step in range(GROWTH_STEPS + 1):
                    # the values grow in turn, so that a value may move to memory that another key's value had
                    for number in keys:
                        way, piece = grow[(number + growth_round) % len(grow)], growth_piece(number, step)
                        values[number] = way(redis, f"grow:{number}", values[number], piece)
                    for number in keys:
                        got = redis.call("GET", f"grow:{number}")
                        assert isinstance(got, bytes)
                        name = f"grow:{number}, round {growth_round}, step {step}"
                        self.assertEqual(bodies.difference(got, values[number]), "", name)
        self.dump_balanced(lambda: {server.pid: self.dump(server.pid)})
        self.stop(server)

    def _append(self, redis: Redis, key: str, value: bytes, piece: bytes) -> bytes:
        grown = value + piece
        self.assertEqual(redis.call("APPEND", key, piece), len(grown))
        return grown

    def _set_range(self, redis: Redis, key: str, value: bytes, piece: bytes) -> bytes:
        """Writes the piece by SETRANGE near the end of the value: over its last bytes and beyond them, or after a gap,
        which redis fills with zeros. Returns the new value."""
        start = max(0, len(value) + 5 - len(piece) % 11)
        grown = value[:start].ljust(start, b"\0") + piece + value[start + len(piece) :]
        self.assertEqual(redis.call("SETRANGE", key, start, piece), len(grown))
        return grown

    def _set_bit(self, redis: Redis, key: str, value: bytes, piece: bytes) -> bytes:
        """Sets one bit by SETBIT beyond the end of the value, in the byte that comes len(piece) bytes after the end.
        redis fills the bytes between with zeros. Returns the new value."""
        last = len(value) + len(piece)
        self.assertEqual(redis.call("SETBIT", key, last * 8 + 7, 1), 0)
        return value.ljust(last, b"\0") + b"\1"

    def test_snapshot_under_load(self) -> None:
        server, port = self.start_redis("redis", self.directory / "data")
        with Redis(port) as redis:
            for number in range(STABLE_KEYS):
                self.assertEqual(redis.call("SET", f"stable:{number}", stable_value(number)), b"OK")
            redis.call("CONFIG", "SET", "rdb-key-save-delay", SNAPSHOT_DELAY_MICROSECONDS)
            before = {server.pid: self.dump(server.pid)}
            churn = Churn(port)
            churn.start()
            try:
                first, last = self._snapshot(redis, churn)
            finally:
                churn.end()
            self.assertGreater(last, first + 1, "the load stood still during the snapshot")
            after = self.dump_at_rest([], [server.pid])
        self.assert_served(before, after, CHURN_KEYS * (last - first))
        self.stop(server)
        self._check_snapshot(self.directory / "data", first, last)

    def _snapshot(self, redis: Redis, churn: Churn) -> tuple[int, int]:
        """Makes a snapshot. Returns the numbers of two versions of the values: the version that the load was writing
        when the snapshot began, and the version that it was writing when the snapshot ended."""
        waiting.until(lambda: churn.visits > 0 or churn.failure, "the load begins")
        first = churn.visits
        self.assertEqual(redis.info("persistence")["rdb_last_bgsave_time_sec"], "-1")
        redis.call("BGSAVE")
        state = self._await_snapshot(redis)
        self.assertNotEqual(state["rdb_last_bgsave_time_sec"], "-1", "no snapshot was made")
        return first, churn.visits

    def _await_snapshot(self, redis: Redis) -> dict[str, str]:
        """Waits until the snapshot has been made, and returns redis's report about it."""
        waiting.until(lambda: redis.info("persistence")["rdb_bgsave_in_progress"] == "0", "the snapshot ends", 60)
        state = redis.info("persistence")
        self.assertEqual(state["rdb_last_bgsave_status"], "ok")
        return state

    def _check_snapshot(self, directory: Path, first: int, last: int) -> None:
        """Checks that a new server which reads the snapshot has every value as it was written."""
        server, port = self.start_redis("redis-fresh", directory)
        with Redis(port) as redis:
            self.assertEqual(redis.call("DBSIZE"), STABLE_KEYS + CHURN_KEYS)
            for number in range(STABLE_KEYS):
                got = redis.call("GET", f"stable:{number}")
                self.assertTrue(got == stable_value(number), f"stable:{number} is not as written")
            for number in range(CHURN_KEYS):
                got = redis.call("GET", f"churn:{number}")
                assert isinstance(got, bytes)
                version = int(got.partition(b":")[0])
                self.assertTrue(got == churn_value(number, version), f"churn:{number} is torn")
                self.assertIn(version, range(first - 1, last + 1), "a version of another time")
        self.stop(server)

    def test_fork_trim_has_less_copied(self) -> None:
        """With SOCKMALLOC_FORK_TRIM=1, memory that is free when redis forks need not be copied when the parent uses it
        again."""
        without, trimmed = (self._bytes_copied(f"redis-{trim}", trim) for trim in "01")
        print(f"BGSAVE: {without} bytes copied, {trimmed} with SOCKMALLOC_FORK_TRIM=1")
        reused = FREED_KEYS * SIZES[-1]
        self.assertGreater(without, reused * 9 // 10, "the memory was not free, or not used again")
        self.assertLess(trimmed, without - reused * 8 // 10)

    def _bytes_copied(self, name: str, trim: str) -> int:
        """Returns how many bytes were copied during a snapshot, by redis's own figure. During the snapshot redis writes
        values into the memory of values that were deleted before."""
        # -1 turns decay off, because decay could purge slots before the fork even without SOCKMALLOC_FORK_TRIM
        variables = {"SOCKMALLOC_FORK_TRIM": trim, "SOCKMALLOC_DECAY_MS": "-1"}
        server, port = self.start_redis(name, self.directory / name, **variables)
        with Redis(port) as redis:
            for number in range(STABLE_KEYS):
                redis.call("SET", f"stable:{number}", stable_value(number))
            self._write_freed(redis, "before")
            self.assertEqual(redis.call("DEL", *map(freed_key, range(FREED_KEYS))), FREED_KEYS)
            redis.call("CONFIG", "SET", "rdb-key-save-delay", LONG_DELAY_MICROSECONDS)
            redis.call("BGSAVE")
            self._write_freed(redis, "after")
            state = redis.info("persistence")
            self.assertEqual(state["rdb_bgsave_in_progress"], "1", "the snapshot was over too soon")
            state = self._await_snapshot(redis)
        self.dump_balanced(lambda: {server.pid: self.dump(server.pid)})
        self.stop(server)
        return int(state["rdb_last_cow_size"])

    def _write_freed(self, redis: Redis, when: str) -> None:
        for number in range(FREED_KEYS):
            value = bodies.value(f"freed {number} {when}", SIZES[-1])
            self.assertEqual(redis.call("SET", freed_key(number), value), b"OK")

    def test_child_is_ended_by_the_signal(self) -> None:
        """FLUSHALL ends a snapshot by sending SIGUSR1 to its child, and waits for the child."""
        server, port = self.start_redis("redis", self.directory / "data")
        with Redis(port) as redis:
            child = self._begin_slow_snapshot(server, redis)
            self.assertEqual(redis.call("FLUSHALL"), b"OK")
            waiting.until(lambda: not server.children(), f"the child {child} ends")
            self.assertEqual(redis.info("persistence")["rdb_bgsave_in_progress"], "0")
            self.assertEqual(redis.call("SET", "after", b"x" * 16384), b"OK")
            self.assertEqual(redis.call("GET", "after"), b"x" * 16384)
        self.dump_balanced(lambda: {server.pid: self.dump(server.pid)})
        self.stop(server)

    def test_child_is_asked(self) -> None:
        """The child that makes a snapshot writes its statistics. It goes on if only statistics were requested, and ends
        if its own signal handler runs."""
        server, port = self.start_redis("redis", self.directory / "data")
        with Redis(port) as redis:
            child = self._begin_slow_snapshot(server, redis)
            self.assert_ledgers({child: self.dump_only(child)})
            self.assertEqual(redis.info("persistence")["rdb_bgsave_in_progress"], "1")
            self.assert_ledgers({child: self.dump(child)})
            waiting.until(lambda: not server.children(), f"the child {child} ends")
            waiting.until(lambda: redis.info("persistence")["rdb_bgsave_in_progress"] == "0", "redis notes that")
        self.stop(server)

    def test_rewrite_is_cancelled(self) -> None:
        """Disabling the append-only file sends SIGUSR1 to the child of a rewrite, and waits until the child has
        ended."""
        server, port = self.start_redis("redis", self.directory / "data")
        with Redis(port) as redis:
            self._write_slow(redis)
            self.assertEqual(redis.call("CONFIG", "SET", "appendonly", "yes"), b"OK")
            (child,) = waiting.until(server.children, "redis forks")
            self.assertEqual(redis.info("persistence")["aof_rewrite_in_progress"], "1")
            self.assertEqual(redis.call("CONFIG", "SET", "appendonly", "no"), b"OK")
            waiting.until(lambda: not server.children(), f"the child {child} ends")
            self.assertEqual(redis.info("persistence")["aof_rewrite_in_progress"], "0")
            self.assertEqual(redis.call("GET", "stable:0"), stable_value(0))
        self.dump_balanced(lambda: {server.pid: self.dump(server.pid)})
        self.stop(server)

    def _write_slow(self, redis: Redis) -> None:
        """Writes a few values. A child needs ten seconds to save each of them."""
        for number in range(10):
            redis.call("SET", f"stable:{number}", stable_value(number))
        redis.call("CONFIG", "SET", "rdb-key-save-delay", ENDLESS_DELAY_MICROSECONDS)

    def _begin_slow_snapshot(self, server: Server, redis: Redis) -> int:
        """Starts a snapshot, and returns the pid of the child that writes it. Waits until the child writes, because by
        then the child has set its handler for the signal by which redis can end it."""
        self._write_slow(redis)
        redis.call("BGSAVE")
        (child,) = waiting.until(server.children, "redis forks")
        snapshot = self.directory / "data" / f"temp-{child}.rdb"
        waiting.until(snapshot.exists, "the child begins to write")
        return child
