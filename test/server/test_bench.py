"""Tests of the benchmark: how it judges figures, how it reads the state of a process, and how it measures servers."""
# SPDX-License-Identifier: BSD-2-Clause
import math
import mmap
import os
import sys
import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path
from unittest import mock

from harness import settings

# test/bench is searched last, because other folders may have modules of the same names
sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

import charts  # noqa: E402
import faults  # noqa: E402
import idle  # noqa: E402
import judge  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import processes  # noqa: E402
import rows  # noqa: E402
import servers  # noqa: E402

# redis-benchmark counts whole milliseconds, so with few requests it could seem that they took no time.
REQUESTS = 2000
MEBIBYTE = 1 << 20


def results(**columns: float) -> judge.Results:
    """Returns the results of one round of the benchmark. Each column has one figure, which is called x."""
    made = judge.Results()
    for name, value in columns.items():
        made.add(1, name, {"x": value})
    return made


def program() -> Path:
    return Path(os.environ["SOCKMALLOC_BUILD"]) / "test" / "bench" / "bench"


class Charts(unittest.TestCase):
    def test_bars_are_as_long_as_the_medians(self) -> None:
        made = results(glibc=8, sockmalloc=2)
        made.add(2, "glibc", {"x": 4})
        made.add(3, "glibc", {"x": 4})
        drawn = charts.chart(made, rows.Figure("x", "<us>"), ["glibc", "mimalloc", "sockmalloc"])
        parsed = xml.dom.minidom.parseString(drawn)
        bars = [float(rect.getAttribute("width")) for rect in parsed.getElementsByTagName("rect")[1:]]
        self.assertEqual(len(bars), 2, "an allocator without a figure has no bar")
        self.assertEqual(bars[0], 2 * bars[1])
        spread = parsed.getElementsByTagName("path")[0].getAttribute("d")
        least, most = (float(end.split()[0]) for end in spread[1:].split("H"))
        self.assertEqual((most - charts.LABEL) / (least - charts.LABEL), 2)

    def test_curves_have_logarithmic_axes(self) -> None:
        made = judge.Results()
        for at, cost in ((1, 10), (10, 100), (100, 1000)):
            made.add(1, "glibc", {f"x.{at}": cost})
        figures = [rows.Figure(f"x.{at}", "<us>", curve="x", at=at) for at in (1, 10, 100)]
        drawn = charts.curves(made, "x", figures, ["glibc", "sockmalloc"])
        lines = xml.dom.minidom.parseString(drawn).getElementsByTagName("polyline")
        places = [tuple(map(float, place.split(","))) for place in lines[0].getAttribute("points").split()]
        steps = [(b[0] - a[0], a[1] - b[1]) for a, b in zip(places, places[1:])]
        self.assertEqual(steps, [(charts.PLOT_WIDTH / 2, charts.PLOT_HEIGHT / 2)] * 2)
        self.assertEqual(lines[1].getAttribute("points"), "", "an allocator without a figure has an empty line")

    def test_each_curve_is_drawn_once(self) -> None:
        figures = [figure for row in rows.GROWTH for figure in row.figures]
        with tempfile.TemporaryDirectory() as directory:
            charts.write(Path(directory), judge.Results(), figures, ["glibc", "sockmalloc"])
            drawn = sorted(path.stem for path in Path(directory).glob("growth.*"))
        self.assertEqual(drawn, ["growth.conns", "growth.conns.peak", "growth.live", "growth.live.rss"])


class Drawn(unittest.TestCase):
    def test_a_seed_draws_its_rows_again(self) -> None:
        self.assertEqual(rows.drawn(5), rows.drawn(5))
        self.assertNotEqual(rows.drawn(5), rows.drawn(6))
        for seed in range(1, 200):
            for row in rows.drawn(seed):
                threads, low, high, live, passed = map(int, row.command[1].split(":"))
                self.assertTrue(1 <= threads <= 64 and 1 <= low < high <= 4 << 20 and live >= 1 and passed <= 100, row)


