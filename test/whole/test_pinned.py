"""Tests how many pages the kernel pins for a buffer from which it sends. If the buffer comes from sockmalloc, the
kernel pins only the pages that the bytes need. If it comes from glibc's malloc, the kernel pins more."""
# SPDX-License-Identifier: BSD-2-Clause
import subprocess
import unittest
from pathlib import Path

from support import settings

PAGE = 4096
UNAVAILABLE = 77


class Pinned(unittest.TestCase):
    def pages(self, *arguments: str, preloaded: list[Path] | None = None) -> dict[int, int]:
        """Returns, for each size of buffers, the largest number of pages that the kernel has pinned for one buffer of
        that size."""
        done = subprocess.run([settings.program("pinned"), *arguments], env=settings.environment({}, preloaded),
                              capture_output=True, text=True)
        if done.returncode == UNAVAILABLE:
            self.skipTest(f"the kernel lets no process here use io_uring: {done.stderr.strip()}")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {int(size): int(pages) for size, pages in map(str.split, done.stdout.splitlines())}

    def test_no_page_more_than_needed(self) -> None:
        for arguments in ((), ("pool",)):
            pages = self.pages(*arguments)
            self.assertEqual(pages, {size: -(-size // PAGE) for size in pages}, arguments)

    def test_glibc_needs_one_page_more(self) -> None:
        """Shows that the other tests here can fail: a buffer from glibc's malloc pins one page more than its bytes
        need."""
        pages = self.pages(preloaded=[])
        more = [size for size in pages if pages[size] == -(-size // PAGE) + 1]
        self.assertGreaterEqual(len(more), 5)
