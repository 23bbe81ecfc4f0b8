"""Other libraries, allocators and tools in the same process: who serves whom, and that all of them end well."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import cases, settings
from support.cases import Outcome

PROGRAM = ("allocate", "every_size")  # it checks that the pools serve what they should
LIBRARIES = {
    "libfaketime": "faketime/libfaketime.so.1",
    "libfaketimeMT": "faketime/libfaketimeMT.so.1",
    "libeatmydata": "libeatmydata.so",
}
OVERRUN = """
#include <stdlib.h>
int main(void)
{
    volatile char *block = malloc(20000);
    block[20000] = 1;
    return 0;
}
"""
SANITIZED = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    for (size_t size = 100; size < 4000000; size *= 2) {
        char *block = malloc(size);
        memset(block, 1, size);
        free(realloc(block, size * 2));
    }
    puts("done");
    return 0;
}
"""


def installed(name: str) -> Path:
    """A shared library of a Debian package."""
    found = [path for path in Path("/usr/lib").glob(f"*/{name}")]
    if not found:
        raise settings.Missing(f"{name} is not installed")
    return found[0]


class Company(unittest.TestCase):
    maxDiff = None

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)

    def run_under(self, *command: object, preloaded: object = None, **variables: str) -> Outcome:
        return cases.outcome_of(list(command), settings.environment(variables, preloaded))

    def program(self) -> list[object]:
        return [settings.program(PROGRAM[0]), PROGRAM[1]]


class Preloaded(Company):
    def test_faketime_and_eatmydata_in_both_orders(self) -> None:
        for name, file in LIBRARIES.items():
            ours, other = settings.library(), installed(file)
            for preloaded in ((ours, other), (other, ours)):
                with self.subTest(name, first=preloaded[0].name):
                    outcome = self.run_under(*self.program(), preloaded=preloaded, FAKETIME="-10d")
                    self.assertEqual(outcome, Outcome(0, "", ""))

    def test_faketime_does_fake(self) -> None:
        """The control: it is in force beside the library, whose own statistics have the kernel's time."""
        preloaded = (settings.library(), installed(LIBRARIES["libfaketime"]))
        outcome = self.run_under(settings.tool("date"), "+%Y", preloaded=preloaded, FAKETIME="@2001-01-01 00:00:00")
        self.assertEqual(outcome, Outcome(0, "2001\n", ""))

    def test_jemalloc_behind_us_serves_nobody(self) -> None:
        preloaded = (settings.library(), installed("libjemalloc.so.2"))
        self.assertEqual(self.run_under(*self.program(), preloaded=preloaded), Outcome(0, "", ""))

    def test_jemalloc_before_us_serves_all(self) -> None:
        """The loader takes the first; the library is born, and idle, and strdup's copies are the first's, too."""
        preloaded = (installed("libjemalloc.so.2"), settings.library())
        self.assertEqual(self.run_under(settings.program("loader"), "copies_of_strings", preloaded=preloaded), Outcome(0, "", ""))
        outcome = self.run_under(settings.program("servant"), preloaded=preloaded, SOCKMALLOC_STATS_AT_EXIT="1")
        self.assertEqual((outcome.status, outcome.stdout), (0, ""))
        self.assertRegex(outcome.stderr, r"(?m)^total +0 ")


class Loaded(Company):
    """Plug-ins, and the library itself, a thousand times while threads allocate."""

    def run_loader(self, case: str, path: Path, preloaded: object = None) -> None:
        outcome = self.run_under(settings.program("loader"), case, path, preloaded=preloaded)
        self.assertEqual(outcome, Outcome(0, "", ""))

    def test_plugin(self) -> None:
        self.run_loader("plugin_comes_and_goes", settings.plugin())

    def test_library_that_is_preloaded(self) -> None:
        self.run_loader("library_comes_and_goes", settings.library())

    def test_library_that_is_not(self) -> None:
        self.run_loader("library_is_loaded_late_and_stays", settings.library(), preloaded=())

    def test_deeply_bound_plugin(self) -> None:
        self.run_loader("deeply_bound_plugin_serves_itself", settings.plugin())