class Judgement(unittest.TestCase):
    within = rows.Figure("x", "us", rows.Bound(1.00, rows.BEST))

    def word(self, figure: rows.Figure, **columns: float) -> str:
        return judge.judge(results(**columns), figure, judgeable=True).word

    def test_the_best_peer_decides(self) -> None:
        self.assertEqual(self.word(self.within, sockmalloc=3, glibc=3, mimalloc=9), "ok")
        self.assertEqual(self.word(self.within, sockmalloc=4, glibc=3, mimalloc=9), "over")

    def test_a_peer_without_the_figure_is_no_peer(self) -> None:
        self.assertEqual(self.word(self.within, sockmalloc=4, mimalloc=9), "ok")
        self.assertEqual(self.word(self.within, sockmalloc=4), "not judged")

    def test_ours_without_the_figure_is_over(self) -> None:
        self.assertEqual(self.word(self.within, glibc=3), "over")

    def test_a_figure_about_an_absent_library_is_not_judged(self) -> None:
        figure = rows.Figure("x", "ratio", rows.Bound(1), optional=True)
        self.assertEqual(self.word(figure), "not judged")
        self.assertEqual(self.word(figure, sockmalloc=1.1), "over")
        self.assertEqual(self.word(rows.Figure("x", "ratio", rows.Bound(1))), "over")

    def test_an_absolute_bound_needs_no_peer(self) -> None:
        figure = rows.Figure("x", "MiB", rows.Bound(4))
        self.assertEqual(self.word(figure, sockmalloc=4), "ok")
        self.assertEqual(self.word(figure, sockmalloc=4.1, glibc=9), "over")

    def test_more_may_be_better(self) -> None:
        rate = rows.Figure("x", "1/s", more_is_better=True)
        self.assertEqual(results(sockmalloc=4, glibc=3, mimalloc=9).best_peer(rate), "mimalloc")
        self.assertEqual(results(sockmalloc=4, glibc=3, mimalloc=9).best_peer(self.within), "glibc")


class Tables(unittest.TestCase):
    def test_a_row_is_called_what_its_figures_share(self) -> None:
        named = {row.name for row in rows.ROWS}
        self.assertLessEqual({"pair.4k", "window.256", "burst", "stall", "zeroed.1m"}, named)
        self.assertEqual(len(named), len(rows.ROWS))
        self.assertNotIn("", named)

    def test_what_cannot_be_a_peer(self) -> None:
        here = os.path.abspath(__file__)
        for text in (f"glibc={here}", f"cpu={here}", f"={here}", "new=", "new=/no/such/file"):
            with self.subTest(text=text), self.assertRaises(ValueError):
                peers.added([text])
        with self.assertRaises(ValueError):
            peers.added([f"new={here}", f"new={here}"])
        (added,) = peers.added([f"new={here}"])
        self.assertEqual((added.name, added.library), ("new", Path(here)))


