"""Tests that the loads, the helpers and the checks of the table of servers fail if a server has a fault."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import signal
import socketserver
import struct
import subprocess
import sys
import threading
import unittest
from collections.abc import Iterator
from unittest import mock

from harness import bodies, dns, echo, effects, ftp, git, mqtt, ntp, processes, ssh, store, traffic, waiting
from harness.place import Place
from harness.row import Own, Row, Running
from harness.server import Server
from harness.table import TableCase, signal_number

SIZES = (4096, 70_000)


class _Changed(socketserver.StreamRequestHandler):
    """A server that sends bytes back, but changes the last eight bytes of the body of 4,096 bytes."""

    def handle(self) -> None:
        while piece := self.request.recv(70_000):
            self.request.sendall(piece.replace(bodies.body(4096)[-8:], b"8 wrongs"))


class Loads(unittest.TestCase):
    """Tests that each load accepts right answers and notices wrong ones."""

    def test_echo(self) -> None:
        good = echo.EchoUpstream()
        self.addCleanup(good.close)
        load = echo.EchoLoad(sizes=SIZES, connections=2, rounds=2)
        with load.held(lambda: echo.direct(good.port)):
            pass
        bad = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Changed)
        thread = threading.Thread(target=bad.serve_forever)
        thread.start()
        # addCleanup's functions run in reverse order: shutdown is the first
        for end in (thread.join, bad.server_close, bad.shutdown):
            self.addCleanup(end)
        with self.assertRaisesRegex(AssertionError, "from byte 4088 on"):
            with load.held(lambda: echo.direct(bad.server_address[1])):
                pass

    def test_values(self) -> None:
        load = store.StoreLoad(sizes=SIZES, clients=2, rounds=2)
        with load.held(lambda port: _Memory(), 0):
            pass
        with self.assertRaisesRegex(AssertionError, "1-0: .* from byte 69999 on"):
            with load.held(lambda port: _Memory(spoils="1-0"), 0):
                pass
        with self.assertRaisesRegex(AssertionError, "0-1 outlives its end"):
            with load.held(lambda port: _Memory(keeps="0-1"), 0):
                pass

    def test_messages(self) -> None:
        load = mqtt.MqttLoad(sizes=SIZES)
        payload = bodies.value("topic/1 3", SIZES[1])
        load.check(("topic/1", payload), "topic/1", 3)
        for wrong in (("topic/2", payload), ("topic/1", payload[:-1]), ("topic/1", b"")):
            with self.assertRaises(AssertionError):
                load.check(wrong, "topic/1", 3)

    def test_texts(self) -> None:
        load = dns.Load(sizes=(9,))
        question = dns.Question(dns.name(9))
        flags, got = question.read(_txt_answer(question, dns.text(9)))
        load.check(9, flags, got)
        for other in (dns.text(8), dns.text(9)[:-1] + "?", ""):
            with self.assertRaises(dns.WrongAnswer):
                load.check(9, *question.read(_txt_answer(question, other)))
        for flag in (dns.TRUNCATED, dns.NO_SUCH_NAME):
            with self.assertRaises(dns.WrongAnswer):
                load.check(9, flags | flag, got)
        with self.assertRaisesRegex(dns.WrongAnswer, "another question"):
            dns.Question(dns.name(9)).read(_txt_answer(question, dns.text(9)))

    def test_cached(self) -> None:
        place = mock.Mock()
        for asked in ({"/bytes/1": 1, "/bytes/2": 2}, {"/bytes/1": 1}):
            place.origin.asked = asked
            load = mock.MagicMock(sizes=(1, 2))
            with self.assertRaisesRegex(AssertionError, "the cache asked"):
                with traffic.cached(load)(place):
                    pass

    def test_sessions(self) -> None:
        for change, words in (("", ""), (".replace(b'ab', b'AB')", "from byte"), ("[:-1]", "bytes came")):
            echo_all = f"import sys; sys.stdout.buffer.write(sys.stdin.buffer.read(8){change})"
            with mock.patch("harness.ssh._command", lambda *_: [sys.executable, "-c", echo_all]):
                session = ssh.Session(mock.Mock())
            self.addCleanup(session.destroy)
            with self.assertRaisesRegex(AssertionError, words) if words else contextlib.nullcontext():
                session.echo(b"abcdefgh")

    def test_times(self) -> None:
        def answer(**changed: int) -> bytes:
            parts = {"head": 0x24, "stratum": 8, "origin": 7, "arrived": 8, "sent": 9} | changed
            head, stratum, *times = parts.values()
            return ntp.ANSWER.pack(head, stratum, 6, -20, bytes(20), *times)

        ntp.check(answer(), 7)
        wrong = ({"head": 0x23}, {"stratum": 0}, {"origin": 6}, {"arrived": 0}, {"arrived": 10})
        for change in wrong:
            with self.subTest(**change), self.assertRaises(ntp.WrongAnswer):
                ntp.check(answer(**change), 7)
        with self.assertRaisesRegex(ntp.WrongAnswer, "47 bytes"):
            ntp.check(answer()[:-1], 7)

    def test_files(self) -> None:
        load = ftp.Load(sizes=SIZES, sessions=2, rounds=2)
        faults = {"": "", "spoils": "file-1-0 .* from byte 69999 on", "keeps": "the files are"}
        for fault, words in faults.items():
            kept: dict[str, bytes] = {}
            with mock.patch("harness.ftp.Client", lambda _port: _Files(kept, fault)):
                with self.assertRaisesRegex(AssertionError, words) if words else contextlib.nullcontext():
                    with load.held(0):
                        pass

    def test_pack(self) -> None:
        for stream in (b"0008NAK\n", b"0000", b"0009\1PACK", b"0009\1PACK001d\1" + 24 * b"x"):
            with self.subTest(stream=stream), self.assertRaisesRegex(AssertionError, "digest"):
                git.check_pack(stream)


def _txt_answer(question: dns.Question, text: str) -> bytes:
    wire = question.wire()
    end = 12 + wire[12:].index(b"\0") + 5  # the offset in the message at which its question ends
    data = b"\0040000" + bytes([len(text)]) + text.encode()
    head = wire[:2] + struct.pack("!5H", dns.RESPONSE, 1, 1, 0, 0)
    record = struct.pack("!3HIH", 0xC00C, dns.TXT, dns.IN, 60, len(data))
    return head + wire[12:end] + record + data


class _Files:
    """Stands in for an FTP client, with a fault: a file comes back changed, or a file is not deleted."""

    def __init__(self, kept: dict[str, bytes], fault: str) -> None:
        self._kept, self._fault = kept, fault

    def store(self, name: str, content: bytes) -> None:
        spoilt = self._fault == "spoils" and name == "file-1-0"
        self._kept[name] = content[:-1] + b"?" if spoilt else content

    def retrieve(self, name: str) -> bytes:
        return self._kept[name]

    def nlst(self) -> list[str]:
        return list(self._kept)

    def delete(self, name: str) -> None:
        if self._fault != "keeps":
            del self._kept[name]

    def quit(self) -> None:
        """Does nothing, because there is no session to end."""

    def close(self) -> None:
        """Does nothing, because there is no connection to close."""


class _Memory:
    """Stands in for a client of a server that stores values, with a fault: a value is changed or not deleted."""

    values: dict[str, bytes] = {}

    def __init__(self, spoils: str = "", keeps: str = "") -> None:
        self._spoils, self._keeps = spoils, keeps

    def put(self, key: str, value: bytes) -> None:
        self.values[key] = value[:-1] + b"?" if key == self._spoils else value

    def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    def drop(self, key: str) -> None:
        if key != self._keeps:
            del self.values[key]

    def close(self) -> None:
        """Does nothing, because there is no connection to close."""


class Processes(unittest.TestCase):
    def test_descendants_and_start_times(self) -> None:
        command = ["sh", "-c", "sh -c 'echo $$; read line'; :"]
        shell = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with shell:
            assert shell.stdin is not None and shell.stdout is not None
            grandchild = int(shell.stdout.readline())
            self.assertEqual(processes.descendants(shell.pid), [grandchild])
            self.assertIn(shell.pid, processes.children(os.getpid()))
            self.assertIsNotNone(processes.start_time(grandchild))
            shell.stdin.close()
            waiting.until(lambda: processes.start_time(shell.pid) is None, "a zombie has no start time")
        self.assertEqual(processes.descendants(shell.pid), [])

    def test_signals_by_name(self) -> None:
        self.assertEqual(signal_number("SIGUSR1"), signal.SIGUSR1)
        self.assertEqual(signal_number("SIGRTMIN+5"), signal.SIGRTMIN + 5)


@contextlib.contextmanager
def no_traffic(place: Place) -> Iterator[None]:
    yield


# A server that accepts connections and does nothing more. It may have a child in a session of its own. SIGTERM ends the
# server, but not this child.
SERVER = """
import signal, socket, subprocess, sys
child = None
if {child}:
    # Once it says something the library in it has been born, and a signal finds its handler.
    idle = "import time; print(flush=True); time.sleep(60)"
    options = dict(stdout=subprocess.PIPE, start_new_session=True)
    child = subprocess.Popen([sys.executable, "-c", idle], **options)
    child.stdout.readline()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
