"""Tests the quotas of caches: how many free slots each cache may hold. The library adapts the quotas to the load, which
is called training. SOCKMALLOC_TRAINING=off freezes the quotas, the budget SOCKMALLOC_CACHE limits them, and a profile
keeps them from one run of a program to the next."""
# SPDX-License-Identifier: BSD-2-Clause
import re
from pathlib import Path

from support.servant import Servant, ServantCase

ALLOWED = re.compile(r"^quotas allow the caches (\d+) of (\d+) bytes; pool in force: thread$", re.MULTILINE)


class TrainingCase(ServantCase):
    def figure(self, servant: Servant, name: str) -> int:
        return int(servant.ask(f"figure {name}"))

    def churn(self, servant: Servant, *sizes: int) -> None:
        for size in sizes:
            self.assertEqual(servant.ask(f"churn {size}"), "done")


class Quotas(TrainingCase):
    def test_use_earns_them(self) -> None:
        servant = self.start(POOL="thread")
        self.assertEqual(servant.ask("take 16384"), "pools")
        self.assertEqual(self.figure(servant, "16k.quota"), 0)
        self.assertEqual(self.figure(servant, "16k.carved"), 1)
        self.churn(servant, 16384)
        self.assertEqual(self.figure(servant, "16k.promotions"), 1)
        self.assertGreater(self.figure(servant, "16k.growths"), 0)
        self.assertGreater(self.figure(servant, "16k.quota"), 16)
        self.assertEqual(self.figure(servant, "4k.quota"), 0)
        self.assert_ends_well(servant)

    def test_frozen(self) -> None:
        servant = self.start(POOL="thread", TRAINING="off")
        self.assertEqual(servant.ask("take 16384"), "pools")
        quota = self.figure(servant, "16k.quota")
        self.assertGreater(quota, 0)
        self.churn(servant, 16384, 4096, 65536, 16384)
        self.assertEqual(self.figure(servant, "16k.quota"), quota)
        for step in ("growths", "transfers", "losses", "decays"):
            self.assertEqual(self.figure(servant, step), 0)
        self.assert_ends_well(servant)

    def test_budget(self) -> None:
        """Two limits must hold after the use of several buckets. The free slots in the caches have at most as many
        bytes as the quotas of all caches permit together. The quotas permit together at most as many bytes as the
        budget."""
        for size, budget in (("0", 0), ("100k", 100 << 10), ("1m", 1 << 20), ("auto", None)):
            with self.subTest(size):
                servant = self.start(POOL="thread", CACHE=size)
                self.churn(servant, 4096, 8193, 16384, 32768, 65536, 16384, 16384)
                held = sum(
                    self.figure(servant, f"{label}.cached") * ((4096 << number) + 4096)
                    for number, label in enumerate(("4k", "8k", "16k", "32k", "64k"))
                )
                servant.signal()
                found = ALLOWED.findall(servant.stderr())
                self.assertEqual(len(found), 1, servant.stderr())
                charged, limit = map(int, found[0])
                self.assertLessEqual(charged, limit)
                self.assertLessEqual(held, charged)
                if budget is not None:
                    self.assertEqual(limit, budget)
                self.assertEqual(charged > 0, budget is None or budget > 16384)
                self.assertEqual(servant.end(), 0)


class Profile(TrainingCase):
    def setUp(self) -> None:
        super().setUp()
        self.profile = self.directory / "profile"

    def start_with(self, **variables: str) -> Servant:
        return self.start(POOL="thread", PROFILE=str(self.profile), **variables)

    def learn(self) -> int:
        """Runs a servant until the library has raised the quota of the bucket 16k above 0. Ends the servant, by which
        the library writes the profile, and checks that nothing was printed. Returns the quota."""
        servant = self.start_with()
        self.assertEqual(servant.ask("take 16384"), "pools")
        self.assertEqual(self.figure(servant, "16k.quota"), 0)
        self.churn(servant, 16384)
        quota = self.figure(servant, "16k.quota")
        self.assertGreater(quota, 0)
        self.assert_ends_well(servant)
        return quota

    def test_survives_a_restart(self) -> None:
        quota = self.learn()
        servant = self.start_with()
        self.assertEqual(servant.ask("take 16384"), "pools")
        self.assertEqual(self.figure(servant, "16k.quota"), quota)
        self.assertGreater(self.figure(servant, "16k.carved"), 1)
        self.assertEqual(servant.ask("take 4096"), "pools")
        self.assertEqual(self.figure(servant, "4k.quota"), 0)
        self.assert_ends_well(servant)

    def test_is_written_on_a_dump(self) -> None:
        servant = self.start_with()
        self.churn(servant, 16384)
        self.assertFalse(self.profile.exists())
        servant.signal()
        self.assertIn("bucket 16384 quota ", self.profile.read_text())
        self.assertEqual(servant.end(), 0)

    def test_is_left_by_who_learns_nothing(self) -> None:
        self.learn()
        before = self.profile.read_bytes()
        for variables in ({}, {"DISABLE": "1"}, {"TRAINING": "off"}):
            with self.subTest(variables):
                servant = self.start_with(**variables)
                self.churn(servant, 100)
                if variables:
                    self.churn(servant, 16384)
                self.assert_ends_well(servant)
                self.assertEqual(self.profile.read_bytes(), before)

    def test_damaged_one_is_said_once(self) -> None:
        self.learn()
        good = self.profile.read_text()
        for damaged in (good.replace("quota", "quotq", 1), good[: len(good) // 2], "sockmalloc profile 2\n"):
            with self.subTest(damaged[:30]):
                self.profile.write_text(damaged)
                servant = self.start_with()
                self.assertEqual(servant.ask("take 16384"), "pools")
                self.assertEqual(self.figure(servant, "16k.quota"), 0)
                self.churn(servant, 16384)
                self.assertEqual(servant.end(), 0)
                begin = f"sockmalloc: servant[{servant.pid}]: {self.profile}: this profile cannot be used: "
                self.assertTrue(servant.stderr().startswith(begin), servant.stderr())
                self.assertTrue(servant.stderr().endswith("; starting untrained\n"), servant.stderr())
                self.assertEqual(servant.stderr().count("\n"), 1, servant.stderr())
                self.assertEqual(self.profile.read_text(), good, "replaced by what was learnt anew")

    def test_file_of_another_kind_is_kept(self) -> None:
        self.profile.write_text("precious\n")
        servant = self.start_with()
        self.churn(servant, 16384)
        self.assertEqual(servant.end(), 0)
        self.assertEqual(servant.stderr().count("\n"), 1, servant.stderr())
        self.assertEqual(self.profile.read_text(), "precious\n")

    def test_directory_that_is_not_there(self) -> None:
        """Neither the profile nor the directory in which it would be written exists. The server must run without a
        profile, and must not make the directory."""
        self.profile = Path(self.directory, "none", "profile")
        servant = self.start_with()
        self.churn(servant, 16384)
        self.assert_ends_well(servant)
        self.assertFalse(self.profile.parent.exists())
