"""Tests that a wrong write of the program cannot change the library's settings and main tables, because their pages are
read-only, and that the library never writes to a data file of the program that has a descriptor from 0 to 2."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import re
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import command, settings
from support.servant import Servant, ServantCase

DATA = bytes(range(256)) * 64
FROZEN = ("region", "options", "route")


class Region:
    """One line of /proc/PID/maps, split into its fields."""

    def __init__(self, line: str) -> None:
        addresses, self.rights, *rest = line.split(maxsplit=5)
        self.start, self.end = (int(address, 16) for address in addresses.split("-"))
        self.name = rest[-1].strip() if len(rest) == 4 else ""


def regions(servant: Servant) -> list[Region]:
    return [Region(line) for line in Path(f"/proc/{servant.pid}/maps").read_text().splitlines()]


def objects(servant: Servant) -> dict[str, tuple[int, int]]:
    """Returns where in the servant the library's variables named in FROZEN lie: a dictionary from a variable's name to
    the two addresses at which the variable begins and ends."""
    listing = subprocess.run(
        [settings.tool("nm"), "-S", settings.library()], check=True, capture_output=True, text=True
    ).stdout
    library = str(settings.library().resolve())
    base = min(region.start for region in regions(servant) if region.name == library)
    found = re.findall(r"^([0-9a-f]+) ([0-9a-f]+) \S (\w+)$", listing, re.MULTILINE)
    return {
        name: (base + int(start, 16), base + int(start, 16) + int(size, 16))
        for start, size, name in found
        if name in FROZEN
    }


class Frozen(ServantCase):
    """Tests that the library's variables named in FROZEN are on pages that the library makes read-only at the end of
    its start-up. Every call of malloc and free depends on these variables."""

    def assert_frozen(self, servant: Servant) -> None:
        maps = regions(servant)
        frozen = objects(servant)
        self.assertEqual(set(frozen), set(FROZEN))
        for name, (start, end) in frozen.items():
            for address in (start, end - 1):
                rights = [region.rights for region in maps if region.start <= address < region.end]
                self.assertEqual(rights, ["r--p"], name)

    def test_after_a_change(self) -> None:
        servant = self.start(CONTROL="1")
        self.assertEqual(command.run("set", servant.pid, "DECAY_MS=100").returncode, command.DONE)
        self.assert_frozen(servant)

    def test_after_init(self) -> None:
        for variables in ({}, {"DISABLE": "1"}, {"POOL": "cpu"}, {"IN_USE": "1", "POOL": "standard"}):
            with self.subTest(str(variables)):
                servant = self.start(**variables)
                self.assert_frozen(servant)
                self.assertEqual(servant.ask("churn 20000"), "done")
                servant.signal()
                self.assert_frozen(servant)
                self.assertEqual(servant.end(), 0)


class Descriptors(unittest.TestCase):
    """Starts a program with descriptors 0 to 2 closed, so that the program's data files get these numbers. The library
    must write nothing to these files."""

    def run_case(self, case: str, wanted: int, **variables: str) -> None:
        with tempfile.TemporaryDirectory(prefix="whole-test-") as directory:
            data = Path(directory) / "data"
            data.write_bytes(DATA)
            process = subprocess.Popen(
                ["/bin/sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", settings.program("descriptors"), case, data],
                env=settings.environment({f"SOCKMALLOC_{name}": value for name, value in variables.items()}),
                # the stderr of the shell only, in which the library is preloaded too: the shell closes descriptors 0 to
                # 2 before it executes the program
                stderr=subprocess.DEVNULL,
            )
            statistics = Path(f"/tmp/sockmalloc.{process.pid}")
            self.addCleanup(statistics.unlink, missing_ok=True)
            self.assertEqual(process.wait(timeout=60), wanted)
            self.assertEqual(data.read_bytes(), DATA)
            self.assertTrue(statistics.exists(), "the library has written no statistics")

    def test_statistics_warnings_and_the_end(self) -> None:
        for kind in ("thread", "standard", "cpu"):
            with self.subTest(kind):
                more = {"POOL": kind, "UNKNOWN": "1", "VERBOSE": "1", "STATS_AT_EXIT": "1", "IN_USE": "1"}
                self.run_case("data_takes_their_place", 0, **more)

    def test_last_words(self) -> None:
        self.run_case("data_is_spared_by_the_last_words", -signal.SIGABRT)
