"""Finds what the server tests need: the library, the build directory, and the servers' programs."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import shutil
from pathlib import Path


class Missing(RuntimeError):
    """Raised if a program or file that the tests need is missing. This counts as an error, because a test must not be
    skipped for this reason."""


def _path_from(variable: str) -> Path:
    text = os.environ.get(variable, "")
    path = Path(text)
    if not text or not path.is_absolute():
        raise Missing(f"{variable} must be set to an absolute path, not to {text!r}")
    if not path.exists():
        raise Missing(f"{variable}={text}: there is no such file; build first")
    return path


def library() -> Path:
    """Returns the path of the library to preload."""
    return _path_from("SOCKMALLOC_LIBRARY")


def demo_program(name: str) -> str:
    """Returns the path of a program that was built from test/demo."""
    path = _path_from("SOCKMALLOC_BUILD") / "test" / "demo" / name
    if not os.access(path, os.X_OK):
        raise Missing(f"{path} is not there; build first")
    return str(path)


def command() -> str:
    """Returns the path of the command sockmalloc as it was built."""
    path = _path_from("SOCKMALLOC_BUILD") / "sockmalloc"
    if not os.access(path, os.X_OK):
        raise Missing(f"{path} is not there; build first")
    return str(path)


def program(name: str) -> str:
    """Returns the path of an installed program. Many servers are in a folder sbin, which PATH leaves out."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{name} is not installed; scripts/test installs it")
    return path


def packages(purpose: str) -> set[str]:
    """Returns the Debian packages that scripts/install-packages installs for this purpose, such as `test`."""
    script = Path(__file__).resolve().parents[3] / "scripts" / "install-packages"
    rows = map(str.split, script.read_text().splitlines())
    return {fields[1] for fields in rows if len(fields) > 2 and fields[0] == purpose}
