"""A terminal of a given size on a pty, of which the test sees the screen as a person would: a vt100's basics."""
# SPDX-License-Identifier: BSD-2-Clause
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

DEADLINE_SECONDS = 30.0
TOKEN = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>78MEDH]|[\x00-\x1f]|[^\x00-\x1f\x1b]+", re.DOTALL)


class Screen:
    """Rows of characters; what a program writes goes where a terminal would put it."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self.cells = [[" "] * columns for _ in range(lines)]
        self.row = self.column = 0

    def text(self) -> list[str]:
        return ["".join(row).rstrip() for row in self.cells]

    def feed(self, data: bytes) -> bytes:
        """Takes what is whole; returns the rest, which a later part completes."""
        at = 0
        while at < len(data):
            token = TOKEN.match(data, at)
            if token is None:
                return data[at:]
            self._obey(token)
            at = token.end()
        return b""

    def _obey(self, token: re.Match[bytes]) -> None:
        if token[2] is not None:
            self._control(token[2].decode(), [int(n or 0) for n in token[1].strip(b"?").split(b";")])
        elif token[0] == b"\r":
            self.column = 0
        elif token[0] == b"\n":
            self.row = min(self.row + 1, self.lines - 1)
        elif token[0] == b"\b":
            self.column = max(self.column - 1, 0)
        elif token[0][0] >= 0x20:
            self._print(token[0].decode())

    def _print(self, text: str) -> None:
        for character in text:
            if self.column == self.columns:
                self.column, self.row = 0, min(self.row + 1, self.lines - 1)
            self.cells[self.row][self.column] = character
            self.column += 1

    def _control(self, letter: str, numbers: Sequence[int]) -> None:
        first = max(numbers[0], 1)
        if letter == "H":
            self.row = min(first, self.lines) - 1
            self.column = min(max(numbers[1] if len(numbers) > 1 else 1, 1), self.columns) - 1
        elif letter in "ABCD":
            down, right = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}[letter]
            self.row = min(max(self.row + down * first, 0), self.lines - 1)
            self.column = min(max(self.column + right * first, 0), self.columns - 1)
        elif letter == "K":
            start, end = {0: (self.column, self.columns), 1: (0, self.column + 1), 2: (0, self.columns)}[numbers[0]]
            self.cells[self.row][start:end] = [" "] * (end - start)
        elif letter == "J":
            here = self.row * self.columns + self.column
            start = {0: here, 2: 0}[numbers[0]]
            for cell in range(start, self.columns * self.lines):
                self.cells[cell // self.columns][cell % self.columns] = " "


class Terminal:
    """Runs a command in it, stderr apart unless the screen is to have it. To be closed."""

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        columns: int,
        lines: int,
        shows_errors: bool = False,
        directory: Path | None = None,
    ) -> None:
        self.screen = Screen(columns, lines)
        self._rest = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env={**environment, "TERM": "vt100"},
            stdin=slave,
            stdout=slave,
            stderr=slave if shows_errors else subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait_for(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """The first screen of which it holds; at the deadline, an error that shows the last one."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not holds(self.screen.text()):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._master], [], [], left)[0]:
                raise AssertionError("no such screen came; the last one:\n" + "\n".join(self.screen.text()))
            try:
                self._rest = self.screen.feed(self._rest + os.read(self._master, 65536))
            except OSError as error:
                raise AssertionError("the program ended; its last screen:\n" + "\n".join(self.screen.text())) from error
        return self.screen.text()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        os.close(self._master)
