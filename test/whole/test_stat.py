"""Tests that `sockmalloc stat` reads a process's figures from outside, that these figures are equal to those that the
process itself would print, and that the reading does not disturb the process."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import jsonschema

from support import command, forgery, formats, settings, statistics
from support.servant import Servant, ServantCase

KINDS = ("thread", "lockfree", "standard", "cpu")
DEADLINE_SECONDS = 60
NOBODY = 65534


class Figures(ServantCase):
    def read(self, process: int) -> statistics.Table:
        result = command.run("stat", "--wide", process)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        return statistics.tables(result.stdout, 1)[0]

    def test_are_those_of_the_process(self) -> None:
        for kind in KINDS:
            with self.subTest(kind):
                servant = self.start(POOL=kind, DECAY_MS="-1")
                for order in ("take 5000", "churn 5000", "churn 300000", "take 100000", "take 4194304", "churn 70000"):
                    servant.ask(order)
                outside = self.read(servant.pid)
                servant.signal()
                inside = statistics.tables(servant.stderr(), 1)[0]
                self.assertEqual(outside.text, inside.text)
                self.assertEqual(outside.pid, servant.pid)
                self.assertGreater(outside.rows["4k"]["resident"], 0)

    def test_have_the_named_pools_of_the_program(self) -> None:
        servant = self.start()
        self.assertNotIn("pools of process", command.run("stat", servant.pid).stdout)
        for name in ("receivers", "\x1b[31mred"):
            servant.ask(f"make-pool {name}")
        result = command.run("stat", servant.pid)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        lines = [line.split() for line in result.stdout.splitlines()]
        row = next(line for line in lines if line[-1:] == ["receivers"])
        self.assertEqual(row[:2], ["5000", "3"])
        self.assertEqual(sum(int(number) for number in row[1:5]), int(row[5]) // 5056)
        self.assertIn(["\\x1b[31mred"], [line[-1:] for line in lines])

    def test_have_the_pools_in_every_format(self) -> None:
        servant = self.start()
        for name in ("receivers", 'quo"te'):
            servant.ask(f"make-pool {name}")
        said = json.loads(command.run("stat", servant.pid, "--json").stdout)
        schema = json.loads((command.path().parent / "doc" / "statistics.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(said)
        self.assertEqual([(pool["pool"], pool["block"], pool["live"]) for pool in said["pools"]],
                         [("receivers", 5000, 3), ('quo"te', 5000, 3)])
        text = command.run("stat", servant.pid, "--prometheus").stdout
        labels = f'block="5000",program="servant",pid="{servant.pid}"'
        for line in (f'live_blocks{{pool="receivers",{labels}}} 3', f'live_blocks{{pool="quo\\"te",{labels}}} 3',
                     f'requests_total{{pool="receivers",{labels}}} {said["pools"][0]["requests"]}'):
            self.assertIn(f"sockmalloc_pool_{line}\n", text)

    def test_have_the_message_pages_of_malloc(self) -> None:
        servant = self.start(MESSAGE="128-2k")
        servant.ask("small 500")
        lines = [line.split() for line in command.run("stat", servant.pid).stdout.splitlines()]
        row = next(line for line in lines if line[-1:] == ["SOCKMALLOC_MESSAGE"])
        self.assertGreaterEqual(int(row[3]), 1000 * 508)

    def test_have_message_pages_and_rings_in_every_format(self) -> None:
        servant = self.start()
        for order in ("make-messages inbox", "make-ring \x1b[31mred"):
            servant.ask(order)
        lines = [line.split() for line in command.run("stat", servant.pid).stdout.splitlines()]
        row = next(line for line in lines if line[-1:] == ["inbox"])
        self.assertEqual(row[:7], ["65536", "2", "1", "1008", "1", "1", "1008"])
        self.assertIn("type 0: 99 messages of 99000 bytes".split(), lines)
        self.assertIn("type 1: 1 messages of 1000 bytes".split(), lines)
        row = next(line for line in lines if line[-1:] == ["\\x1b[31mred"])
        self.assertEqual([row[0], *row[2:-1]], ["256", "4", "7", "1", "1000"])
        said = json.loads(command.run("stat", servant.pid, "--json").stdout)
        schema = json.loads((command.path().parent / "doc" / "statistics.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(said)
        self.assertNotIn("pools", said)
        self.assertEqual([(one["message"], one["held"], one["straggler_messages"], one["types"][1]["allocated"])
                          for one in said["messages"]], [("inbox", 1008, 1, 1)])
        rings = [(one["chunk"], one["occupied"], one["oldest_holder"]) for one in said["rings"]]
        self.assertEqual(rings, [(256, 4, 7)])
        text = command.run("stat", servant.pid, "--prometheus").stdout
        labels = f'program="servant",pid="{servant.pid}"'
        for line in (f'message_straggler_pages{{message="inbox",page="65536",{labels}}} 1',
                     f'message_allocated_bytes_total{{message="inbox",page="65536",{labels}}} 100000',
                     f'ring_occupied_chunks{{ring="\\x1b[31mred",chunk="256",{labels}}} 4'):
            self.assertIn(f"sockmalloc_{line.replace(chr(92), chr(92) * 2)}\n", text)

    def test_of_a_process_that_has_the_buffers_alone(self) -> None:
        servant = self.start(others={"LD_PRELOAD": str(settings.library().parent / "libsockmalloc-buffers.so")})
        for order in ("make-pool receivers", "make-messages inbox", "make-ring relay"):
            servant.ask(order)
        lines = command.run("stat", servant.pid).stdout.splitlines()
        self.assertEqual([line.split()[:2] for line in lines if line.endswith("receivers")], [["5000", "3"]])
        said = json.loads(command.run("stat", "--json", servant.pid).stdout)
        schema = json.loads((command.path().parent / "doc" / "statistics.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(said)
        self.assertEqual((said["program"], said["process"], said["pools"][0]["live"]), ("servant", servant.pid, 3))
        self.assertEqual((said["messages"][0]["held"], said["rings"][0]["occupied"]), (1008, 4))
        page = command.run("stat", "--prometheus", servant.pid).stdout
        labels = f'{{pool="receivers",block="5000",program="servant",pid="{servant.pid}"}}'
        self.assertIn(f"sockmalloc_pool_live_blocks{labels} 3\n", page)
        for words in (["stat", "--interval", "1s"], ["stat", "--signal"], ["check"], ["list"], ["record", "-o", "x"]):
            result = command.run(*words, servant.pid)
            self.assertEqual(result.returncode, command.NO if words == ["check"] else command.WITHOUT, words)
        servant.ask("become")
        self.assert_refused(command.run("stat", servant.pid), command.WITHOUT, "does not carry the library")

    def test_in_every_format(self) -> None:
        for form in ("json", "prometheus"):
            with self.subTest(form):
                servant = self.start(FORMAT=form, DECAY_MS="-1")
                for order in ("take 5000", "churn 5000", "take 100000"):
                    servant.ask(order)
                result = command.run("stat", servant.pid, f"--{form}", "--wide")
                servant.signal()
                self.assertEqual(result.stdout, servant.stderr())
                self.assertEqual(formats.READERS[form](result.stdout)["4k"]["live"], 1)

    def test_of_a_process_that_is_stopped_and_blocks_all_signals(self) -> None:
        servant = self.start(prepare=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
        servant.ask("take 9000")
        os.kill(servant.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, servant.pid, signal.SIGCONT)
        os.waitid(os.P_PID, servant.pid, os.WSTOPPED)
        self.assertEqual(self.read(servant.pid).rows["8k"]["live"], 1)

    def test_behind_a_chroot_and_another_user(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("needs root, for chroot")
        servant = self.start()
        self.assertEqual(servant.ask(f"retreat {self.directory}"), "done")
        servant.ask("take 9000")
        self.assertEqual(self.read(servant.pid).rows["8k"]["live"], 1)

    def test_where_the_library_was_deleted_and_is_called_otherwise(self) -> None:
        copy = self.directory / "libother.so"
        shutil.copy(settings.library(), copy)
        servant = self.start(others={"LD_PRELOAD": str(copy)})
        copy.unlink()
        servant.ask("take 9000")
        self.assertEqual(self.read(servant.pid).rows["8k"]["live"], 1)

    def test_cost_the_process_nothing(self) -> None:
        """If the command reads a process's statistics, that must cost the process no CPU time, no page fault and no
        wake-up. The command reads the process once before the measurement, because the first reading makes a few pages
        of the library resident that the process had never touched."""
        servant = self.start()
        servant.ask("churn 5000")
        self.read(servant.pid)
        before = self.effort(servant.pid)
        for _ in range(20):
            self.read(servant.pid)
        self.assertEqual(self.effort(servant.pid), before)

    def effort(self, process: int) -> tuple[list[str], list[str]]:
        """Waits until the process sleeps. Returns the process's page faults and CPU time so far, and lines of text with
        its context switches (one for each wake-up) and its resident memory."""
        while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            time.sleep(0.001)
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        lines = [*self.lines(process, "status"), *self.lines(process, "smaps_rollup")]
        memory = [line for line in lines if re.search("ctxt|Rss:|Anonymous:", line)]
        return [fields[at] for at in (7, 9, 11, 12)], memory

    def lines(self, process: int, name: str) -> list[str]:
        return Path(f"/proc/{process}/{name}").read_text().splitlines()

    def test_with_the_pools_off(self) -> None:
        servant = self.start(DISABLE="1")
        result = command.run("stat", servant.pid)
        self.assertEqual(result.returncode, command.DONE, result.stderr)
        self.assertIn("the pools are off", result.stdout)

    def test_again_and_again(self) -> None:
        servant = self.start()
        reader = subprocess.Popen(
            [command.path(), "stat", "--wide", str(servant.pid), "--interval", "0.05"],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        ends = 0
        while ends < 3:
            line = reader.stdout.readline()
            self.assertNotEqual(line, "")
            ends += line.startswith("end of statistics")


class BySignal(ServantCase):
    def test_the_process_writes_them(self) -> None:
        servant = self.start(SIGNAL="SIGUSR2")
        result = command.run("stat", servant.pid, "--signal")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (command.DONE, "", ""))
        servant.ask("ping")
        statistics.tables(servant.stderr(), 1)

    def test_the_program_does_not_notice(self) -> None:
        """`sockmalloc stat --signal` must not make the program's own handler of the signal run. haproxy, for example,
        stops when it gets this signal."""
        servant = self.start()
        servant.ask(f"handle {int(signal.SIGUSR1)}")
        self.assertEqual(command.run("stat", servant.pid, "--signal").returncode, command.DONE)
        self.assertEqual(servant.ask("handled"), "0")
        servant.signal()
        self.assertEqual(servant.ask("handled"), "1")
        statistics.tables(servant.stderr(), 2)

    def test_a_process_without_a_signal(self) -> None:
        servant = self.start(SIGNAL="off")
        result = command.run("stat", servant.pid, "--signal")
        self.assertEqual(result.returncode, command.FORBIDDEN)
        self.assertIn("SOCKMALLOC_SIGNAL=off", result.stderr)


class Refusals(ServantCase):
    """If the command cannot read a process, it must print one line on stderr that gives the reason, and nothing on
    stdout. Its exit code must be the one that the manual lists for this reason."""

    def bystander(self) -> int:
        process = subprocess.Popen([settings.tool("sleep"), "1000"], env=command.environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process.pid

    def test_no_such_process(self) -> None:
        gone = command.ended_process()
        self.assert_refused(command.run("stat", gone), command.GONE, f"process {gone}")

    def test_one_that_has_ended_and_is_not_waited_for(self) -> None:
        process = subprocess.Popen(["true"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.assert_refused(command.run("stat", process.pid), command.GONE, "has ended")
        process.wait()

    def test_no_number(self) -> None:
        for word in ("0", "-3", "-3x", "99999999999999"):
            with self.subTest(word):
                result = command.run("stat", "--", word)
                self.assert_refused(result, command.USAGE, word)

    def test_no_such_name_or_unit(self) -> None:
        for word in ("no-such-program", "12x", "no-such.service"):
            with self.subTest(word):
                for name in ("stat", "list"):
                    self.assert_refused(command.run(name, word), command.GONE, f" {word}")

    def test_one_whose_mappings_may_be_listed_but_not_read(self) -> None:
        """Yama's ptrace_scope can forbid the command to read a process's memory although the command may list the
        process's mappings. This test gets the same effect by a seccomp filter behind which process_vm_readv fails."""
        behind = settings.program("behind")
        arguments = ("fail", "process_vm_readv", command.path(), "stat", self.bystander())
        self.assert_refused(command.run(*arguments, command=behind), command.FORBIDDEN, "may not be read")

    def test_a_process_without_the_library(self) -> None:
        self.assert_refused(command.run("stat", self.bystander()), command.WITHOUT, "does not carry the library")

    def start_with_library(self, image: bytes) -> Servant:
        other = self.directory / "libsockmalloc.so"
        other.write_bytes(image)
        return self.start(others={"LD_PRELOAD": str(other)})

    def test_another_version(self) -> None:
        """After an upgrade, a running process still has the old version of the library. The command must read this
        process if both versions have the same layout of the data, and refuse it otherwise."""
        servant = self.start_with_library(forgery.of_version("9.8.7"))
        done = command.run("stat", servant.pid)
        self.assertEqual((done.returncode, done.stderr), (command.DONE, ""))
        servant = self.start_with_library(forgery.of_version("9.8.7", layout=99))
        words = f"process {servant.pid} (servant) carries sockmalloc 9.8.7, which this command of version "
        self.assert_refused(command.run("stat", servant.pid), command.OTHER_VERSION, words)
        self.assert_refused(command.run("stat", servant.pid), command.OTHER_VERSION, "; restart it\n")

    def test_another_layout_of_the_same_version(self) -> None:
        library = settings.library().read_bytes()
        at = library.index(b"requests asked returned ")
        servant = self.start_with_library(library[:at] + b"asked requests returned " + library[at + 24 :])
        self.assert_refused(command.run("stat", servant.pid), command.OTHER_VERSION, "from another build")

    def test_no_permission(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        servant = self.start()
        copy = self.directory / "sockmalloc"
        shutil.copy(command.path(), copy)
        self.directory.chmod(0o755)
        result = command.run("stat", servant.pid, prepare=lambda: os.setuid(NOBODY), command=copy)
        self.assert_refused(result, command.FORBIDDEN, "CAP_SYS_PTRACE")

    def test_a_process_that_ends_meanwhile(self) -> None:
        servant = self.start()
        reader = subprocess.Popen(
            [command.path(), "stat", "--wide", str(servant.pid), "--interval", "0.01"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.assertEqual(os.read(reader.stdout.fileno(), 1), b"s")
        servant.end()
        stdout, stderr = reader.communicate(timeout=DEADLINE_SECONDS)
        self.assertEqual(reader.returncode, command.GONE)
        self.assert_complaint(stderr, f"process {servant.pid} does not exist, or has ended")
        self.assertTrue(stdout.endswith(f"end of statistics of process {servant.pid}\n"))

    def test_a_process_that_becomes_another_program(self) -> None:
        servant = self.start()
        # The servant executes /bin/cat without the library. cat does not end, because its stdin stays open.
        servant.ask("become")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while os.readlink(f"/proc/{servant.pid}/exe").endswith("servant") and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assert_refused(command.run("stat", servant.pid), command.WITHOUT, "does not carry the library")

    def test_a_closed_pipe(self) -> None:
        servant = self.start()
        reader, writer = os.pipe()
        os.close(reader)
        result = subprocess.run(
            [command.path(), "stat", str(servant.pid)], stdout=writer, stderr=subprocess.PIPE, text=True
        )
        os.close(writer)
        self.assertEqual(result.returncode, command.UNWRITTEN)
        self.assert_complaint(result.stderr, "the output could not be written: Broken pipe")

    def test_a_full_disk(self) -> None:
        servant = self.start()
        with open("/dev/full", "wb") as full:
            result = subprocess.run(
                [command.path(), "stat", str(servant.pid)], stdout=full, stderr=subprocess.PIPE, text=True
            )
        self.assertEqual(result.returncode, command.UNWRITTEN)
        self.assertIn("No space left", result.stderr)
