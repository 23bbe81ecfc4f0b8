"""Tests the library when the kernel refuses mmap, mremap or madvise: malloc must return NULL with ENOMEM, or mimalloc
must serve the request, and nothing may crash."""
# SPDX-License-Identifier: BSD-2-Clause
import re
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path

from support import cases, settings
from support.cases import Outcome

# Matches the line of strace for the first system call of our library, an mmap by which the library searches for free
# addresses for the pools. The dynamic linker and mimalloc make all earlier calls.
LOOK = re.compile(
    r"mmap\(0x[0-9a-f]+, \d+, PROT_NONE, MAP_PRIVATE\|MAP_ANONYMOUS\|MAP_NORESERVE\|MAP_FIXED_NOREPLACE, -1, 0\)"
)
NO_PLACE = re.compile(
    r"\Asockmalloc: buckets\[\d+\]: no addresses for the pools; every request falls through to mimalloc\n\Z"
)

# mimalloc 2 decommits memory and later commits it again by mprotect. If this mprotect fails, mimalloc repeats it for
# ever. With these settings mimalloc 2 and 3 decommit nothing, so they make no such call.
MIMALLOC = {"MIMALLOC_ALLOW_DECOMMIT": "0", "MIMALLOC_PURGE_DECOMMITS": "0"}


class Refusals(unittest.TestCase):
    """strace makes a system call of the library fail: a single call, or one call and all later ones."""

    maxDiff = None

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(holder.cleanup)
        self.log = Path(holder.name) / "calls"

    def traced(self, case: str, *options: str) -> tuple[Outcome, list[str]]:
        """Runs a case of the test program `buckets` under strace. Returns the case's outcome and the lines that strace
        has written."""
        variables = settings.environment(MIMALLOC)
        command = [
            *(settings.tool("strace"), "-qq", "-o", str(self.log), "-e", "trace=mmap,mremap,mprotect,madvise"),
            *(f"-E{name}={value}" for name, value in variables.items()),
            *(*options, settings.program("buckets"), case),
        ]
        outcome = cases.outcome_of(command, {})
        return outcome, self.log.read_text().splitlines()

    def calls_of(self, name: str) -> tuple[int, int]:
        """Counts the calls of the system call `name`. Returns how many the dynamic linker makes before any library's
        constructor runs, and how many there are in all."""
        outcome, lines = self.traced("every_bucket")
        self.assertEqual((outcome.status, outcome.stderr), (0, ""))
        born = next((i for i, line in enumerate(lines) if LOOK.search(line)), None)
        self.assertIsNotNone(born, "no mmap by which the library searches for addresses of the pools")
        # The last calls of the dynamic linker in strace's log are those of mprotect that make relocated memory
        # read-only.
        loaded = max(i for i in range(born) if lines[i].startswith("mprotect("))
        numbers = [i for i, line in enumerate(lines) if line.startswith(f"{name}(")]
        return sum(i <= loaded for i in numbers), len(numbers)

    def assert_survives(self, name: str, when: str) -> Outcome:
        """Runs the case every_bucket of `buckets`, while strace makes the calls `when` of the system call `name` fail,
        and checks that the case succeeds. The case itself checks that each NULL comes with ENOMEM, that the blocks keep
        their content, and that the counters add up. Returns the outcome."""
        with self.subTest(f"{name} {when}"):
            outcome, lines = self.traced("every_bucket", "-e", f"inject={name}:error=ENOMEM:when={when}")
            self.assertTrue(any("(INJECTED)" in line for line in lines), "no call was refused")
            self.assertEqual(outcome.status, 0, outcome.stderr)
            return outcome
        return Outcome(-1, "", "")

    def test_mremap(self) -> None:
        before, last = self.calls_of("mremap")
        self.assertGreater(last, before + 10)
        for number in range(before + 1, last + 1):
            self.assertEqual(self.assert_survives("mremap", f"{number}+").stderr, "")
        for number in some_of(before + 1, last):
            self.assertEqual(self.assert_survives("mremap", f"{number}").stderr, "")

    def test_no_mremap_at_all(self) -> None:
        """Every mremap fails, as it does under valgrind. The library must extend each of its tables by a new mapping
        that begins where the table ends, and the pools must serve all four requests of each of the 11 buckets."""
        before, _ = self.calls_of("mremap")
        outcome = self.assert_survives("mremap", f"{before + 1}+")
        served = [line.split()[1] for line in outcome.stdout.splitlines()]
        self.assertEqual(served, ["4"] * 11)

    def test_mmap(self) -> None:
        before, last = self.calls_of("mmap")
        self.assertGreater(last, before)
        for number in range(before + 1, last + 1):
            self.assert_survives("mmap", f"{number}")
            self.assert_survives("mmap", f"{number}+")

    def test_no_place(self) -> None:
        """If the library finds no addresses for the pools, it prints one message, and the pools serve no request.
        Requests that mimalloc cannot serve either must fail with ENOMEM."""
        self.calls_of("mmap")
        first = next(i for i, line in enumerate(self.mmaps()) if LOOK.search(line)) + 1
        outcome = self.assert_survives("mmap", f"{first}+")
        self.assertRegex(outcome.stderr, NO_PLACE)
        self.assertEqual({line.split()[1] for line in outcome.stdout.splitlines()}, {"0"})

    def mmaps(self) -> list[str]:
        """Returns the lines of strace's log of the last run that show mmap calls."""
        return [line for line in self.log.read_text().splitlines() if line.startswith("mmap(")]

    def test_each_madvise(self) -> None:
        """All calls of madvise fail, from the call `number` on. The pages of free slots then stay resident, which costs
        memory and must do no other harm."""
        _, last = self.calls_of("madvise")
        self.assertGreater(last, 1)
        for number in range(1, last + 1):
            self.assertEqual(self.assert_survives("madvise", f"{number}+").stderr, "")

    def test_madvise(self) -> None:
        outcome, lines = self.traced("refused_purge", "-e", "inject=madvise:error=EINVAL:when=1+")
        self.assertTrue(any("(INJECTED)" in line for line in lines), "no call was refused")
        self.assertEqual((outcome.status, outcome.stderr), (0, ""))


def some_of(first: int, last: int) -> Iterator[int]:
    """Yields the numbers of those calls that fail one at a time, each in a run of its own: each of the first eight (by
    these the library's tables grow), every fifth of the others, and the last one."""
    for number in range(first, last + 1):
        if number < first + 8 or number % 5 == 0 or number == last:
            yield number
