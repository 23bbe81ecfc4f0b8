"""Tests to which file the library writes its statistics, what they contain, and which files the library refuses to
write to."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import signal
import stat
from pathlib import Path

from support import statistics
from support.servant import Servant, ServantCase, default_path

DATA = b"a row of a database\n" * 100


def break_stderr() -> None:
    """Makes this process's stderr a pipe without a reader, as in `server 2>&1 | logger` after logger has ended."""
    reader, writer = os.pipe()
    os.dup2(writer, 2)
    os.close(writer)
    os.close(reader)


class Content(ServantCase):
    def test_table_says_what_happened(self) -> None:
        servant = self.start()
        self.assertEqual(servant.ask("take 16390"), "pools")
        self.assertEqual(servant.ask("take 262177"), "pools")
        servant.signal()
        table = statistics.tables(servant.stderr(), 1)[0]
        self.assertEqual((table.program, table.pid), ("servant", servant.pid))
        for bucket, capacity, asked in (("16k", 20480, 16390), ("256k", 266240, 262177)):
            row = table.rows[bucket]
            self.assertEqual((row["capacity"], row["live"], row["requests"]), (capacity, 1, 1))
            self.assertEqual((row["asked"], row["peak"], row["fell_through"]), (asked, 1, 0))
        capacities = [row["capacity"] for row in table.rows.values()]
        self.assertEqual(capacities, [(4096 << k) + 4096 for k in range(10)] + [4096 << 10])
        self.assertEqual(table.live(), {bucket: bucket in ("16k", "256k") for bucket in table.rows})
        self.assertEqual(table.share, 100.0)
        self.assertRegex(table.text, r"\nconfiguration: SOCKMALLOC_MIN=4k SOCKMALLOC_MAX=4m ")

    def test_each_has_the_state_of_its_moment(self) -> None:
        servant = self.start()
        servant.signal()
        servant.ask("take 30000")
        servant.signal()
        first, second = statistics.tables(servant.stderr(), 2)
        self.assertEqual(first.rows["32k"]["live"], 0)
        self.assertEqual(second.rows["32k"]["live"], 1)

    def test_without_pools(self) -> None:
        servant = self.start(DISABLE="1")
        self.assertEqual(servant.ask("take 16390"), "mimalloc")
        servant.signal()
        self.assertRegex(
            servant.stderr(),
            r"\Asockmalloc \S+: statistics of servant, process \d+\n"
            r"the pools are off: every request falls through to mimalloc\n"
            r"configuration: .* SOCKMALLOC_DISABLE=1 .*\n"
            r"end of statistics of process \d+\n\Z",
        )


