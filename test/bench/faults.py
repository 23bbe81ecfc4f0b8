# Counts the page faults that processes take, by perf: those that trap, not every page that comes.
# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's own count of a process, minflt in /proc/PID/stat, grows by each page that a system
call populates as well, though nobody waits in a trap for it. perf's event page-faults does not."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from measure import Failed

PATIENCE_SECONDS = 20
_EVENT = "page-faults"


@dataclass
class Taken:
    """Of all threads of some processes, those that they start included; None until all is over, or
    where none can be counted."""

    faults: int | None = None

    def figures(self, name: str, factor: float = 1) -> dict[str, float]:
        """The figure of that name, if there is one."""
        return {} if self.faults is None else {name: self.faults * factor}


class _Perf:
    """A perf that is told when to count. It answers each word, so that no fault is missed."""

    def __init__(self, pids: Iterable[int]) -> None:
        words, self._words = os.pipe()
        self._answers, answers = os.pipe()
        command = ["perf", "stat", "--event", _EVENT, "--field-separator", ",", "--delay", "-1"]
        command += ["--control", f"fd:{words},{answers}", "--pid", ",".join(map(str, pids))]
        self._said = tempfile.TemporaryFile(mode="w+")
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                env={**os.environ, "LC_ALL": "C"},
                pass_fds=(words, answers),
            )
        except OSError as error:
            self._close()
            raise Failed(f"perf: {error.strerror}") from error
        finally:
            os.close(words)
            os.close(answers)

    def _close(self) -> None:
        os.close(self._words)
        os.close(self._answers)
        self._said.close()

    def tell(self, word: str) -> None:
        """Returns once it is done. A perf that has ended answers nothing."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._words, f"{word}\n".encode())
        if not os.read(self._answers, len("ack\n")):
            self._process.wait(PATIENCE_SECONDS)
            raise self._failure()

    def _what_it_said(self) -> str:
        self._said.seek(0)
        return self._said.read()

    def _failure(self) -> Failed:
        return Failed(f"perf counts no {_EVENT}: {' '.join(self._what_it_said().split())}")

    def count(self) -> int:
        """Ends it."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE_SECONDS)
        for line in self._what_it_said().splitlines():
            value, *fields = line.split(",")
            if _EVENT in fields and value.isdecimal():
                return int(value)
            if f"{_EVENT}:u" in fields:
                raise Failed("perf may not count those in system calls: kernel.perf_event_paranoid")
        raise self._failure()

    def destroy(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._close()


@contextlib.contextmanager
def _counted(pids: Iterable[int]) -> Iterator[Taken]:
    perf = _Perf(pids)
    try:
        perf.tell("enable")
        taken = Taken()
        yield taken
        perf.tell("disable")
        taken.faults = perf.count()
    finally:
        perf.destroy()


@functools.cache
def why_not() -> str | None:
    """Why none can be counted here, if so: perf is missing, or may not."""
    try:
        with _counted([os.getpid()]):
            pass
    except Failed as error:
        return str(error)
    return None


def counted(pids: Iterable[int]) -> contextlib.AbstractContextManager[Taken]:
    """From here to the end of the block. None, where none can be counted."""
    return _counted(pids) if why_not() is None else contextlib.nullcontext(Taken())