signal.signal(signal.SIGTERM, lambda *_: sys.exit({status}))
print(child.pid if child else 0, flush=True)
while True:
    listener.accept()[0].close()
"""


def row_of(child: bool = False, status: int = 0, **changed) -> Row:
    text = SERVER.format(child=child, status=status)
    row = {
        "name": "listener",
        "packages": ("python3",),
        "command": f"@python@ -c '{text}' @port@",
        "traffic": no_traffic,
        "processes": 1 + child,
        "requests": 0,
        "keeps": "it has no traffic",
        "share": 0.0,
        "own": Own("goes on", effects.goes_on),
    }
    return Row(**row | changed)


class Rows(TableCase):
    """Tests that the checks fail for a row that promises too much, and for a row whose server ends badly."""

    def begin(self, row: Row, asks: str) -> Running:
        self.running = super().begin(row, asks)
        return self.running

    def take_charge(self, server: Server) -> Server:
        """Unlike ServerCase, does not fail if the test has not waited for the server's end."""
        self.addCleanup(server.destroy)
        return server

    def assert_fails(self, words: str, row: Row) -> None:
        with mock.patch("harness.table.SETTLE_SECONDS", 0.1):
            with self.assertRaisesRegex(AssertionError, words):
                self.serve(row)

    def test_serves(self) -> None:
        self.serve(row_of())

    def test_takes_the_signal(self) -> None:
        self.signal(row_of())

    def test_sees_how_it_ends(self) -> None:
        self.assert_fails("exit status of listener", row_of(status=3))

    def test_sees_a_process_too_few(self) -> None:
        self.assert_fails("listener has 2 processes", row_of(processes=2))

    def test_sees_guests_that_do_not_come(self) -> None:
        self.assert_fails("processes at work", row_of(guests=1))

    def test_sees_too_little_work(self) -> None:
        self.assert_fails("too few requests", row_of(requests=1_000_000))

    def test_sees_too_small_a_share(self) -> None:
        self.assert_fails("100.5", row_of(share=100.5))

    def test_sees_what_is_left_behind(self) -> None:
        self.assert_fails("left processes behind", row_of(child=True))
        os.kill(int(self.running.server.first_line()), signal.SIGKILL)

    def test_sees_a_signal_without_effect(self) -> None:
        with mock.patch("harness.effects.EFFECT_SECONDS", 0.1):
            with self.assertRaisesRegex(AssertionError, "stops listening"):
                self.signal(row_of(own=Own("ends", effects.stops_listening, ends_it=True)))
