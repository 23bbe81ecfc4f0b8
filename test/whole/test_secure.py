"""Tests that the library ignores all its environment variables in setuid programs and in programs with file
capabilities."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import settings

NOBODY = 65534
SOURCE = Path(__file__).resolve().parent / "secure.c"

# Each row has a setting, and a value whose effect would be visible: in the configuration that the program prints, in a
# file, or on stderr.
HOSTILE = {
    "MIN": "64k",
    "MAX": "1m",
    "POOL": "cpu",
    "CACHE": "0",
    "RETAIN": "0",
    "DECAY_MS": "0",
    "BACKGROUND": "1",
    "FORK_TRIM": "1",
    "IN_USE": "1",
    "DISABLE": "1",
    "SIGNAL": "SIGTERM",
    "STRICT": "1",
    "VERBOSE": "1",
    "STATS_AT_EXIT": "1",
    "NO_SUCH_SETTING": "1",
}


@unittest.skipUnless(os.geteuid() == 0, "needs root, to start a setuid program as another user")
class Secure(unittest.TestCase):
    """Runs a privileged program that is linked with the library. The library cannot be preloaded here, because the
    dynamic linker ignores LD_PRELOAD in a privileged program unless root has made the library setuid."""

    maxDiff = None

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
        self.directory.chmod(0o755)
        # The linker stores this file name in the program, as the name of the library to load.
        library = self.directory / "libsockmalloc.so.1"
        shutil.copy(settings.library(), library)
        self.program = self.directory / "secure"
        include = SOURCE.parents[2] / "include"
        subprocess.run(
            [
                *(settings.tool("gcc"), "-I", include, "-o", self.program, SOURCE),
                *(library, f"-Wl,-rpath,{self.directory}"),
            ],
            check=True,
        )
        self.private = self.directory / "private"
        self.private.mkdir()
        self.private.chmod(0o777)

    def variables(self) -> dict[str, str]:
        named = {**HOSTILE, "STATS": str(self.private / "stats"), "PROFILE": str(self.private / "profile")}
        return {f"SOCKMALLOC_{name}": value for name, value in named.items()}

    def run_it(self, variables: dict[str, str]) -> tuple[str, str]:
        run = subprocess.run(
            [self.program], env=variables, user=NOBODY, group=NOBODY, capture_output=True, text=True, timeout=60
        )
        return run.stdout, run.stderr

    def assert_inert(self) -> None:
        """Checks that the program prints the same with the variables of HOSTILE as without them, and writes no file."""
        without = self.run_it({})
        self.assertTrue(without[0].startswith("1 1 "), f"not a secure execution with pools: {without}")
        self.assertEqual(without[1], "")
        self.assertEqual(self.run_it(self.variables()), without)
        self.assertEqual(list(self.private.iterdir()), [], "the program wrote a file that its environment names")

    def test_setuid(self) -> None:
        self.program.chmod(0o4755)
        self.assert_inert()

    def report(self, variables: dict[str, str]) -> str:
        """Starts the program with these variables, sends it the signal that requests statistics, and returns what it
        has written to stderr."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen([self.program, "wait"], env=variables, user=NOBODY, group=NOBODY, **pipes) as run:
            assert run.stdout is not None
            run.stdout.readline()
            run.send_signal(signal.SIGUSR1)
            return run.communicate(timeout=60)[1].decode()

    def test_no_file_where_the_environment_wants_it(self) -> None:
        """A setuid program must write statistics to stderr and not to RUNTIME_DIRECTORY. An ordinary program, which is
        run for comparison, writes them to RUNTIME_DIRECTORY."""
        variables = {"RUNTIME_DIRECTORY": str(self.private)}
        self.assertEqual(self.report(variables), "")
        (file,) = self.private.iterdir()
        file.unlink()
        self.program.chmod(0o4755)
        self.assertIn("statistics of secure", self.report(variables))
        self.assertEqual(list(self.private.iterdir()), [])

    def test_file_capability(self) -> None:
        subprocess.run([settings.tool("setcap"), "cap_net_bind_service=ep", self.program], check=True)
        self.assert_inert()

    def test_control_is_obeyed(self) -> None:
        """Shows that the other tests can fail: in a program without privileges the variables have their effects. With
        all of them, SOCKMALLOC_STRICT makes the library refuse the program."""
        variables = self.variables()
        self.assertEqual(self.run_it(variables)[0], "")
        # Without the settings that SOCKMALLOC_STRICT refuses, and without SOCKMALLOC_DISABLE, the program must run, and
        # the other settings must have their effects.
        for name in ("NO_SUCH_SETTING", "IN_USE", "DISABLE"):
            del variables[f"SOCKMALLOC_{name}"]
        stdout, stderr = self.run_it(variables)
        self.assertIn("SOCKMALLOC_MIN=64k", stdout)
        self.assertIn("SOCKMALLOC_VERBOSE=1", stderr)
        self.assertTrue((self.private / "stats").exists())
