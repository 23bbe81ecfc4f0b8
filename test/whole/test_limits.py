"""Tests the library under limits on address space (RLIMIT_AS) and on data memory (RLIMIT_DATA). The library must start,
serve all requests that fit into the limit, and leave memory for the rest of the process."""
# SPDX-License-Identifier: BSD-2-Clause
import sys
import unittest

from support import cases, settings, statistics
from support.cases import Outcome, Run

MIB = 1 << 20
LIMITS = {"64M": 64 * MIB, "256M": 256 * MIB, "1G": 1024 * MIB, "8G": 8192 * MIB}
TRAINED = ("4k", "8k", "16k", "32k", "64k")

# This program fills 39 blocks, from 1,000 bytes to 1.5 MB, each with a byte of its own. At the end it checks that no
# block has bytes of another one.
PYTHON = """
blocks = [bytearray([n % 251]) * (1000 * n * n) for n in range(1, 40)]
assert all(len(block) == block.count(block[0]) for block in blocks)
assert [block[0] for block in blocks] == list(range(1, 40))
"""


def limited(limit: int) -> list[str]:
    return [settings.tool("prlimit"), f"--as={limit}"]


class Limits(unittest.TestCase):
    """Runs programs under limits on address space: each test once under each limit."""

    maxDiff = None

    def run_limited(self, limit: int, *command: str) -> Outcome:
        run = Run(wrapper=limited(limit), variables={"SOCKMALLOC_STATS_AT_EXIT": "1"})
        return cases.outcome_of(cases.wrapped(command, run), {})

    def test_true(self) -> None:
        for name, limit in LIMITS.items():
            with self.subTest(name):
                outcome = self.run_limited(limit, settings.tool("true"))
                self.assertEqual((outcome.status, outcome.stdout), (0, ""), outcome.stderr)
                statistics.tables(outcome.stderr, 1)

    def test_python(self) -> None:
        for name, limit in LIMITS.items():
            with self.subTest(name):
                outcome = self.run_limited(limit, sys.executable, "-I", "-S", "-c", PYTHON)
                self.assertEqual((outcome.status, outcome.stdout), (0, ""), outcome.stderr)
                table = statistics.tables(outcome.stderr, 1)[0]
                self.assertGreater(table.sum("requests"), 40)

    def test_every_bucket(self) -> None:
        """Under every limit the pools must serve the buckets below SOCKMALLOC_LARGE (TRAINED), and a request of the
        bucket 128k. Under 8G they must serve all requests. Under 256M and 1G either the pools or mimalloc must serve
        each request. Under 64M some large requests may fail."""
        for name, limit in LIMITS.items():
            with self.subTest(name):
                outcome = cases.run_case("buckets", "every_bucket", Run(wrapper=limited(limit)))
                self.assertEqual((outcome.status, outcome.stderr), (0, ""))
                rows = [line.split() for line in outcome.stdout.splitlines()]
                counts = {label: tuple(map(int, numbers)) for label, *numbers in rows}
                self.assertEqual(len(counts), 11)
                for label, (pooled, fell_through, failed) in counts.items():
                    self.assertEqual(pooled + fell_through + failed, 4)
                    if name == "8G" or label in TRAINED:
                        self.assertEqual(pooled, 4, f"{label}: {counts}")
                    if name != "64M":
                        self.assertEqual(failed, 0, f"{label}: {counts}")
                self.assertGreaterEqual(counts["128k"][0], 1, counts)


def everywhere() -> list[Run]:
    return [Run(f"within {name}", wrapper=limited(limit)) for name, limit in LIMITS.items()]


class Size(unittest.TestCase):
    """The library must add less than 64 MiB to the size of the process's address space."""

    def test_addresses(self) -> None:
        sizes = []
        for variables in ({}, {"LD_PRELOAD": ""}):
            outcome = cases.run_case("charge", "says_its_size", Run(variables=variables))
            self.assertEqual((outcome.status, outcome.stderr), (0, ""))
            sizes.append(int(outcome.stdout))
        self.assertLess(sizes[0] - sizes[1], 64 * MIB)


# Each row: the size in bytes of the blocks that are allocated and freed first, the size of the blocks that are
# allocated afterwards, and a percentage. The later blocks must be able to use at least this percentage of the limit.
# Each percentage above 85 is 2 less than the measured one.
BURSTS = (
    (65536, 16384, 85),
    (16384, 65536, 85),
    (65536, 4096, 85),
    (4096, 1048576, 85),
    (1048576, 5120, 85),
    (65536, 40000, 85),
    (100000, 70000, 89),
    (4000000, 2500000, 94),
    (70000, 100000, 91),
    (4096, 200000, 94),
    (200000, 300000, 94),
    (4096, 12295, 85),
    (4096, 33000, 85),
    (4096, 60000, 85),
)
# Block sizes in bytes with which much of a block's last page, or of its slot, would be wasted. Under a limit, the
# library therefore puts several blocks of these sizes into one slot.
AWKWARD = (1030, 1500, 2100, 3100, 4104, 5000, 9000, 16390, 16400, 40000)
# Sizes in bytes of the blocks that are allocated and freed before those of AWKWARD.
FIRST = (4096, 16390, 1048576)
# Each row: the size in bytes to which blocks grow by realloc, and the percentage of the limit that they must fill.
GROWN = ((4104, 85), (5120, 85), (9000, 85), (16390, 85), (40000, 85), (65536, 85), (4194304, 85))


def charged() -> list[str]:
    return [settings.tool("prlimit"), f"--data={256 * MIB}"]


def bursts() -> list[Run]:
    rows = [*BURSTS, *((a, b, 85) for a in FIRST for b in AWKWARD)]
    return [Run(f"of {a}, then {b}", wrapper=charged(), arguments=(str(a), str(b), str(c))) for a, b, c in rows]


def bursts_that_grew() -> list[Run]:
    rows = [(a, b, 85) for a in (5120, 65536) for b in AWKWARD]
    return [Run(f"to {a}, then {b}", wrapper=charged(), arguments=(str(a), str(b), str(c))) for a, b, c in rows]


WAYS = ("setrlimit", "prlimit", "thread")


def late() -> list[Run]:
    return [
        Run(f"{by}: of {a}, then {b}", arguments=(str(a), str(b), str(c), by))
        for by in WAYS[:2]
        for a, b, c in BURSTS[:2]
    ]


def grown() -> list[Run]:
    return [Run(f"to {size}", wrapper=charged(), arguments=(str(size), str(share))) for size, share in GROWN]


load_tests = cases.loader(
    {
        "charge": {
            "address_space_is_limited_late": [Run(f"{mib}M", arguments=(str(mib),)) for mib in (128, 200)],
            "another_size_after_a_burst": bursts(),
            "another_size_after_blocks_that_grew": bursts_that_grew(),
            "another_size_after_a_late_limit": late(),
            "late_limit_is_known_at_once": [Run(by, arguments=(by,)) for by in WAYS],
            "blocks_that_grow_fill_the_limit": grown(),
            "says_its_size": [],  # run by test_addresses instead, because this case prints a number
        },
        "buckets": {
            "every_bucket": [],  # run by test_every_bucket instead, because this case prints how many requests failed
            "a_thread": everywhere(),
            # This case uses up all of the address space, so it would take very long under 1G and 8G.
            "until_nothing_is_left": everywhere()[:2],
            # Not run here, because this case needs a kernel that refuses madvise. test_refusals runs it, and makes
            # madvise fail by strace.
            "refused_purge": [],
        }
    }
)
