"""Tests `sockmalloc report`. Its page must have the figures of the recording, show names safely, whatever bytes they
have, and work in a browser without a network. The command must refuse bad input with one line, and must never leave an
incomplete page."""

# SPDX-License-Identifier: BSD-2-Clause
import copy
import json
import os
import subprocess
import unittest
from pathlib import Path
from typing import Any

from support import browser, command, page
from support.servant import ServantCase

TOP = Path(__file__).resolve().parents[2]
SAMPLES = 4
# A name that would run a script, or change a terminal's colours, if it was printed as it is.
HOSTILE = '</script><img src=x onerror="hit=1">&amp;\x1b[1m'
CHARTS = ["resident MiB by bucket", "requests by size in bytes", "resident MiB and MiB of live slots",
          "resident MiB by use", "percent of requests"]  # fmt: skip


def samples_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def lines_of(samples: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(sample) + "\n" for sample in samples)


class ReportCase(ServantCase):
    maxDiff = 2000

    def setUp(self) -> None:
        super().setUp()
        self.file = self.directory / "recording"
        self.output = self.directory / "page.html"

    def record(self) -> list[dict[str, Any]]:
        """Records a servant while it allocates and frees. Returns the samples of the recording, as `record --show
        --json` prints them."""
        servant = self.start(SAMPLE_SMALL="1")
        for size in (*[9000] * 20, 60000):
            servant.ask(f"churn {size}")
        servant.ask("take 20000")
        servant.ask("small 1000")
        recorder = subprocess.Popen(
            [command.path(), "record", str(servant.pid), "-o", str(self.file), "-i", "0.01", "-n", str(SAMPLES)]
        )
        servant.ask("churn 5000")
        self.assertEqual(recorder.wait(command.DEADLINE_SECONDS), 0)
        return samples_of(command.run("record", "--show", self.file, "--json").stdout)

    def report(self, *files: Path | str) -> "subprocess.CompletedProcess[str]":
        return command.run("report", *files)

    def read(self, *files: Path | str) -> page.Page:
        done = self.report(*files)
        self.assertEqual((done.returncode, done.stderr), (command.DONE, ""))
        return page.check(self, done.stdout)

    def assert_refused_whole(self, files: list[Path | str], code: int, words: str) -> None:
        """Checks that `sockmalloc report` refuses the files, and then leaves an existing output file unchanged."""
        self.assert_refused(self.report(*files), code, words)
        self.output.write_text("former")
        self.assert_refused(self.report(*files, f"--output={self.output}"), code, words)
        self.assertEqual(self.output.read_text(), "former")
        self.output.unlink()


