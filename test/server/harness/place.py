"""Where one row's server runs: its directory, ports and account, and what stands behind it."""
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


class Place:
    """What commands and configurations name between @ signs is an attribute or a property here."""

    def __init__(self, directory: Path, account: str | None, asks: str, stack: contextlib.ExitStack) -> None:
        """The account is taken only where we are root; the stack closes what is opened here."""
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
        """Whom the server is to run as."""
        return self.other_account or pwd.getpwuid(os.geteuid()).pw_name

    @property
    def as_ordinary_user(self) -> str:
        """Tells vsftpd that it cannot change its account: YES where we are not root."""
        return "NO" if os.geteuid() == 0 else "YES"

    @property
    def group(self) -> str:
        return grp.getgrgid(pwd.getpwnam(self.account).pw_gid).gr_name

    @property
    def sshd(self) -> str:
        """sshd starts itself anew for each session, for which it wants its whole name."""
        return settings.program("sshd")

    @property
    def postgres(self) -> Path:
        """The directory of PostgreSQL's programs, of the newest version that is installed."""
        found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
        newest = max(found, key=lambda path: float(path.parts[-3]), default=None)
        if newest is None:
            raise settings.Missing("PostgreSQL is not installed; scripts/test installs it")
        return newest.parent

    @property
    def php_fpm(self) -> Path:
        """PHP's server, whose name has the version in it."""
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
        """An HTTP server without the library."""
        upstream = Upstream()
        self._stack.callback(upstream.close)
        return upstream

    @property
    def upstream(self) -> int:
        """Its port."""
        return self.origin.port

    @cached_property
    def echo(self) -> int:
        """The port of a server without the library that gives back every byte."""
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
        """Writes a file of the directory of configurations into the server's."""
        text = (CONFIGURATION / template).read_text()
        (self.directory / template).write_text(self.fill(text))

    def command(self, text: str) -> list[str]:
        """The words of a command; its program may be one that only sbin has."""
        program, *words = map(self.fill, shlex.split(text))
        return [settings.program(program), *words]

    def run(self, text: str) -> str:
        """Runs a command as the account and without the library, and returns its output."""
        words = self.command(text)
        if self.other_account is not None:
            account = [f"--reuid={self.other_account}", f"--regid={self.group}", "--init-groups"]
            words = [settings.program("setpriv"), *account, *words]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.data), "LC_ALL": "C"}
        done = subprocess.run(
            words, cwd=self.data, env=environment, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout
