"""Runs a server with the library preloaded: starts it, watches it, and ends it by its pid."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import processes, settings, waiting

STOP_SECONDS = 90.0
START_SECONDS = 90.0
PORT_ATTEMPTS = 5


def _environment() -> dict[str, str]:
    """Returns this process's environment without the library's variables and without LD_PRELOAD, so that helper
    programs run without the library."""
    return {
        name: value for name, value in os.environ.items() if name != "LD_PRELOAD" and not name.startswith("SOCKMALLOC_")
    }


def _command(arguments: Sequence[str], variables: Mapping[str, str], preload: Path, account: str | None) -> list[str]:
    """Returns the command that starts the server. setpriv has the kernel end the server if this process ends in any
    way. env sets LD_PRELOAD after setpriv has started, so that setpriv runs without the library."""
    assignments = [f"{name}={value}" for name, value in variables.items()]
    helpers = [settings.program("setpriv"), "--pdeathsig", "TERM"]
    if account is not None:
        helpers += [f"--reuid={account}", f"--regid={account}", "--init-groups"]
    helpers.append(settings.program("env"))
    return [*helpers, f"LD_PRELOAD={preload}", *assignments, *arguments]


class Server:
    """A running server. The server and its children are in one process group, which is empty once all of them have
    ended."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        directory: Path,
        variables: Mapping[str, str],
        preload: Path | None = None,
        account: str | None = None,
    ) -> None:
        """Starts the server with the library under test preloaded, or with the library that `preload` names. Only root
        can run the server under another account."""
        self.name = name
        self.preload = preload or settings.library()
        # the server's exit status; None until this process has waited for the server's end
        self.status: int | None = None
        self.logs = [directory / f"{name}.stdout", directory / f"{name}.stderr"]
        with self.logs[0].open("wb") as stdout, self.logs[1].open("wb") as stderr:
            self.process = subprocess.Popen(
                _command(arguments, variables, self.preload, account),
                env=_environment(),
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        self.pid = self.process.pid

    def output(self) -> str:
        """Returns all that the server has written so far to standard output, standard error, and its logs."""
        texts = (log.read_text(errors="replace") for log in self.logs if log.exists())
        return "".join(texts)

    def last_words(self) -> str:
        """Returns the last 4000 characters that the server has written, to explain why it failed."""
        return self.output()[-4000:]

    def first_line(self) -> str:
        """Waits for the first whole line of the server's standard output, and returns it. If the server ends before,
        returns what it has written there."""
        waiting.until(
            lambda: not self.running() or "\n" in self.logs[0].read_text(), f"{self.name} prints no line", START_SECONDS
        )
        return self.logs[0].read_text().partition("\n")[0]

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def running(self) -> bool:
        return self.process.poll() is None

    def children(self) -> list[int]:
        """Returns the sorted pids of the server's children."""
        return sorted(processes.children(self.pid))

    def tree(self) -> list[int]:
        """Returns the pid of the server, and then the sorted pids of all that descend from it."""
        return [self.pid, *sorted(processes.descendants(self.pid))]

    def is_preloaded(self, pid: int) -> bool:
        """Returns true if the process has the library mapped. This must be checked, because the dynamic linker goes on,
        with only a message, if it cannot preload a library."""
        return os.path.realpath(self.preload) in Path(f"/proc/{pid}/maps").read_text()

    def wait_for_exit(self) -> int:
        """Waits until all processes of the server's process group have ended. Returns the server's exit status, or -N
        if signal N has killed it."""
        self.status = self.process.wait(timeout=STOP_SECONDS)
        left = f"{self.name} left processes behind"
        waiting.until(lambda: not self._group_exists(), left, STOP_SECONDS)
        return self.status

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal to the server, waits until it has ended, and returns its exit status."""
        if self.running():
            os.kill(self.pid, number)
        return self.wait_for_exit()

    def destroy(self) -> None:
        """Kills all processes that are left in the server's process group, and waits until they have gone."""
        if self._group_exists():
            os.killpg(self.pid, signal.SIGKILL)
        self.wait_for_exit()
        self.close_input()

    def _group_exists(self) -> bool:
        self.process.poll()  # without this call, a server that has ended would still belong to its process group
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


def start_on_free_ports(
    start: Callable[[list[int]], Server], count: int, datagrams: bool = False
) -> tuple[Server, list[int]]:
    """Starts a server on free ports. If another process has meanwhile used one of them, starts the server again on
    others."""
    kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
    open_there = waiting.receives if datagrams else waiting.accepts
    for _ in range(PORT_ATTEMPTS):
        ports = [waiting.free_port(kind) for _ in range(count)]
        server = start(ports)
        waiting.until(
            lambda: not server.running() or all(map(open_there, ports)),
            f"{server.name} neither ends nor accepts on {ports}",
            START_SECONDS,
        )
        if server.running():
            return server, ports
        server.wait_for_exit()
        # These texts show that the server could not use a port: "in use" is from strerror(EADDRINUSE), "cannot bind" is
        # haproxy's own message.
        if not any(words in server.output() for words in ("in use", "cannot bind")):
            break
    raise AssertionError(f"{server.name} did not start:\n{server.last_words()}")
