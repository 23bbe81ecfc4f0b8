"""Tests `sockmalloc exporter`: the metrics that it serves, how it treats processes that it cannot read, and how it
ends."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from support import command, exporter, settings
from support.exporter import Exporter, value
from support.servant import Servant, ServantCase

NO_ADDRESS = 11
NOBODY = 65534


class ExporterCase(ServantCase):
    def exporter(self, *arguments: object, **options: object) -> Exporter:
        started = Exporter(*arguments, **options)
        self.addCleanup(started.dismiss)
        return started

    def busy(self, **variables: Any) -> Servant:
        """Starts a servant, and gives it orders after which it has slots in several states and a fixed-size pool."""
        servant = self.start(DECAY_MS="-1", **variables)
        for order in ("take 5000", "churn 5000", "churn 300000", "take 70000", "make-pool receivers"):
            servant.ask(order)
        return servant

    def refused(self, *words: object, **options: object) -> "subprocess.CompletedProcess[str]":
        """Runs an exporter that must end by itself, because it refuses its command line or cannot start."""
        return command.run("exporter", *words, seconds=60, **options)

    def kill(self, process: int) -> None:
        """Kills a process, and waits until it has ended. The process is then a zombie, because this function does not
        call waitpid."""
        os.kill(process, signal.SIGKILL)
        stat = Path(f"/proc/{process}/stat")
        self.await_true(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "the process has ended")

    def await_true(self, condition: object, what: str) -> None:
        end = time.monotonic() + exporter.DEADLINE_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.01)


class Figures(ExporterCase):
    def test_are_those_of_stat(self) -> None:
        servant = self.busy(POOL="thread")
        said = json.loads(command.run("stat", servant.pid, "--json").stdout)
        started = self.exporter(servant.pid)
        short, wide = started.samples(), started.samples("?wide=1")
        names = {"requests": "requests_total", "asked": "asked_bytes_total", "live": "live_slots",
                 "cached": "cached_slots", "carved": "carved_slots", "resident": "resident_bytes",
                 "resident_free": "resident_free_bytes", "returned": "returned_slots_total",
                 "fell_through": "fell_through_requests_total", "misses": "misses_total"}
        for page in (short, wide):
            for figure, metric in names.items():
                self.assertEqual(value(page, f"sockmalloc_{metric}", program="servant"), said["total"][figure], figure)
            for figure in ("processes", "charged_bytes", "budget_bytes"):
                self.assertEqual(value(page, f"sockmalloc_{figure}"), said[figure.removesuffix("_bytes")])
            pool = said["pools"][0]
            self.assertEqual(value(page, "sockmalloc_pool_live_blocks", pool="receivers"), pool["live"])
            self.assertEqual(value(page, "sockmalloc_pool_memory_bytes", pool="receivers"), pool["memory"])
        self.assertEqual(value(short, "sockmalloc_filled_ratio"), said["total"]["filled"])
        text = command.run("stat", servant.pid).stdout.split()
        rss = value(short, "sockmalloc_rss_bytes", program="servant") / (1 << 20)
        self.assertAlmostEqual(float(text[text.index("rss") + 1]), rss, delta=0.06)

    def test_are_below_100_series_for_each_process(self) -> None:
        servant = self.start(MAX="64m")
        for page in (self.exporter(servant.pid).page(), self.exporter(servant.pid).page("?each=1"),
                     command.run("stat", "--prometheus", servant.pid).stdout):
            lines = [line for line in page.splitlines() if 'program="servant"' in line]
            self.assertGreater(len(lines), 60)
            self.assertLess(len(lines), 100)

    def test_promtool_finds_nothing(self) -> None:
        odd = self.directory / 'o"d\\d\n\x01é'
        shutil.copy(settings.program("servant"), odd)
        process = subprocess.Popen([odd], env=settings.environment({}), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        process.stdin.write(b'make-pool p"\\\n')
        process.stdin.flush()
        process.stdout.readline()
        servant = self.busy()
        started = self.exporter(process.pid, servant.pid)
        for query in ("", "?each=1", "?wide=1", "?each=1&wide=1"):
            page = started.page(query)
            self.assertIn('program="o\\"d\\\\d\\\\x0a\\\\x01\\\\xc3\\\\xa9"', page)
            done = subprocess.run([settings.tool("promtool"), "check", "metrics"], input=page, capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), query)


class Sums(ExporterCase):
    def test_workers_come_and_go(self) -> None:
        """When a worker ends, the sums of its program's counters do not fall, but the sums of its gauges do. A new
        worker gets the worker number of one that has ended."""
        servants = [self.busy(), self.busy()]
        pids = [str(servant.pid) for servant in servants]
        started = self.exporter(*pids)
        before, each = started.samples(), started.samples("?each=1")
        self.assertEqual(value(before, "sockmalloc_processes", program="servant"), 2)
        counters = ("sockmalloc_requests_total", "sockmalloc_asked_bytes_total", "sockmalloc_pool_requests_total")
        gauges = ("sockmalloc_live_slots", "sockmalloc_rss_bytes", "sockmalloc_pool_live_blocks")
        for metric in counters + gauges:
            parts = [value(each, metric, pid=pid) for pid in pids]
            self.assertGreater(min(parts), 0, metric)
            # the kernel updates a process's resident memory late, so the sum need not be exact
            if metric != "sockmalloc_rss_bytes":
                self.assertEqual(sum(parts), value(before, metric, program="servant"), metric)
        self.assertEqual(sorted(self.numbers(each).values()), ["0", "1"])
        self.kill(servants[0].pid)
        after = started.samples()
        self.assertEqual(value(after, "sockmalloc_processes", program="servant"), 1)
        for metric in counters:
            self.assertEqual(value(after, metric), value(before, metric), metric)
        for metric in gauges:
            self.assertLess(value(after, metric), value(before, metric), metric)
        new = servants[1].ask("worker")
        now = self.numbers(started.samples("?each=1"))
        self.assertEqual(now[new], self.numbers(each)[pids[0]])
        self.assertEqual(now[pids[1]], self.numbers(each)[pids[1]])
        self.kill(int(new))
        newest = servants[1].ask("worker")
        self.assertEqual(self.numbers(started.samples("?each=1"))[newest], now[new])
        self.assertEqual(started.end(), (0, ""))

    def numbers(self, each: exporter.Samples) -> dict[str, str]:
        """Returns a dictionary from each worker's process id to its worker number."""
        return {labels["pid"]: labels["worker"] for labels, _ in each["sockmalloc_active"]}

    def test_the_counters_of_a_ring_do_not_fall(self) -> None:
        """Rings of one name count as one ring in memory that several processes share. Of the processes' values of a
        counter, the exporter shows the greatest. Here the first servant has allocated 3 messages and the second one 1.
        The exporter must still show 3 when the first servant has ended."""
        servants = [self.start(), self.start()]
        for servant in (*servants, servants[0], servants[0]):
            servant.ask("make-ring relay")
        started = self.exporter(*(servant.pid for servant in servants))
        for ended in (None, servants[0], None):
            if ended is not None:
                self.kill(ended.pid)
            self.assertEqual(value(started.samples(), "sockmalloc_ring_allocated_messages_total", ring="relay"), 3)

    def test_a_process_that_executes_another_program(self) -> None:
        servant = self.busy()
        started = self.exporter(servant.pid)
        self.assertIn('program="servant"', started.page())
        servant.ask("become")
        self.await_true(lambda: Path(f"/proc/{servant.pid}/comm").read_text() == "cat\n", "the servant runs cat")
        self.assertNotIn("program=", started.page())

    def test_a_process_that_has_the_buffers_alone(self) -> None:
        buffers = {"LD_PRELOAD": str(settings.library().parent / "libsockmalloc-buffers.so")}
        servants = [self.start(others=buffers), self.busy()]
        servants[0].ask("make-pool receivers")
        started = self.exporter(*(servant.pid for servant in servants))
        each, both = started.samples("?each=1"), started.samples()
        alone = {"pid": str(servants[0].pid), "program": "servant"}
        self.assertEqual(value(each, "sockmalloc_pool_live_blocks", pool="receivers", **alone), 3)
        self.assertGreater(value(each, "sockmalloc_rss_bytes", **alone), 0)
        self.assertEqual(len(each["sockmalloc_active"]), 1)
        self.assertEqual(value(both, "sockmalloc_pool_live_blocks", pool="receivers"), 6)
        self.assertEqual(value(both, "sockmalloc_exporter_processes"), 2)
        servants[0].ask("become")
        self.await_true(lambda: value(started.samples(), "sockmalloc_exporter_processes") == 1, "the servant runs cat")

    def test_without_any_process(self) -> None:
        page = self.exporter(os.getpid()).page()
        self.assertIn("\nsockmalloc_exporter_processes 0\n", page)
        self.assertNotIn("program=", page)


