"""The place where one tested server runs: its directory, ports and account, and the helper servers behind it if it is a
proxy."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import grp
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from . import settings
from .certificate import Certificate
from .echo import EchoUpstream
from .upstream import Upstream

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
CONFIGURATION = Path(__file__).resolve().parent.parent / "configuration"

_NAME = re.compile(r"@(\w+)@")


class CommandFailed(AssertionError):
    """Says which command failed, with what exit status, and what it wrote to standard error."""


class Place:
    """The place where one tested server runs. In commands and configurations, a name between @ signs stands for the
    attribute or property of this class with that name."""

    def __init__(self, directory: Path, account: str | None, asks: str, stack: contextlib.ExitStack) -> None:
        """If the tests run as root, the server runs as the user `account`. All that this object opens is closed when
        `stack` is closed."""
        self.asks = asks
        self.directory = directory
        self.data = directory / "data"
        self.dumps = directory / "dumps"
        self.library = directory / settings.library().name
        self.programs = PROGRAMS
        self.python = sys.executable
        self.ports: list[int] = []
        self.other_account = account if os.geteuid() == 0 else None
        self._stack = stack
        self.data.mkdir()
        if self.other_account is not None:
            shutil.chown(self.data, self.other_account, self.group)
        directory.chmod(0o755)
        self.dumps.chmod(0o1777)

    @property
    def account(self) -> str:
        """Returns the name of the account under which the server runs."""
        return self.other_account or pwd.getpwuid(os.geteuid()).pw_name

    @property
    def as_ordinary_user(self) -> str:
        """Returns YES or NO, the value of vsftpd's option run_as_launching_user. With YES, vsftpd keeps the account
        that started it. Returns YES unless the tests run as root, because only root can change to another account."""
        return "NO" if os.geteuid() == 0 else "YES"

    @property
    def group(self) -> str:
        return grp.getgrgid(pwd.getpwnam(self.account).pw_gid).gr_name

    @property
    def sshd(self) -> str:
        """Returns the full path of sshd. sshd must be started by its full path, because it executes itself again for
        each session."""
        return settings.program("sshd")

    @property
    def postgres(self) -> Path:
        """Returns the directory with the programs of the newest PostgreSQL that is installed."""
        found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
        newest = max(found, key=lambda path: float(path.parts[-3]), default=None)
        if newest is None:
            raise settings.Missing("PostgreSQL is not installed; scripts/test installs it")
        return newest.parent

    @property
    def php_fpm(self) -> Path:
        """Returns the path of php-fpm, whose name includes its version."""
        found = sorted(Path("/usr/sbin").glob("php-fpm[0-9]*"))
        if not found:
            raise settings.Missing("php-fpm is not installed; scripts/test installs it")
        return found[-1]

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def second_port(self) -> int:
        return self.ports[1]

    @cached_property
    def origin(self) -> Upstream:
        """Returns the HTTP server behind the tested proxy. It runs without the library, and is started by the first use
        of this property."""
        upstream = Upstream()
        self._stack.callback(upstream.close)
        return upstream

    @property
    def upstream(self) -> int:
        """Returns the port of the HTTP server behind the tested proxy."""
        return self.origin.port

    @cached_property
    def echo(self) -> int:
        """Returns the port of a server that sends every byte back. It runs without the library, and is started by the
        first use of this property."""
        upstream = EchoUpstream()
        self._stack.callback(upstream.close)
        return upstream.port

    @cached_property
    def tls(self) -> Certificate:
        return Certificate(self.directory)

    @property
    def certificate(self) -> Path:
        return self.tls.certificate

    @property
    def key(self) -> Path:
        return self.tls.key

    def fill(self, text: str) -> str:
        return _NAME.sub(lambda match: str(getattr(self, match[1])), text)

    def configure(self, template: str) -> None:
        """Replaces the names between @ signs in a file of the folder `configuration`, and writes the result into the
        server's directory."""
        text = (CONFIGURATION / template).read_text()
        (self.directory / template).write_text(self.fill(text))

    def command(self, text: str) -> list[str]:
        """Splits a command into words, and replaces the names between @ signs. The program's name is replaced by its
        full path, because PATH may lack the folders sbin."""
        program, *words = map(self.fill, shlex.split(text))
        return [settings.program(program), *words]

    def run(self, text: str) -> str:
        """Runs a command under the server's account and without the library. Returns the command's output. Raises
        CommandFailed if the command's exit status is not 0."""
        words = self.command(text)
        if self.other_account is not None:
            account = [f"--reuid={self.other_account}", f"--regid={self.group}", "--init-groups"]
            words = [settings.program("setpriv"), *account, *words]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.data), "LC_ALL": "C"}
        done = subprocess.run(words, cwd=self.data, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise CommandFailed(f"{shlex.join(words)}: status {done.returncode}: {done.stderr}")
        return done.stdout
