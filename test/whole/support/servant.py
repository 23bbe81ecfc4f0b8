"""A process under the library that obeys the test, is signalled by it, and has all its output watched."""
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
    """The servant ended, or did not answer in time."""


def default_path(servant: "Servant") -> Path:
    """Where statistics go when stderr is no longer what it was."""
    return Path(f"/tmp/sockmalloc.{servant.pid}")


class Servant:
    """Runs one thread, which reads orders. An answer to an order thus also says that all signals sent before it have
    been dealt with: no test waits for time to pass."""

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
        default_path(self).unlink(missing_ok=True)  # of a process that had this number before

    def ask(self, order: str) -> str:
        """Gives an order, and waits for the answer."""
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
        """Sends a signal and waits until it has been handled."""
        os.kill(self.pid, number)
        self.ask("ping")

    def stderr(self) -> str:
        return self.stderr_path.read_text()

    def end(self) -> int:
        """Lets it end by itself; returns its status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(timeout=ANSWER_SECONDS)

    def wait(self) -> int:
        """Waits for one that ends without being told to."""
        return self._process.wait(timeout=ANSWER_SECONDS)

    def dismiss(self) -> None:
        """Tidies up, whatever state it is in."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class ServantCase(unittest.TestCase):
    """Gives each test a directory of its own, and servants that end with it."""

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
        """Starts a servant with these variables, named without SOCKMALLOC_, and with others, by their full names; it
        has reached main."""
        servant = self.start_doomed(prepare, others, **variables)
        servant.ask("ping")
        return servant

    def start_doomed(
        self,
        prepare: Callable[[], None] | None = None,
        others: Mapping[str, str] = MappingProxyType({}),
        **variables: str,
    ) -> Servant:
        """Starts one that may end before it reaches main."""
        named = {f"SOCKMALLOC_{name}": value for name, value in variables.items()}
        servant = Servant(self.directory, prepare, {**others, **named})
        self.addCleanup(default_path(servant).unlink, missing_ok=True)
        self.addCleanup(servant.dismiss)
        return servant

    def assert_refused(self, result: "subprocess.CompletedProcess[str]", code: int, words: str) -> None:
        """The command printed nothing but one line on stderr, which has these words, and ended with the code."""
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assert_complaint(result.stderr, words)

    def assert_complaint(self, stderr: str, words: str) -> None:
        self.assertRegex(stderr, r"\Asockmalloc: [^\n]+\n\Z")
        self.assertIn(words, stderr)

    def assert_ends_well(self, servant: Servant, stderr: str = "") -> None:
        self.assertEqual(servant.end(), 0, servant.stderr())
        self.assertEqual(servant.stderr(), stderr)
