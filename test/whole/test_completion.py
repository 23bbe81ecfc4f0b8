"""Tests that the man page of the command, the completions and --help name the same options, and that bash and zsh
complete these options at TAB."""
# SPDX-License-Identifier: BSD-2-Clause
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import command, settings
from support.shell import Shell


def made(name: str) -> Path:
    """Returns the path of a file that the build has made in its folder doc."""
    return command.path().parent / "doc" / name


def commands() -> list[str]:
    return re.findall(r"^  ([a-z]+) +\w", command.run("--help").stdout, re.MULTILINE)


def options(name: str) -> set[str]:
    return set(re.findall(r"--[\w-]+", command.run(name, "--help").stdout)) - {"--", "--usage", "--version"}


class Manual(unittest.TestCase):
    def test_it_has_what_help_lists(self) -> None:
        text = made("sockmalloc.1").read_text().replace("\\-", "-")
        self.assertNotIn("@", text)
        for name in commands():
            self.assertIn(f".B sockmalloc {name}\n", text)
        for code in re.findall(r"^ +(\d+)  ", command.run("--help").stdout, re.MULTILINE):
            self.assertIn(f".B {code}\n", text)


class ShellTests:
    """Tests of the completions, which run once with bash and once with zsh."""

    name: str
    home: Path
    shell: Shell

    def setUp(self) -> None:
        home = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(home.cleanup)
        self.home = Path(home.name)
        (self.home / "a-file").touch()
        self.shell = Shell(self.name, self.home, made("completion"))
        self.addCleanup(self.shell.close)

    def names(self, row: str) -> list[str]:
        """Returns the names in one row of the list that the shell prints below the command line."""
        raise NotImplementedError

    def assert_offers(self, typed: str, names: set[str]) -> None:
        line, rows = self.shell.press_tab(typed)
        self.assertEqual((line, {name for row in rows for name in self.names(row)}), (typed, names))

    def assert_completes(self, typed: str, line: str) -> None:
        self.assertEqual(self.shell.press_tab(typed), (line, []))

    def test_commands(self) -> None:
        self.assertGreaterEqual(len(commands()), 4)
        self.assert_offers("sockmalloc ", {*commands(), "--help", "--version"})
        self.assert_offers("sockmalloc --", {"--help", "--version"})
        self.assert_completes("sockmalloc rec", "sockmalloc record ")

    def test_the_options_that_help_lists(self) -> None:
        for name in commands():
            with self.subTest(name):
                self.assert_offers(f"sockmalloc {name} --", options(name))

    def test_an_option_and_its_value(self) -> None:
        self.assert_completes("sockmalloc run --po", "sockmalloc run --pool=")
        self.assert_offers("sockmalloc run --pool=", {"thread", "lockfree", "standard", "cpu", "auto"})
        self.assert_completes("sockmalloc run --pool=st", "sockmalloc run --pool=standard ")
        self.assert_completes("sockmalloc run --pool st", "sockmalloc run --pool standard ")
        self.assert_completes("sockmalloc stat --js", "sockmalloc stat --json ")
        for option in ("--library=", "--library ", "-L ", "--profile="):
            self.assert_completes(f"sockmalloc run {option}a-f", f"sockmalloc run {option}a-file ")
        self.assert_completes("sockmalloc record --interval=a-f", "sockmalloc record --interval=a-f")

    def test_a_program_behind_options(self) -> None:
        for before in ("", "-- ", "--verbose ", "--verbose=1 ", "--pool=cpu ", "--pool cpu -- "):
            self.assert_completes(f"sockmalloc run {before}mkfif", f"sockmalloc run {before}mkfifo ")
        self.assert_completes("sockmalloc check mkfif", "sockmalloc check mkfifo ")

    def test_what_is_the_programs_is_not_ours(self) -> None:
        self.assert_completes("sockmalloc run -- --po", "sockmalloc run -- --po")
        for before in ("mkfifo", "-- mkfifo", "--verbose mkfifo"):
            self.assert_completes(f"sockmalloc run {before} --po", f"sockmalloc run {before} --po")
            self.assert_completes(f"sockmalloc check {before} a-f", f"sockmalloc check {before} a-file ")

    def test_a_process_with_the_library(self) -> None:
        """Where the command line needs a process, the shells offer the process id, the name and the systemd unit of
        each process that has loaded the library, and of no other process."""
        server = self.start_copy("server-with-it", settings.library())
        bystander = self.start_copy("server-without", None)
        for name in ("stat", "list", "record", "top", "check"):
            with self.subTest(name):
                self.assert_completes(f"sockmalloc {name} {server}", f"sockmalloc {name} {server} ")
                self.assert_completes(f"sockmalloc {name} {bystander}", f"sockmalloc {name} {bystander}")
                self.assert_completes(f"sockmalloc {name} server-w", f"sockmalloc {name} server-with-it ")

    def start_copy(self, name: str, library: Path | None) -> int:
        """Starts a copy of sleep under the name `name`, with or without the library. With the library, returns when the
        command can read the process."""
        copy = self.home / "servers" / name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(settings.tool("sleep"), copy)
        variables = command.environment({"LD_PRELOAD": str(library)} if library else {})
        process = subprocess.Popen([copy, "1000"], env=variables)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while library and command.run("stat", process.pid).returncode != command.DONE:
            self.assertIsNone(process.poll())
        return process.pid


class Bash(ShellTests, unittest.TestCase):
    name = "bash"

    def names(self, row: str) -> list[str]:
        return [word.rstrip("=") for word in row.split()]


class Zsh(ShellTests, unittest.TestCase):
    """Runs the tests with zsh, which lists a description after each name."""

    name = "zsh"

    def names(self, row: str) -> list[str]:
        return row.split(" -- ")[0].split()


del ShellTests
