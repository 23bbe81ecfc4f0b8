"""Tests that `make install` writes the right files, that the installed command works, and that `make uninstall` removes
the files."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import command, settings

# `make install` must write at least one file for each of these patterns. The paths are relative to the prefix.
WANTED = (
    "bin/sockmalloc",
    "include/sockmalloc.h",
    "lib/libsockmalloc.so.1.*",
    "lib/libsockmalloc-buffers.so.1.*",
    "lib/pkgconfig/sockmalloc*.pc",
    "lib/tmpfiles.d/sockmalloc.conf",
    "share/bash-completion/completions/sockmalloc",
    "share/doc/sockmalloc/README",
    "share/doc/sockmalloc/examples/*.c",
    "share/doc/sockmalloc/recipes.md",
    "share/man/man?/sockmalloc*",
    "share/sockmalloc/probes/*.bt",
    "share/sockmalloc/statistics.schema.json",
    "share/zsh/site-functions/_sockmalloc",
)


class Install(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(holder.cleanup)
        self.place = Path(holder.name).resolve()

    def make(self, target: str) -> None:
        build = settings.program("servant").parents[2]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        line = ["make", "-s", "-C", build, target, f"DESTDIR={self.place}", "prefix=/opt/tree"]
        done = subprocess.run(line, env=variables, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_all_that_is_installed_is_found_and_removed(self) -> None:
        self.make("install")
        prefix = self.place / "opt/tree"
        for pattern in WANTED:
            self.assertTrue(list(prefix.glob(pattern)), pattern)
        self.assertFalse(list(prefix.rglob("*.la")))
        installed = prefix / "bin/sockmalloc"
        # The command was compiled for another prefix. The command must find the library that was installed with it,
        # first at the place of installation, and then after all installed files were moved together.
        for place in (prefix, self.place / "moved"):
            prefix.rename(place)
            prefix = place
            done = command.run("run", "env", command=prefix / "bin/sockmalloc")
            self.assertIn(f"LD_PRELOAD={prefix}/lib/libsockmalloc.so", done.stdout.splitlines(), done.stderr)
        prefix.rename(self.place / "opt/tree")
        self.assertTrue(installed.exists())
        self.make("uninstall")
        self.assertEqual([path for path in self.place.rglob("*") if not path.is_dir()], [])
        left = list(self.place.rglob("sockmalloc/*"))
        self.assertEqual(left, [], "a folder named sockmalloc has content left")
