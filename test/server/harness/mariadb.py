"""A client for the protocol of MySQL and MariaDB, which stores values under keys in a table of the server."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import re
import socket
import struct

TIMEOUT_SECONDS = 30
# The features of the protocol that this client announces: version 4.1, secure authentication, and plugins for it.
PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH = 1 << 9, 1 << 15, 1 << 19
CAPABILITIES = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH
LARGEST_PACKET = 0xFFFFFF
BINARY = 63
QUERY, QUIT = b"\3", b"\1"
OK, ERROR, END, NULL = 0, 255, 254, 251
ER_LOCK_DEADLOCK = 1213
# How often a statement is repeated, at most, if InnoDB rolled it back. InnoDB requires its clients to repeat such
# statements.
REPEATS = 100

SPECIAL = re.compile(rb"[\0\n\r'\"\\\x1a]")
NAMES = {0: b"0", 10: b"n", 13: b"r", 26: b"Z"}

DATABASE = "CREATE DATABASE IF NOT EXISTS tests"
TABLE = "CREATE TABLE IF NOT EXISTS tests.store (name VARBINARY(64) PRIMARY KEY, value LONGBLOB)"


class Refused(AssertionError):
    """Raised if the server answered with an error."""


class Deadlock(Refused):
    """Raised if InnoDB rolled the statement back because of a deadlock with another session."""


class MariaDB:
    """A connection to a server that needs no password."""

    def __init__(self, port: int) -> None:
        self._number = 0
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")
        try:
            self._receive()  # the server's greeting
            plugin = b"mysql_native_password\0"
            head = struct.pack("<IIB23x", CAPABILITIES, LARGEST_PACKET, BINARY)
            self._send(head + b"root\0" + b"\0" + plugin)
            answer = self._receive()
            if answer[0] != OK:
                raise AssertionError(f"MariaDB asks for more: {answer[:40]!r}")
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Ends the session, and waits until the server has closed the connection. As for each command, the packet's
        number is 0."""
        self._number = 0
        self._send(QUIT)
        self._reader.read()
        self._reader.close()
        self._socket.close()

    def run(self, statement: str | bytes) -> list[list[bytes | None]]:
        """Runs the statement, and returns the rows of its result."""
        text = statement.encode() if isinstance(statement, str) else statement
        self._number = 0
        self._send(QUERY + text)
        first = self._receive()
        if first[0] == OK:
            return []
        for _ in range(first[0]):  # reads and ignores the packets that describe the result's columns
            self._receive()
        self._expect_end(self._receive())
        rows = []
        while not _ends(packet := self._receive()):
            rows.append(_fields(packet, first[0]))
        return rows

    def put(self, key: str, value: bytes) -> None:
        self._change(b"INSERT INTO tests.store VALUES (%s, %s)" % (_quoted(key.encode()), _quoted(value)))

    def get(self, key: str) -> bytes | None:
        rows = self.run(b"SELECT value FROM tests.store WHERE name = " + _quoted(key.encode()))
        return rows[0][0] if rows else None

    def drop(self, key: str) -> None:
        self._change(b"DELETE FROM tests.store WHERE name = " + _quoted(key.encode()))

    def _change(self, statement: bytes) -> None:
        """Runs a statement that locks rows, and repeats it while InnoDB rolls it back."""
        for _ in range(REPEATS):
            with contextlib.suppress(Deadlock):
                self.run(statement)
                return
        self.run(statement)

    def _send(self, body: bytes) -> None:
        if len(body) >= LARGEST_PACKET:
            raise ValueError(f"{len(body)} bytes would take a second packet")
        self._socket.sendall(struct.pack("<I", len(body) | self._number << 24) + body)
        self._number += 1

    def _receive(self) -> bytes:
        head = self._reader.read(4)
        if len(head) != 4:
            raise ConnectionError("MariaDB closed the connection")
        word = struct.unpack("<I", head)[0]
        size, number = word & LARGEST_PACKET, word >> 24
        body = self._reader.read(size)
        if len(body) != size or number != self._number:
            raise ConnectionError(f"packet {number} instead of {self._number}, {len(body)} of {size} bytes")
        self._number += 1
        if body[0] == ERROR:
            kind = Deadlock if int.from_bytes(body[1:3], "little") == ER_LOCK_DEADLOCK else Refused
            raise kind(body[3:].decode(errors="replace"))
        return body

    def _expect_end(self, packet: bytes) -> None:
        if not _ends(packet):
            raise AssertionError(f"{packet[:40]!r} instead of the end of the columns")


def _quoted(value: bytes) -> bytes:
    """Returns the value as an SQL literal of bytes, to which the server applies no character set."""
    escaped = SPECIAL.sub(lambda match: b"\\" + NAMES.get(match[0][0], match[0]), value)
    return b"_binary'" + escaped + b"'"


def _ends(packet: bytes) -> bool:
    return packet[0] == END and len(packet) < 9


def _fields(packet: bytes, count: int) -> list[bytes | None]:
    fields: list[bytes | None] = []
    at = 0
    for _ in range(count):
        size, width = packet[at], {252: 2, 253: 3, 254: 8}.get(packet[at], 0)
        at += 1
        if size == NULL:
            fields.append(None)
            continue
        if width:
            size = int.from_bytes(packet[at : at + width], "little")
        at += width
        fields.append(packet[at : at + size])
        at += size
    if at != len(packet):
        raise AssertionError(f"a row of {len(packet)} bytes ends after {at}")
    return fields
