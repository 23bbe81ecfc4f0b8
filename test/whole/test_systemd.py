"""Tests `sockmalloc systemd`: the drop-in file that it prints for a unit, and its remarks about settings of the unit
that affect the library."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import subprocess

from support import command, settings
from support.servant import ServantCase

# UNIT is a systemd unit, as `systemctl cat` prints it. `sockmalloc systemd` must print a remark about each setting that
# is a key of REMARKS, and about no other setting. The values of REMARKS are words that must be printed.
UNIT = """# /lib/systemd/system/web.service
[Service]
Type=forking
Environment=LANG=C
SystemCallFilter=@system-service
PrivateTmp=true
ExecReload=/bin/kill -USR1 $MAINPID
MemoryMax=1G
RuntimeDirectory=web
StandardError=journal
ProtectHome=
# /etc/systemd/system/web.service.d/more.conf
[Service]
Environment=LD_PRELOAD=/usr/lib/libother.so
UnsetEnvironment=LC_ALL
"""
REMARKS = {
    "SystemCallFilter": "@system-service",
    "PrivateTmp": "/tmp",
    "ExecReload": "SOCKMALLOC_SIGNAL=off",
    "MemoryMax": "limit comes near",
    "RuntimeDirectory": "unless its stderr is the journal",
    "Environment": "both libraries",
}


class Systemd(ServantCase):
    def systemctl(self, script: str) -> dict[str, str]:
        """Makes a shell script `systemctl` with these commands. Returns environment variables with which the command
        runs this script instead of the real systemctl."""
        path = self.directory / "systemctl"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return {"PATH": f"{self.directory}:{os.environ['PATH']}"}

    def said(self, *arguments: object, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return command.run("systemd", "-L", settings.library(), *arguments, variables=variables)

    def test_the_file_and_the_remarks(self) -> None:
        (self.directory / "unit").write_text(UNIT)
        variables = self.systemctl(f'[ "$*" = "cat -- web.service" ] && cat {self.directory}/unit')
        done = self.said("web", variables=variables)
        self.assertEqual((done.returncode, done.stderr), (command.DONE, ""))
        lines = done.stdout.splitlines()
        self.assertEqual(lines[-2:], ["[Service]", f"Environment=LD_PRELOAD={settings.library()}"])
        self.assertTrue(all(line.startswith("# ") for line in lines[:-2]))
        self.assertIn("/etc/systemd/system/web.service.d/sockmalloc.conf", lines[0])
        remarks = dict(line[2:].split(": ", 1) for line in lines[3:-2] if ": " in line)
        self.assertEqual(set(remarks), set(REMARKS))
        for name, word in REMARKS.items():
            self.assertIn(word, done.stdout)

    def test_a_unit_that_cannot_be_read(self) -> None:
        done = self.said("web.service", variables=self.systemctl("exit 1"))
        self.assertEqual((done.returncode, done.stderr), (command.DONE, ""))
        self.assertIn("not judged", done.stdout)
        self.assertIn(f"Environment=LD_PRELOAD={settings.library()}", done.stdout)

    def test_what_is_refused(self) -> None:
        (self.directory / "a b.so").write_bytes(b"")
        marker = self.directory / "ran"
        for arguments in ([], ["a", "b"], [f"web;touch {marker}"], ["/web"], ["--", "-web"], [""], ["x" * 500]):
            done = self.said(*arguments, variables=self.systemctl(f"touch {marker}"))
            self.assertEqual((done.returncode, done.stdout), (command.USAGE, ""), arguments)
            self.assertEqual(len(done.stderr.splitlines()), 1, arguments)
        for library in (self.directory / "a b.so", self.directory / "missing.so", "relative.so"):
            done = command.run("systemd", "web", "-L", library, variables=self.systemctl(f"touch {marker}"))
            self.assertEqual((done.returncode, done.stdout), (command.USAGE, ""), library)
        self.assertFalse(marker.exists())
