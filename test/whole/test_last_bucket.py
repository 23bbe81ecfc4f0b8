"""Tests that the last bucket serves requests up to exactly SOCKMALLOC_MAX bytes, for any value of this setting."""
# SPDX-License-Identifier: BSD-2-Clause
import re

from support import cases
from support.cases import Run
from support.servant import ServantCase

# Each row has a value of SOCKMALLOC_MAX, this value in bytes, and the label that the last bucket then has. In the first
# two rows the maximum is below SOCKMALLOC_LARGE (85,000 bytes), so caches keep free slots of the last bucket, and the
# library adapts the quotas of these caches to the load. 4m is the value with which the other tests run.
MAXIMA = [
    ("70000", 70000, "70000"),
    ("84999", 84999, "84999"),
    ("85000", 85000, "85000"),
    ("3m", 3 << 20, "3m"),
    ("4m", 4 << 20, "4m"),
    ("5000000", 5000000, "5000000"),
]
CASES = ("ends_at_the_maximum", "slots_are_apart", "threads_share_them", "resizes_and_trims")

RUNS = [Run(f"MAX={setting}", {"SOCKMALLOC_MAX": setting}, (str(size), label)) for setting, size, label in MAXIMA]


class Shown(ServantCase):
    def test_table_and_messages_name_it(self) -> None:
        servant = self.start(MAX="5000000")
        self.assertEqual(servant.ask("take 5000000"), "pools")
        self.assertEqual(servant.ask("take 5000001"), "mimalloc")
        servant.signal()
        self.assertRegex(servant.stderr(), r"\n4m +4198400 +0 .*\n5000000 +5001216 +1 .*\ntotal ")
        self.assertRegex(servant.stderr(), r"\npools served .* in requests of 4096 to 5000000 bytes\n")

    def test_longest_name_has_its_place(self) -> None:
        servant = self.start(MAX="67108863")
        servant.ask("take 67108863")
        servant.signal()
        lines = servant.stderr().splitlines()
        rows = [line for line in lines if re.match(r"(bucket|67108863 +\d+ +1) ", line)]
        self.assertEqual(len(rows), 2, servant.stderr())
        self.assertEqual(len(rows[0]), len(rows[1]))
        self.assertEqual(len(rows[0].split()), len(rows[1].split()))


class Trained(ServantCase):
    def test_profile_keeps_its_quota(self) -> None:
        path = self.directory / "profile"
        servant = self.start(MAX="70000", PROFILE=str(path))
        self.assertEqual(servant.ask("take 70000"), "pools")
        self.assertEqual(servant.ask("figure 70000.quota"), "0")
        for _ in range(64):
            servant.ask("take 70000")
        self.assert_ends_well(servant)
        self.assertRegex(path.read_text(), r"\nbucket 65536 quota 0\nbucket 70000 quota 8\nchecksum ")
        servant = self.start(MAX="70000", PROFILE=str(path))
        servant.ask("take 70000")
        self.assertEqual(servant.ask("figure 70000.quota"), "16", "two magazines, from the first use on")
        self.assert_ends_well(servant)


load_tests = cases.loader({"last": {case: RUNS for case in CASES}})
