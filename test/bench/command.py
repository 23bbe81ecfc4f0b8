# The code that scripts/bench and scripts/bench-servers share: reads the options, builds what is missing or out of date,
# runs the rounds, and prints the results.
# SPDX-License-Identifier: BSD-2-Clause
"""scripts/bench and scripts/bench-servers share this code, and differ only in the rows that they run."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from os import environ
from pathlib import Path

import charts
import judge
import machine
import measure
import peers
import rows
import tables

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
LIBRARY = BUILD / ".libs" / "libsockmalloc.so"
PROGRAM = BUILD / "test" / "bench" / "bench"
LOAD = BUILD / "test" / "demo" / "demo-load"

# for each program and library that the build makes: patterns that match its sources
SOURCES = {LIBRARY: ("src/**/*.[ch]", "include/*.h"), PROGRAM: ("test/bench/*.[ch]",), LOAD: ("test/demo/*.[ch]",)}

DID_NOT_RUN = 2

ABOVE_VERDICTS = """
sockmalloc beside the best peer of each row: the median of the rounds' ratios, the least and the
largest; then what the ratio, or the figure itself, may be at most, and what it is.
"""


class Progress:
    """Shows on stderr how far the run is: on a terminal one line that is written again and again, otherwise one line
    for each row."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._start = time.monotonic()
        self._rewrite = sys.stderr.isatty()

    def running(self, round_number: int, row: str, allocator: str) -> None:
        if self._rewrite:
            self._print(f"round {round_number}: {row} with {allocator}", start="\r\033[K", end="")
        self._done += 1

    def row_done(self, round_number: int, row: str) -> None:
        if not self._rewrite:
            self._print(f"round {round_number}: {row} done")

    def end(self) -> None:
        if self._rewrite:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _print(self, text: str, start: str = "", end: str = "\n") -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        percent = 100 * self._done // self._total
        line = f"{start}bench: {percent:3} % after {minutes}:{seconds:02}, {text}"
        print(line, end=end, file=sys.stderr, flush=True)


# --- options ---


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """Returns an argument parser with the options that every command of the benchmark has. The function `take` reads
    the command line by it."""
    made = argparse.ArgumentParser(prog=program, description=description)
    made.add_argument("--rounds", type=positive, default=5, help="how often (default: 5)")
    made.add_argument("--peers", type=names, help="only these, e.g. glibc,mimalloc")
    made.add_argument(
        "--peer", action="append", default=[], metavar="NAME=LIBRARY", help="also this library, installed anywhere"
    )
    made.add_argument("--pools", type=names, default=[], help="also these pools, e.g. thread,cpu")
    made.add_argument("--library", type=Path, default=LIBRARY, help="the sockmalloc to measure")
    made.add_argument("--program", type=Path, default=PROGRAM, help="the program to run under it")
    made.add_argument("--output", type=Path, help="write every figure to this file, as JSON")
    made.add_argument("--charts", type=Path, metavar="DIRECTORY", help="draw a chart of each figure, an SVG file")
    made.add_argument("--check", action="store_true", help="status 1 if a bound is exceeded")
    return made


def take(
    made: argparse.ArgumentParser, table_of: Callable[[argparse.Namespace], Sequence[rows.Row]]
) -> argparse.Namespace:
    """Reads the command line. `table_of` is a function that returns the rows that the options select. Ends the
    program if an option names something unknown, or if options contradict each other."""
    arguments = made.parse_args()
    table = table_of(arguments)
    try:
        arguments.rows = rows.chosen(arguments.rows, table)
        arguments.peers = peers.chosen(arguments.peers)
        arguments.peer = peers.added(arguments.peer)
        peers.with_pools(peers.Allocator("", None, ""), arguments.pools)
    except ValueError as error:
        made.error(str(error))
    if not arguments.rows or not (arguments.peers or arguments.peer):
        made.error("nothing to measure")
    if arguments.check and len(arguments.peers) < len(peers.PEERS):
        made.error("--check needs every peer: the bounds name them")
    return arguments


# --- what is measured ---


def _out_of_date(product: Path) -> bool:
    """Returns true if `product` does not exist or is older than one of its sources: the benchmark must not measure an
    old build."""
    if not product.exists():
        return True
    sources = [source for pattern in SOURCES[product] for source in TOP.glob(pattern)]
    return product.stat().st_mtime < max(source.stat().st_mtime for source in sources)


def build(products: Sequence[Path], *words: str) -> None:
    """If one of the products belongs to this tree, and is missing or older than its sources, builds the tree by
    scripts/setup with `words` as its arguments. Raises an error if a product is missing afterwards."""
    if any(product in SOURCES and _out_of_date(product) for product in products):
        print(f"bench: building by scripts/setup {' '.join(words)}", file=sys.stderr, flush=True)
        setup = [str(TOP / "scripts" / "setup"), *words]
        if subprocess.run(setup, stdout=sys.stderr).returncode != 0:
            raise measure.Failed(f"scripts/setup {' '.join(words)} did not succeed")
    for product in products:
        if not product.exists():
            raise measure.Failed(f"there is no {product}")


