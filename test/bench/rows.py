# The rows of the benchmark: the command line of each, its figures, and the bounds of these.
# SPDX-License-Identifier: BSD-2-Clause
"""To add a row to the benchmark, add it to the table ROWS below and to the table in bench.c, and add a C file to this
folder."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

BEST = "the best peer"


@dataclass(frozen=True)
class Bound:
    """The upper bound of a figure: `limit` times the same figure of the allocator `against`, or `limit` itself if
    `against` is None."""

    limit: float
    against: str | None = None


@dataclass(frozen=True)
class Figure:
    """A number that a row prints. A smaller number is better, unless `more_is_better` is true.

    `has_ratio` is false for a figure that is close to 0 under the best allocator, because a ratio to such a number
    would mean nothing. `optional` is true for a figure that the row prints only if the machine has the library that
    the figure's name ends with. A figure of the rows GROWTH is a point of the curve named `curve`: the point at `at`
    threads or `at` live buffers.
    """

    name: str
    unit: str
    bound: Bound | None = None
    has_ratio: bool = True
    more_is_better: bool = False
    optional: bool = False
    curve: str | None = None
    at: int = 0


@dataclass(frozen=True)
class Row:
    """One run of the benchmark program under one allocator. `most_rounds` limits the number of rounds in which a slow
    row is run; None means that the row is run in every round."""

    command: tuple[str, ...]
    figures: tuple[Figure, ...]
    most_rounds: int | None = None

    @property
    def name(self) -> str:
        """Returns the words with which the names of all figures of the row begin."""
        return ".".join(commonprefix([figure.name.split(".") for figure in self.figures]))

    @property
    def group(self) -> str:
        return self.command[0]


def pair(kibibytes: int, name: str, bound: Bound) -> Row:
    return Row(("pair", str(kibibytes)), (Figure(f"pair.{name}", "ns", bound),))


def untouched(name: str) -> Figure:
    """Returns the figure for memory that was populated but never written to, in percent of the resident memory."""
    return Figure(name, "%", Bound(5), has_ratio=False)


def window(live: int) -> Row:
    figures = (
        Figure(f"window.{live}", "ns", Bound(1.00, BEST)),
        Figure(f"window.{live}.rss", "MiB", Bound(1.00, BEST)),
        untouched(f"window.{live}.untouched"),
    )
    return Row(("window", str(live)), figures)


def handoff(pairs: int, name: str) -> Row:
    figures = (Figure(name, "ns", Bound(1.00, BEST)), Figure(f"{name}.faults", "faults"))
    return Row(("handoff", str(pairs)), figures)


def conns(threads: int, name: str) -> Row:
    figures = (Figure(name, "ns", Bound(1.00, "glibc")), Figure(f"{name}.peak", "MiB", Bound(1.50, "glibc")))
    return Row(("conns", str(threads)), figures)


def growth(command: str, number: int, memory: str, most_rounds: int | None = None) -> Row:
    """Returns a row that measures, for one number of threads or buffers, a point of each of two curves: the time of an
    operation, and the memory."""
    name = f"{command}.{number}" if (command, number) != ("conns", 1000) else command
    figures = (
        Figure(name, "ns", curve=f"growth.{command}", at=number),
        Figure(f"{name}.{memory}", "MiB", curve=f"growth.{command}.{memory}", at=number),
    )
    return Row((command, str(number)), figures, most_rounds)


def zeroed(kibibytes: int, name: str) -> Row:
    slots = ("fresh", "purged", "reused")
    figures = tuple(Figure(f"zeroed.{name}.{slot}", "us", Bound(1.00, BEST)) for slot in slots)
    return Row(("zeroed", str(kibibytes)), figures)


def fresh(kibibytes: int) -> Row:
    return Row(("fresh", str(kibibytes)), (Figure(f"fresh.{kibibytes}k", "us", Bound(0.5)),))


def trim(kibibytes: int) -> Row:
    name = f"trim.{kibibytes}k"
    return Row(("trim", str(kibibytes)), (Figure(name, "ms"), Figure(f"{name}.between", "ms")), most_rounds=3)


def grow(way: str, kibibytes: int, name: str) -> Row:
    figures = tuple(Figure(f"grow.{way}.{name}.{written}", "us", Bound(1.50, "glibc")) for written in ("end", "all"))
    return Row(("grow", f"{way}.{kibibytes}"), figures, most_rounds=9)


def great(kibibytes: int, name: str) -> Row:
    kinds = ("calloc", "pair", "resize")
    figures = tuple(Figure(f"great.{name}.{kind}", "us", Bound(1.10, "glibc")) for kind in kinds)
    return Row(("great", str(kibibytes)), figures, most_rounds=3)


def waves(milliseconds: int, size: str, bound: Bound) -> Row:
    name = f"waves.{milliseconds}ms.{size}"
    kibibytes = "0" if size == "mix" else size.removesuffix("k")
    # The bound is relative to glibc's figure, because the best allocator may need no new page, and there is no ratio to
    # 0. The factor is 1.01 and not 1, because glibc's blocks lie close together, so that two of them may share a page.
    pages = Figure(f"{name}.pages", "pages", Bound(1.01, "glibc"))
    figures = (Figure(name, "ms", bound), pages, Figure(f"{name}.left", "MiB"))
    return Row(("waves", f"{milliseconds}.{kibibytes}"), figures, most_rounds=5)


def idle(kibibytes: int, size: str) -> Row:
    name = f"idle.{size}"
    figures = (
        Figure(f"{name}.left", "MiB", Bound(4), has_ratio=False),
        Figure(f"{name}.late", "us", Bound(200)),
        Figure(f"{name}.late.most", "us"),
    )
    return Row(("idle", str(kibibytes)), figures, most_rounds=5)


def filled(kibibytes: int, name: str) -> Row:
    figures = (
        Figure(f"filled.{name}", "us", Bound(1.00, BEST)),
        Figure(f"filled.{name}.later", "us", Bound(1.05, BEST)),
    )
    return Row(("filled", str(kibibytes)), figures)


def message(size: int, way: str, bound: float | None = None) -> Row:
    limit = Bound(bound, BEST) if bound is not None else None
    return Row(("message", f"{size}.{way}"), (Figure(f"message.{size}.{way}", "ns", limit),))


def fixed(size: int, live: int) -> Row:
    """Returns the row of a fixed-size pool. Its figures are the time of an allocation and its free, and the ratios of
    this time to the times of malloc and of GLib's and APR's pools, which run in the same process."""
    name = f"fixed.{size}.{live}live"
    others = (Figure(f"{name}.to_malloc", "ratio", Bound(1.00)),)
    others += tuple(Figure(f"{name}.to_{other}", "ratio", Bound(1.00), optional=True) for other in ("glib", "apr"))
    return Row(("fixed", f"{size}.{live}"), (Figure(name, "ns"), *others))


def crowd() -> Row:
    """Returns the row in which eight threads use one fixed-size pool. Its processor time shows which kinds of pool wait
    in loops."""
    kinds = ("thread", "lockfree", "standard", "cpu", "malloc")
    figures = tuple(Figure(f"crowd.{kind}{what}", "ns") for kind in kinds for what in ("", ".busy"))
    return Row(("crowd",), figures)


# This row gets the library as an argument and is not run under it, because it measures other programs that it starts
# with the library.
PRELOADS_BY_ITSELF = "load"

ROWS = (
    pair(4, "4k", Bound(1.05, BEST)),
    pair(16, "16k", Bound(1.05, BEST)),
    pair(64, "64k", Bound(1.05, BEST)),
    pair(128, "128k", Bound(1.05, BEST)),
    pair(256, "256k", Bound(1.05, BEST)),
    pair(1024, "1m", Bound(1.05, BEST)),
    pair(4096, "4m", Bound(1.05, BEST)),
    window(256),
    window(2048),
    Row(("mix",), (Figure("mix", "ns", Bound(1.10, BEST)),)),
    handoff(1, "handoff"),
    handoff(4, "handoff.4"),
    Row(
        ("ring",),
        (
            Figure("ring.512", "ns", Bound(0.5, BEST)),
            Figure("ring.512.filled", "ns", Bound(1.00, BEST)),
            Figure("ring.reread", "ns", Bound(1.05, BEST)),
        ),
    ),
    # a bound of 0.77 times the best allocator's time means 1.3 times as many messages a second
    Row(("relay", "64"), (Figure("relay.64k", "ns", Bound(0.77, BEST)), Figure("relay.64k.busy", "ns"))),
    fixed(4096, 1),
    fixed(4096, 100),
    fixed(4096, 1000),
    fixed(1500, 100),
    fixed(5000, 100),
    fixed(65536, 100),
    crowd(),
    conns(64, "conns.64"),
    conns(1000, "conns"),
    # In the row `burst` the program's own memset takes most of the time. The allocators are therefore close to each
    # other, and the three rounds of other slow rows could not tell them apart. So this row has up to nine rounds.
    Row(
        ("burst",),
        (
            Figure("burst.first", "s", Bound(1.00, BEST)),
            Figure("burst.third", "s", Bound(1.00, BEST)),
            Figure("burst.rss", "MiB"),
            Figure("burst.left", "MiB", Bound(4), has_ratio=False),
            untouched("burst.untouched.top"),
            untouched("burst.untouched.end"),
        ),
        most_rounds=9,
    ),
    Row(
        ("stall",),
        (
            Figure("stall.p9999", "us", Bound(200)),
            Figure("stall.light.p999", "us", Bound(200)),
            Figure("stall.light.most", "us"),
            Figure("stall.busy.most", "us"),
            Figure("stall.clock.p9999", "us"),
        ),
        most_rounds=3,
    ),
    Row(("discard",), (Figure("discard.mean", "us"), Figure("discard.most", "us")), most_rounds=3),
    trim(4),
    trim(16),
    trim(64),
    trim(256),
    *(
        waves(milliseconds, size, bound)
        for milliseconds, bound in ((100, Bound(1.00, BEST)), (300, Bound(1.10, BEST)), (1000, Bound(1.00, "glibc")))
        for size in ("16k", "64k", "mix")
    ),
    idle(4, "4k"),
    idle(16, "16k"),
    idle(64, "64k"),
    idle(256, "256k"),
    idle(32768, "32m"),
    fresh(16),
    fresh(64),
    fresh(256),
    zeroed(64, "64k"),
    zeroed(1024, "1m"),
    Row(("cleared", "1024"), (Figure("cleared.1m.stack", "us"), Figure("cleared.1m.queue", "us"))),
    filled(16, "16k"),
    filled(64, "64k"),
    Row(("span",), (Figure("span", "pages/page", Bound(1.00)),)),
    *(
        grow(way, kibibytes, name)
        for way in ("quarter", "half", "double", "16k")
        for kibibytes, name in ((64, "64k"), (1024, "1m"), (4096, "4m"), (65536, "64m"))
    ),
    great(5120, "5m"),
    great(25600, "25m"),
    great(131072, "128m"),
    great(1048576, "1024m"),
    Row(("cow",), (Figure("cow", "pages", Bound(40)),)),
    # The bound of these rows is 0.70. The library does not keep it in the rows message.SIZE.pair, in which one thread
    # makes single calls into the library. The rows message.SIZE.fifo have no bound, because their ratio depends on the
    # processor. doc/design/decisions.md, "Message pages", has the reasons.
    *(message(size, "pair", 0.70) for size in (128, 512, 1500)),
    *(message(size, "batch", 0.70) for size in (128, 512, 1500)),
    *(message(size, "fifo") for size in (128, 512, 1500)),
    *(message(size, "many", 0.70) for size in (128, 512, 1500)),
    *(message(size, "two", 0.70) for size in (128, 512, 1500)),
    Row(("small",), (Figure("small", "ns", Bound(1.10, "mimalloc")),)),
    Row(
        ("load",),
        (
            Figure("load", "ms", Bound(1.0), has_ratio=False),
            Figure("load.faults", "faults", has_ratio=False),
            Figure("load.rss", "KiB", has_ratio=False),
        ),
    ),
)


# These rows show how time and memory grow with the number of threads, and with the number of live buffers of 4 KiB.
GROWTH = (
    *(growth("conns", threads, "peak") for threads in (1, 3, 10, 30, 100, 300, 1000)),
    *(growth("live", live, "rss") for live in (10, 100, 1000, 10000)),
    *(growth("live", live, "rss", most_rounds=3) for live in (100000, 1000000)),
)


DRAWN = 6
SEED = 1
LIVE_BYTES = 256 << 20


def drawn(seed: int) -> list[Row]:
    """Returns rows of random workloads for which nothing was tuned: random numbers of threads, sizes, live buffers of a
    thread, and frees by another thread. The same seed always gives the same workloads."""
    draw = random.Random(seed)
    made = []
    for _ in range(DRAWN):
        threads = draw.choice((1, 1, 2, 4, 16))
        low = round(10 ** draw.uniform(1.2, 4.5))
        high = round(min(low * 10 ** draw.uniform(0.3, 3), 4 << 20))
        mean = (high - low) / math.log(high / low)
        live = round(min(10 ** draw.uniform(1, 3.5), max(1, LIVE_BYTES / mean / threads)))
        passed = draw.choice((0, 0, 10, 50))
        name = f"drawn.{threads}t.{low}-{high}.{live}live.{passed}passed"
        made.append(Row(("drawn", f"{threads}:{low}:{high}:{live}:{passed}"), (Figure(name, "ns", Bound(1.00, BEST)),)))
    return made


def chosen(names: list[str] | None, rows: Sequence[Row] = ROWS) -> list[Row]:
    """Returns the rows with these names. The name of a group, such as `pair` or `window`, stands for all rows of the
    group."""
    if names is None:
        return list(rows)
    for name in names:
        if not any(name in (row.name, row.group) for row in rows):
            known = ", ".join(dict.fromkeys(n for row in rows for n in (row.group, row.name)))
            raise ValueError(f"no row is called {name}; there are: {known}")
    return [row for row in rows if row.name in names or row.group in names]
