"""Finds the programs and libraries that the tests need, and makes the environment in which the programs run."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path


class Missing(RuntimeError):
    """Raised if a program or file that the tests need is missing. A test then fails; it is not skipped."""


def _path_from(variable: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    if not path.is_absolute() or not path.exists():
        raise Missing(f"{variable} must name what was built, not {str(path)!r}")
    return path


def library() -> Path:
    """Returns the path of the library to preload."""
    return _path_from("SOCKMALLOC_LIBRARY")


def program(name: str) -> Path:
    """Returns the path of the program `name` that was built from the sources in test/whole."""
    path = _path_from("SOCKMALLOC_BUILD") / "test" / "whole" / name
    if not os.access(path, os.X_OK):
        raise Missing(f"{path} is not there; build first")
    return path


def early_library() -> Path:
    """Returns the path of libearly.so, a second library that some tests preload beside the library under test. libtool
    puts built libraries into a folder .libs."""
    return program(".libs") / "libearly.so"


def plugin() -> Path:
    """Returns the path of the plug-in that the test program `loader` loads by dlopen."""
    return program(".libs") / "libplugin.so"


def other_user_is_kept_out() -> str:
    """Returns why no other user can run a program of the build: an empty text if one can, else the reason for which a
    test is skipped. If the tree lies below a folder with mode 0700, such as root's home, others cannot enter it."""
    if os.geteuid() != 0:
        return "needs root, to become another user"
    build = _path_from("SOCKMALLOC_BUILD")
    closed = [folder for folder in (build, *build.parents) if not folder.stat().st_mode & 0o001]
    return f"needs a tree that other users may enter, and {closed[0]} keeps them out" if closed else ""


def tool(name: str) -> str:
    """Returns the path of the installed program `name`."""
    path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is not installed")
    return path


# This setting removes the buckets above 4 MiB. Many test programs write to some slots of every bucket, and would need
# several GiB if there were larger buckets.
MAXIMUM = {"SOCKMALLOC_MAX": "4m"}


def environment(variables: Mapping[str, str], preloaded: Sequence[Path] | None = None) -> dict[str, str]:
    """Returns the environment in which a test starts a process. LD_PRELOAD names the libraries `preloaded`, or only the
    library under test if `preloaded` is None. Apart from LD_PRELOAD, the environment has only PATH, LC_ALL,
    SOCKMALLOC_MAX (from MAXIMUM) and the given variables, because variables of the user who runs the tests must not
    change the results."""
    paths = [library()] if preloaded is None else preloaded
    preload = ":".join(map(str, paths))
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "LD_PRELOAD": preload, **MAXIMUM, **variables}
