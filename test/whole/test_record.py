"""Tests that `sockmalloc record` writes only whole samples and prints why it ended early, and that `record --show`
shows the samples again. A damaged file must be shown as far as it is whole, or refused, and must not crash the
command."""
# SPDX-License-Identifier: BSD-2-Clause
import csv
import io
import json
import os
import pty
import resource
import signal
import subprocess
from datetime import datetime, timezone

from support import command, statistics
from support.servant import Servant, ServantCase

DEADLINE_SECONDS = 60
SAMPLES = 3


class RecordCase(ServantCase):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.directory / "recording"

    def record(self, servant: Servant, *options: str | int) -> "subprocess.CompletedProcess[str]":
        return command.run("record", servant.pid, "-o", self.file, "--interval", "0.01", *options)

    def show(self, *options: str) -> "subprocess.CompletedProcess[str]":
        return command.run("record", "--show", self.file, *options)

    def tables(self, stdout: str) -> list[statistics.Table]:
        lines = stdout.splitlines(keepends=True)
        return statistics.tables("".join(line for line in lines if not line.startswith("at ")), SAMPLES)

    def begin(self, servant: Servant) -> "subprocess.Popen[str]":
        """Starts a recording that does not end by itself, and waits until it has written its first samples."""
        recorder = subprocess.Popen(
            [command.path(), "record", str(servant.pid), "-o", str(self.file), "-i", "0.01"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(recorder.wait)
        self.addCleanup(recorder.kill)
        while not (self.file.exists() and self.file.stat().st_size > 20_000):
            self.assertIsNone(recorder.poll())
        return recorder


class Record(RecordCase):
    def test_shows_what_it_recorded(self) -> None:
        servant = self.start(DECAY_MS="-1", MIN="8k")
        servant.ask("churn 9000")
        done = self.record(servant, "--count", SAMPLES)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (command.DONE, "", ""))
        live = command.run("stat", "--wide", servant.pid)
        servant.end()
        shown = self.show()
        self.assertEqual((shown.returncode, shown.stderr), (command.DONE, ""))
        self.assertEqual([table.text for table in self.tables(shown.stdout)], [live.stdout] * SAMPLES)
        lines = [json.loads(line) for line in self.show("--json").stdout.splitlines()]
        self.assertEqual([line["statistics"]["process"] for line in lines], [servant.pid] * SAMPLES)
        self.assertEqual(lines, sorted(lines, key=lambda line: line["time"]))
        for line in lines:
            self.assertGreater(line["rss"], line["small"] + line["statistics"]["total"]["resident"])
            self.assertGreaterEqual(line["small"], 0)

    def test_timeline_and_csv(self) -> None:
        servant = self.start(DECAY_MS="never")
        servant.ask("take 9000")
        self.record(servant, "--count", SAMPLES)
        whole = [json.loads(line) for line in self.show("--json").stdout.splitlines()]
        times = [datetime.fromtimestamp(one["time"], timezone.utc) for one in whole]
        lines = self.show("--timeline").stdout.splitlines()
        self.assertRegex(
            lines[0], rf"\Aservant, process {servant.pid}: recorded from {times[0]:%Y-%m-%dT%H:%M:%S}\.\d+Z\Z"
        )
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertEqual(lines[1].split()[:3], ["time", "live", "resident_live"])
        rows = [line.split() for line in lines[2:]]
        self.assertEqual([row[0] for row in rows], [f"{time:%H:%M:%S}Z" for time in times])
        self.assertEqual([row[1] for row in rows], ["1"] * SAMPLES)
        self.assertEqual([row[5] for row in rows], ["-", "0", "0"])
        csvs = [row for row in csv.DictReader(io.StringIO(self.show("--csv").stdout))]
        for row, one in zip((row for row in csvs if row["bucket"] == "total"), whole, strict=True):
            stamp = datetime.fromisoformat(row.pop("time").replace("Z", "+00:00"))
            self.assertAlmostEqual(stamp.timestamp(), one["time"], delta=0.001)
            figures = {**one["statistics"], **one["statistics"]["total"], "rss": one["rss"], "small": one["small"]}
            self.assertEqual({name: int(row[name] or -1) for name in row if name != "bucket"},
                             {name: figures[name] for name in row if name != "bucket"})  # fmt: skip
        bucket = next(row for row in csvs if row["bucket"] == "8k")
        self.assertEqual((bucket["live"], bucket["rss"]), ("1", ""))

    def test_ends_when_it_is_told(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                self.file.unlink(missing_ok=True)
                recorder = self.begin(self.start())
                recorder.send_signal(number)
                self.assertEqual(recorder.communicate(timeout=DEADLINE_SECONDS), ("", ""))
                self.assertEqual(recorder.returncode, command.DONE)
                self.assertEqual(self.show().returncode, command.DONE)

    def test_a_process_that_ends_leaves_a_whole_recording(self) -> None:
        servant = self.start()
        recorder = self.begin(servant)
        servant.end()
        stdout, stderr = recorder.communicate(timeout=DEADLINE_SECONDS)
        self.assertEqual((recorder.returncode, stdout), (command.GONE, ""))
        self.assert_complaint(stderr, "has ended")
        self.assertEqual(self.show().returncode, command.DONE)

    def test_progress_on_a_terminal_alone(self) -> None:
        servant = self.start()
        master, slave = pty.openpty()
        arguments = [command.path(), "record", str(servant.pid), "-o", self.file, "-i", "0.01", "-n", "2"]
        subprocess.run(arguments, stderr=slave, check=True, timeout=DEADLINE_SECONDS)
        os.close(slave)
        said = os.read(master, 4096).decode()
        os.close(master)
        line = f"\rsockmalloc: process {servant.pid} (servant): "
        self.assertEqual(said, f"{line}1 samples{line}2 samples{line}2 samples\r\n")


class Refusals(RecordCase):
    def test_a_truncated_recording(self) -> None:
        servant = self.start()
        self.record(servant, "-n", SAMPLES)
        whole = self.file.read_bytes()
        shown = self.show().stdout
        for cut in (1, 100, 4500, 9000, len(whole) - 100):
            with self.subTest(cut):
                self.file.write_bytes(whole[:-cut])
                result = self.show()
                self.assertEqual(result.returncode, command.DAMAGED)
                samples = result.stdout.count("end of statistics")
                cut_head = cut == len(whole) - 100
                self.assert_complaint(result.stderr, "no recording" if cut_head else f"truncated: {samples} whole")
                self.assertTrue(shown.startswith(result.stdout))
                self.assertTrue(result.stdout == "" or result.stdout.endswith(f"of process {servant.pid}\n"))

    def test_a_sample_that_is_missing(self) -> None:
        servant = self.start()
        contents = []
        for samples in (1, 2, 3):
            self.record(servant, "-n", samples)
            contents.append(self.file.read_bytes())
            self.file.unlink()
        sample = len(contents[1]) - len(contents[0])
        # contents[2] is a recording of three samples and an end mark, which is as long as a sample. The next lines
        # remove the second sample.
        begin = len(contents[2]) - 3 * sample
        self.file.write_bytes(contents[2][:begin] + contents[2][begin + sample :])
        result = self.show()
        self.assertEqual(result.returncode, command.DAMAGED)
        self.assert_complaint(result.stderr, "truncated: 1 whole")

    def test_a_recorder_that_is_killed(self) -> None:
        recorder = self.begin(self.start())
        recorder.kill()
        recorder.communicate()
        result = self.show()
        self.assertEqual(result.returncode, command.DAMAGED)
        self.assert_complaint(result.stderr, "is truncated: ")
        self.assertGreater(result.stdout.count("end of statistics"), 0)

    def test_forms_without_a_file(self) -> None:
        for form in ("--json", "--timeline", "--csv"):
            self.assert_refused(command.run("record", "1", form), command.USAGE, "belong to --show")

    def test_no_recording(self) -> None:
        for content, words in (
            (b"", "is empty"),
            (b"words\n", "is no recording"),
            (b"\0" * 100_000, "is no recording"),
        ):
            self.file.write_bytes(content)
            self.assert_refused(self.show(), command.DAMAGED, words)
        self.file.unlink()
        self.assert_complaint(self.show().stderr, "can't be read: No such file")

    def test_another_version(self) -> None:
        self.record(self.start(), "-n", 1)
        content = self.file.read_bytes()
        other_version, other_layout = content[:16] + b"9.8.7" + content[21:], content[:15] + b"2" + content[16:100]
        for changed in (other_version, other_layout):
            self.file.write_bytes(changed)
            self.assert_refused(self.show(), command.OTHER_VERSION, "is of another version")

    def test_numbers_that_cannot_be(self) -> None:
        """Makes many damaged files: in each of them, another piece of 128 bytes is overwritten with 0xff. `record
        --show` and `advise` must accept each file or refuse it, and must not crash."""
        self.record(self.start(), "-n", 1)
        content = self.file.read_bytes()
        senseless = 0
        for at in range(0, len(content), 128):
            self.file.write_bytes((content[:at] + b"\xff" * 128 + content[at + 128 :])[: len(content)])
            result = self.show()
            for returncode in (result.returncode, command.run("advise", self.file).returncode):
                self.assertIn(returncode, (command.DONE, command.DAMAGED, command.OTHER_VERSION), at)
            senseless += "makes no sense" in result.stderr
        self.assertGreater(senseless, 0, "no file was refused because its numbers make no sense")

    def test_a_file_that_is_there(self) -> None:
        self.file.write_text("precious")
        self.assert_refused(self.record(self.start(), "-n", 1), command.UNWRITTEN, "File exists")
        self.assertEqual(self.file.read_text(), "precious")

    def test_nothing_of_a_process_that_is_not_there(self) -> None:
        result = command.run("record", command.ended_process(), "-o", self.file)
        self.assert_refused(result, command.GONE, "does not exist")
        self.assertFalse(self.file.exists())

    def test_a_disk_that_fills(self) -> None:
        """If the disk gets full, the recording must end with its last whole sample. A limit on the size of files takes
        the place of a full disk."""

        def confine() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

        servant = self.start()
        result = command.run("record", servant.pid, "-o", self.file, "-i", "0.01", prepare=confine)
        self.assert_refused(result, command.UNWRITTEN, "could not be written: File too large")
        shown = self.show()
        self.assertEqual(shown.returncode, command.DAMAGED)
        self.assertIn("is truncated", shown.stderr)
        self.assertTrue(shown.stdout.endswith(f"of process {servant.pid}\n"))
        full = self.file.stat().st_size
        sizes = []
        for count in (1, 2):
            self.file.unlink()
            done = self.record(servant, "-n", count)
            self.assertEqual((done.returncode, done.stderr), (command.DONE, ""))
            sizes.append(self.file.stat().st_size)
        self.assertEqual((full - sizes[0]) % (sizes[1] - sizes[0]), 0)

    def test_no_file_named(self) -> None:
        result = command.run("record", self.start().pid)
        self.assertEqual(result.returncode, command.USAGE)
        self.assert_complaint(result.stderr, "-o FILE")
