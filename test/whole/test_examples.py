"""Runs the programs of doc/examples in the way that their comments describe, with the library preloaded and without
it."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import re
import socket
import socketserver
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from support import settings

# An example must have fewer lines than this, so that a reader can begin a program of his own with a copy of it.
LINES_MAX = 150
SOURCES = Path(__file__).resolve().parents[2] / "doc" / "examples"
ANSWER_SECONDS = 60


def example(name: str) -> str:
    """Returns the path of the program `name` that was built from the sources in doc/examples."""
    path = Path(os.environ["SOCKMALLOC_BUILD"]) / "doc" / "examples" / name
    if not os.access(path, os.X_OK):
        raise settings.Missing(f"{path} is not there; build first")
    return str(path)


class Length(unittest.TestCase):
    def test_each_is_short(self) -> None:
        sources = sorted(SOURCES.glob("*.c"))
        self.assertTrue(sources)
        for source in sources:
            self.assertLess(len(source.read_text().splitlines()), LINES_MAX, source.name)


class Example(unittest.TestCase):
    def start(self, *command: str, preloaded: bool = True, stdin: int | None = None) -> subprocess.Popen[str]:
        variables = settings.environment({}, None if preloaded else [])
        process = subprocess.Popen(command, env=variables, stdin=stdin, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


class Datagrams(Example):
    """Tests an example server, which sends each answer again until the client acknowledges it. The client sends
    QUESTIONS questions, acts as if the first answer to each were lost, and acknowledges the second."""

    QUESTIONS = 20

    def serve(self, preloaded: bool) -> tuple[int, int]:
        """Sends questions to the server. The server keeps a record of the delivery of each answer. Returns two figures
        that the server prints: how many records lay inside the buffers of their datagrams, and how many elsewhere."""
        process = self.start(example("datagrams"), preloaded=preloaded)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(ANSWER_SECONDS)
            client.connect(("127.0.0.1", port))
            seen: dict[bytes, int] = {}
            questions = [number.to_bytes(4, "little") + bytes([number]) * 300 * number
                         for number in range(self.QUESTIONS)]
            for question in questions:
                client.send(b"?" + question)
            while len(seen) < self.QUESTIONS or min(seen.values()) < 2:
                answer = client.recv(10000)
                self.assertEqual(answer[:1], b"=")
                self.assertIn(answer[1:], questions)
                seen[answer[1:5]] = seen.get(answer[1:5], 0) + 1
                if seen[answer[1:5]] > 1:
                    client.send(b"!" + answer[1:5])
        said = re.fullmatch(r"(\d+) records in datagrams, (\d+) elsewhere\n", process.communicate()[0])
        assert said is not None
        self.assertEqual(process.returncode, 0)
        return int(said[1]), int(said[2])

    def test_records_lie_in_the_datagrams(self) -> None:
        self.assertEqual(self.serve(preloaded=True), (self.QUESTIONS, 0))

    def test_it_serves_without_the_library(self) -> None:
        self.assertEqual(self.serve(preloaded=False), (0, self.QUESTIONS))


class Relay(Example):
    """A relay is a process that sends on all messages that it receives. MESSAGES messages of many sizes pass through
    it, and must arrive in the order in which they were sent."""

    MESSAGES = 300

    def relay(self, *command: str) -> tuple[subprocess.Popen[str], socket.socket, socket.socket]:
        """Starts the relay `command`. Returns its process, the socket from which it receives, and the socket to which
        it sends."""
        directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        name, *more = command
        listener = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        listener.bind(str(directory / "out"))
        listener.listen()
        listener.settimeout(ANSWER_SECONDS)
        process = self.start(example(name), str(directory / "in"), str(directory / "out"), *more)
        output = self.enterContext(listener.accept()[0])
        client = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        # the client can connect to the relay's input, because the relay listens there before it connects to its output,
        # which it has done by now
        client.connect(str(directory / "in"))
        output.settimeout(ANSWER_SECONDS)
        return process, client, output

    def passed(self, *command: str) -> str:
        """Sends many messages through a relay, checks that they arrive, and returns the text that the relay prints at
        its end."""
        process, client, output = self.relay(*command)
        sizes = [1 + number * number % 65536 for number in range(self.MESSAGES)]
        sent = [bytes([1 + number % 255]) * size for number, size in enumerate(sizes)]
        feeder = threading.Thread(target=lambda: (*map(client.send, sent), client.close()))
        feeder.start()
        for message in sent:
            self.assertEqual(output.recv(70000), message)
        feeder.join()
        said = process.communicate()[0]
        self.assertEqual(process.returncode, 0)
        return said

    def test_nothing_is_copied(self) -> None:
        said = self.passed("relay")
        self.assertRegex(said, rf"^{self.MESSAGES} messages, \d+ bytes, 0 bytes copied, \d+ us of CPU\n$")

    def test_the_relay_that_copies(self) -> None:
        said = re.fullmatch(r"(\d+) messages, (\d+) bytes, (\d+) bytes copied, .*\n", self.passed("relay", "copy"))
        assert said is not None
        self.assertEqual(int(said[3]), 2 * int(said[2]))

    def test_a_ring_between_two_processes(self) -> None:
        self.assertEqual(self.passed("relay_ring"), f"{self.MESSAGES} messages through the ring, 0 of them lost\n")

    def test_a_sender_that_dies(self) -> None:
        """A relay has a receiving and a sending process. The sending process dies. The receiving process must notice
        the death, and free two kinds of messages in the ring: those that the dead process was using, and those that the
        dead process had not yet taken from the ring."""
        process, client, output = self.relay("relay_ring")
        output.close()  # from now on the relay cannot send, so its sending process ends
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            while True:
                client.send(bytes(1000))
        said = re.fullmatch(r"(\d+) messages through the ring, (\d+) of them lost\n", process.communicate()[0])
        assert said is not None
        self.assertGreater(int(said[2]), 0)
        self.assertEqual(process.returncode, 1)


class EchoCase(Example):
    """Several clients connect to an echo server at once. Each must get back the bytes that it sends. SIZES has numbers
    of bytes below, equal to and above the size of the server's buffer, 16384 bytes."""

    SIZES = (1, 5000, 16384, 16385, 200_000)
    CLIENTS = 20

    def echo(self, client: socket.socket, size: int) -> None:
        sent = os.urandom(size)
        feeder = threading.Thread(target=client.sendall, args=(sent,))
        feeder.start()
        got = bytearray()
        while len(got) < size:
            part = client.recv(size - len(got))
            self.assertTrue(part)
            got += part
        feeder.join()
        self.assertEqual(bytes(got), sent)

    def echo_all(self, process: subprocess.Popen[str]) -> None:
        """Connects all clients to the echo server at once, and checks that each gets back the bytes that it sends. The
        server prints its port as its first line."""
        assert process.stdout is not None
        address = ("127.0.0.1", int(process.stdout.readline()))
        clients = [self.enterContext(socket.create_connection(address)) for _ in range(self.CLIENTS)]
        for client in clients:
            client.settimeout(ANSWER_SECONDS)
        for size in self.SIZES:
            for client in clients:
                self.echo(client, size)
        for client in clients:
            client.close()