class Figures(ReportCase):
    def check_bytes(self, found: page.Page, samples: list[dict[str, Any]]) -> None:
        totals = [sample["statistics"]["total"] for sample in samples]
        live, by_use = found.of("resident MiB and MiB of live slots"), found.of("resident MiB by use")
        for name in ("resident", "resident_live"):
            self.assertEqual(live.column(name), [total[name] for total in totals])
        slots = [sum(one["live"] * one["capacity"] for one in sample["statistics"]["buckets"]) for sample in samples]
        self.assertEqual(live.column("live slots"), slots)
        self.assertEqual(by_use.column("resident_free"), [total["resident_free"] for total in totals])
        self.assertEqual(by_use.column("small"), [sample["small"] for sample in samples])
        for row, sample in zip(by_use.figures, samples):
            self.assertEqual(sum(map(int, row[1:])), sample["rss"], "the parts do not add up to the whole")

    def check_buckets(self, found: page.Page, samples: list[dict[str, Any]]) -> None:
        by_bucket, table = found.of("resident MiB by bucket"), found.of("buckets that were used")
        buckets = [{one["bucket"]: one for one in sample["statistics"]["buckets"]} for sample in samples]
        used = [name for name, one in buckets[-1].items() if one["carved"] or one["requests"] or one["fell_through"]]
        self.assertEqual((by_bucket.columns[1:], [row[0] for row in table.rows]), (used, [*used, "total"]))
        for name in used:
            self.assertEqual(by_bucket.column(name), [of[name]["resident"] for of in buckets])
        for heading in ("live", "requests", "fell_through"):
            self.assertEqual(table.column(heading)[:-1], [buckets[-1][name][heading] for name in used])
            self.assertEqual(table.column(heading)[-1], samples[-1]["statistics"]["total"][heading])

    def check_rest(self, found: page.Page, samples: list[dict[str, Any]]) -> None:
        last = samples[-1]["statistics"]
        sizes, hits, settings = (found.of(name) for name in (CHARTS[1], CHARTS[4], "settings in force"))
        steps = [(step["to"], step["count"]) for step in last["sizes"]["steps"]]
        self.assertEqual(list(zip(sizes.column("up to"), sizes.column("requests"))), steps)
        edges = [f"{one['capacity']}={one['bucket']}" for one in last["buckets"]]
        chart = next(chart for chart in found.charts if chart.get("data-kind") == "sizes")
        self.assertEqual((chart["data-marks"] or "").rstrip(";").split(";"), edges)
        before = {name: 0 for name in samples[0]["statistics"]["total"]}
        for row, sample in enumerate(samples):
            now = sample["statistics"]["total"]
            for name in ("cache_hits", "depot_hits"):
                all_requests = now["requests"] - before["requests"]
                expected = (now[name] - before[name]) / all_requests if all_requests > 0 else None
                self.assertAlmostEqual(hits.column(name)[row], expected, places=5)
            before = now
        self.assertGreater(hits.column("cache_hits")[0], 0)
        values = {row[0]: row[1] for row in settings.rows}
        self.assertEqual(values, last["configuration"])
        self.assertEqual(
            {row[0] for row in settings.rows if row[2] != "yes"}, {"SOCKMALLOC_MAX", "SOCKMALLOC_SAMPLE_SMALL"}
        )

    def check_advice(self, found: page.Page, file: Path) -> None:
        said = json.loads(command.run("advise", file, "--json").stdout)
        self.assertTrue(any(text.startswith(said["verdict"]) for text in found.texts["p"]))
        rows = [row for table in found.tables if table.caption == "settings to change" for row in table.figures]
        self.assertEqual([int(row[1] or 0) for row in rows], [advice["saving"] for advice in said["advice"]])

    def test_of_a_recording_and_of_its_json(self) -> None:
        samples = self.record()
        shown = self.directory / "shown.json"
        shown.write_text(lines_of(samples))
        for file in (self.file, shown):
            with self.subTest(file.name):
                found = self.read(file)
                self.check_bytes(found, samples)
                self.check_buckets(found, samples)
                self.check_rest(found, samples)
                self.check_advice(found, file)
                self.assertEqual([chart.get("data-kind") for chart in found.charts],
                                 ["stack", "sizes", "lines", "stack", "lines"])  # fmt: skip
                times = found.of(CHARTS[0]).column("time (UTC)")
                self.assertEqual(times, [sample["time"] for sample in samples])
        both = self.read(self.file, shown)
        self.assertEqual([table for table in both.tables if table.caption != "all servers"],
                         [*self.read(self.file).tables, *self.read(shown).tables])  # fmt: skip
        self.assertEqual(both.of("all servers").column("samples"), [SAMPLES, SAMPLES])

    def test_of_statistics_that_a_process_wrote(self) -> None:
        """JSON statistics that a process has written have neither times nor the memory of the whole process. So the
        page must number the samples and leave RSS out. If a file has the statistics of two processes, the page must
        show the processes as two servers."""
        samples = self.record()
        one = samples[-1]["statistics"]
        other = {**one, "process": one["process"] + 1}
        dump = self.directory / "dump.json"
        dump.write_text(lines_of([one, other, one]))
        found = self.read(dump)
        self.assertEqual(found.of("all servers").column("samples"), [2, 1])
        self.assertEqual(found.of("all servers").column("RSS MiB at the end"), [None, None])
        self.assertEqual(found.of(CHARTS[0]).column("sample"), [1, 2])
        self.assertEqual([chart.get("data-kind") for chart in found.charts],
                         ["stack", "sizes", "lines", "lines", None, "sizes", None, None])  # fmt: skip

    def test_a_long_recording_keeps_peak_and_end(self) -> None:
        sample = self.record()[-1]
        samples = [copy.deepcopy(sample) for _ in range(2500)]
        for number, one in enumerate(samples):
            one["time"] = 1_000_000 + number
            one["statistics"]["total"]["resident"] = 4096 * (1 + number % 7)
        samples[1201]["statistics"]["total"]["resident"] = 1 << 30
        self.file.write_text(lines_of(samples))
        found = self.read(self.file)
        table = found.of("resident MiB and MiB of live slots")
        times, resident = table.column("time (UTC)"), table.column("resident")
        self.assertLessEqual(len(times), 1001)
        self.assertGreaterEqual(len(times), 500)
        self.assertEqual(resident[times.index(1_001_201)], 1 << 30)
        self.assertEqual((times[-1], resident[-1]), (samples[-1]["time"], 4096 * (1 + 2499 % 7)))
        self.assertEqual(times, sorted(times))
        self.assertTrue(any("2500 samples" in text and "4 neighbouring" in text for text in found.texts["p"]), times)


