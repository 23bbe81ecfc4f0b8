"""A client for DNS over UDP and TCP, and a load of TXT records of many sizes. The text of each record is compared."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import itertools
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import bodies
from .place import Place

TIMEOUT_SECONDS = 30
ZONE = "test"
TXT, OPT, IN = 16, 41, 1
RESPONSE, TRUNCATED, NO_SUCH_NAME = 0x8000, 0x0200, 3
# In bytes: the largest string in a TXT record, the largest record, and the largest datagram. The server cuts off an
# answer by UDP that is larger than a datagram. Such a text is compared only in the answer to the question by TCP.
STRING, RECORD = 250, 4000
DATAGRAM = 1232
_NUMBERS = itertools.count(1)


class WrongAnswer(AssertionError):
    """Raised for an answer that does not match its question, or whose content is wrong."""


def text(size: int) -> str:
    """Returns a text of `size` letters and digits. The text is different for each size."""
    return bodies.value("text", (size + 1) // 2).hex()[:size]


def name(size: int) -> str:
    return f"of-{size}.{ZONE}"


def prepare(sizes: Sequence[int]):
    """Returns a function that writes data/records.conf, a zone with records of these sizes, in the form that unbound
    reads."""

    def write(place: Place) -> None:
        lines = [f'local-zone: "{ZONE}." static']
        for size in sizes:
            for number, piece in enumerate(_pieces(text(size), RECORD)):
                # each string begins with a number, because the server may send the records in any order
                strings = [f"{number:04}", *_pieces(piece, STRING)]
                words = " ".join(f'"{string}"' for string in strings)
                lines.append(f"local-data: '{name(size)}. 60 IN TXT {words}'")
        (place.data / "records.conf").write_text("server:\n" + "\n".join(lines) + "\n")

    return write


def _pieces(whole: str, size: int) -> list[str]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _wire_name(of: str) -> bytes:
    labels = (label.encode() for label in of.split("."))
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


class Question:
    """A DNS question for the TXT records of the name `of`."""

    def __init__(self, of: str) -> None:
        self.number = next(_NUMBERS) & 0xFFFF
        self._question = _wire_name(of) + struct.pack("!HH", TXT, IN)
        self.of = of

    def wire(self) -> bytes:
        options = b"\0" + struct.pack("!HHIH", OPT, DATAGRAM, 0, 0)
        return struct.pack("!6H", self.number, 0, 1, 0, 0, 1) + self._question + options

    def read(self, answer: bytes) -> tuple[int, str]:
        """Returns the flags of an answer, and the text in its records. Raises WrongAnswer if the answer belongs to
        another question."""
        number, flags, questions, records, _, _ = struct.unpack_from("!6H", answer)
        at = 12 + len(self._question)
        if (number, questions, answer[12:at]) != (self.number, 1, self._question):
            raise WrongAnswer(f"an answer to another question than {self.of}: {answer[:40]!r}")
        if not flags & RESPONSE:
            raise WrongAnswer(f"no response to {self.of}")
        pieces = {}
        for _ in range(records):
            at += 2 if answer[at] >= 0xC0 else len(_wire_name(self.of))
            kind, _, _, size = struct.unpack_from("!HHIH", answer, at)
            at += 10
            if kind != TXT:
                raise WrongAnswer(f"a record of kind {kind} for {self.of}")
            index, *strings = _strings(answer[at : at + size])
            pieces[index] = "".join(strings)
            at += size
        return flags, "".join(pieces[index] for index in sorted(pieces))


def _strings(data: bytes) -> Iterator[str]:
    at = 0
    while at < len(data):
        yield data[at + 1 : at + 1 + data[at]].decode()
        at += 1 + data[at]


class Stream:
    """A connection for DNS over TCP, which is kept open for several questions."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._reader = self._socket.makefile("rb")

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def send(self, question: Question) -> None:
        wire = question.wire()
        self._socket.sendall(struct.pack("!H", len(wire)) + wire)

    def receive(self, question: Question) -> tuple[int, str]:
        head = self._reader.read(2)
        if len(head) != 2:
            raise ConnectionError("the DNS server closed the connection")
        (size,) = struct.unpack("!H", head)
        return question.read(self._reader.read(size))


class Datagrams:
    """A socket for DNS over UDP. On the loopback interface a datagram is lost only if the socket's queue is full."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(TIMEOUT_SECONDS)
        self._socket.connect(("127.0.0.1", port))

    def close(self) -> None:
        self._socket.close()

    def ask(self, question: Question) -> tuple[int, str]:
        self._socket.send(question.wire())
        return question.read(self._socket.recv(1 << 16))


@dataclass(frozen=True)
class Load:
    """A load of `connections` clients. In each of `rounds` rounds every client sends one question by TCP, and the same
    question is also sent by UDP."""

    sizes: Sequence[int]
    connections: int = 8
    rounds: int = 12

    @contextlib.contextmanager
    def held(self, port: int) -> Iterator[None]:
        with contextlib.ExitStack() as stack:

            def opened(client):
                stack.callback(client.close)
                return client

            streams = [opened(Stream(port)) for _ in range(self.connections)]
            datagrams = opened(Datagrams(port))
            for number in range(self.rounds):
                self._round(number, streams, datagrams)
            yield

    def _round(self, number: int, streams: Sequence[Stream], datagrams: Datagrams) -> None:
        plan = []
        for index, stream in enumerate(streams, start=number):
            size = self.sizes[index % len(self.sizes)]
            question = Question(name(size))
            stream.send(question)
            plan.append((stream, question, size))
            self._ask_by_datagram(datagrams, size)
        for stream, question, size in plan:
            self.check(size, *stream.receive(question))
        flags, nothing = datagrams.ask(Question(f"absent-{number}.{ZONE}"))
        if flags & 15 != NO_SUCH_NAME or nothing:
            raise WrongAnswer(f"flags {flags:x} and {nothing!r} for a name that is not there")

    def _ask_by_datagram(self, datagrams: Datagrams, size: int) -> None:
        flags, got = datagrams.ask(Question(name(size)))
        if size < DATAGRAM // 2 or not flags & TRUNCATED:
            self.check(size, flags, got)

    def check(self, size: int, flags: int, got: str) -> None:
        wrong = bodies.difference(got.encode(), text(size).encode())
        if flags & (TRUNCATED | 15) or wrong:
            raise WrongAnswer(f"{name(size)}, flags {flags:x}: {wrong}")
