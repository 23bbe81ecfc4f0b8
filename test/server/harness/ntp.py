"""A load for an NTP server: the server gets one question from each of many addresses, and each of its answers is
checked."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from . import waiting
from .place import CommandFailed, Place

TIMEOUT_SECONDS = 10
# The fields of a question: one byte with leap, version and mode; one byte each for the stratum, the poll interval and
# the precision; fields for which a client has no values; and the time at which the question was sent. An answer repeats
# this time, and has the times at which the question arrived and the answer was sent.
PACKET = struct.Struct("!BBbb36sQ")
ANSWER = struct.Struct("!BBbb20sQQQ")
VERSION, CLIENT, SERVER = 4 << 3, 3, 4
STRATUM = 8
ADDRESSES_PER_BLOCK = 250
RECEIVED = re.compile(r"^NTP packets received\s*:\s*(\d+)$", re.MULTILINE)


class WrongAnswer(AssertionError):
    """Raised for an answer that belongs to another question, or whose content is wrong."""


def make_directory(place: Place) -> None:
    """Makes a directory for a socket, which only the owner and the owner's group may enter."""
    place.run("mkdir --mode=750 inside")


def received(place: Place) -> int:
    """Returns how many questions the server has received. chronyc, the server's own client, requests this number."""
    text = waiting.until(lambda: _statistics(place), "chronyd answers chronyc")
    found = RECEIVED.search(text)
    if found is None:
        raise WrongAnswer(f"no number of packets in {text!r}")
    return int(found[1])


def _statistics(place: Place) -> str | None:
    """Returns the text of the server's counters, or None if chronyc failed: it gives up after a few seconds without an
    answer, which may pass on a busy machine."""
    try:
        return place.run("chronyc -h @data@/inside/chronyd.sock serverstats")
    except CommandFailed:
        return None


def _ask(port: int, number: int) -> None:
    block, host = divmod(number, ADDRESSES_PER_BLOCK)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(TIMEOUT_SECONDS)
        client.bind((f"127.1.{block}.{host + 1}", 0))
        client.connect(("127.0.0.1", port))
        mine = 0x5AFE << 48 | number
        client.send(PACKET.pack(VERSION | CLIENT, 0, 6, 0, bytes(36), mine))
        answer = client.recv(1024)
    check(answer, mine)


def check(answer: bytes, mine: int) -> None:
    """Checks the answer to the question that was sent with the time `mine`."""
    if len(answer) != ANSWER.size:
        raise WrongAnswer(f"an answer of {len(answer)} bytes to question {mine:x}")
    head, stratum, _, _, _, origin, arrived, sent = ANSWER.unpack(answer)
    if (head & 63, stratum, origin) != (VERSION | SERVER, STRATUM, mine):
        raise WrongAnswer(f"{head:x}, stratum {stratum}, origin {origin:x} to question {mine:x}")
    if not arrived or arrived > sent:
        raise WrongAnswer(f"question {mine:x} came at {arrived:x} and was answered at {sent:x}")


@dataclass(frozen=True)
class Load:
    """A load of one question from each of `addresses` addresses. The server remembers each address in a table, which
    grows with each new address."""

    addresses: int

    @contextlib.contextmanager
    def held(self, place: Place) -> Iterator[None]:
        before = received(place)
        for number in range(self.addresses):
            _ask(place.port, number)
        counted = received(place) - before
        if counted != self.addresses:
            raise WrongAnswer(f"the server counted {counted} of {self.addresses} questions")
        yield
