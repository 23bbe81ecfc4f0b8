"""Tests scripts/check-versions. The script must name each file that has another version than configure.ac, and with
--release everything else that must be right for a release and is not."""
# SPDX-License-Identifier: BSD-2-Clause
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SCRIPT = TOP / "scripts/check-versions"
FILES = ("configure.ac", "NEWS", "debian/changelog", "doc/sockmalloc.3.in", "doc/sockmalloc.7.in",
         "doc/sockmalloc_message.3")
DATE = "2026-12-01"
# Each row describes a fault: the file, a regular expression for the text that is replaced, the new text, and the words
# by which the script must name the fault.
FAULTS = (
    ("configure.ac", r"(?<=sockmalloc\], \[)[\d.]+", "9.8.7", "but configure.ac 9.8.7"),
    ("NEWS", r"(?m)^\d+\.\d+\.\d+", "9.8.7", "NEWS: names version 9.8.7"),
    ("debian/changelog", r"\(.*?\)", "(9.8.7)", "debian/changelog: names version 9.8.7"),
    ("doc/sockmalloc.7.in", r'"sockmalloc [\d.]+"', '"sockmalloc 9.8.7"', "sockmalloc.7.in: names version 9.8.7"),
    ("doc/sockmalloc_message.3", r"\.TH", ".XX", "there is no version"),
    ("NEWS", DATE, "not released yet", "no date, but (not released yet)"),
    ("doc/sockmalloc.3.in", DATE, "2026-12-02", "sockmalloc.3.in: has the date 2026-12-02"),
    ("debian/changelog", "unstable", "UNRELEASED", "the distribution is UNRELEASED"),
)


class Versions(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(holder.cleanup)
        self.top = Path(holder.name)
        for name in FILES:
            text = re.sub(r"(?<=\.TH )(\S+ \d) \S+", rf"\1 {DATE}", (TOP / name).read_text(), count=1)
            text = re.sub(r"(?m)^(\d+\.\d+\.\d+) \(.*\)$", rf"\1 ({DATE})", text, count=1)
            (self.top / name).parent.mkdir(exist_ok=True)
            (self.top / name).write_text(text.replace("UNRELEASED", "unstable", 1))

    def check(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, SCRIPT, *arguments, self.top], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def test_what_is_right(self) -> None:
        self.assertEqual(self.check("--release"), (0, "1 passed, 0 failed\n"))

    def test_each_fault_is_named(self) -> None:
        for name, pattern, text, words in FAULTS:
            with self.subTest(words):
                before = (self.top / name).read_text()
                (self.top / name).write_text(re.sub(pattern, text, before, count=1))
                code, said = self.check("--release")
                self.assertEqual(code, 1)
                self.assertIn(words, said)
                (self.top / name).write_text(before)
        (self.top / "NEWS").unlink()
        self.assertIn("NEWS: No such file", self.check()[1])