class Unreadable(ExporterCase):
    def count(self, found: exporter.Samples, reason: str) -> float:
        return value(found, "sockmalloc_exporter_unreadable_processes", reason=reason)

    def test_a_process_that_ended_after_it_was_listed(self) -> None:
        servant = self.busy()
        worker = servant.ask("worker")
        started = self.exporter(servant.pid)
        self.assertEqual(self.count(started.samples(), "ended"), 0)
        self.kill(int(worker))
        found = started.samples("?each=1")
        self.assertEqual(self.count(found, "ended"), 1)
        self.assertGreater(value(found, "sockmalloc_requests_total", pid=str(servant.pid)), 0)

    def test_another_user(self) -> None:
        kept_out = settings.other_user_is_kept_out()
        if kept_out:
            self.skipTest(kept_out)
        servant = self.busy()
        found = self.exporter(servant.pid, prepare=exporter.be_nobody).samples()
        self.assertEqual(self.count(found, "forbidden"), 1)
        self.assertEqual(value(found, "sockmalloc_exporter_processes"), 0)

    def test_a_process_that_may_not_be_read_for_a_while(self) -> None:
        """While the exporter cannot read a process that still lives, it must show the last figures of this process.
        When it can read the process again, no request may be counted twice."""
        kept_out = settings.other_user_is_kept_out()
        if kept_out:
            self.skipTest(kept_out)
        self.directory.chmod(0o755)
        servants = [self.busy(prepare=exporter.be_nobody), self.busy(prepare=exporter.be_nobody)]
        started = self.exporter(*(servant.pid for servant in servants), prepare=exporter.be_nobody)
        before = started.samples()
        if self.count(before, "forbidden") > 0:
            self.skipTest("the kernel lets a user not even read the user's own processes")
        servants[0].ask("dumpable 0")
        for found in (started.samples(), started.samples(), started.samples()):
            self.assertEqual(self.count(found, "forbidden"), 1)
            self.assertEqual(value(found, "sockmalloc_processes", program="servant"), 2)
        servants[0].ask("dumpable 1")
        after = started.samples()
        self.assertEqual(self.count(after, "forbidden"), 0)
        for metric in ("sockmalloc_requests_total", "sockmalloc_pool_requests_total"):
            self.assertEqual(value(after, metric), value(before, metric), metric)

    def test_another_user_with_capabilities(self) -> None:
        """The exporter can read other users' processes if it has two capabilities. The example of a systemd unit gives
        it both. Without CAP_DAC_READ_SEARCH, the exporter must still show the requests and RSS, but not the resident
        bytes of the pools."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        servant = self.busy()
        for names in (["sys_ptrace"], ["sys_ptrace", "dac_read_search"]):
            given = ",".join(["-all", *(f"+{name}" for name in names)])
            words = ["--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={given}",
                     f"--ambient-caps={given}", f"--bounding-set={given}", "--no-new-privs"]
            started = self.exporter(servant.pid, prefix=(settings.tool("setpriv"), *words))
            if started.says == "":
                self.skipTest(f"needs the capabilities {names}, to pass them on")
            found = started.samples()
            self.assertEqual(self.count(found, "forbidden"), 0)
            self.assertGreater(value(found, "sockmalloc_requests_total", program="servant"), 0)
            self.assertGreater(value(found, "sockmalloc_rss_bytes", program="servant"), 0)
            # To read the resident bytes, the exporter opens /proc/PID/pagemap. For another user's process the exporter
            # needs CAP_DAC_READ_SEARCH to do so.
            self.assertEqual(value(found, "sockmalloc_resident_bytes") > 0, len(names) == 2)


class Http(ExporterCase):
    def test_answers(self) -> None:
        started = self.exporter(os.getpid())
        for method, path, status, words in (
            ("GET", "/", 200, "/metrics"), ("HEAD", "/metrics", 200, ""), ("GET", "/metric", 404, "only /metrics"),
            ("POST", "/metrics", 405, "only GET"), ("GET", "/metrics?each=2", 400, "each=0|1"),
            ("GET", "/metrics?each", 400, "each=0|1"), ("GET", "/metrics?all=1", 400, "each=0|1"),
            ("GET", "/metrics?each=0&wide=0", 200, "sockmalloc_exporter_info"),
        ):
            with self.subTest(f"{method} {path}"):
                answer = started.ask(path, method)
                self.assertEqual(answer[0], status)
                self.assertIn(words, answer[2])

    def test_a_silent_client_stops_nobody(self) -> None:
        started = self.exporter(os.getpid())
        with socket.create_connection((started.connection().host, started.connection().port)) as silent:
            silent.send(b"GET /metr")
            self.assertIn("sockmalloc_exporter_info", started.page())

    def test_each_option_is_the_usual_answer(self) -> None:
        servant = self.busy()
        started = self.exporter("--each", "--wide", servant.pid)
        page = started.page()
        self.assertIn(f'pid="{servant.pid}",worker="0"', page)
        self.assertIn("sockmalloc_request_size_bytes_bucket", page)
        self.assertNotIn("pid=", started.page("?each=0"))


class Ends(ExporterCase):
    def test_by_a_signal_and_removes_the_socket(self) -> None:
        path = self.directory / "socket"
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            started = self.exporter("--unix", path, os.getpid())
            self.assertEqual(path.stat().st_mode & 0o777, 0o660)
            self.assertIn("sockmalloc_exporter_info", started.page())
            self.assertEqual(started.end(number), (0, ""))
            self.assertFalse(path.exists())

    def test_the_socket_of_an_exporter_that_was_killed_is_replaced(self) -> None:
        path = self.directory / "socket"
        first = self.exporter("--unix", path, os.getpid())
        self.assert_refused(self.refused("--unix", path), NO_ADDRESS, "Address already in use")
        self.assertIn("sockmalloc_exporter_info", first.page())
        first.end(signal.SIGKILL)
        self.assertTrue(path.is_socket())
        second = self.exporter("--unix", path, "--mode", "600", os.getpid())
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        path.unlink()
        path.write_text("precious")
        self.assertEqual(second.end(), (0, ""))
        self.assertEqual(path.read_text(), "precious")


class Textfile(ExporterCase):
    def begin(self, *arguments: object) -> tuple[Exporter, Path]:
        started = self.exporter("--textfile", self.directory, "--interval", "20ms", *arguments)
        file = self.directory / "sockmalloc.prom"
        self.await_true(file.exists, "there is a file")
        return started, file

    def test_is_written_again_and_again_and_removed(self) -> None:
        servant = self.start()
        file = self.directory / "sockmalloc.prom"
        (self.directory / "target").write_text("precious")
        file.symlink_to(self.directory / "target")
        started, _ = self.begin(servant.pid)
        self.await_true(lambda: not file.is_symlink(), "a link is replaced and not followed")
        line = 'sockmalloc_live_slots{bucket="8k",program="servant"} '
        self.assertIn(f"{line}0\n", file.read_text())
        with file.open() as kept:
            servant.ask("take 9000")
            self.await_true(lambda: f"{line}1\n" in file.read_text(), "the file has the new figure")
            self.assertIn(f"{line}0\n", kept.read())
        self.assertEqual(file.stat().st_mode & 0o777, 0o644)
        self.assertEqual(started.end(), (0, ""))
        self.assertEqual(sorted(path.name for path in self.directory.iterdir()), ["stderr", "target"])
        self.assertEqual((self.directory / "target").read_text(), "precious")

    def test_is_removed_while_the_processes_cannot_be_listed(self) -> None:
        started, file = self.begin(os.getpid())
        before = resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        # The exporter prints a message, removes the file, and tries again after the interval. So when the second
        # message has come, the file was removed.
        for _ in range(2):
            said = started.process.stderr.readline()
            self.assertRegex(said, r"\Asockmalloc: .* cannot be .*: Too many open files\n\Z")
        self.assertFalse(file.exists())
        resource.prlimit(started.process.pid, resource.RLIMIT_NOFILE, before)
        self.await_true(file.exists, "there is a new file")
        self.assertEqual(started.end()[0], 0)

    def test_two_exporters_do_not_share_a_file(self) -> None:
        first, file = self.begin(os.getpid())
        result = self.refused("--textfile", self.directory)
        self.assert_refused(result, command.UNWRITTEN, "another exporter writes")
        self.assertTrue(file.exists())
        first.end(signal.SIGKILL)
        self.assertTrue(file.exists())
        before = file.stat().st_ino
        second, _ = self.begin(os.getpid())
        self.await_true(lambda: file.exists() and file.stat().st_ino != before, "the old file is replaced")
        self.assertEqual(second.end(), (0, ""))
        self.assertFalse(file.exists())

    def test_mode_and_owner(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("needs root, to give a file away")
        _, file = self.begin("--mode", "0640", "--owner", "nobody:65533", os.getpid())
        status = file.stat()
        self.assertEqual((status.st_mode & 0o777, status.st_uid, status.st_gid), (0o640, NOBODY, 65533))


class BadInput(ExporterCase):
    def test_is_refused_in_a_line(self) -> None:
        plain = self.directory / "file"
        plain.write_text("precious")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for words, code, said in (
                (["--listen", "localhost"], command.USAGE, "localhost is no address; give HOST:PORT"),
                (["--listen", "127.0.0.1:"], command.USAGE, "is no address"),
                (["--listen", "127.0.0.1:65536"], command.USAGE, "is no address"),
                (["--listen", "127.0.0.1:http"], command.USAGE, "is no address"),
                (["--listen", "::1:9500"], command.USAGE, "is no address"),
                (["--listen", "no.invalid:9500"], NO_ADDRESS, "the host of no.invalid:9500 cannot be found"),
                (["--listen", "192.0.2.1:9500"], NO_ADDRESS, "cannot listen on 192.0.2.1:9500"),
                (["--listen", f"127.0.0.1:{port}"], NO_ADDRESS, "Address already in use"),
                (["--unix", ""], command.USAGE, "the path of a socket has 1 to 107 bytes"),
                (["--unix", f"/tmp/{'x' * 103}"], command.USAGE, "the path of a socket has 1 to 107 bytes"),
                (["--unix", plain], NO_ADDRESS, "File exists"),
                (["--unix", "/nowhere/socket"], NO_ADDRESS, "No such file or directory"),
                (["--textfile", "/nowhere"], command.UNWRITTEN, "/nowhere cannot be opened"),
                (["--textfile", plain], command.UNWRITTEN, "Not a directory"),
                (["--textfile", "/proc/self"], command.UNWRITTEN, "/proc/self/sockmalloc.prom cannot be written"),
                (["--interval", "5s"], command.USAGE, "--textfile, which is not given"),
                (["--textfile", self.directory, "--interval", "0"], command.USAGE, "an interval is a time"),
                (["--mode", "600"], command.USAGE, "which are not given"),
                (["--owner", "root"], command.USAGE, "which are not given"),
                (["--mode", "rw", "--unix", "/tmp/x"], command.USAGE, "a mode is an octal number"),
                (["--mode", "1777", "--unix", "/tmp/x"], command.USAGE, "a mode is an octal number"),
                (["--owner", "no such", "--unix", "/tmp/x"], command.USAGE, "there is no user no such"),
                (["--owner", "root:no such", "--unix", "/tmp/x"], command.USAGE, "there is no group no such"),
                (["-5"], command.USAGE, ""),
            ):
                with self.subTest(" ".join(map(str, words))):
                    result = self.refused(*words)
                    self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
                    self.assertIn(said, result.stderr)
                    if said:
                        self.assert_complaint(result.stderr, said)
        self.assertEqual(plain.read_text(), "precious")

    def test_a_port_below_1024_of_another_user(self) -> None:
        kept_out = settings.other_user_is_kept_out()
        if kept_out:
            self.skipTest(kept_out)
        if Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text().strip() == "0":
            self.skipTest("needs a kernel that keeps ports below 1024 for root")
        result = self.refused("--listen", "127.0.0.1:80", prepare=exporter.be_nobody)
        self.assert_refused(result, NO_ADDRESS, "cannot listen on 127.0.0.1:80: Permission denied")

    def test_without_libmicrohttpd(self) -> None:
        program = settings.program("sockmalloc_without_http")
        for words in ([], ["--listen", "127.0.0.1:0"], ["--unix", self.directory / "socket"]):
            result = self.refused(*words, command=program)
            self.assert_refused(result, NO_ADDRESS, "was built without libmicrohttpd")
        process = subprocess.Popen([program, "exporter", "--textfile", self.directory], env=command.environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.await_true((self.directory / "sockmalloc.prom").exists, "there is a file")
