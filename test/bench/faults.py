# Counts the page faults of processes by perf: only faults that trap, and not every page that is mapped.
# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's own count, minflt in /proc/PID/stat, also includes pages that a system call populates, for which no
thread waits in a trap. perf's event page-faults does not include them."""

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
    """The page faults of all threads of some processes, including threads that start later. The number is None until
    the count is over, or if faults cannot be counted here."""

    faults: int | None = None

    def figures(self, name: str, factor: float = 1) -> dict[str, float]:
        """Returns the number of faults times `factor` under the key `name`, or an empty dictionary if the faults could
        not be counted."""
        return {} if self.faults is None else {name: self.faults * factor}


class _Perf:
    """A running perf that starts to count when it is told so. It acknowledges each word that it is sent, so that no
    fault is missed."""

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
        """Sends a word to perf, and returns when perf has acknowledged it. Fails if perf has ended."""
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
        """Ends perf, and returns the number of faults that it has counted."""
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
    """Returns None if faults can be counted here. Otherwise returns the reason: perf is missing, or is not
    permitted."""
    try:
        with _counted([os.getpid()]):
            pass
    except Failed as error:
        return str(error)
    return None


def counted(pids: Iterable[int]) -> contextlib.AbstractContextManager[Taken]:
    """Counts the faults inside the `with` statement. The number in the result stays None if faults cannot be counted
    here."""
    return _counted(pids) if why_not() is None else contextlib.nullcontext(Taken())
