"""A client for MQTT 3.1.1, which uses Debian's python3-paho-mqtt. Every message that it sends or receives is
acknowledged."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paho.mqtt import client as paho

from . import bodies

TIMEOUT_SECONDS = 30
AT_LEAST_ONCE = 1  # MQTT's quality of service 1: each message is acknowledged, and arrives at least once


class Mqtt:
    """The session of an MQTT client. When the session ends, the server forgets it. The client has a thread of its own,
    which receives."""

    def __init__(self, port: int, name: str) -> None:
        self._messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self._acknowledged: queue.Queue[int] = queue.Queue()
        self._client = paho.Client(name, protocol=paho.MQTTv311)
        self._client.on_connect = lambda _client, _data, _flags, code: self._acknowledged.put(code)
        self._client.on_subscribe = lambda _client, _data, number, _granted: self._acknowledged.put(number)
        self._client.on_message = lambda _client, _data, message: self._messages.put(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._expect(0)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, topic: str) -> None:
        _, number = self._client.subscribe(topic, AT_LEAST_ONCE)
        self._expect(number)

    def publish(self, topic: str, payload: bytes) -> None:
        """Sends a message, and returns when the server has acknowledged it."""
        sent = self._client.publish(topic, payload, AT_LEAST_ONCE)
        sent.wait_for_publish(TIMEOUT_SECONDS)
        if not sent.is_published():
            raise AssertionError(f"the MQTT server did not acknowledge a message under {topic}")

    def receive(self) -> tuple[str, bytes]:
        """Waits for a message, and returns its topic and its content. paho, the client's library, acknowledges each
        message by itself."""
        message = self._messages.get(timeout=TIMEOUT_SECONDS)
        return message.topic, message.payload

    def _expect(self, wanted: int) -> None:
        got = self._acknowledged.get(timeout=TIMEOUT_SECONDS)
        if got != wanted:
            raise AssertionError(f"the MQTT server acknowledged {got} instead of {wanted}")


@dataclass(frozen=True)
class MqttLoad:
    """A load of messages: each message goes to every subscriber of its topic, and each subscriber checks its
    content."""

    sizes: Sequence[int]
    topics: int = 4
    subscribers: int = 3
    rounds: int = 12

    def messages(self) -> int:
        return self.topics * self.rounds

    @contextlib.contextmanager
    def held(self, port: int) -> Iterator[None]:
        """A context manager: sends and compares all messages, and keeps the connections open until the caller's `with`
        statement ends."""
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
