"""Tests that `sockmalloc --version` prints the version of the library and that of the mimalloc which the library
uses."""
# SPDX-License-Identifier: BSD-2-Clause
import re
import subprocess
import sys
import unittest

from support import command, settings

# A Python program that prints the version numbers of mimalloc and of the library. It runs with the library preloaded.
ASK = """
import ctypes
itself = ctypes.CDLL(None)
itself.sockmalloc_version.restype = ctypes.c_char_p
print(itself.mi_version(), itself.sockmalloc_version().decode())
"""


class Version(unittest.TestCase):
    def said(self, *arguments: object) -> list[str]:
        done = command.run("--version", *map(str, arguments))
        self.assertEqual((done.returncode, done.stderr), (command.DONE, ""))
        return done.stdout.splitlines()

    def versions(self) -> tuple[str, str]:
        """Returns the version of the library, and that of the mimalloc that it uses."""
        variables = command.environment({"LD_PRELOAD": str(settings.library())})
        done = subprocess.run([sys.executable, "-c", ASK], env=variables, capture_output=True, text=True, check=True)
        number, library = done.stdout.split()
        digits = re.fullmatch(r"(\d)(\d\d?)(\d\d?)", number)
        assert digits is not None
        return library, ".".join(str(int(part)) for part in digits.groups())

    def test_lines(self) -> None:
        lines = self.said(settings.library())
        self.assertEqual(len(lines), 10)
        number = r"[0-9]+\.[0-9]+\.[0-9]+"
        for line, pattern in zip(lines, (
            rf"sockmalloc {number}",
            r"compiler: .*[0-9]+\.[0-9].*",
            r"compiled by: .+",
            r"restartable sequences \(rseq\): (yes|no)",
            r"SystemTap probes: (yes|no)",
            r"ncurses: (yes|no)",
            r"libmicrohttpd: (yes|no)",
            r"jansson: (yes|no)",
            rf"built with mimalloc {number}",
            rf"library: .*, version {number}, linked with mimalloc {number}",
        )):
            self.assertRegex(line, f"^{pattern}$")

    def test_versions_are_those_of_the_library(self) -> None:
        lines = self.said(settings.library())
        library, mimalloc = self.versions()
        self.assertEqual(lines[0], f"sockmalloc {library}")
        self.assertEqual(
            lines[-1], f"library: {settings.library()}, version {library}, linked with mimalloc {mimalloc}"
        )

    def test_what_was_built_in(self) -> None:
        lines = self.said()
        library = settings.library().read_bytes()
        self.assertIn(f"SystemTap probes: {'yes' if b'stapsdt' in library else 'no'}", lines)
        linked = subprocess.run(["ldd", command.path()], capture_output=True, text=True, check=True).stdout
        for library in ("ncurses", "microhttpd", "jansson"):
            name = f"lib{library}" if library == "microhttpd" else library
            self.assertIn(f"{name}: {'yes' if f'lib{library}' in linked else 'no'}", lines)

    def test_no_library(self) -> None:
        self.assertEqual(self.said("/nowhere/lib.so")[-1], "library: /nowhere/lib.so, which is not there")

    def test_settings_of_the_environment_have_no_effect(self) -> None:
        variables = {"SOCKMALLOC_VERBOSE": "1", "SOCKMALLOC_STATS_AT_EXIT": "1"}
        done = command.run("--version", settings.library(), variables=variables)
        self.assertEqual(done.stderr, "")
