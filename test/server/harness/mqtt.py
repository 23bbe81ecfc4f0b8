"""A client for MQTT 3.1.1, for publishing and subscribing with acknowledgement only."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import bodies

TIMEOUT_SECONDS = 30

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, DISCONNECT = 1, 2, 3, 4, 8, 9, 14
AT_LEAST_ONCE = 1 << 1  # the quality of service "at least once", as it stands in the flags of PUBLISH


class Mqtt:
    """The session of a client. The server forgets the session when it ends."""

    def __init__(self, port: int, name: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")
        self._number = 0
        clean, keep_alive = 2, 60
        body = _text("MQTT") + struct.pack("!BBH", 4, clean, keep_alive) + _text(name)
        self._send(CONNECT, 0, body)
        self._expect(CONNACK, b"\0\0")

    def close(self) -> None:
        self._send(DISCONNECT, 0, b"")
        self._reader.close()
        self._socket.close()

    def subscribe(self, topic: str) -> None:
        self._number += 1
        number = struct.pack("!H", self._number)
        self._send(SUBSCRIBE, 2, number + _text(topic) + b"\1")
        self._expect(SUBACK, number + b"\1")

    def publish(self, topic: str, payload: bytes) -> None:
        """Sends a message, and returns when the server has acknowledged it."""
        self._number += 1
        number = struct.pack("!H", self._number)
        self._send(PUBLISH, AT_LEAST_ONCE, _text(topic) + number + payload)
        self._expect(PUBACK, number)

    def receive(self) -> tuple[str, bytes]:
        """Waits for a message, and acknowledges it."""
        kind, body = self._receive()
        if kind >> 4 != PUBLISH:
            raise AssertionError(f"a packet of kind {kind >> 4} instead of a message")
        (size,) = struct.unpack_from("!H", body)
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        if kind & AT_LEAST_ONCE:
            self._send(PUBACK, 0, rest[:2])
            rest = rest[2:]
        return topic, rest

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        length = bytearray()
        rest = len(body)
        while True:
            rest, low = divmod(rest, 128)
            length.append(low | (128 if rest else 0))
            if not rest:
                break
        self._socket.sendall(bytes([kind << 4 | flags]) + length + body)

    def _receive(self) -> tuple[int, bytes]:
        kind = self._reader.read(1)
        size = shift = 0
        while kind:
            (byte,) = self._reader.read(1) or b"\0"
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        body = self._reader.read(size)
        if not kind or len(body) != size:
            raise ConnectionError("the MQTT server closed the connection")
        return kind[0], body

    def _expect(self, wanted: int, body: bytes) -> None:
        kind, got = self._receive()
        if (kind >> 4, got) != (wanted, body):
            raise AssertionError(f"kind {kind >> 4}, {got[:20]!r} instead of {wanted}, {body!r}")


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text.encode())) + text.encode()


@dataclass(frozen=True)
class MqttLoad:
    """Each message goes to every subscriber of its topic, and each of them compares it."""

    sizes: Sequence[int]
    topics: int = 4
    subscribers: int = 3
    rounds: int = 12

    def messages(self) -> int:
        return self.topics * self.rounds

    @contextlib.contextmanager
    def held(self, port: int) -> Iterator[None]:
        """Sends and compares all messages, and keeps the connections open inside the `with` statement."""
        with contextlib.ExitStack() as stack:

            def connect(name: str) -> Mqtt:
                client = Mqtt(port, name)
                stack.callback(client.close)
                return client

            publisher = connect("publisher")
            topics = [f"topic/{index}" for index in range(self.topics)]
            listeners = [(topic, connect(f"{topic} {index}")) for topic in topics for index in range(self.subscribers)]
            for topic, client in listeners:
                client.subscribe(topic)
            for number in range(self.rounds):
                for topic in topics:
                    publisher.publish(topic, self._payload(topic, number))
                for topic, client in listeners:
                    self.check(client.receive(), topic, number)
            yield

    def _payload(self, topic: str, number: int) -> bytes:
        return bodies.value(f"{topic} {number}", self.sizes[number % len(self.sizes)])

    def check(self, got: tuple[str, bytes], topic: str, number: int) -> None:
        wrong = bodies.difference(got[1], self._payload(topic, number))
        if got[0] != topic or wrong:
            raise AssertionError(f"message {number} of {topic} came under {got[0]}: {wrong}")
