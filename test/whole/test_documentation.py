"""Tests that each column, setting, message and exit code is documented in every manual and help text. Each of them is
defined in one row of the source, from which these texts are made."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import re
import subprocess
import unittest
from pathlib import Path

from support import command
from support.servant import ServantCase

TOP = Path(__file__).resolve().parents[2]
MADE = command.path().parent / "doc"
# These fields of the statistics name a bucket, or tell how many buckets there are. They are not figures, so the manuals
# do not list them among the figures.
OWN = {"bucket", "capacity", "buckets"}


def entries(page: str) -> dict[str, str]:
    """Returns the tagged paragraphs of a man page: a dictionary from each tag (the words in bold) to the text below the
    tag."""
    text = (MADE / page).read_text().replace("\\-", "-")
    found = re.findall(r'^\.TP\n\.BR? "?(\S[^\n"]*?)"?(?: " ?\([^\n]*)?\n([^.\n][^\n]*(?:\n[^.\n][^\n]*)*)', text, re.M)
    return dict(found)


class Documentation(ServantCase):
    def setUp(self) -> None:
        super().setUp()
        servant = self.start(FORMAT="json")
        servant.signal()
        self.said = json.loads(servant.stderr())
        self.assertEqual(servant.end(), 0)
        self.columns = set(self.said["total"]) - OWN

    def assert_explained(self, names: set[str], explained: dict[str, str]) -> None:
        for name in sorted(names):
            self.assertGreater(len(explained.get(name, "")), 9, f"{name} has no documentation")

    def test_columns(self) -> None:
        schema = json.loads((MADE / "statistics.schema.json").read_text())
        described = {name: row["description"] for name, row in schema["$defs"]["figures"]["properties"].items()}
        self.assert_explained(self.columns, described)
        self.assertEqual(set(described), self.columns)
        # sockmalloc.3 does not list the column `filled`, because it is a percentage with decimals, and
        # sockmalloc_statistic returns only integers
        figures = self.columns - {"filled"}
        self.assert_explained(figures, entries("sockmalloc.3"))
        header = (TOP / "include" / "sockmalloc.h").read_text().partition("End of columns")[0]
        listed = dict(re.findall(r"^ \*   (\w+) +\w+ +(\S.*)$", header, re.M))
        self.assert_explained(figures, listed)
        self.assertEqual(set(listed), figures)

    def test_headings(self) -> None:
        servant = self.start()
        servant.signal()
        table = servant.stderr()
        headings = {word for line in re.findall(r"^(?:bucket|caches) .*$", table, re.M) for word in line.split()}
        self.assertEqual(len(headings - {"bucket", "capacity", "caches"}), len(self.columns))
        self.assert_explained(headings - {"bucket", "capacity", "caches"}, entries("sockmalloc.7"))
        self.assertEqual(servant.end(), 0)

    def test_figures_of_the_process(self) -> None:
        rows = (TOP / "src" / "statistics" / "snapshot.h").read_text().partition("SNAPSHOT_PROCESS_ROWS(ROW)")[2]
        names = set(re.findall(r"ROW\((\w+),", rows.partition("\n\n")[0]))
        self.assertGreaterEqual(len(names), 3)
        self.assertLessEqual(names, set(self.said))
        self.assert_explained(names, entries("sockmalloc.7"))

    def test_settings(self) -> None:
        names = set(self.said["configuration"])
        self.assert_explained(names, entries("sockmalloc.7"))
        options = command.run("run", "--help").stdout
        for name in names:
            option = name.removeprefix("SOCKMALLOC_").lower().replace("_", "-")
            self.assertRegex(options, rf"--{option}[=\[]")

    def test_words_of_settings(self) -> None:
        explained = entries("sockmalloc.7")
        choices = (TOP / "src" / "config" / "choices.h").read_text()
        words = set(re.findall(r'ROW\(\w+, "(\w+)"', choices))
        self.assertGreater(len(words), 8)
        self.assert_explained(words, explained)

    def test_messages(self) -> None:
        source = (TOP / "src" / "config" / "message.h").read_text()
        rows = source.partition("MESSAGE_ROWS(ROW)")[2].partition("enum message")[0]
        wanted = len(re.findall(r"\bROW\(", rows))
        section = (MADE / "sockmalloc.7").read_text().partition(".SH MESSAGES")[2].partition("\n.SH ")[0]
        self.assertGreater(wanted, 15)
        self.assertEqual(len(re.findall(r"^\.TP\n\.B [^\n]+\n[^.\n][^\n]{9}", section, re.M)), wanted)

    def test_nothing_is_left_of_the_templates(self) -> None:
        for name in ("sockmalloc.1", "sockmalloc.3", "sockmalloc.7", "statistics.schema.json"):
            self.assertNotRegex((MADE / name).read_text(), r"@[A-Z-]+@")


class Readme(unittest.TestCase):
    def test_each_command_is_followed(self) -> None:
        """scripts/follow-readme runs the commands of README. With --list it runs none, and fails if its list of
        commands differs from the commands in README."""
        done = subprocess.run([TOP / "scripts" / "follow-readme", "--list"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)


class Settings(unittest.TestCase):
    def test_documents_name_only_settings(self) -> None:
        said = command.run("run", "--help").stdout
        known = {f"SOCKMALLOC_{option[2:].upper().replace('-', '_')}" for option in re.findall(r"--[a-z-]+", said)}
        for path in (TOP / "README", *sorted((TOP / "doc").glob("*.md"))):
            named = set(re.findall(r"SOCKMALLOC_[A-Z][A-Z_]*[A-Z]", path.read_text()))
            self.assertTrue(named, path)
            self.assertEqual(named - known - {"SOCKMALLOC_CONF"}, set(), path)

    def test_completions_offer_each(self) -> None:
        options = set(re.findall(r"--[a-z-]+", command.run("run", "--help").stdout)) - {"--usage", "--version", "--"}
        for name in ("sockmalloc", "_sockmalloc"):
            text = (MADE / "completion" / name).read_text()
            for option in options:
                self.assertIn(option, text)
