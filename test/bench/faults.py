# Counts the page faults of processes by perf. Only faults that interrupt a thread count, and not every page that the
# kernel maps.
# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's own count, minflt in /proc/PID/stat, also has pages that a system call populates, and no thread is
interrupted for these. perf's event page-faults does not have them."""

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
    """How many page faults all threads of some processes have taken, including threads that start during the count.
    `faults` is None until the count ends, and stays None if faults cannot be counted on this machine."""

    faults: int | None = None

    def figures(self, name: str, factor: float = 1) -> dict[str, float]:
        """Returns a dictionary with the number of faults times `factor` under the key `name`, or an empty one if faults
        could not be counted."""
        return {} if self.faults is None else {name: self.faults * factor}


class _Perf:
    """A running perf that begins to count when it gets a command to do so. perf answers each command when it has
    carried it out, so no fault after the answer is missed."""

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
        """Sends a command to perf, and returns when perf has answered that the command is carried out. Raises an error
        if perf has ended."""
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
        """Ends perf, and returns how many faults it has counted."""
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
    """Returns None if perf can count faults on this machine, and otherwise the reason why not: perf is missing, or the
    kernel does not permit it."""
    try:
        with _counted([os.getpid()]):
            pass
    except Failed as error:
        return str(error)
    return None


def counted(pids: Iterable[int]) -> contextlib.AbstractContextManager[Taken]:
    """A context manager: counts the faults of these processes while the caller's `with` statement runs. The number in
    the result stays None if faults cannot be counted on this machine."""
    return _counted(pids) if why_not() is None else contextlib.nullcontext(Taken())
