# Finds the libraries of the allocators to compare with, and installs missing ones from Debian.
# SPDX-License-Identifier: BSD-2-Clause
"""If a peer is missing and cannot be installed, the run ends, because a table without that peer would make our library
look too good."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path


class Missing(Exception):
    """Raised if a peer is not installed and cannot be installed."""


@dataclass(frozen=True)
class Peer:
    """An allocator: its name, the possible file names of its library, and its Debian package."""

    name: str
    libraries: tuple[str, ...] = ()
    package: str = ""


@dataclass(frozen=True)
class Allocator:
    """An allocator to measure: a library to preload, or none for the C library's own, and its version.

    `pool` is set for sockmalloc with a kind of pool other than the default. Such an allocator gets a column of the
    table, but sockmalloc is not compared with it."""

    name: str
    library: Path | None
    version: str
    pool: str | None = None


PEERS = (
    Peer("glibc"),
    Peer("jemalloc", ("libjemalloc.so.2",), "libjemalloc2"),
    Peer("tcmalloc", ("libtcmalloc_minimal.so.4",), "libtcmalloc-minimal4"),
    Peer("mimalloc", ("libmimalloc.so.2.0", "libmimalloc.so.2"), "libmimalloc2.0"),
    Peer("tbbmalloc", ("libtbbmalloc_proxy.so.2",), "libtbbmalloc2"),
)


# The words of SOCKMALLOC_POOL.
POOLS = ("thread", "lockfree", "standard", "cpu", "auto")


def with_pools(ours: Allocator, pools: list[str]) -> list[Allocator]:
    """Returns our library once more for each of these kinds of pool."""
    for pool in pools:
        if pool not in POOLS:
            raise ValueError(f"no pool is called {pool}; there are: {', '.join(POOLS)}")
    return [replace(ours, name=pool, pool=pool) for pool in pools]


def chosen(names: list[str] | None) -> list[Peer]:
    known = {peer.name: peer for peer in PEERS}
    if names is None:
        return list(PEERS)
    for name in names:
        if name not in known:
            raise ValueError(f"no peer is called {name}; there are: {', '.join(known)}")
    return [peer for peer in PEERS if peer.name in names]


def added(texts: list[str]) -> list[Allocator]:
    """Returns peers that are given as `name=/path/library.so`, for example a version that no package has."""
    taken = {peer.name for peer in PEERS} | set(POOLS) | {"sockmalloc"}
    allocators = []
    for text in texts:
        name, _, path = text.partition("=")
        if not name or name in taken:
            raise ValueError(f"{text}: a peer needs a name of its own")
        taken.add(name)
        library = Path(path).resolve()
        if not library.is_file():
            raise ValueError(f"{text}: there is no library {path or 'named'}")
        # The dynamic linker takes a space or a colon for the end of a path, and would preload nothing.
        if " " in str(library) or ":" in str(library):
            raise ValueError(f"{text}: a path with blanks or colons cannot be preloaded")
        allocators.append(Allocator(name, library, "given by --peer"))
    return allocators


def _linker_cache() -> dict[str, Path]:
    """Returns the paths that the dynamic linker would find, by file name. Only root has ldconfig in PATH."""
    command = shutil.which("ldconfig", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if command is None:
        return {}
    listing = subprocess.run([command, "-p"], capture_output=True, text=True, check=True).stdout
    cache: dict[str, Path] = {}
    for line in listing.splitlines():
        name, arrow, path = line.partition(" => ")
        if arrow:
            cache.setdefault(name.split()[0], Path(path))
    return cache


def _find(peer: Peer, cache: dict[str, Path]) -> Path | None:
    """Returns the library's path, from the directory of this architecture if possible, because the linker's cache also
    lists libraries of other architectures."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu"
    for name in peer.libraries:
        for directory in (Path("/usr/lib") / multiarch, Path("/lib") / multiarch):
            if (directory / name).exists():
                return directory / name
        if name in cache and cache[name].exists():
            return cache[name]
    return None


def _install(packages: list[str]) -> None:
    print(f"bench: installing {' '.join(packages)}", file=sys.stderr, flush=True)
    become_root = [] if os.geteuid() == 0 else ["sudo"]
    apt = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    install = [*apt, "install", "--no-install-recommends", *packages]
    # the output of the installation goes to standard error like other progress, because it is no part of the result
    try:
        if subprocess.run(install, stdout=sys.stderr).returncode != 0:
            subprocess.run([*apt, "update"], stdout=sys.stderr)
            subprocess.run(install, stdout=sys.stderr)
    except OSError as error:
        raise Missing(f"cannot install {' '.join(packages)}: {error}") from error


def c_library() -> Path:
    """Returns the path of the C library, which is preloaded where a program is linked with another malloc."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    for line in maps:
        path = Path(line.partition("/")[1] + line.partition("/")[2])
        if path.name.startswith("libc.so"):
            return path
    raise Missing("the C library is not mapped here: this python was not linked with it")


def _version(peer: Peer, library: Path) -> str:
    """Returns the version of the package, if this file belongs to that package."""
    query = ["dpkg-query", "--show", "--showformat=${Version}", peer.package]
    listing = ["dpkg-query", "--listfiles", peer.package]
    try:
        version = subprocess.run(query, capture_output=True, text=True)
        files = subprocess.run(listing, capture_output=True, text=True).stdout.splitlines()
    except OSError:
        return "unknown version"
    target = library.resolve()
    if version.returncode == 0 and any(Path(f).resolve() == target for f in files if ".so" in f):
        return f"{peer.package} {version.stdout}"
    return "unknown version"


def ready(peers: list[Peer]) -> list[Allocator]:
    """Returns all these allocators with their libraries, which are installed if necessary. Raises Missing if one
    cannot be had."""
    cache = _linker_cache()
    absent = [p for p in peers if p.libraries and _find(p, cache) is None]
    if absent:
        _install([peer.package for peer in absent])
        cache = _linker_cache()
    allocators = []
    for peer in peers:
        if not peer.libraries:
            allocators.append(Allocator(peer.name, None, os.confstr("CS_GNU_LIBC_VERSION") or ""))
            continue
        library = _find(peer, cache)
        if library is None:
            raise Missing(
                f"the peer {peer.name} is missing: no {' or '.join(peer.libraries)} found, "
                f"and the package {peer.package} could not be installed"
            )
        allocators.append(Allocator(peer.name, library, _version(peer, library)))
    return allocators