class Place(ServantCase):
    """Without SOCKMALLOC_STATS, the library writes statistics to stderr as long as descriptor 2 is the file that it was
    at the start of the process, and otherwise to /tmp/sockmalloc.PID. Under systemd there are further rules."""

    def assert_in_default_file(self, servant: Servant, wanted: int) -> None:
        """Checks that /tmp/sockmalloc.PID has exactly `wanted` dumps, and that only its owner can read it."""
        path = default_path(servant)
        self.assertTrue(path.is_file(), "no statistics in /tmp")
        statistics.tables(path.read_text(), wanted)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)

    def data_file(self) -> Path:
        path = self.directory / "data"
        path.write_bytes(DATA)
        return path

    def test_stderr(self) -> None:
        servant = self.start()
        servant.signal()
        servant.signal()
        statistics.tables(servant.stderr(), 2)
        self.assertFalse(default_path(servant).exists())

    def test_stderr_that_is_closed_or_another_file(self) -> None:
        """If stderr is closed or replaced, the statistics go to a file in /tmp, which only its owner can read, whatever
        the umask is. A data file that has got descriptor 2 stays unchanged."""
        for closed_by, orders in (
            (None, ("umask 0", "close-stderr")),
            (None, ("close-stderr", "open {data}")),
            (None, ("replace-stderr {data}",)),
            (lambda: os.close(2), ("open {data}",)),
        ):
            with self.subTest(orders):
                servant = self.start(prepare=closed_by)
                data = self.data_file()
                answers = [servant.ask(order.format(data=data)) for order in orders]
                self.assertIn(answers[-1], ("done", "2"))
                for count in (1, 2):
                    servant.signal()
                    self.assert_in_default_file(servant, count)
                self.assertEqual(data.read_bytes(), DATA)
                self.assertEqual(servant.end(), 0)

    def test_stderr_replaced_by_itself(self) -> None:
        servant = self.start()
        servant.ask(f"replace-stderr {servant.stderr_path}")
        servant.signal()
        statistics.tables(servant.stderr(), 1)

    def test_stderr_is_a_broken_pipe(self) -> None:
        """The process must survive if the library writes statistics, or a warning, to a pipe that nobody reads."""
        servant = self.start(prepare=break_stderr, UNKNOWN="1", STATS_AT_EXIT="1")
        servant.signal()
        self.assertEqual(servant.ask("take 20000"), "pools")
        self.assertEqual(servant.end(), 0)

    def test_in_a_unit_of_systemd(self) -> None:
        """Under systemd, the statistics go to stderr if stderr is the journal, and otherwise to the directory
        RUNTIME_DIRECTORY. If this directory does not exist, they go to stderr. If stderr is also closed, they go to
        /tmp. SOCKMALLOC_STATS overrides all of these."""
        journal, stats = self.directory / "journal", self.directory / "stats"
        for variables, orders, place in (
            ({"RUNTIME_DIRECTORY": "{here}"}, [], "{here}/sockmalloc.{pid}"),
            ({"RUNTIME_DIRECTORY": "/run/none:{here}/sockmalloc"}, [], "{here}/sockmalloc/sockmalloc.{pid}"),
            ({"RUNTIME_DIRECTORY": "{here}", "JOURNAL_STREAM": "{stream}"}, [], str(journal)),
            ({"RUNTIME_DIRECTORY": "{here}", "JOURNAL_STREAM": "{stream}1"}, [], "{here}/sockmalloc.{pid}"),
            (
                {"RUNTIME_DIRECTORY": "{here}", "JOURNAL_STREAM": "{stream}"},
                ["close-stderr"],
                "{here}/sockmalloc.{pid}",
            ),
            ({"RUNTIME_DIRECTORY": "{here}/none"}, ["close-stderr"], "/tmp/sockmalloc.{pid}"),
            ({"RUNTIME_DIRECTORY": "{here}", "SOCKMALLOC_STATS": str(stats)}, [], str(stats)),
        ):
            with self.subTest(variables, orders=orders), open(journal, "wb") as file:
                (self.directory / "sockmalloc").mkdir(exist_ok=True)
                status = os.fstat(file.fileno())
                words = {"here": self.directory, "stream": f"{status.st_dev}:{status.st_ino}"}
                others = {name: value.format(**words) for name, value in variables.items()}
                servant = self.start(prepare=lambda: os.dup2(file.fileno(), 2), others=others)
                for order in orders:
                    servant.ask(order)
                servant.signal()
                path = Path(place.format(pid=servant.pid, **words))
                statistics.tables(path.read_text(), 1)
                self.assertEqual(servant.end(), 0)
                path.unlink()

    def test_link_planted_in_tmp(self) -> None:
        servant = self.start()
        data = self.data_file()
        path = default_path(servant)
        path.symlink_to(data)
        servant.ask("close-stderr")
        servant.signal()
        self.assertEqual(data.read_bytes(), DATA)
        self.assertTrue(path.is_symlink())
        self.assert_ends_well(servant)


