"""Tests that the library writes valid text in each format of its statistics, and that all formats have the same
figures."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import signal
import subprocess
from pathlib import Path

import jsonschema

from support import command, formats, settings
from support.servant import Servant, ServantCase

STOCKS = ("live", "cached", "depot", "purged")
KINDS = ("thread", "lockfree", "standard", "cpu", "auto")


def checked_by_promtool(text: str) -> str:
    """Returns the errors that promtool finds in the text, and "" if there are none."""
    command = [settings.tool("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    return f"{done.stdout}{done.stderr}" if done.returncode or done.stdout or done.stderr else ""


def busy(servant: Servant) -> None:
    """Makes the servant bring slots into every state, in buckets below SOCKMALLOC_LARGE and in the large pool, and
    request a block that is too small for the pools."""
    for size in (16390, 5000, 65537, 262177):
        servant.ask(f"take {size}")
        servant.ask(f"churn {size}")
    servant.ask("take 100")


class Json(ServantCase):
    def setUp(self) -> None:
        super().setUp()
        schema = json.loads((command.path().parent / "doc" / "statistics.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        self.validator = jsonschema.Draft202012Validator(schema)

    def test_every_line_is_as_the_schema_says(self) -> None:
        for kind in KINDS:
            with self.subTest(kind):
                servant = self.start(FORMAT="json", POOL=kind, STATS_AT_EXIT="1", PROFILE=f"{self.directory}/\"\\é")
                servant.signal()
                busy(servant)
                servant.signal()
                self.assertEqual(servant.end(), 0)
                lines = servant.stderr().splitlines()
                self.assertEqual(len(lines), 3)
                for line in lines:
                    self.validator.validate(json.loads(line))
                last = json.loads(lines[-1])
                self.assertEqual((last["program"], last["process"]), ("servant", servant.pid))
                profile = last["configuration"]["SOCKMALLOC_PROFILE"].encode("latin-1").decode()
                self.assertEqual(profile, f'{self.directory}/"\\é')

    def test_without_pools(self) -> None:
        servant = self.start(FORMAT="json", DISABLE="1")
        servant.signal()
        said = json.loads(servant.stderr())
        self.validator.validate(said)
        self.assertEqual((said["active"], said["buckets"]), (False, []))


class Prometheus(ServantCase):
    def test_promtool_finds_nothing(self) -> None:
        for variables in ({}, {"DISABLE": "1"}, {"MAX": "64m"}):
            with self.subTest(str(variables)):
                servant = self.start(FORMAT="prometheus", **variables)
                busy(servant)
                servant.signal()
                self.assertEqual(checked_by_promtool(servant.stderr()), "")

    def test_promtool_would_find_it(self) -> None:
        """Shows that the other tests here can fail: promtool reports an error in a wrong text."""
        self.assertNotEqual(checked_by_promtool("# TYPE sockmalloc_requests counter\nsockmalloc_requests 1\n"), "")

    def test_a_file_is_replaced_whole(self) -> None:
        servant = self.start(FORMAT="prometheus", STATS=f"{self.directory}/stats.%p.prom")
        stats = self.directory / f"stats.{servant.pid}.prom"
        servant.signal()
        first = stats.read_text()
        kept = stats.open()
        busy(servant)
        servant.signal()
        second = stats.read_text()
        self.assertEqual(kept.read(), first, "a reader that had the file open reads the old text")
        kept.close()
        for text in (first, second):
            self.assertEqual(checked_by_promtool(text), "")
        self.assertEqual(formats.of_prometheus(second)["16k"]["requests"], 201)
        self.assertEqual(sorted(path.name for path in self.directory.iterdir()), [stats.name, "stderr"])

    def test_processes_with_one_setting_have_files_of_their_own(self) -> None:
        for name, expected in (("stats.prom", "stats.{}.prom"), ("stats", "stats.{}"), (".d/stats", ".d/stats.{}")):
            (self.directory / name).parent.mkdir(exist_ok=True)
            servants = [self.start(FORMAT="prometheus", STATS=f"{self.directory}/{name}") for _ in range(2)]
            for servant in servants:
                servant.signal()
            for servant in servants:
                text = (self.directory / expected.format(servant.pid)).read_text()
                self.assertIn(f'sockmalloc_active{{program="servant",pid="{servant.pid}"}} 1\n', text)
            self.assertFalse((self.directory / name).exists())

    def test_a_file_of_somebody_else_stays(self) -> None:
        target = self.directory / "target"
        target.write_text("precious")
        servant = self.start(FORMAT="prometheus", STATS=f"{self.directory}/stats.prom")
        stats = self.directory / f"stats.{servant.pid}.prom"
        stats.symlink_to(target)
        servant.signal()
        self.assertTrue(stats.is_symlink())
        self.assertEqual(target.read_text(), "precious")
        self.assert_ends_well(servant)


class SameFigures(ServantCase):
    def figures_by_interface(self, servant: Servant, form: str) -> formats.Figures:
        """Makes the servant write its statistics by sockmalloc_dump_as, and returns their figures from its stderr."""
        before = len(servant.stderr())
        self.assertEqual(servant.ask(f"dump-as {form}"), "done")
        return formats.READERS[form](servant.stderr()[before:])

    def test_signal_exit_and_interface_agree(self) -> None:
        for kind in KINDS:
            for form, reader in formats.READERS.items():
                with self.subTest(f"{kind}, {form}"):
                    template = f"{self.directory}/{kind}.%p.{form}"
                    servant = self.start(FORMAT=form, POOL=kind, STATS=template, STATS_AT_EXIT="1")
                    stats = Path(template.replace("%p", str(servant.pid)))
                    busy(servant)
                    servant.signal()
                    by_signal = reader(stats.read_text())
                    self.assertEqual(len(by_signal), 11)
                    self.assertEqual(by_signal["16k"]["requests"], 201)
                    for other in formats.READERS:
                        self.assertEqual(self.figures_by_interface(servant, other), by_signal, other)
                    self.assertEqual(servant.ask("figure 16k.live"), str(by_signal["16k"]["live"]))
                    self.assertEqual(servant.end(), 0)
                    self.assertEqual(reader(stats.read_text()), by_signal)

    def test_the_interface_refuses_other_words(self) -> None:
        servant = self.start()
        for word in ("", "JSON", "xml", "0"):
            self.assertEqual(servant.ask(f"dump-as {word}"), "refused", word)
        self.assert_ends_well(servant)


class Ledger(ServantCase):
    def test_closes_in_every_format(self) -> None:
        for kind in KINDS:
            servant = self.start(POOL=kind)
            busy(servant)
            for form, reader in formats.READERS.items():
                before = len(servant.stderr())
                servant.ask(f"dump-as {form}")
                for bucket, row in reader(servant.stderr()[before:]).items():
                    with self.subTest(f"{kind}, {form}, {bucket}"):
                        self.assertEqual(sum(row[stock] for stock in STOCKS), row["carved"])
                        parts = ("resident_live", "resident_free", "resident_purged")
                        self.assertEqual(sum(row[part] for part in parts), row["resident"])

    def test_totals_are_sums(self) -> None:
        servant = self.start(FORMAT="json")
        busy(servant)
        servant.signal()
        said = json.loads(servant.stderr())
        total = {name: number for name, number in said["total"].items() if name not in {"buckets", *formats.SHARES}}
        self.assertEqual(total, {name: sum(row[name] for row in said["buckets"]) for name in total})


class UnderLoad(ServantCase):
    """While threads work, the numbers of a bucket's slots in each state need not add up exactly to the number of carved
    slots, because a slot whose state changes during the reading may be missed or counted twice. The error must be at
    most the number of slots that caches may hold, plus IN_HAND. The program `laden` has 3 threads, each of which frees
    and allocates 8 blocks in turn. IN_HAND has these blocks, and one slot for each thread that is between two states.
    LOOKS is how often the statistics are requested."""

    IN_HAND = 3 * 8 + 3
    LOOKS = 20

    def test_ledger_is_out_by_what_is_on_the_way(self) -> None:
        for kind in KINDS:
            with self.subTest(kind):
                stats = self.directory / kind
                variables = {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_FORMAT": "json", "SOCKMALLOC_STATS": str(stats)}
                rows = self.looks(stats, variables)
                self.assertGreater(rows[-1]["requests"], rows[0]["requests"], "the threads allocate meanwhile")
                for row in rows:
                    known = sum(row[stock] for stock in STOCKS)
                    # The caches may hold as many slots as the quota in the statistics says. This quota is a sum of
                    # magazine sizes: one magazine for each processor, and two for each thread.
                    self.assertLessEqual(abs(known - row["carved"]), row["quota"] + self.IN_HAND, row)
                    self.assertGreaterEqual(row["carved"], 4000)
                    parts = ("resident_live", "resident_free", "resident_purged")
                    self.assertEqual(sum(row[part] for part in parts), row["resident"])

    def looks(self, stats: Path, variables: dict[str, str]) -> list[dict[str, int]]:
        """Starts a process whose threads allocate and free, and requests its statistics LOOKS times by a signal.
        Returns the row of the bucket 16k from each dump."""
        process = subprocess.Popen(
            [settings.program("laden")],
            env=settings.environment(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            for _ in range(self.LOOKS):
                process.stdin.write(b".")
                self.assertEqual(process.stdout.read(1), b".")
                process.send_signal(signal.SIGUSR1)
            process.stdin.close()
            self.assertEqual(process.wait(timeout=60), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        lines = [json.loads(line) for line in stats.read_text().splitlines()]
        self.assertGreaterEqual(len(lines), self.LOOKS // 2, "dumps are missing")
        return [next(row for row in line["buckets"] if row["bucket"] == "16k") for line in lines]


class Sizes(ServantCase):
    def test_all_formats_have_the_same_histogram(self) -> None:
        for kind in KINDS:
            with self.subTest(kind):
                servant = self.start(POOL=kind)
                for size in (16390, 17000, 5000, 262177) * 20:
                    servant.ask(f"churn {size}")
                for form in formats.READERS:
                    servant.ask(f"dump-as {form}")
                found = formats.sizes(servant.stderr())
                self.assertEqual(found["json"], found["text"])
                self.assertEqual(found["prometheus"], found["text"])
                self.assertLessEqual(set(found["text"]), {17408, 5120, 278528})
                # 4,000 blocks of each of the four sizes above were freed. The library adds frees to the histogram only
                # when it takes a sample, so the sum lacks the frees since the last sample.
                self.assertGreater(sum(found["text"].values()), 12000)
                self.assertLessEqual(sum(found["text"].values()), 16000)

    def test_small_requests_are_there_if_asked_for(self) -> None:
        for wanted in (False, True):
            with self.subTest(wanted):
                servant = self.start(SAMPLE_SMALL="1" if wanted else "0")
                for _ in range(20):
                    servant.ask("churn 100")
                for form in formats.READERS:
                    servant.ask(f"dump-as {form}")
                found = formats.sizes(servant.stderr())
                self.assertEqual(found["json"], found["text"])
                self.assertEqual(100 in found["text"], wanted, found)
                if wanted:
                    self.assertEqual(found["prometheus"][100], found["text"][100])
                    # There were 4,000 small requests. The library counts one of every 61, from a random one on, and
                    # multiplies, so the count is not exact.
                    self.assertGreater(found["text"][100], 3800)


class InUse(ServantCase):
    def test_the_list_is_text_alone(self) -> None:
        servant = self.start(FORMAT="json", POOL="standard", IN_USE="1")
        said = servant.stderr()
        self.assertIn("SOCKMALLOC_IN_USE=1 contradicts SOCKMALLOC_FORMAT=json; nothing will be listed\n", said)
        servant.ask("take 16390")
        self.assert_ends_well(servant, said)

    def test_a_report_in_another_format_has_no_list(self) -> None:
        servant = self.start(POOL="standard", IN_USE="1")
        servant.ask("take 16390")
        servant.ask("dump-as json")
        json.loads(servant.stderr())
