"""Runs a program on a terminal of a given size. The module pyte emulates the terminal's screen, so that a test sees the
text and colours that a user would see."""
# SPDX-License-Identifier: BSD-2-Clause
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

# The time limit of a wait, in seconds. A program draws its screen within milliseconds, but on a busy machine it may
# need much longer.
DEADLINE_SECONDS = 120.0


class Terminal:
    """Runs a command on the terminal. If `shows_errors` is false, the command's stderr goes to a pipe and not to the
    screen. The caller must close the terminal after use."""

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        columns: int,
        lines: int,
        shows_errors: bool = False,
        directory: Path | None = None,
        name: str = "vt100",
    ) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env={**environment, "TERM": name},
            stdin=slave,
            stdout=slave,
            stderr=slave if shows_errors else subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def text(self) -> list[str]:
        """Returns the rows of the screen, each without the blanks at its end."""
        return [row.rstrip() for row in self._screen.display]

    def colours(self, row: int) -> set[str]:
        """Returns the colours of the letters in the given row of the screen."""
        return {self._screen.buffer[row][column].fg for column in range(self._screen.columns)}

    def wait_for(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """Waits until `holds` returns true for a screen, and returns this screen. If that takes too long, raises an
        error that shows the last screen. Programs draw a screen in parts, so only the rows that `holds` checks are
        known to be complete."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not holds(self.text()):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._master], [], [], left)[0]:
                raise AssertionError("no such screen came; the last one:\n" + "\n".join(self.text()))
            try:
                self._stream.feed(os.read(self._master, 65536))
            except OSError as error:
                raise AssertionError("the program ended; its last screen:\n" + "\n".join(self.text())) from error
        return self.text()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        os.close(self._master)
