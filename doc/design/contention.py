#!/usr/bin/env python3
# Computes how the stack of a large bucket behaves on many processors.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: contention.py [--cas NS] [--transfer NS] [--check | --measure]
  --cas NS        what a push or a pop costs while no other processor uses the stack, in nanoseconds
  --transfer NS   what it costs to bring a cache line from another processor
  --check         checks the model by itself, and doc/design/contention.md by the model; prints the first fault
  --measure       measures both numbers on this machine by contention.c, and the stack itself beside the model

doc/design/contention.md explains the model and has the tables that this program prints.
"""

from __future__ import annotations

import argparse
import heapq
import random
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEXT = HERE / "contention.md"

# nanoseconds, by `contention.py --measure` on the EPYC of measurements.md
CAS, TRANSFER = 3.6, 42.0

# the nanoseconds that a program works for each buffer: none; those of a short request; those of filling 128 KiB, or
# 1 MiB, at 10 GB/s
WORK = {"0": 0, "1 us": 1000, "13 us": 13107, "105 us": 104858}
PROCESSORS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
STACKS = (1, 2, 4, 8)
OPERATIONS = 2  # a malloc is one pop, and a free is one push
# the kinds of event, in the order in which events are handled if they have the same time
FREE, ARRIVAL, ACCESS = range(3)


def rate(processors: int, work: float, cas: float, transfer: float) -> float:
    """Returns how many pairs of malloc and free all processors do in a nanosecond on one stack.

    Each processor works for about `work` nanoseconds for each pair: for half of that time after each operation,
    times a random factor from 0.5 to 1.5. An operation on a line that the processor owns takes `cas`. Any other
    operation requests the line, which takes `transfer`, and its owner goes on in that time. Requests wait until the
    line is not in use, in the order in which they came. Then the line moves, which takes `transfer` again, and the
    operation is done."""
    draw = random.Random(processors)
    owner, until, now, done = 0, 0.0, 0.0, 0
    waiting: deque[int] = deque()
    wanted = OPERATIONS * max(2000, 10 * processors)
    events = [(draw.uniform(0, work + transfer), ACCESS, processor) for processor in range(processors)]
    heapq.heapify(events)
    while done < wanted:
        now, event, processor = heapq.heappop(events)
        if event == ACCESS and (owner != processor or until > now):
            heapq.heappush(events, (now + transfer, ARRIVAL, processor))
            continue
        if event == ARRIVAL:
            waiting.append(processor)
        if event != ACCESS and (until > now or not waiting):
            continue  # the line is in use, and an event FREE follows; or no processor waits
        owner = processor if event == ACCESS else waiting.popleft()
        until = now + (cas if event == ACCESS else transfer)
        done += 1
        heapq.heappush(events, (until, FREE, owner))
        heapq.heappush(events, (until + work / OPERATIONS * draw.uniform(0.5, 1.5), ACCESS, owner))
    return done / OPERATIONS / now


def best_rate(processors: int, work: float, cas: float) -> float:
    """Returns the rate, in pairs of malloc and free a nanosecond, of processors that do not disturb each other."""
    return processors / (work + OPERATIONS * cas)


def limit(work: float, cas: float, transfer: float, stacks: int = 1) -> float:
    """Returns the number of processors from which on more processors do not do more. An operation occupies its line for
    one transfer, and keeps its processor waiting for two."""
    return stacks * (work + OPERATIONS * 2 * transfer) / (OPERATIONS * transfer)


def share(processors: int, work: float, cas: float, transfer: float, stacks: int = 1) -> float:
    """Returns what share of best_rate the processors reach if they are divided evenly among several stacks."""
    each = max(1, processors // stacks)
    return rate(each, work, cas, transfer) / best_rate(each, work, cas)


def tables(cas: float, transfer: float) -> str:
    """Returns both tables as they stand in contention.md."""
    lines = ["| processors | " + " | ".join(WORK) + " |", "|---" * (len(WORK) + 1) + "|"]
    for processors in PROCESSORS:
        shares = (f"{100 * share(processors, work, cas, transfer):.0f} %" for work in WORK.values())
        lines.append(f"| {processors} | {' | '.join(shares)} |")
    lines += ["", "| stacks | " + " | ".join(WORK) + " |", "|---" * (len(WORK) + 1) + "|"]
    for stacks in STACKS:
        limits = (f"{limit(work, cas, transfer, stacks):.0f}" for work in WORK.values())
        lines.append(f"| {stacks} | {' | '.join(limits)} |")
    return "\n".join(lines) + "\n"


# --- checks ---


def fault(cas: float, transfer: float) -> str | None:
    """Returns a line that says what is wrong with the model, or None if nothing is."""
    for name, work in WORK.items():
        alone = rate(1, work, cas, transfer) / best_rate(1, work, cas)
        if not 0.98 < alone < 1.02:
            return f"one processor that works {name} does {alone:.2f} of what it should"
        end = limit(work, cas, transfer)
        few, many = (rate(max(1, round(end * factor)), work, cas, transfer) for factor in (4, 8))
        most = 1 / (OPERATIONS * transfer)
        if not (0.95 < few / most < 1.05 and 0.95 < many / most < 1.05):
            return f"far above the limit of {end:.0f}, work {name}, the rate still changes or is not that of one line"
        before = round(end / 2)
        if before > 1 and share(before, work, cas, transfer) < 0.5 * work / (work + OPERATIONS * 2 * transfer):
            return f"at half of the limit of {end:.0f}, work {name}, the line is the limit already"
    if tables(CAS, TRANSFER) not in TEXT.read_text(encoding="utf-8"):
        return f"{TEXT.name} does not have the tables that this program prints"
    return None


# --- measurement ---


def measured() -> list[list[str]]:
    """Builds and runs contention.c, and returns its lines, divided into words."""
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "contention"
        source = [str(HERE / "contention.c"), "-I", str(HERE.parents[1] / "src")]
        subprocess.run(["cc", "-O2", "-pthread", "-o", str(program), *source], check=True)
        done = subprocess.run([str(program)], check=True, capture_output=True, text=True)
    return [line.split() for line in done.stdout.splitlines()]


def compare() -> None:
    lines = measured()
    numbers = {line[0]: float(line[1]) for line in lines if len(line) == 2}
    if "transfer" not in numbers:
        sys.exit("contention.py: this needs two processors")
    cas, transfer = numbers["cas"], numbers["transfer"]
    print(f"cas {cas:.2f} ns, transfer {transfer:.2f} ns")
    print("work    processors  measured      model   (nanoseconds a pair, of all processors together)")
    for _, work, processors, cost in (line for line in lines if line[0] == "pairs"):
        computed = 1 / rate(int(processors), float(work), cas, transfer)
        print(f"{work:<7} {processors:>10}  {float(cost):>8.1f}   {computed:>8.1f}")
    print(f"\n{tables(cas, transfer)}", end="")


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--cas", type=float, default=CAS)
    parser.add_argument("--transfer", type=float, default=TRANSFER)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--measure", action="store_true")
    arguments = parser.parse_args()
    if arguments.measure:
        compare()
    elif arguments.check:
        wrong = fault(CAS, TRANSFER)
        print(f"contention: {wrong or 'the model is whole, and contention.md has its tables'}")
        return 1 if wrong else 0
    else:
        print(tables(arguments.cas, arguments.transfer), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
