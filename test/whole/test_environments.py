"""Tests the library with random values of all its environment variables: the program must run, or be refused because
SOCKMALLOC_STRICT is set."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

from support import settings
from support.servant import ServantCase

# The number of random environments to try; scripts/soak tries 20,000 in each round. If the program fails in one, the
# seed is printed, and a run with this seed repeats the failure.
COUNT = int(os.environ.get("SOCKMALLOC_ENVIRONMENTS", "200"))
SEED = int(os.environ.get("SOCKMALLOC_ENVIRONMENTS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
# The time limit of a run of the program, in seconds. A run normally takes milliseconds, so a run that reaches the limit
# hangs.
RUN_SECONDS = 300
PROGRESS_SECONDS = 10

SIZES = ("MIN", "MAX", "LARGE", "HEADROOM", "CACHE", "RETAIN", "LARGE_RETAIN")
COUNTS = ("DECAY_MS", "AUTO_THREADS", "FREE_LIST")
SWITCHES = (
    *("TRAINING", "BACKGROUND", "FORK_TRIM", "PRESSURE", "IN_USE", "DEEPBIND", "DISABLE", "STRICT", "VERBOSE"),
    "STATS_AT_EXIT",
)
OTHERS = ("POOL", "THP", "SIGNAL", "STATS", "PROFILE")
WORDS = (
    *("0", "1", "on", "off", "yes", "no", "none", "auto", "never", "always", ""),
    *("thread", "lockfree", "standard", "cpu", "SIGUSR2", "RTMIN+3", "34", "USR1", "CHLD"),
)
ORDERS = "take 100\ntake 5000\ntake 100000\nchurn 20000\nchurn 300000\ntake 9000000\n"
ANSWERS = re.compile(r"(?:(?:pools|mimalloc)\n){3}done\ndone\n(?:pools|mimalloc)\n")
REFUSAL = re.compile(r"^sockmalloc: servant\[\d+\]: SOCKMALLOC_STRICT=1: refusing to run", re.MULTILINE)
BAD_SETTING = 78


class Environments(ServantCase):
    def junk(self, chance: random.Random) -> str:
        """Returns random bytes, without NUL, as the value of a variable. Even the longest value is short enough for
        exec."""
        length = chance.choice((1, 3, 10, 100, 511, 512, 513, 5000, 60_000))
        return os.fsdecode(chance.randbytes(length).replace(b"\0", b"\n"))

    def size(self, chance: random.Random) -> str:
        number = chance.choice((chance.randrange(64), 1 << chance.randrange(64), (1 << chance.randrange(1, 65)) - 1))
        return f"{number}{chance.choice(('', '', 'k', 'm', 'g', 'K', 'kk', ' '))}"

    def path(self, chance: random.Random) -> str:
        """Returns a random path: one in the test's own directory, a relative one, which the library refuses, or that of
        a special file such as /dev/null. So no run can change a file outside the test's directory."""
        names = ("file", "%p", "%p%p%%", "link", "fifo", "directory", "absent/file", "x" * 460, "%", "%s%n")
        name = chance.choice(names)
        inside = (f"{self.directory}/{name}", f"{self.directory}//./{name}")
        return chance.choice((*inside, name, "/dev/null", "/proc/self/mem"))

    def value(self, name: str, chance: random.Random) -> str:
        if chance.random() < 0.1 and name not in ("STATS", "PROFILE"):
            return self.junk(chance)
        if chance.random() < 0.2:
            return chance.choice(WORDS)
        if name in SIZES or name in COUNTS:
            return self.size(chance)
        if name in SWITCHES:
            return chance.choice(("0", "1"))
        return self.path(chance) if name in ("STATS", "PROFILE") else chance.choice(WORDS)

    def environment(self, chance: random.Random) -> dict[str, str]:
        names = (*SIZES, *COUNTS, *SWITCHES, *OTHERS)
        chosen = chance.sample(names, chance.randrange(len(names)))
        variables = {f"SOCKMALLOC_{name}": self.value(name, chance) for name in chosen}
        if chance.random() < 0.2:
            variables["SOCKMALLOC_" + re.sub("[=\0]", "", self.junk(chance))] = self.junk(chance)
        # SOCKMALLOC_STRICT is usually removed from the environment, because with it the library would refuse most of
        # these environments: they have a bad value.
        if chance.random() < 0.8:
            variables.pop("SOCKMALLOC_STRICT", None)
        return variables

    def plant(self) -> None:
        """Makes the files that a random path may name. The library must never write to the file `victim`."""
        (self.directory / "link").symlink_to(self.directory / "victim")
        (self.directory / "victim").write_text("kept")
        os.mkfifo(self.directory / "fifo")
        (self.directory / "directory").mkdir()

    def check(self, variables: dict[str, str]) -> None:
        run = subprocess.run(
            [settings.program("servant")],
            env=settings.environment(variables),
            input=ORDERS,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=RUN_SECONDS,
            check=False,
        )
        if run.returncode == BAD_SETTING:
            self.assertRegex(run.stderr, REFUSAL)
            self.assertIn("SOCKMALLOC_STRICT", variables)
            return
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stdout, ANSWERS)

    def clear(self) -> None:
        """Removes the files that earlier runs have written, so that they do not fill the disk."""
        for file in self.directory.iterdir():
            if file.is_file() and not file.is_symlink() and file.name != "victim":
                file.unlink()

    def test_random_environments(self) -> None:
        self.plant()
        told = time.monotonic()
        for number in range(COUNT):
            chance = random.Random(f"{SEED} {number}")
            variables = self.environment(chance)
            with self.subTest(f"SOCKMALLOC_ENVIRONMENTS_SEED={SEED}, number {number}", variables=str(variables)[:4000]):
                self.check(variables)
            if time.monotonic() > told + PROGRESS_SECONDS:
                told = time.monotonic()
                print(f"{number} of {COUNT} environments", file=sys.stderr, flush=True)
                self.clear()
        self.assertEqual((self.directory / "victim").read_text(), "kept")
