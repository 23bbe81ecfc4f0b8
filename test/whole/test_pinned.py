"""Tests how many pages the kernel pins (keeps in memory) for a buffer that a program registers with io_uring. If the
buffer comes from sockmalloc, the kernel pins only as many pages as the buffer's bytes need. If the buffer comes from
glibc's malloc, the kernel pins more."""
# SPDX-License-Identifier: BSD-2-Clause
import subprocess
import unittest
from pathlib import Path

from support import settings

PAGE = 4096
UNAVAILABLE = 77  # the exit status of the program `pinned` if it may not use io_uring


class Pinned(unittest.TestCase):
    def pages(self, *arguments: str, preloaded: list[Path] | None = None) -> dict[int, int]:
        """Returns, for each size of buffers, the largest number of pages that the kernel has pinned for one buffer of
        that size."""
        done = subprocess.run([settings.program("pinned"), *arguments], env=settings.environment({}, preloaded),
                              capture_output=True, text=True)
        if done.returncode == UNAVAILABLE:
            self.skipTest(f"the kernel does not let this process use io_uring: {done.stderr.strip()}")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {int(size): int(pages) for size, pages in map(str.split, done.stdout.splitlines())}

    def test_no_page_more_than_needed(self) -> None:
        for arguments in ((), ("pool",)):
            pages = self.pages(*arguments)
            self.assertEqual(pages, {size: -(-size // PAGE) for size in pages}, arguments)

    def test_glibc_needs_one_page_more(self) -> None:
        """Shows that the other test here can fail: for a buffer from glibc's malloc, the kernel pins one page more than
        the buffer's bytes need."""
        pages = self.pages(preloaded=[])
        more = [size for size in pages if pages[size] == -(-size // PAGE) + 1]
        self.assertGreaterEqual(len(more), 5)