class Uring(EchoCase):
    def setUp(self) -> None:
        makefile = (Path(os.environ["SOCKMALLOC_BUILD"]) / "Makefile").read_text()
        if re.search(r"^HAVE_LIBURING_TRUE = #$", makefile, re.MULTILINE):
            self.skipTest("built without Debian's liburing-dev")
        probe = subprocess.run([settings.program("pinned")], capture_output=True, text=True)
        if probe.returncode != 0:
            self.skipTest(f"the kernel lets no process here use io_uring: {probe.stderr.strip()}")

    def test_echo(self) -> None:
        process = self.start(example("echo_uring"), stdin=subprocess.PIPE)
        self.echo_all(process)
        process.communicate()
        self.assertEqual(process.returncode, 0)


class Proxy(EchoCase):
    """Tests a proxy, which passes on all bytes between a client and an echo server. AREA is the size in bytes of the
    memory from which all buffers of the proxy come."""

    AREA = 2 << 20

    def target(self) -> int:
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), SendBack)
        server.daemon_threads = True
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    def test_all_of_its_buffers_lie_in_the_area(self) -> None:
        process = self.start(example("proxy"), str(self.target()), stdin=subprocess.PIPE)
        self.echo_all(process)
        used = int(process.communicate()[0])
        self.assertGreater(used, 0)
        self.assertLessEqual(used, self.AREA)

    def test_bad_input(self) -> None:
        for arguments in ((), ("0",), ("no",)):
            done = subprocess.run([example("proxy"), *arguments], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (2, "usage: proxy PORT\n"))


class SendBack(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while part := self.request.recv(65536):
            self.request.sendall(part)


if __name__ == "__main__":
    unittest.main()