class Process(unittest.TestCase):
    def test_sees_what_was_never_written(self) -> None:
        before = processes.memory(program(), [os.getpid()])
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        with mmap.mmap(-1, 32 * MEBIBYTE, flags=flags) as pages:
            for offset in range(0, 8 * MEBIBYTE, mmap.PAGESIZE):
                pages[offset + mmap.PAGESIZE - 1] = 1
            after = processes.memory(program(), [os.getpid()])
        self.assertAlmostEqual(after.resident - before.resident, 32, delta=1)
        self.assertAlmostEqual(after.untouched - before.untouched, 24, delta=1)

    def test_counts_pages(self) -> None:
        before = processes.cost([os.getpid()])
        with mmap.mmap(-1, 4 * MEBIBYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
            for offset in range(0, 4 * MEBIBYTE, mmap.PAGESIZE):
                pages[offset] = 1
        came = processes.cost([os.getpid()]).since(before).pages
        # Each page costs a page fault, unless the kernel maps several pages by one fault. The lower bound holds even if
        # each fault maps 64 KiB.
        self.assertGreaterEqual(came, 4 * MEBIBYTE // (64 * 1024))
        self.assertLess(came, 2 * 4 * MEBIBYTE // mmap.PAGESIZE)


class Faults(unittest.TestCase):
    def test_a_page_that_a_call_populates_is_none(self) -> None:
        # Each page costs a page fault, unless the kernel maps several pages by one fault. The lower bound holds even if
        # each fault maps 64 KiB.
        least = 4 * MEBIBYTE // (64 * 1024)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        with mmap.mmap(-1, 4 * MEBIBYTE, flags=flags) as pages:
            with faults.counted([os.getpid()]) as touched:
                for offset in range(0, 4 * MEBIBYTE, mmap.PAGESIZE):
                    pages[offset] = 1
        with faults.counted([os.getpid()]) as populated:
            mmap.mmap(-1, 4 * MEBIBYTE, flags=flags | mmap.MAP_POPULATE).close()
        if faults.why_not() is None:
            self.assertGreaterEqual(touched.figures("x")["x"], least)
            self.assertLess(populated.figures("x")["x"], least)
        else:
            print(f"no faults are counted here: {faults.why_not()}", file=sys.stderr)
            self.assertRegex(faults.why_not(), "^perf")
            self.assertEqual(touched.figures("x") | populated.figures("x"), {})

    def test_says_why_none_can_be_counted(self) -> None:
        """Checks that the benchmark says why it counts no page faults if perf is missing or ends with an error."""
        with tempfile.TemporaryDirectory() as directory, mock.patch.dict(os.environ, PATH=directory):
            self.assertEqual(faults.why_not.__wrapped__(), "perf: No such file or directory")
            perf = Path(directory) / "perf"
            perf.write_text("#!/bin/sh\necho not allowed; exit 1\n")
            perf.chmod(0o755)
            self.assertIn("not allowed", faults.why_not.__wrapped__() or "")


class Rows(unittest.TestCase):
    """Checks that the benchmark measures every figure that its table of rows names. The benchmark itself judges the
    values."""

    def setUp(self) -> None:
        self.ours = peers.Allocator("sockmalloc", settings.library(), "")

    def check(self, row: rows.Row, figures: dict[str, float]) -> None:
        promised = {figure.name for figure in row.figures}
        if faults.why_not() is not None:
            promised = {name for name in promised if not name.endswith(".faults")}
        self.assertEqual(figures.keys(), promised)
        for name, value in figures.items():
            self.assertTrue(math.isfinite(value) and value >= 0, f"{name} is {value}")

    def test_servers(self) -> None:
        glibc = servers.preload_of(peers.Allocator("glibc", None, ""))
        with servers.upstream(glibc) as port:
            for row in servers.ROWS:
                with self.subTest(row=row.name):
                    self.check(row, servers.run(program(), row, self.ours, port, REQUESTS))

    def test_idle(self) -> None:
        """Shortens the waits of the benchmark, because only the names of the figures are checked here, and not their
        values."""
        glibc = servers.preload_of(peers.Allocator("glibc", None, ""))
        short = {"SOON_SECONDS": 0.1, "LATER_SECONDS": 0.2, "IDLE_SECONDS": 0.3, "SLOW_CLIENTS": 10, "ROUNDS": 7}
        with mock.patch.multiple(idle, **short), servers.upstream(glibc) as port:
            for row in idle.ROWS:
                with self.subTest(row=row.name):
                    self.check(row, idle.run(row, self.ours, port))

    def test_zeroed(self) -> None:
        for row in rows.chosen(["zeroed"]):
            with self.subTest(row=row.name):
                self.check(row, measure.run(program(), row, self.ours))

    def test_drawn(self) -> None:
        for row in rows.drawn(1)[:2]:
            with self.subTest(row=row.name):
                self.check(row, measure.run(program(), row, self.ours))

    def test_a_figure_that_cannot_be_is_left_out(self) -> None:
        (row,) = rows.chosen(["zeroed.1m"])
        keeps = "zeroed.1m.fresh 2 us\nzeroed.1m.purged nan us\nzeroed.1m.reused 1 us\n"
        origins = "".join(f"origin {name} {self.ours.library}\n" for name in ("malloc", "free"))
        done = mock.Mock(returncode=0, stdout=keeps + origins, stderr="")
        with mock.patch.object(measure.subprocess, "run", return_value=done):
            figures = measure.run(program(), row, self.ours)
        self.assertEqual(figures, {"zeroed.1m.fresh": 2, "zeroed.1m.reused": 1})