class Names(ReportCase):
    def test_a_name_stays_a_name(self) -> None:
        samples = self.record()
        for sample in samples:
            sample["statistics"]["program"] = HOSTILE[:30]
            sample["statistics"]["configuration"]["SOCKMALLOC_STATS"] = HOSTILE
        file = self.directory / HOSTILE.replace("/", "")
        file.write_text(lines_of(samples))
        found = self.read(file)
        self.assertNotIn("img", found.texts)
        self.assertIn(HOSTILE[:30], found.texts["h1"][0])
        values = {row[0]: row[1] for row in found.of("settings in force").rows}
        self.assertEqual(values["SOCKMALLOC_STATS"], HOSTILE.replace("\x1b", "\\x1b"))
        self.assertIn(file.name.replace("\x1b", "\\x1b"), found.texts["code"][0])

    def test_the_copy_of_the_chart_library(self) -> None:
        done = subprocess.run(["sha256sum", "--check", "--quiet", "checksums"], cwd=TOP / "third-party" / "uplot",
                              capture_output=True, text=True)  # fmt: skip
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


class Refusals(ReportCase):
    def test_a_process_with_libsockmalloc_buffers_alone_is_left_out(self) -> None:
        samples = self.record()
        rings = [{"ring": "a", "chunk": 64}]
        alone = {"format": 1, "version": "1.0.0", "program": "alone", "process": 1, "rings": rings}
        self.file.write_text(lines_of([alone, *samples, alone]))
        self.assertEqual(len(self.read(self.file).of(CHARTS[0]).rows), SAMPLES)
        self.file.write_text(lines_of([alone]))
        self.assert_refused(self.report(self.file), command.DAMAGED, "has no whole sample")

    def test_files_that_are_no_recordings(self) -> None:
        samples = self.record()
        newer = copy.deepcopy(samples[0])
        newer["statistics"]["format"] = 2
        line = lines_of(samples[:1])
        recording = self.file.read_bytes()
        for content, code, words in (
            (b"", command.DAMAGED, "is empty"),
            (b"words\n", command.DAMAGED, "is no recording"),
            (recording[:100], command.DAMAGED, "its beginning is cut"),
            (recording[:9_000], command.DAMAGED, "has no whole sample"),
            (recording[:15] + b"2" + recording[16:], command.OTHER_VERSION, "of another version"),
            (recording[:16] + b"9.8.7" + recording[21:], command.OTHER_VERSION, "of another version"),
            (b"{}\n", command.DAMAGED, "line 1: this JSON is no statistics"),
            (line.replace('"buckets": [', '"buckets": [7,').encode(), command.DAMAGED, "line 1: this JSON is no"),
            (line.replace('"total": {', '"totals": {').encode(), command.DAMAGED, "line 1: this JSON is no"),
            (f"{line}{{broken\n{line}".encode(), command.DAMAGED, "line 2 is no JSON"),
            (line[:-9].encode(), command.DAMAGED, "has no whole sample"),
            (lines_of([samples[0], newer]).encode(), command.OTHER_VERSION, "line 2: format 2 is newer"),
        ):
            with self.subTest(words=words, start=content[:40]):
                bad = self.directory / "bad"
                bad.write_bytes(content)
                self.assert_refused_whole([self.file, bad], code, words)
        self.assert_refused_whole([self.directory / "absent"], command.DAMAGED, "can't be read: No such file")
        self.assert_refused_whole([self.directory], command.DAMAGED, "can't be read: Is a directory")
        self.assert_refused_whole([], command.USAGE, "no file is given")
        self.assert_refused_whole(["x"] * 65, command.USAGE, "too many files")

    def test_a_truncated_file_is_shown_as_far_as_it_is_whole(self) -> None:
        samples = self.record()
        text = lines_of(samples)
        recording = self.file.read_bytes()
        for content, whole in (
            (recording[:-100], SAMPLES),
            (recording[:-10_000], SAMPLES - 1),
            (text[:-20].encode(), SAMPLES - 1),
        ):
            self.file.write_bytes(content)
            done = self.report(self.file, f"--output={self.output}")
            self.assertEqual((done.returncode, done.stdout), (command.DAMAGED, ""))
            self.assertRegex(done.stderr, r"\Asockmalloc: [^\n]* is truncated; the page shows [^\n]*\n\Z")
            found = page.check(self, self.output.read_text())
            self.assertEqual(found.of(CHARTS[0]).column("time (UTC)"), [sample["time"] for sample in samples[:whole]])
            self.assertTrue(any("The end of the file is missing" in text for text in found.texts["p"]))

    def test_an_output_that_cannot_be(self) -> None:
        self.record()
        for path in ("/nosuch/page.html", str(self.directory), "/dev/full"):
            self.assert_refused(self.report(self.file, f"--output={path}"), command.UNWRITTEN, "can't be written")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([command.path(), "report", self.file], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, command.UNWRITTEN)
        self.assertIn("could not be written: No space", done.stderr)

    def test_the_output_is_replaced(self) -> None:
        self.record()
        other = self.directory / "other.html"
        self.output.symlink_to(other)
        other.write_text("former")
        former = other.stat().st_ino
        os.umask(0o027)
        self.addCleanup(os.umask, 0o022)
        self.assertEqual(self.report(self.file, "-o", self.output).returncode, command.DONE)
        self.assertTrue(self.output.is_symlink())
        self.assertNotEqual(other.stat().st_ino, former)
        self.assertEqual(oct(other.stat().st_mode & 0o777), oct(0o640))
        self.assertEqual(sorted(entry.name for entry in self.directory.iterdir()),
                         ["other.html", "page.html", "recording", "stderr"])  # fmt: skip


