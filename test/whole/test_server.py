"""Tests that the command adds up the figures of all processes of a server. A server is a master with its workers, all
processes of one name, or all processes of a systemd unit."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from support import command, forgery, settings
from support.servant import Servant, ServantCase

# The fields of a bucket in the JSON output that are not added up over all processes of a server.
SHARES = ("bucket", "capacity", "filled")
CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup"))
DEADLINE_SECONDS = 60


class ServerCase(ServantCase):
    def master(self) -> tuple[Servant, int]:
        """Starts a process of the test program `servant`, which allocates a block and then forks a worker. The worker
        inherits the block, so each of the two has one live block. Returns the servant and the worker's process id."""
        master = self.start(DECAY_MS="-1")
        master.ask("take 5000")
        return master, int(master.ask("worker"))

    def stat(self, *arguments: str | int) -> list[dict]:
        result = command.run("stat", "--json", *arguments)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def start_copy(self, name: str, library: Path | None = None) -> subprocess.Popen:
        """Starts a copy of sleep under the name `name`, and returns when the command has found the library in the
        process."""
        copy = self.directory / name
        if not copy.exists():
            shutil.copy(settings.tool("sleep"), copy)
        variables = {"LD_PRELOAD": str(library)} if library else {}
        process = subprocess.Popen([copy, "1000"], env=settings.environment(variables))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while command.run("stat", process.pid).returncode not in (command.DONE, command.OTHER_VERSION):
            self.assertLess(time.monotonic(), deadline)
        return process

    def name(self) -> str:
        """Returns a program name that no other process on the machine has."""
        return f"own{os.getpid()}"

    def other_version(self) -> Path:
        other = self.directory / "libsockmalloc.so"
        other.write_bytes(forgery.of_version("9.8.7", layout=99))
        return other