class NamedFile(ServantCase):
    """SOCKMALLOC_STATS names the file for the statistics. %p in the name becomes the process id. The library must
    refuse links, devices, directories and FIFOs."""

    def test_process_id_in_the_name(self) -> None:
        servant = self.start(STATS=f"{self.directory}/%p.of.%p")
        servant.signal()
        servant.signal()
        path = self.directory / f"{servant.pid}.of.{servant.pid}"
        statistics.tables(path.read_text(), 2)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assert_ends_well(servant)

    def test_appends_to_what_is_there(self) -> None:
        path = self.directory / "statistics"
        path.write_bytes(DATA)
        servant = self.start(STATS=str(path))
        servant.signal()
        text = path.read_text()
        self.assertTrue(text.startswith(DATA.decode()))
        statistics.tables(text[len(DATA) :], 1)
        self.assert_ends_well(servant)

    def test_moved_away_file_is_made_anew(self) -> None:
        path = self.directory / "statistics"
        servant = self.start(STATS=str(path))
        servant.signal()
        path.rename(self.directory / "old")
        servant.signal()
        statistics.tables(path.read_text(), 1)

    def test_what_is_no_file_of_its_own_is_refused(self) -> None:
        data, path = self.directory / "data", self.directory / "statistics"
        data.write_bytes(DATA)
        for kind, plant in {
            "symbolic link": lambda: path.symlink_to(data),
            "dangling link": lambda: path.symlink_to(self.directory / "nowhere"),
            "second name of a file": lambda: path.hardlink_to(data),
            "fifo without a reader": lambda: os.mkfifo(path),
        }.items():
            with self.subTest(kind):
                plant()
                self.assert_refused(path)
                path.unlink()
        self.assertEqual(data.read_bytes(), DATA)
        self.assertFalse((self.directory / "nowhere").exists())

    def test_fifo_with_reader_is_refused(self) -> None:
        path = self.directory / "statistics"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.assert_refused(path)
        self.assertEqual(os.read(reader, 1), b"")

    def test_directories_and_devices_are_refused(self) -> None:
        path = self.directory / "statistics"
        path.mkdir()
        for place in (path, self.directory / "no" / "statistics", Path("/dev/full")):
            with self.subTest(place.name):
                self.assert_refused(place)
        self.assertEqual(list(path.iterdir()), [])

    def test_long_name_is_whole_or_refused(self) -> None:
        """The path has so many %p that with the process ids it may be longer than the library's buffer. The library
        must write to the whole path or to no file, because another file could have the shortened name."""
        directory = self.directory / ("a" * 200) / ("b" * 200)
        directory.mkdir(parents=True)
        count = (510 - len(str(directory))) // 2
        servant = self.start(STATS=str(directory / ("%p" * count)))
        servant.signal()
        names = [path.name for path in directory.iterdir()]
        self.assertIn(names, ([], [str(servant.pid) * count]))
        self.assert_ends_well(servant)

    def assert_refused(self, path: Path) -> None:
        """Checks that with SOCKMALLOC_STATS=path the library writes its statistics nowhere, and that the process still
        works."""
        servant = self.start(STATS=str(path))
        servant.signal()
        self.assertEqual(servant.ask("take 20000"), "pools")
        self.assertFalse(default_path(servant).exists())
        self.assert_ends_well(servant)


class Signal(ServantCase):
    def test_others_by_name_and_number(self) -> None:
        chosen = {
            "SIGUSR2": signal.SIGUSR2,
            "USR2": signal.SIGUSR2,
            "12": 12,
            "HUP": signal.SIGHUP,
            "RTMIN+3": signal.SIGRTMIN + 3,
            "SIGRTMAX": signal.SIGRTMAX,
        }
        for name, number in chosen.items():
            with self.subTest(name):
                servant = self.start(SIGNAL=name)
                servant.signal(number)
                statistics.tables(servant.stderr(), 1)
                self.assertEqual(servant.end(), 0)

    def test_usr1_then_has_its_default(self) -> None:
        for name in ("USR2", "off", "0"):
            with self.subTest(name):
                servant = self.start(SIGNAL=name)
                os.kill(servant.pid, signal.SIGUSR1)
                self.assertEqual(servant.wait(), -signal.SIGUSR1)
                self.assertEqual(servant.stderr(), "")


class AtExit(ServantCase):
    def test_to_stderr(self) -> None:
        servant = self.start(STATS_AT_EXIT="1")
        servant.ask("take 16384")
        self.assertEqual(servant.stderr(), "")
        self.assertEqual(servant.end(), 0)
        table = statistics.tables(servant.stderr(), 1)[0]
        self.assertEqual(table.rows["16k"]["live"], 1)

    def test_to_a_file(self) -> None:
        servant = self.start(STATS_AT_EXIT="1", STATS=f"{self.directory}/%p")
        servant.signal()
        self.assert_ends_well(servant)
        statistics.tables((self.directory / str(servant.pid)).read_text(), 2)
