"""The command's man page, completions and --help: all say the same, and the shells take it."""
# SPDX-License-Identifier: BSD-2-Clause
import re
import subprocess
import unittest
from pathlib import Path

from support import command, settings

ASK = """
. "$1"
COMP_WORDS=(${@:2} "$word") COMP_CWORD=$(($# - 1))
compopt() { :; }
_sockmalloc
printf '%s\\n' "${COMPREPLY[@]}"
"""


def made(name: str) -> Path:
    return command.path().parent / "doc" / name


def commands() -> list[str]:
    return re.findall(r"^  ([a-z]+) +\w", command.run("--help").stdout, re.MULTILINE)


def options(name: str) -> set[str]:
    return set(re.findall(r"--[\w-]+", command.run(name, "--help").stdout)) - {"--", "--usage", "--version"}


class Completion(unittest.TestCase):
    def complete(self, *words: str, word: str) -> list[str]:
        shell = [settings.tool("bash"), "-c", f"word={word!r}\n{ASK}", "bash", made("completion/sockmalloc"), *words]
        return subprocess.run(shell, check=True, capture_output=True, text=True).stdout.split()

    def test_bash_completes_commands(self) -> None:
        self.assertGreaterEqual(len(commands()), 4)
        self.assertEqual(self.complete("sockmalloc", word="")[2:], commands())
        self.assertEqual(self.complete("sockmalloc", word="re"), ["record"])

    def test_bash_completes_the_options_that_help_lists(self) -> None:
        for name in commands():
            with self.subTest(name):
                found = {option.rstrip("=") for option in self.complete("sockmalloc", name, word="--")}
                self.assertEqual(found, options(name))

    def test_zsh_has_them(self) -> None:
        text = made("completion/_sockmalloc").read_text()
        self.assertTrue(text.startswith("#compdef sockmalloc\n"))
        for name in commands():
            with self.subTest(name):
                part = re.search(rf"^    {name}\) (.*?);;$", text, re.MULTILINE | re.DOTALL)[1]
                self.assertEqual(set(re.findall(r"'(--[\w-]+)", part)), options(name))

    def test_the_manual_has_them(self) -> None:
        text = made("sockmalloc.1").read_text().replace("\\-", "-")
        self.assertNotIn("@", text)
        for name in commands():
            self.assertIn(f".B sockmalloc {name}\n", text)
        for code in re.findall(r"^ +(\d+)  ", command.run("--help").stdout, re.MULTILINE):
            self.assertIn(f".B {code}\n", text)
