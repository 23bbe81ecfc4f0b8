"""Runs the command `sockmalloc` that was just built, and parses what it prints."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from . import settings

DEADLINE_SECONDS = 300

DONE, NO, USAGE, GONE, FORBIDDEN, WITHOUT, OTHER_VERSION, DAMAGED, UNWRITTEN = range(9)
REFUSED, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127


def path() -> Path:
    """Returns the path of the built command. The command is linked with no shared library of this source tree, so the
    tests can run the program file itself instead of libtool's wrapper script."""
    found = settings.library().parents[1] / "sockmalloc"
    if not os.access(found, os.X_OK):
        raise settings.Missing(f"{found} is not there; build first")
    return found


def environment(variables: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", **variables}


def ended_process() -> int:
    """Starts a process, waits for its end, and returns its process id, which no longer belongs to any process."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def run(
    *arguments: str | int | Path,
    prepare: Callable[[], None] | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
    command: Path | None = None,
    seconds: float = DEADLINE_SECONDS,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command or path(), *map(str, arguments)],
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        preexec_fn=prepare,
    )