@unittest.skipIf(browser.find() is None, browser.MISSING)
class InABrowser(ReportCase):
    def setUp(self) -> None:
        super().setUp()
        self.samples = self.record()
        for sample in self.samples:
            sample["statistics"]["program"] = HOSTILE[:30]
        named = self.directory / "named.json"
        named.write_text(lines_of(self.samples))
        self.assertEqual(self.report(named, self.file, "-o", self.output).returncode, command.DONE)
        self.browser = browser.Browser()
        self.addCleanup(self.browser.close)

    def show(self, width: int, scheme: str) -> None:
        self.browser.resize(width)
        self.browser.prefer(scheme)
        self.browser.open(self.output)
        self.browser.settle()

    def test_it_draws_each_chart_and_complains_of_nothing(self) -> None:
        grounds = set()
        for width in (1280, 400):
            for scheme in ("light", "dark"):
                self.show(width, scheme)
                sizes = self.browser.value("[...document.querySelectorAll('figure[data-kind] canvas')]"
                                           ".map((canvas) => canvas.clientWidth)")  # fmt: skip
                self.assertEqual(len(sizes), 2 * len(CHARTS))
                self.assertTrue(all(0.7 * width * 0.8 < size <= width for size in sizes), sizes)
                self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), width)
                # A chart that the script has drawn has more colours than that of its background.
                self.assertGreater(min(self.browser.value(COLOURS)), 3)
                grounds.add(self.browser.value("getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(grounds), 2)
        self.assertIsNone(self.browser.value("window.hit"))
        self.assertEqual(self.browser.complaints, [])

    def test_the_page_of_the_browser_has_the_figures_of_the_recording(self) -> None:
        self.show(1280, "light")
        for caption, name in ((CHARTS[2], "resident"), (CHARTS[2], "resident_live"), (CHARTS[3], "resident_free")):
            found = self.browser.value(COLUMN % (json.dumps(caption), json.dumps(name)))
            self.assertEqual(found, [str(sample["statistics"]["total"][name]) for sample in self.samples])

    def test_keys_and_the_switch(self) -> None:
        self.show(1280, "light")
        self.browser.value("document.querySelectorAll('.plot')[2].focus()")
        says = "document.activeElement.getAttribute('aria-valuetext')"
        for key, number in (("Home", 0), ("ArrowRight", 1), ("End", SAMPLES - 1), ("ArrowLeft", SAMPLES - 2)):
            self.browser.press(key)
            total = self.samples[number]["statistics"]["total"]
            self.assertIn(f" resident {total['resident'] / (1 << 20):.2f} MiB", self.browser.value(says))
        before = self.browser.value("getComputedStyle(document.body).backgroundColor")
        self.browser.value("document.querySelector('#theme').value = 'dark';"
                           "document.querySelector('#theme').dispatchEvent(new Event('change'))")  # fmt: skip
        self.assertNotEqual(self.browser.value("getComputedStyle(document.body).backgroundColor"), before)
        box = "document.querySelector('figure[data-kind=stack] .legend input')"
        drawn = "document.querySelector('figure[data-kind=stack] canvas').toDataURL()"
        former = self.browser.value(drawn)
        self.browser.value(f"{box}.click()")
        self.browser.settle()
        self.assertNotEqual(self.browser.value(drawn), former)
        self.assertEqual(self.browser.complaints, [])


# A JavaScript expression for the number of colours in each chart.
COLOURS = """[...document.querySelectorAll('figure[data-kind] canvas')].map((canvas) => new Set(new Uint32Array(
    canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size)"""
# A JavaScript expression for the exact figures of a column. The first %s is the caption of the table, and the second is
# the name of the column.
COLUMN = """(() => {
    const table = [...document.querySelectorAll('table')].find((one) => one.caption.textContent === %s);
    const column = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === %s);
    return [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.v);
})()"""