def _version(library: Path) -> str:
    """Returns the commit of this tree, with "-dirty" behind it if the tree has changes that are not committed. For a
    library that was not built from this tree, returns "version unknown"."""
    if library != LIBRARY:
        return "version unknown"
    command = ["git", "-C", str(TOP), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return "version unknown"
    return done.stdout.strip() or "version unknown"


def ours(library: Path) -> peers.Allocator:
    return peers.Allocator(judge.OURS, library.resolve(), _version(library))


def allocators(arguments: argparse.Namespace) -> list[peers.Allocator]:
    """Returns the columns of the table: the other allocators, our library, and our library once more for each kind of
    pool that the options name."""
    mine = ours(arguments.library)
    pools = peers.with_pools(mine, arguments.pools)
    return [*peers.ready(arguments.peers), *arguments.peer, mine, *pools]


def say_dropped() -> None:
    dropped = sorted(name for name in environ if measure.is_tuning(name))
    if dropped:
        print(f"bench: not passed on: {' '.join(dropped)}", file=sys.stderr, flush=True)


# --- rounds ---


def _rounds_of(row: rows.Row, wanted: int) -> int:
    return wanted if row.most_rounds is None else min(wanted, row.most_rounds)


def _turns(columns: list[peers.Allocator], round_number: int) -> list[peers.Allocator]:
    """Returns the allocators to measure in the random order in which this round runs them; the same round has the same
    order in every run of the benchmark. The order changes from round to round, because otherwise an allocator would
    always run after the same other one, and find in the processor's caches what that one has left."""
    return random.Random(round_number).sample(columns, len(columns))


def interleave(
    table: Sequence[rows.Row],
    rounds: int,
    columns: list[peers.Allocator],
    run: Callable[[rows.Row, peers.Allocator], dict[str, float]],
) -> judge.Results:
    """Runs every row under every allocator once in each round. The order of the allocators changes from round to
    round."""
    results = judge.Results(frozenset(a.name for a in columns if a.pool is not None))
    progress = Progress(sum(_rounds_of(row, rounds) for row in table) * len(columns))
    try:
        for round_number in range(1, rounds + 1):
            turns = _turns(columns, round_number)
            for row in table:
                if round_number > _rounds_of(row, rounds):
                    continue
                for allocator in turns:
                    progress.running(round_number, row.name, allocator.name)
                    results.add(round_number, allocator.name, run(row, allocator))
                progress.row_done(round_number, row.name)
    finally:
        progress.end()
    return results


# --- what is printed ---


def print_heading(description: dict[str, str], columns: list[peers.Allocator]) -> None:
    for key, value in description.items():
        print(f"{key + ':':<13} {value}")
    print()
    for allocator in columns:
        print(f"{allocator.name + ':':<13} {allocator.version}", end="")
        print(f", {allocator.library}" if allocator.library else "")
    print(flush=True)


def _print_figures(arguments: argparse.Namespace, columns: list[peers.Allocator], results: judge.Results) -> None:
    print(f"Medians of the rounds, of which there were {arguments.rounds}.", end="")
    for row in arguments.rows:
        if _rounds_of(row, arguments.rounds) < arguments.rounds:
            print(f" Of {row.name}: {row.most_rounds}.", end="")
    figures = [figure for row in arguments.rows for figure in row.figures]
    more = dict.fromkeys(figure.unit for figure in figures if figure.more_is_better)
    print(" Of every figure, less is better", end="")
    print(f", but of those in {', '.join(more)}.\n" if more else ".\n")
    print(tables.figures_table(results, figures, [a.name for a in columns]))


def _print_verdicts(verdicts: list[judge.Verdict]) -> bool:
    """Prints the verdicts. Returns true if no figure is over its bound."""
    print(ABOVE_VERDICTS)
    print(tables.verdicts_table(verdicts))
    unjudged = [verdict.figure.name for verdict in verdicts if verdict.word == "not judged"]
    if unjudged:
        print(f"\nNot judged, because a peer or a library that they name is missing: {', '.join(unjudged)}")
    over = [verdict.figure.name for verdict in verdicts if verdict.word == "over"]
    print(f"\nOver the bound: {', '.join(over) or 'none'}")
    return not over


def write_json(
    arguments: argparse.Namespace,
    description: dict[str, str],
    columns: list[peers.Allocator],
    results: judge.Results,
    verdicts: list[judge.Verdict],
) -> None:
    document = {
        "machine": description,
        "rounds": arguments.rounds,
        "seed": getattr(arguments, "seed", None),
        "allocators": [{"name": a.name, "library": str(a.library or ""), "version": a.version} for a in columns],
        "figures": results.as_json(),
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }
    arguments.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def measure_and_judge(
    arguments: argparse.Namespace, run: Callable[[rows.Row, peers.Allocator], dict[str, float]]
) -> int:
    """Runs a command of the benchmark: finds the allocators, runs all rows, prints the tables, and writes the
    JSON file and the charts if the options ask for them. Returns the exit status. `run` is the function that runs one
    row under one allocator."""
    columns = allocators(arguments)
    description = machine.describe()
    print_heading(description, columns)
    results = interleave(arguments.rows, arguments.rounds, columns, run)
    _print_figures(arguments, columns, results)
    measured = {allocator.name for allocator in columns}
    every = {peer.name for peer in peers.PEERS}
    verdicts = [
        judge.judge(results, figure, judge.can_judge(figure, measured, every))
        for row in arguments.rows
        for figure in row.figures
    ]
    within = _print_verdicts(verdicts)
    if arguments.output:
        write_json(arguments, description, columns, results, verdicts)
    if arguments.charts:
        figures = [figure for row in arguments.rows for figure in row.figures]
        charts.write(arguments.charts, results, figures, [allocator.name for allocator in columns])
    return 1 if arguments.check and not within else 0


def main(run: Callable[[], int]) -> int:
    try:
        return run()
    except (measure.Failed, peers.Missing, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return DID_NOT_RUN
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
