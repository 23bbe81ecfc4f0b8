"""Finds what the tests need, and makes the environment that the programs run in."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path


class Missing(RuntimeError):
    """Something that the tests cannot do without; an error, never a reason to skip."""


def _path_from(variable: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    if not path.is_absolute() or not path.exists():
        raise Missing(f"{variable} must name what was built, not {str(path)!r}")
    return path


def library() -> Path:
    """The library to preload."""
    return _path_from("SOCKMALLOC_LIBRARY")


def program(name: str) -> Path:
    """A program built from the sources beside these tests."""
    path = _path_from("SOCKMALLOC_BUILD") / "test" / "whole" / name
    if not os.access(path, os.X_OK):
        raise Missing(f"{path} is not there; build first")
    return path


def early_library() -> Path:
    """The other library to preload; libtool puts it one directory further down."""
    return program(".libs") / "libearly.so"


def plugin() -> Path:
    """What the program `loader` loads while it runs."""
    return program(".libs") / "libplugin.so"


def tool(name: str) -> str:
    """An installed program."""
    path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is not installed")
    return path


def environment(variables: Mapping[str, str], preloaded: Sequence[Path] | None = None) -> dict[str, str]:
    """Preloads the library, and sets no more than a program needs and the test asks for: none of the variables of
    whoever runs the tests may change what they show."""
    paths = [library()] if preloaded is None else preloaded
    preload = ":".join(map(str, paths))
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "LD_PRELOAD": preload, **variables}
