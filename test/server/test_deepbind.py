"""Tests programs that load their plug-ins with RTLD_DEEPBIND: PHP, and samba's ldb. They must behave as they do without
the library."""
# SPDX-License-Identifier: BSD-2-Clause
import base64
import os
import subprocess
import tempfile
import unittest
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import bodies, dump, settings
from harness.case import LEAST_SHARE
from harness.place import PROGRAMS

DEADLINE_SECONDS = 100
SCRIPT = PROGRAMS / "php_bodies.php"
BY_MALLOC = {"USE_ZEND_ALLOC": "0"}  # tells PHP to use malloc instead of its own allocator
KINDS = ("thread", "lockfree", "standard", "cpu", "auto")
# these options make PHP compile all scripts to machine code
COMPILED = ("-d", "opcache.enable_cli=1", "-d", "opcache.jit=tracing", "-d", "opcache.jit_buffer_size=64M")

# The sizes in bytes of the values that are stored in records.
RECORDS = {"small": 100, "page": 4096, "body": 65_537, "large": 700_000}
BASE = "dc=example"


@dataclass(frozen=True)
class Outcome:
    status: int
    stdout: str
    stderr: str


class DeepBind(unittest.TestCase):
    maxDiff = 2000

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="server-test-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)

    def run_it(self, *command: object, preload: str = "", stdin: str = "", **variables: str) -> Outcome:
        """Runs a command with the environment variables that are given, PATH, a fixed locale and a home of its own, but
        with no other variable of this process."""
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(self.directory), **variables}
        if preload:
            environment["LD_PRELOAD"] = preload
        ended = subprocess.run(
            [str(word) for word in command],
            env=environment,
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
        )
        return Outcome(ended.returncode, ended.stdout, ended.stderr)

    def assert_same(self, got: Outcome, wanted: Outcome) -> None:
        """Checks that two outcomes are equal. If not, prints only where the first difference is, because the outputs
        have megabytes."""
        if got == wanted:
            return
        wrong = bodies.difference(got.stdout.encode(), wanted.stdout.encode())
        status = f"status {got.status} and not {wanted.status}"
        self.fail(f"{status}; {wrong or 'the same output'}; stderr: {got.stderr[-1000:]}")

    def run_under(self, *command: object, stdin: str = "", **variables: str) -> Outcome:
        return self.run_it(*command, preload=str(settings.library()), stdin=stdin, **variables)

    def assert_served(self, statistics: Path) -> None:
        """Checks that the pools served requests in each of the processes that wrote statistics."""
        found = sorted(statistics.parent.glob(statistics.name.replace("%p", "*")))
        self.assertNotEqual(found, [], "no statistics")
        for path in found:
            for text in dump.split(path.read_text()):
                table = dump.parse(text)
                self.assertEqual(dump.ledger_errors(table), [], text)
                self.assertGreater(table.sum("requests"), 0, text)
                self.assertGreaterEqual(table.share, LEAST_SHARE, text)