class Tools(Company):
    def preload_by(self) -> str:
        return f"LD_PRELOAD={settings.library()}"

    def test_gdb(self) -> None:
        """A stop in the pools, a walk up the stack from there, and on to the end."""
        orders = [f"set exec-wrapper env {self.preload_by()}", "set breakpoint pending on", "break free", "run"]
        orders += ["backtrace", "delete", "continue"]
        arguments = [part for order in orders for part in ("-ex", order)]
        command = [settings.tool("gdb"), "-batch", "-nx", *arguments, "--args", *self.program()]
        outcome = self.run_under(*command, preloaded=(), DEBUGINFOD_URLS="")
        self.assertEqual(outcome.status, 0, outcome.stderr)
        self.assertRegex(outcome.stdout, r"(?m)^#0 .*free .*libsockmalloc\.so|^#0 .*shim_malloc\.c")
        self.assertRegex(outcome.stdout, r"exited normally")

    def test_strace(self) -> None:
        log = self.directory / "calls"
        command = [settings.tool("strace"), "-f", "-o", log, f"-E{self.preload_by()}", *self.program()]
        self.assertEqual(self.run_under(*command, preloaded=()), Outcome(0, "", ""))
        self.assertIn("PROT_NONE", log.read_text())

    def test_heaptrack(self) -> None:
        """Its own library comes first and asks ours for the memory."""
        command = [settings.tool("heaptrack"), "-o", self.directory / "trace", *self.program()]
        outcome = self.run_under(*command)
        self.assertEqual(outcome.status, 0, outcome.stderr)
        allocations = re.search(r"allocations:\s+(\d+)", outcome.stdout + outcome.stderr)
        self.assertIsNotNone(allocations, outcome)
        self.assertGreater(int(allocations[1]), 100)

    def valgrind(self, *options: str) -> list[str]:
        return [settings.tool("valgrind"), "-q", "--error-exitcode=9", *options]

    def test_valgrind_watches_the_program(self) -> None:
        """As it comes, valgrind's malloc takes the place of ours, and sees an overrun."""
        source = self.directory / "overrun.c"
        source.write_text(OVERRUN)
        program = self.directory / "overrun"
        subprocess.run([settings.tool("gcc"), "-O0", "-o", program, source], check=True)
        outcome = self.run_under(*self.valgrind(), program)
        self.assertEqual(outcome.status, 9, outcome)
        self.assertIn("0 bytes after a block of size 20,000 alloc'd", outcome.stderr)

    def test_valgrind_watches_us(self) -> None:
        """By this option it leaves our malloc alone: the pools serve, and it finds no fault with them."""
        command = [*self.valgrind("--soname-synonyms=somalloc=nouserintercepts"), *self.program()]
        self.assertEqual(self.run_under(*command), Outcome(0, "", ""))


class Sanitized(Company):
    """A program that was built with AddressSanitizer."""

    def build(self, *options: str) -> Path:
        source = self.directory / "sanitized.c"
        source.write_text(SANITIZED)
        program = self.directory / "sanitized"
        subprocess.run([settings.tool("gcc"), "-fsanitize=address", *options, "-o", program, source], check=True)
        return program

    def test_before_its_runtime(self) -> None:
        """The runtime itself refuses, in clear words."""
        outcome = self.run_under(self.build())
        self.assertEqual((outcome.status, outcome.stdout), (1, ""))
        self.assertIn("ASan runtime does not come first in initial library list", outcome.stderr)

    def test_behind_its_runtime(self) -> None:
        runtime = subprocess.run(
            [settings.tool("gcc"), "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
        ).stdout.strip()
        preloaded = (Path(os.path.realpath(runtime)), settings.library())
        self.assertEqual(self.run_under(self.build(), preloaded=preloaded), Outcome(0, "done\n", ""))

    def test_runtime_within_the_program(self) -> None:
        self.assertEqual(self.run_under(self.build("-static-libasan")), Outcome(0, "done\n", ""))


load_tests = cases.loader({"own_malloc": {}})
