"""Tests that the option `--sample` turns on the sampling of small requests in a running process for a limited time, and
that the command then prints which share of all requests the pools serve."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import re
import signal
import subprocess
import time

from support import command
from support.servant import Servant, ServantCase

DEADLINE_SECONDS = 60
SHARE = r"serves (\d+) % of this server's bytes, (\d+) % of its calls \(in \d+ s\)"


class SampleCase(ServantCase):
    def small(self, servant: Servant) -> int:
        """Returns how many requests of less than 2048 bytes the servant's statistics have counted."""
        sizes = json.loads(command.run("stat", servant.pid, "--json").stdout)["sizes"]
        return sum(step["count"] for step in sizes["steps"] if step["to"] < 2048)

    def is_sampled(self, servant: Servant) -> bool:
        """Returns true if the statistics count small requests that the servant makes now."""
        before = self.small(servant)
        for _ in range(5):
            servant.ask("churn 100")
        return self.small(servant) > before

    def begin(self, name: str, servant: Servant, seconds: str) -> "subprocess.Popen[str]":
        """Starts the subcommand `name` with --sample for the servant, and returns when the servant samples its small
        requests."""
        line = [command.path(), name, f"--sample={seconds}", str(servant.pid)]
        watcher = subprocess.Popen(
            line, env=command.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.addCleanup(watcher.stderr.close)
        self.addCleanup(watcher.stdout.close)
        self.addCleanup(watcher.wait)
        self.addCleanup(watcher.kill)
        while not self.is_sampled(servant):
            self.assertIsNone(watcher.poll(), "the command has ended")
        return watcher


class Samples(SampleCase):
    def test_the_share_in_all_traffic(self) -> None:
        """For each block of 20,000 bytes the servant allocates ten blocks of 1,000 bytes, which the pools do not serve.
        So the command must print that the pools serve about 2/3 of the bytes and 1/11 of the calls."""
        for name in ("stat", "check"):
            with self.subTest(name):
                servant = self.start()
                watcher = self.begin(name, servant, "2s")
                while watcher.poll() is None:
                    servant.ask("churn 20000")
                    for _ in range(10):
                        servant.ask("churn 1000")
                stdout, stderr = watcher.communicate(timeout=DEADLINE_SECONDS)
                self.assertEqual((watcher.returncode, stderr), (command.DONE, ""))
                byte, call = map(int, re.search(SHARE, stdout).groups())
                self.assertAlmostEqual(byte, 66, delta=12)
                self.assertAlmostEqual(call, 9, delta=5)
                self.assertFalse(self.is_sampled(servant))
                self.assert_ends_well(servant)

    def test_where_small_requests_are_always_sampled(self) -> None:
        servant = self.start(SAMPLE_SMALL="1")
        self.assertEqual(command.run("stat", servant.pid, "--sample=50ms").returncode, command.DONE)
        self.assertTrue(self.is_sampled(servant))

    def test_it_ends_when_the_command_is_told_to(self) -> None:
        servant = self.start()
        watcher = self.begin("stat", servant, "300s")
        watcher.send_signal(signal.SIGINT)
        self.assertEqual(watcher.communicate(timeout=DEADLINE_SECONDS), ("", ""))
        self.assertEqual(watcher.returncode, -signal.SIGINT)
        self.assertFalse(self.is_sampled(servant))

    def test_it_ends_by_itself(self) -> None:
        """The servant gets the signal that turns sampling on for 200 ms. No command turns sampling off, as if the
        command had been killed. The library must turn it off by itself."""
        servant = self.start()
        servant.ask(f"queue {int(signal.SIGUSR1)} {self.value(servant, 200)}")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.is_sampled(servant):
            self.assertLess(time.monotonic(), deadline)

    def value(self, servant: Servant, milliseconds: int) -> int:
        """Returns the value of the signal that turns sampling on for this time. The value consists of a mark in the
        upper 16 bits, the number of the setting, and the time."""
        names = list(json.loads(command.run("stat", servant.pid, "--json").stdout)["configuration"])
        return 0x50C5 << 48 | names.index("SOCKMALLOC_SAMPLE_SMALL") << 42 | milliseconds


class Refusals(SampleCase):
    def test_bad_words(self) -> None:
        servant = self.start()
        for words, said in (
            (("stat", "--sample=0", servant.pid), "an interval is a time"),
            (("stat", "--sample=301s", servant.pid), "300 seconds at most"),
            (("stat", "--sample=1s", "--json", servant.pid), "--sample belongs to the summary"),
            (("check", "--sample=1s", "--", "true"), "--sample needs a running process"),
        ):
            with self.subTest(words):
                self.assert_refused(command.run(*words), command.USAGE, said)

    def test_a_process_that_has_no_signal(self) -> None:
        servant = self.start(SIGNAL="off")
        self.assert_refused(command.run("stat", "--sample=1s", servant.pid), command.FORBIDDEN, "SOCKMALLOC_SIGNAL=off")

    def test_a_process_that_ends_meanwhile(self) -> None:
        servant = self.start()
        watcher = self.begin("stat", servant, "300s")
        servant.end()
        watcher.send_signal(signal.SIGTERM)
        self.assertEqual(watcher.wait(DEADLINE_SECONDS), -signal.SIGTERM)