class Php(DeepBind):
    """Tests PHP with a script that passes bodies of 100 bytes to 1 MB through a dozen extensions and prints which
    extensions are loaded."""

    # the outcome of PHP (how it ends, and what it prints) without the library; with the library, PHP must have this
    # outcome too, however it allocates and compiles
    without: Outcome | None = None

    def bodies(self, *options: str, library: bool = True, **variables: str) -> Outcome:
        run = self.run_under if library else self.run_it
        return run(settings.program("php"), *options, SCRIPT, **variables)

    def assert_as_without(self, *options: str, **variables: str) -> None:
        if Php.without is None:
            Php.without = self.bodies(library=False)
        self.assertEqual((Php.without.status, Php.without.stderr), (0, ""))
        self.assertGreater(Php.without.stdout.count("\n"), 50)
        self.assertNotIn("WRONG", Php.without.stdout)
        self.assert_same(self.bodies(*options, **variables), Php.without)

    def statistics(self) -> Mapping[str, str]:
        return {"SOCKMALLOC_STATS_AT_EXIT": "1", "SOCKMALLOC_STATS": f"{self.directory}/statistics.%p"}

    def test_as_it_comes(self) -> None:
        self.assert_as_without(**self.statistics())
        self.assert_served(self.directory / "statistics.%p")

    def test_all_kinds_of_pool_and_no_pools(self) -> None:
        for kind in KINDS:
            with self.subTest(kind):
                self.assert_as_without(**BY_MALLOC, **self.statistics(), SOCKMALLOC_POOL=kind)
                self.assert_served(self.directory / "statistics.%p")
        with self.subTest("no pools"):
            self.assert_as_without(**BY_MALLOC, SOCKMALLOC_DISABLE="1")

    def test_small_requests_in_the_pools(self) -> None:
        self.assert_as_without(**BY_MALLOC, SOCKMALLOC_MIN="2k", SOCKMALLOC_DECAY_MS="0")

    def test_compiled(self) -> None:
        for variables in ({}, BY_MALLOC):
            with self.subTest(variables):
                self.assert_as_without(*COMPILED, **variables)

    def test_information(self) -> None:
        """Each PHP extension must print the same information about itself as without the library."""
        words = "foreach (get_loaded_extensions() as $name) { echo new ReflectionExtension($name); }"
        command = (settings.program("php"), "-r", words)
        without = self.run_it(*command)
        self.assertEqual(without.status, 0, without.stderr)
        self.assertGreater(len(without.stdout), 100_000)
        self.assert_same(self.run_under(*command), without)


class Ldb(DeepBind):
    """Tests ldb: records are added, searched, changed and deleted in a file, once with the library and once without.
    The output must be equal."""

    def ldif(self) -> str:
        parts = []
        for name, size in RECORDS.items():
            for index in range(8):
                text = base64.b64encode(bodies.value(f"{name} {index}", size)).decode()
                parts.append(f"dn: cn={name}{index},{BASE}\nobjectClass: person\ncn: {name}{index}\nphoto:: {text}\n")
        return "\n".join(parts)

    def session(self, library: bool, **variables: str) -> list[Outcome]:
        """Returns what each of ldb's tools prints, one after the other."""
        run = self.run_under if library else self.run_it
        file = self.directory / ("with.tdb" if library else "without.tdb")
        file.unlink(missing_ok=True)
        change = f"dn: cn=large3,{BASE}\nchangetype: modify\nreplace: photo\nphoto: short\n"
        steps = (
            ("ldbadd", (), self.ldif()),
            ("ldbsearch", ("-b", BASE, "--sorted"), ""),
            ("ldbsearch", ("(cn=body*)", "cn"), ""),
            ("ldbmodify", (), change),
            ("ldbrename", (f"cn=page1,{BASE}", f"cn=page99,{BASE}"), ""),
            ("ldbdel", (f"cn=small0,{BASE}", f"cn=large7,{BASE}"), ""),
            # this record exists already, so ldbadd must print an error
            ("ldbadd", (), f"dn: cn=small1,{BASE}\ncn: small1\n"),
            ("ldbsearch", ("-b", BASE, "--sorted", "(photo=*)"), ""),
        )
        return [
            run(settings.program(program), "-H", file, *arguments, stdin=text, **variables)
            for program, arguments, text in steps
        ]

    def test_tools(self) -> None:
        without = self.session(library=False)
        self.assertEqual([outcome.status for outcome in without], [0, 0, 0, 0, 0, 0, 68, 0])
        for name, size in RECORDS.items():
            text = base64.b64encode(bodies.value(f"{name} 5", size)).decode()
            self.assertTrue(text in without[1].stdout.replace("\n ", ""), f"{name} 5 is not found")
        for kind in KINDS:
            with self.subTest(kind):
                statistics = self.directory / f"statistics.{kind}.%p"
                given = {"SOCKMALLOC_POOL": kind, "SOCKMALLOC_STATS_AT_EXIT": "1", "SOCKMALLOC_STATS": str(statistics)}
                for got, wanted in zip(self.session(library=True, **given), without, strict=True):
                    self.assert_same(got, wanted)
                self.assert_served(statistics)


class Packages(unittest.TestCase):
    def test_are_installed_by_the_script(self) -> None:
        self.assertIn("ldb-tools", settings.packages("servers"))
        self.assertIn("php-cli", settings.packages("servers"))
