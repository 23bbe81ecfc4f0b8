"""Reads the statistics of a server under load from outside ten times a second. In each reading the live, cached, depot
and purged slots must add up to the carved slots, except for slots that a thread is just moving. The resident bytes must
agree with the kernel's figure."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from harness import settings
from harness.case import ServerCase

SAMPLES = 20
SECONDS_APART = "0.1"
THREADS = 2
# how many slots a magazine has; while a thread moves a magazine, its slots are counted nowhere for a moment
MAGAZINE_SLOTS = 62
MAPPING = re.compile(r"^([0-9a-f]+)-[0-9a-f]+ (\S{4}) \S+ \S+ \S+ *(.*)$")
LOWEST = 64 << 40  # the search for the pools' range begins at this address, because mimalloc's memory lies below it


def resident_in_range(process: int) -> int:
    """Returns the resident bytes of the pools' range, as the kernel reports them. The range is the last mapping without
    a file before the mappings of the program's own file."""
    resident = 0
    candidate = False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        if mapping := MAPPING.match(line):
            start, access, name = int(mapping[1], 16), mapping[2], mapping[3]
            if name.startswith("/"):
                break
            candidate = access == "rw-p" and start >= LOWEST and (not name or name == "[anon:sockmalloc:slots]")
        elif candidate and line.startswith("Rss:"):
            resident = int(line.split()[1]) << 10
    return resident


def imbalance(bucket: dict[str, Any]) -> int:
    return abs(sum(bucket[part] for part in ("live", "cached", "depot", "purged")) - bucket["carved"])


class Outside(ServerCase):
    def read(self, process: int, *options: str) -> subprocess.Popen[str]:
        command = [settings.command(), "stat", str(process), "--json", *options]
        reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for stream in (reader.stdout, reader.stderr):
            self.addCleanup(stream.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        return reader

    def read_once(self, process: int) -> dict[str, Any]:
        reader = self.read(process)
        stdout, stderr = reader.communicate()
        self.assertEqual((reader.returncode, stderr), (0, ""))
        return json.loads(stdout)

    def test_ledger_under_load(self) -> None:
        server = self.start("demo-server", [settings.demo_program("demo-server"), f"--threads={THREADS}"])
        load = subprocess.Popen(
            [
                settings.demo_program("demo-load"),
                f"--port={server.first_line()}",
                "--exchanges=100000000",
                "--connections=32",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(load.wait)
        self.addCleanup(load.kill)
        reader = self.read(server.pid, "--interval", SECONDS_APART)
        samples = [json.loads(reader.stdout.readline()) for _ in range(SAMPLES)]
        requests = [sum(bucket["requests"] for bucket in sample["buckets"]) for sample in samples]
        self.assertEqual(requests, sorted(requests))
        self.assertGreater(requests[-1], requests[0], "there was load")
        off = [max(map(imbalance, sample["buckets"])) for sample in samples]
        self.assertLessEqual(max(off), THREADS * MAGAZINE_SLOTS)
        # on a busy machine the reader is often suspended in the middle of a sample, and the slots of the sample then
        # add up less well; so it is enough if they add up well in more than a quarter of the samples
        self.assertGreater(sum(one <= THREADS for one in off), SAMPLES // 4, f"often what is on its way: {off}")

        os.kill(server.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, server.pid, os.WSTOPPED)
        stopped = self.read_once(server.pid)
        self.assertEqual(stopped["buckets"], self.read_once(server.pid)["buckets"])
        resident = sum(bucket["resident"] for bucket in stopped["buckets"])
        by_kernel = resident_in_range(server.pid)
        self.assertGreater(by_kernel, 1 << 20)
        self.assertLessEqual(abs(resident - by_kernel) * 100, by_kernel)
        os.kill(server.pid, signal.SIGCONT)
        load.kill()
        self.stop(server)