class Sums(ServerCase):
    def test_a_master_means_its_tree(self) -> None:
        master, worker = self.master()
        (server,) = self.stat(master.pid)
        self.assertEqual((server["process"], server["processes"]), (master.pid, 2))
        self.assertEqual(server["buckets"][0]["live"], 2)
        self.assertEqual([one["process"] for one in self.stat(worker)], [worker], "a worker is no master")

    def test_every_figure_adds_up(self) -> None:
        master, worker = self.master()
        master.ask("churn 100000")
        (server,) = self.stat(master.pid)
        each = self.stat(master.pid, "--each")
        self.assertEqual([one["process"] for one in each], [master.pid, worker])
        for at, bucket in [*enumerate(server["buckets"]), ("total", server["total"])]:
            parts = [one["total"] if at == "total" else one["buckets"][at] for one in each]
            for figure in bucket.keys() - {*SHARES, "buckets"}:
                self.assertEqual(bucket[figure], sum(part[figure] for part in parts), (at, figure))
        for figure in ("processes", "charged", "budget", "pressure_highs"):
            self.assertEqual(server[figure], sum(one[figure] for one in each), figure)

    def test_buckets_of_other_sizes_have_rows_of_their_own(self) -> None:
        first, second = self.start(MIN="4k", MAX="64k"), self.start(MIN="16k", MAX="100k")
        for servant in (first, second):
            servant.ask("take 20000")
        second.ask("take 90000")
        (server,) = self.stat(first.pid, second.pid)
        live = [(bucket["bucket"], bucket["live"]) for bucket in server["buckets"]]
        # The bucket 64k appears twice, because its slots differ in size. In the first process it is the last bucket,
        # which never has headroom. In the second process it has headroom.
        expected = [("4k", 0), ("8k", 0), ("16k", 2), ("32k", 0), ("64k", 0), ("64k", 0), ("100k", 1)]
        self.assertEqual(live, expected)
        self.assertEqual((server["minimum"], server["maximum"]), (4 << 10, 100 << 10))

    def test_a_process_that_ends_in_between_is_named(self) -> None:
        master, worker = self.master()
        reader = subprocess.Popen(
            [command.path(), "stat", str(master.pid), "--json", "--interval", "0.05"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(reader.stderr.close)
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        self.assertEqual(json.loads(reader.stdout.readline())["processes"], 2)
        os.kill(worker, signal.SIGKILL)
        while json.loads(reader.stdout.readline())["processes"] != 1:
            self.assertIsNone(reader.poll())
        ended = f"sockmalloc: process {worker} (servant) has ended; it is left out\n"
        self.assertEqual(reader.stderr.readline(), ended)
        self.assertIsNone(reader.poll())

    def test_another_version_is_named_and_left_out(self) -> None:
        mine = self.start_copy(self.name())
        other = self.start_copy(self.name(), self.other_version())
        result = command.run("stat", "--json", self.name())
        self.assertEqual(result.returncode, command.DONE)
        self.assertEqual([json.loads(line)["process"] for line in result.stdout.splitlines()], [mine.pid])
        self.assert_complaint(result.stderr, f"process {other.pid} ({self.name()}) carries sockmalloc 9.8.7")
        self.assertTrue(result.stderr.endswith("; it is left out\n"))

    def test_the_signal_goes_to_each(self) -> None:
        master, worker = self.master()
        self.assertEqual(command.run("stat", "--signal", master.pid).returncode, command.DONE)
        deadline = time.monotonic() + DEADLINE_SECONDS
        for process in (master.pid, worker):
            while f"end of statistics of process {process}\n" not in master.stderr():
                self.assertLess(time.monotonic(), deadline)
                master.ask("ping")

    def test_no_signal_to_all(self) -> None:
        self.assert_refused(command.run("stat", "--signal"), command.USAGE, "--signal needs a process")

    def test_metrics_of_one_name_are_refused(self) -> None:
        self.assert_refused(command.run("stat", "--each", "--prometheus"), command.USAGE, "exclude each other")


class Summaries(ServerCase):
    """Tests the summary that `sockmalloc stat` prints by default, which must fit a terminal of 80 columns."""

    def summary(self, *arguments: str | int) -> list[list[str]]:
        result = command.run("stat", *arguments)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 80)
        return [line.split() for line in result.stdout.splitlines()]

    def memory(self, *arguments: str | int) -> dict[str, float]:
        lines = self.summary(*arguments)
        return {line[0]: float(line[1]) for line in lines[lines.index(["memory", "MiB"]) + 1 :]}

    def test_a_verdict_comes_first(self) -> None:
        servant = self.start(DECAY_MS="-1", MAX="64k")
        servant.ask("churn 60000")
        servant.ask("take 5000")
        lines = self.summary(servant.pid)
        self.assertEqual(" ".join(lines[0][:3]), f"servant, process {servant.pid}:")
        verdict = "serves 100 % of bytes, 100 % of calls of 4k to 64k; 0.0 MiB held, 0.8 free"
        self.assertEqual(" ".join(lines[1]), verdict)

    def test_a_verdict_of_all_traffic(self) -> None:
        servant = self.start(SAMPLE_SMALL="1", DECAY_MS="-1")
        for _ in range(10):
            servant.ask("churn 1000")
        servant.ask("churn 5000")
        lines = self.summary(servant.pid)
        self.assertEqual(lines[1][0], "serves")
        self.assertIn("of this server's bytes,", " ".join(lines[1]))
        calls = int(lines[1][lines[1].index("bytes,") + 1])
        self.assertTrue(5 < calls < 15, lines[1])

    def test_a_verdict_on_nothing(self) -> None:
        servant = self.start(MIN="1m", MAX="2m")
        self.assertIn("has served nothing: no request of 1m to 2m came", " ".join(self.summary(servant.pid)[1]))

    def test_with_the_pools_off(self) -> None:
        lines = self.summary(self.start(DISABLE="1").pid)
        self.assertEqual(" ".join(lines[1]), "the pools are off: every request falls through to mimalloc")

    def test_no_bucket_that_was_never_used(self) -> None:
        servant = self.start()
        servant.ask("take 5000")
        servant.ask("churn 100000")
        lines = self.summary(servant.pid)
        first = next(at for at, line in enumerate(lines) if line[:1] == ["bucket"])
        self.assertEqual([line[0] for line in lines[first + 2 : first + 5]], ["4k", "128k", "total"])

    def test_figures_are_called_as_in_the_other_formats(self) -> None:
        servant = self.start()
        servant.ask("take 5000")
        lines = self.summary(servant.pid)
        headings = next(line for line in lines if line[:1] == ["bucket"])
        (figures,) = self.stat(servant.pid)
        self.assertLessEqual(set(headings), figures["buckets"][0].keys())

    def test_the_resident_memory_is_explained(self) -> None:
        servant = self.start(DECAY_MS="-1")
        servant.ask("churn 100000")
        before = self.memory(servant.pid)
        for _ in range(20):
            servant.ask("churn 40000")
            servant.ask("small 1000")
        memory = self.memory(servant.pid)
        rollup = Path(f"/proc/{servant.pid}/smaps_rollup").read_text()
        rss = int(re.search(r"Rss: +(\d+) kB", rollup).group(1)) / 1024
        self.assertAlmostEqual(memory["rss"], rss, delta=0.06)
        self.assertAlmostEqual(sum(memory.values()) - memory["rss"], memory["rss"], delta=0.3)
        self.assertGreater(memory["resident_free"], 0.7)
        # The figure for small blocks has grown by 20,000 blocks of 1000 bytes, which are 19 MiB. The figure for the
        # rest of the process's memory has not.
        self.assertAlmostEqual(memory["small"] - before["small"], 20, delta=3)
        self.assertLess(memory["rest"] - before["rest"], 1)

    def test_memory_of_a_server_is_the_sum(self) -> None:
        master, worker = self.master()
        lines = command.run("list", "--json", master.pid).stdout.splitlines()
        resident = {one["process"]: one["rss"] / 2**20 for one in map(json.loads, lines)}
        self.assertEqual(list(resident), [master.pid, worker])
        self.assertAlmostEqual(self.memory(master.pid)["rss"], sum(resident.values()), delta=0.06)
        self.assertAlmostEqual(self.memory(worker)["rss"], resident[worker], delta=0.06)

    def test_a_line_at_each_interval(self) -> None:
        master, _ = self.master()
        reader = subprocess.Popen(
            [command.path(), "stat", str(master.pid), "--interval", "50ms"], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        headings = reader.stdout.readline().split()
        self.assertEqual(headings[:2], ["processes", "live"])
        first = reader.stdout.readline().split()
        self.assertEqual([first[at] for at in (0, 1, 5)], ["2", "2", "-"])
        rate = 0
        while rate == 0:
            master.ask("churn 5000")
            line = reader.stdout.readline()
            self.assertLessEqual(len(line), 81)
            rate = int(line.split()[5])


class Names(ServerCase):
    def test_by_name(self) -> None:
        ours = sorted(self.start_copy(self.name()).pid for _ in range(2))
        bystander = self.start()
        self.assertEqual(sorted(one["process"] for one in self.stat(self.name(), "--each")), ours)
        (server,) = self.stat(self.name())
        self.assertEqual(server["processes"], 2)
        (server,) = self.stat(self.name(), bystander.pid)
        self.assertEqual(server["processes"], 3)

    def test_a_name_longer_than_the_kernel_keeps(self) -> None:
        name = f"{self.name()}-with-a-long-tail"
        process = self.start_copy(name)
        self.assertEqual([one["process"] for one in self.stat(name)], [process.pid])
        self.assertEqual(command.run("stat", name[:-1] + "x").returncode, command.DONE, "the kernel keeps 15 bytes")
        self.assertEqual(command.run("stat", f"x{name}").returncode, command.GONE)

    def test_all(self) -> None:
        master, worker = self.master()
        self.assertIn(": sockmalloc ", command.run("stat").stdout)
        lines = command.run("stat", "--each", "--json").stdout.splitlines()
        processes = {json.loads(line)["process"] for line in lines}
        self.assertLessEqual({master.pid, worker}, processes)

    @contextlib.contextmanager
    def unit(self, name: str, *processes: int) -> Iterator[None]:
        """Moves the processes into a control group with this name. The group lies below a group that is named like a
        slice of systemd, so the command takes the group `name` for a unit of systemd."""
        for root in CGROUPS:
            group = root / "whole-test.slice" / name
            with contextlib.suppress(OSError):
                group.mkdir(parents=True)
                for process in processes:
                    (group / "cgroup.procs").write_text(str(process))
                break
        else:
            self.skipTest("needs a control group to write to")
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(OSError):
                    (root / "cgroup.procs").write_text(str(process))
            with contextlib.suppress(OSError):
                group.rmdir()
                group.parent.rmdir()

    def test_by_unit(self) -> None:
        master, worker = self.master()
        bystander = self.start()
        unit = f"{self.name()}.service"
        with self.unit(unit, master.pid, worker):
            (server,) = self.stat(unit)
            self.assertEqual((server["processes"], server["buckets"][0]["live"]), (2, 2))
            self.assertEqual([one["process"] for one in self.stat(unit, "--each")], [master.pid, worker])
            self.assertIn("2 processes (servant): sockmalloc", command.run("check", unit).stdout)
            self.assertIn(f" {unit} ", command.run("list", master.pid).stdout)
            self.assertIn(f"\n{unit}\n", command.run("list", "--words").stdout)
        with self.unit("whole-test.scope", bystander.pid):
            self.assertEqual(command.run("stat", unit).returncode, command.GONE)
            self.assertEqual([one["process"] for one in self.stat("whole-test.slice")], [bystander.pid])


class Lists(ServerCase):
    def test_of_a_server(self) -> None:
        master, worker = self.master()
        result = command.run("list", master.pid)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        lines = [line.split() for line in result.stdout.splitlines()]
        self.assertEqual(lines[0][:3], ["process", "program", "unit"])
        self.assertEqual([line[:2] for line in lines[1:]], [[str(master.pid), "servant"], [str(worker), "servant"]])
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 80)

    def test_figures(self) -> None:
        master, _ = self.master()
        master.ask("churn 300000")
        first, second = map(json.loads, command.run("list", "--json", master.pid).stdout.splitlines())
        self.assertEqual(first["resident_live"], self.stat(master.pid, "--each")[0]["total"]["resident_live"])
        rollup = Path(f"/proc/{master.pid}/smaps_rollup").read_text()
        self.assertEqual(first["rss"], int(re.search(r"Rss: +(\d+) kB", rollup).group(1)) << 10)
        version = command.run("--version").stdout.split()[1]
        self.assertEqual([one["version"] for one in (first, second)], [version] * 2)

    def test_another_version_is_listed(self) -> None:
        other = self.start_copy(self.name(), self.other_version())
        result = command.run("list", self.name())
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        self.assertRegex(result.stdout, rf"(?m)^ *{other.pid} .* - +9\.8\.7 \(another\)$")

    def test_words_hold_nothing_that_a_shell_expands(self) -> None:
        process = self.start_copy("$(touch x) y")
        words = command.run("list", "--words").stdout
        self.assertIn(f"{process.pid}\n", words)
        self.assertRegex(words, r"\A([A-Za-z0-9._@:+-]+\n)+\Z")


class Checks(ServerCase):
    def test_a_tree(self) -> None:
        master, worker = self.master()
        result = command.run("check", master.pid)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        self.assertRegex(result.stdout, r"\A2 processes \(servant\): sockmalloc [\d.]+ is in effect\n")
        self.assertIn(f"\n  process  {master.pid} {worker}\n", result.stdout)

    def test_one_of_them_is_not_in_effect(self) -> None:
        on, off = self.start_copy(self.name()), self.directory / "off"
        off.mkdir()
        shutil.copy(settings.tool("sleep"), off / self.name())
        without = subprocess.Popen([off / self.name(), "1000"], env=settings.environment({"SOCKMALLOC_DISABLE": "1"}))
        self.addCleanup(without.wait)
        self.addCleanup(without.kill)
        while command.run("stat", without.pid).returncode != command.DONE:
            self.assertIsNone(without.poll())
        result = command.run("check", self.name())
        self.assertEqual(result.returncode, command.NO, result.stdout)
        self.assertIn(f"is in effect\n  process  {on.pid}\n", result.stdout)
        self.assertIn(f"is not in effect\n  process  {without.pid}\n", result.stdout)

    def test_a_running_program_is_not_started(self) -> None:
        """`sockmalloc check NAME` reads the running processes of that name. If there are none, or if -- stands before
        the name, the command tries to start the program NAME. Here that fails, because there is no such program."""
        process = self.start_copy(self.name())
        self.assertIn(f"process {process.pid} (", command.run("check", self.name()).stdout)
        started = command.run("check", "--", self.name())
        self.assertIn(started.returncode, (command.REFUSED, command.NOT_FOUND), started.stdout)

    def test_no_such_unit(self) -> None:
        self.assert_refused(command.run("check", "no-such.service"), command.GONE, "no-such.service")


class Recordings(ServerCase):
    def test_of_a_tree(self) -> None:
        master, _ = self.master()
        file = self.directory / "recording"
        result = command.run("record", master.pid, "-o", file, "-n", 2, "-i", "0.01")
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        shown = [json.loads(line)["statistics"] for line in command.run("record", "-j", "-S", file).stdout.splitlines()]
        self.assertEqual([one["processes"] for one in shown], [2, 2])
        self.assertEqual(shown[0]["buckets"], self.stat(master.pid)[0]["buckets"])
