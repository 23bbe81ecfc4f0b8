"""Runs sessions of Debian's ssh, and copies files by scp, both with a key that the test makes. Every byte that comes
back is compared."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import pwd
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import bodies, settings
from .place import Place

TIMEOUT_SECONDS = 30
# These are the numbers of some types of packets in the SSH protocol. No server knows the type UNKNOWN.
IGNORE, UNIMPLEMENTED, KEX_INIT, UNKNOWN = 2, 3, 20, 15
# If sshd runs as root, it needs this directory. Debian's service makes it before it starts sshd.
SEPARATION = Path("/run/sshd")


def prepare(place: Place) -> None:
    """Makes a key for the server, which the clients will know, and one for the clients, which the server accepts for
    every account."""
    if os.geteuid() == 0:
        SEPARATION.mkdir(mode=0o755, exist_ok=True)
    for name in ("host_key", "client_key"):
        command = [settings.program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", name]
        subprocess.run([*command, "-f", place.directory / name], check=True, timeout=60)
    public = (place.directory / "client_key.pub").read_text()
    (place.directory / "authorized_keys").write_text(public)
    kind, key, _ = (place.directory / "host_key.pub").read_text().split()
    (place.directory / "known_hosts").write_text(f"sshd-under-test {kind} {key}\n")


def _command(place: Place, program: str) -> list[str]:
    """Returns the first words of a command of ssh or scp. They make the program ignore all other configuration and
    trust only the test's server."""
    options = {
        "Port": place.port,
        "HostKeyAlias": "sshd-under-test",
        "IdentityFile": place.directory / "client_key",
        "UserKnownHostsFile": place.directory / "known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
    }
    words = [settings.program(program), "-F", "none"]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return words


def _copy(place: Place, source: str, target: str) -> None:
    command = [*_command(place, "scp"), "-q", source, target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    if done.returncode:
        raise AssertionError(f"scp ended with status {done.returncode}: {done.stderr}")


class Session:
    """A session of ssh that runs cat on the server, so that every byte comes back."""

    def __init__(self, place: Place) -> None:
        account = pwd.getpwuid(os.geteuid()).pw_name
        self._process = subprocess.Popen(
            [*_command(place, "ssh"), f"{account}@127.0.0.1", "exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def echo(self, body: bytes) -> None:
        """Sends the body and compares what comes back. A second thread writes while this one reads, because the buffers
        on the way may be too small for the whole body."""
        writer = threading.Thread(target=self._write, args=(body,))
        writer.start()
        assert self._process.stdout is not None
        got = self._process.stdout.read(len(body))
        writer.join()
        wrong = bodies.difference(got, body)
        if wrong:
            raise AssertionError(f"echo of {len(body)} bytes: {wrong}; ssh: {self._complaint()}")

    def _write(self, body: bytes) -> None:
        assert self._process.stdin is not None
        # this error can be ignored, because the bytes that come back show if something was lost
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(body)
            self._process.stdin.flush()

    def _complaint(self) -> str:
        """Ends a session that has failed, and returns the messages of ssh."""
        self._process.kill()
        assert self._process.stderr is not None
        return self._process.stderr.read().decode()

    def close(self) -> None:
        """Ends the session in the regular way, and checks ssh's exit status."""
        _, complaint = self._process.communicate(timeout=TIMEOUT_SECONDS)
        if self._process.returncode:
            status = self._process.returncode
            raise AssertionError(f"ssh ended with status {status}: {complaint.decode()}")

    def destroy(self) -> None:
        """Kills the session, whatever its state is."""
        self._process.kill()
        self._process.communicate()


class Stranger:
    """A client of sshd that never exchanges keys. So its packets are read by the process that sshd runs in a sandbox
    for clients that have not logged in."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._reader = self._socket.makefile("rb")
        self._packets = 0
        self._socket.sendall(b"SSH-2.0-Stranger\r\n")
        if not self._reader.readline().startswith(b"SSH-2.0-"):
            raise AssertionError("sshd does not greet")
        if self._receive()[0] != KEX_INIT:
            raise AssertionError("sshd does not begin with its proposals")

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def send(self, kind: int, body: bytes = b"") -> None:
        """Sends one packet without encryption. The packet's length is a multiple of eight bytes. Its padding has at
        least four bytes."""
        padding = 4 + -(9 + 1 + len(body)) % 8
        head = struct.pack("!IBB", 2 + len(body) + padding, padding, kind)
        self._socket.sendall(head + body + bytes(padding))
        self._packets += 1

    def ignored(self, size: int) -> None:
        """Sends a packet of the type IGNORE with a body of this size. The server must read and ignore it."""
        self.send(IGNORE, struct.pack("!I", size) + bodies.body(size))

    def check(self) -> None:
        """Sends a packet of an unknown type, and checks the server's answer. The answer names the number of this
        packet, which shows that the server has read all earlier packets."""
        number = self._packets
        self.send(UNKNOWN)
        kind, body = self._receive()
        if (kind, body) != (UNIMPLEMENTED, struct.pack("!I", number)):
            raise AssertionError(f"message {kind}, {body!r} in answer to packet {number}")

    def _receive(self) -> tuple[int, bytes]:
        head = self._reader.read(6)
        if len(head) != 6:
            raise ConnectionError("sshd closed the connection")
        size, padding, kind = struct.unpack("!IBB", head)
        body = self._reader.read(size - 2)
        if len(body) != size - 2:
            raise ConnectionError("sshd closed the connection within a packet")
        return kind, body[: len(body) - padding]


@dataclass(frozen=True)
class Load:
    """A load for sshd: copies `copies` files to the server and back by scp, the first of the first size; then each of
    `sessions` sessions sends bodies of all sizes and gets them back."""

    sizes: Sequence[int]
    sessions: int = 2
    copies: int = 1

    @contextlib.contextmanager
    def held(self, place: Place) -> Iterator[None]:
        """A context manager: makes all copies, and keeps the sessions open until the caller's `with` statement ends."""
        for number in range(self.copies):
            self._there_and_back(place, self.sizes[number % len(self.sizes)])
        with contextlib.ExitStack() as stack:
            sessions = [Session(place) for _ in range(self.sessions)]
            for session in sessions:
                stack.callback(session.destroy)
            for size in self.sizes:
                for session in sessions:
                    session.echo(bodies.body(size))
            yield
            for session in sessions:
                session.close()

    def _there_and_back(self, place: Place, size: int) -> None:
        source, back = place.directory / "source", place.directory / "back"
        content = bodies.value("copy", size)
        source.write_bytes(content)
        remote = f"{place.account}@127.0.0.1:{place.data}/copy"
        _copy(place, str(source), remote)
        _copy(place, remote, str(back))
        wrong = bodies.difference(back.read_bytes(), content)
        if wrong:
            raise AssertionError(f"copy of {size} bytes: {wrong}")
