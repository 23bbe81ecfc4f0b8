"""Starts servants. A servant is a process that has loaded the library and executes the orders of a test. The test sends
signals to the servant, and checks its answers and its stderr."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import selectors
import signal
import subprocess
import tempfile
import unittest
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from . import settings

ANSWER_SECONDS = 300.0


class Silent(AssertionError):
    """Raised if the servant has ended unexpectedly, or has not answered an order in time."""


def default_path(servant: "Servant") -> Path:
    """Returns the path of the file to which the library writes statistics by default when the servant's stderr is no
    longer the file that it was at start."""
    return Path(f"/tmp/sockmalloc.{servant.pid}")


class Servant:
    """A process of one thread, which reads orders and answers them. When the servant answers an order, it has handled
    all signals that were sent before that order. So no test has to sleep for a fixed time."""

    def __init__(self, directory: Path, prepare: Callable[[], None] | None, variables: dict[str, str]) -> None:
        self.stderr_path = directory / "stderr"
        self.stderr_path.unlink(missing_ok=True)
        with open(self.stderr_path, "ab") as stderr:
            self._process = subprocess.Popen(
                [settings.program("servant")],
                env=settings.environment(variables),
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                preexec_fn=prepare,
            )
        self.pid = self._process.pid
        default_path(self).unlink(missing_ok=True)  # an earlier process with this process id may have left the file

    def ask(self, order: str) -> str:
        """Sends an order to the servant, and returns the servant's answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(order.encode() + b"\n")
        answer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not answer.endswith(b"\n"):
                if not selector.select(ANSWER_SECONDS):
                    raise Silent(f"no answer to {order!r} within {ANSWER_SECONDS} s")
                part = os.read(self._process.stdout.fileno(), 4096)
                if not part:
                    raise Silent(f"the servant ended at {order!r}; it said:\n{self.stderr()}")
                answer += part
        return answer.decode().rstrip("\n")

    def signal(self, number: int = signal.SIGUSR1) -> None:
        """Sends a signal to the servant, and returns when the servant has handled the signal."""
        os.kill(self.pid, number)
        self.ask("ping")

    def stderr(self) -> str:
        return self.stderr_path.read_text()

    def end(self) -> int:
        """Closes the servant's stdin, by which the servant ends, and returns its exit status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(timeout=ANSWER_SECONDS)

    def wait(self) -> int:
        """Waits until the servant has ended by itself, and returns its exit status."""
        return self._process.wait(timeout=ANSWER_SECONDS)

    def dismiss(self) -> None:
        """Ends the servant, whatever its state, and closes its files."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class ServantCase(unittest.TestCase):
    """A test case with a directory of its own. At the end of a test, the servants that it has started are killed."""

    maxDiff = None

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)

    def start(
        self,
        prepare: Callable[[], None] | None = None,
        others: Mapping[str, str] = MappingProxyType({}),
        **variables: str,
    ) -> Servant:
        """Starts a servant, and waits until the servant has reached main. The keywords `variables` are settings of the
        library, without SOCKMALLOC_ in front. `others` are other environment variables, by their full names."""
        servant = self.start_doomed(prepare, others, **variables)
        servant.ask("ping")
        return servant

    def start_doomed(
        self,
        prepare: Callable[[], None] | None = None,
        others: Mapping[str, str] = MappingProxyType({}),
        **variables: str,
    ) -> Servant:
        """Starts a servant that may end before it reaches main, and does not wait until it answers."""
        named = {f"SOCKMALLOC_{name}": value for name, value in variables.items()}
        servant = Servant(self.directory, prepare, {**others, **named})
        self.addCleanup(default_path(servant).unlink, missing_ok=True)
        self.addCleanup(servant.dismiss)
        return servant

    def assert_refused(self, result: "subprocess.CompletedProcess[str]", code: int, words: str) -> None:
        """Checks the end of a command: the exit code is `code`, nothing was printed on stdout, and the only line on
        stderr contains `words`."""
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assert_complaint(result.stderr, words)

    def assert_complaint(self, stderr: str, words: str) -> None:
        """Checks that `stderr` is one message line of sockmalloc, and that it contains `words`."""
        self.assertRegex(stderr, r"\Asockmalloc: [^\n]+\n\Z")
        self.assertIn(words, stderr)

    def assert_ends_well(self, servant: Servant, stderr: str = "") -> None:
        self.assertEqual(servant.end(), 0, servant.stderr())
        self.assertEqual(servant.stderr(), stderr)
