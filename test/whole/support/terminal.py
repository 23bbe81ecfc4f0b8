"""A terminal of a given size on a pty, of which the test sees the screen as a person would: pyte emulates it."""
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

# Against a hang alone: a program that works draws within milliseconds, but a busy machine may let it wait.
DEADLINE_SECONDS = 120.0


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
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
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

    def text(self) -> list[str]:
        """The rows of the screen, without the blanks at their ends."""
        return [row.rstrip() for row in self._screen.display]

    def wait_for(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """Returns the first screen of which it holds. At the deadline it raises an error that shows the last one. What
        a program draws comes in parts, so that of a screen only those lines are known to be whole of which `holds`
        asks."""
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
