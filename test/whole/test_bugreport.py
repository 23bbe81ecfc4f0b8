"""Tests that `sockmalloc bugreport` writes one complete file, which has all parts that the manual promises and no
private data."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import re
import resource
import signal
import stat
import subprocess
from pathlib import Path
from types import MappingProxyType

from support import command, formats, settings
from support.servant import ServantCase

NOBODY = 65534
CONF = "retain=4m,pressure=0"
SECRETS = MappingProxyType({"PASSWORD": "hidden-value", "SOCKMALLOC_POOOL": "3", "SOCKMALLOC_CONF": CONF})


def limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


class Bugreport(ServantCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = self.directory / "reports"
        self.folder.mkdir()
        self.path = self.folder / "report"

    def report(self, process: object, *options: str) -> str:
        result = command.run("bugreport", str(process), "-o", self.path, *options)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        self.assertEqual(list(self.folder.iterdir()), [self.path])
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.summary = result.stdout
        self.assertLessEqual(len(self.summary.splitlines()), 10)
        text = self.path.read_text()
        self.assertIn(f"{self.path}: {len(text.encode())} bytes on ", self.summary)
        self.path.unlink()
        return text

    def part(self, text: str, head: str) -> str:
        """Returns the text of a bug report between the line that begins with the heading `head` and the next
        heading."""
        found = re.search(rf"^-- {re.escape(head)}[^\n]*\n(.*?)(?=^(?:--|==) |\Z)", text, re.MULTILINE | re.DOTALL)
        self.assertIsNotNone(found, f"{head} is not in:\n{text}")
        return found[1]

    def test_has_all_that_is_promised(self) -> None:
        servant = self.start(others=SECRETS, DECAY_MS="100", CONTROL="1")
        self.assertEqual(command.run("set", servant.pid, "RETAIN=8m").returncode, command.DONE)
        servant.ask("take 5000")
        text = self.report(servant.pid)
        variables = set(self.part(text, "variables").splitlines())
        self.assertLessEqual({f"SOCKMALLOC_CONF={CONF}", "SOCKMALLOC_DECAY_MS=100", "SOCKMALLOC_POOOL=3"}, variables)
        self.assertTrue(all(line.startswith("SOCKMALLOC_") for line in variables), variables)
        in_force = self.part(text, "settings in force").splitlines()
        for line in ("RETAIN=8m  (sockmalloc set)", "PRESSURE=0  (SOCKMALLOC_CONF)", "DECAY_MS=100  (environment)",
                     "MIN=4k  (default)"):
            self.assertIn(f"SOCKMALLOC_{line}", in_force)
        message = "SOCKMALLOC_POOOL: no such setting; ignored; did you mean SOCKMALLOC_POOL?"
        self.assertEqual(self.part(text, "the last messages"), f"sockmalloc: servant[{servant.pid}]: {message}\n")
        self.assertEqual(formats.READERS["json"](self.part(text, "statistics as JSON"))["4k"]["live"], 1)
        for word in ("compiler: ", "compiled by: ", "kernel Linux ", "glibc 2.", "library: version "):
            self.assertIn(word, text)
        for name, word in (("maps", "libsockmalloc.so"), ("limits", "Max open files"), ("status", "Seccomp:")):
            self.assertIn(word, self.part(text, f"/proc/{servant.pid}/{name}"))
        for secret in ("PASSWORD", "hidden-value", "\t"):
            self.assertNotIn(secret, text)

    def test_leaves_arguments_out_unless_they_are_asked_for(self) -> None:
        process = subprocess.Popen(["sh", "-c", "echo; read line; :", "secret\033word"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        process.stdout.readline()
        text = self.report(process.pid)
        self.assertIn("program: sh\n", text)
        self.assertIn("the process does not carry the library\n", text)
        self.assertIn("malloc is served by /", text)
        self.assertNotIn("secret", text)
        self.assertIn("no arguments of command lines", self.summary)
        text = self.report(process.pid, "--with-arguments")
        self.assertIn("argument: secret\\x1bword\n", text)
        self.assertIn("and the arguments of the command lines", self.summary)

    def test_has_all_processes_of_a_server(self) -> None:
        servant = self.start()
        worker = int(servant.ask("worker"))
        text = self.report(servant.pid)
        found = re.findall(r"^== process (\d+) ==$", text, re.MULTILINE)
        self.assertEqual([*map(int, found)], sorted((servant.pid, worker)))
        self.assertIn("on 2 processes.", self.summary)

    def test_refusals_leave_nothing(self) -> None:
        servant = self.start()
        taken = self.directory / "taken"
        taken.write_text("kept")
        for code, words, arguments in (
            (command.USAGE, "one process, name or unit has to be named", ()),
            (command.USAGE, "one process, name or unit has to be named", (servant.pid, servant.pid)),
            (command.USAGE, "is not a process id", ("-1",)),
            (command.GONE, "does not exist, or has ended", (command.ended_process(),)),
            (command.GONE, "names no process", ("no-such-program",)),
            (command.UNWRITTEN, "taken could not be written: File exists", (servant.pid, "-o", taken)),
            (command.UNWRITTEN, "could not be written: No such file", (servant.pid, "-o", self.directory / "no/file")),
            (command.UNWRITTEN, "written: File name too long", (servant.pid, "-o", self.folder / ("x" * 300))),
        ):
            with self.subTest(words):
                options = () if "-o" in arguments else ("-o", self.path, "--")
                self.assert_refused(command.run("bugreport", *options, *arguments), code, words)
        self.assertEqual(taken.read_text(), "kept")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_full_disk_leaves_nothing(self) -> None:
        servant = self.start()
        result = command.run("bugreport", servant.pid, "-o", self.path, prepare=limit_files)
        self.assert_refused(result, command.UNWRITTEN, "could not be written: File too large")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_process_that_may_not_be_read(self) -> None:
        kept_out = settings.other_user_is_kept_out()
        if kept_out:
            self.skipTest(kept_out)
        servant = self.start()
        self.folder.chmod(0o777)
        self.directory.chmod(0o755)
        result = command.run("bugreport", servant.pid, "-o", self.path, prepare=lambda: os.setuid(NOBODY))
        self.assert_refused(result, command.FORBIDDEN, "may not be read")
        self.assertEqual(list(self.folder.iterdir()), [])
