# Finds the libraries of the other allocators to measure, and installs missing ones from Debian's packages.
# SPDX-License-Identifier: BSD-2-Clause
"""If an allocator is missing and cannot be installed, the run ends with an error, because our library would look too
good in a table without that allocator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path


class Missing(Exception):
    """Raised if an allocator is not installed and cannot be installed."""


@dataclass(frozen=True)
class Peer:
    """An allocator to compare with: its name, the file names that its library may have, and its Debian package."""

    name: str
    libraries: tuple[str, ...] = ()
    package: str = ""


@dataclass(frozen=True)
class Allocator:
    """An allocator to measure: the library to preload, or None for the C library's own malloc, and its version. `pool`
    is set for a further column of our library, which uses this kind of pool in place of the default; our library is not
    compared with such a column."""

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


# The values that SOCKMALLOC_POOL may have.
POOLS = ("thread", "lockfree", "standard", "cpu", "auto")


def with_pools(ours: Allocator, pools: list[str]) -> list[Allocator]:
    """Returns further columns for our library, one for each of these kinds of pool."""
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
    """Returns the allocators that the user has given on the command line as `name=/path/library.so`, for example a
    version for which there is no package."""
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
        # a path with a space or a colon is refused, because the dynamic linker would read it as the end of the path and
        # preload nothing
        if " " in str(library) or ":" in str(library):
            raise ValueError(f"{text}: a path with blanks or colons cannot be preloaded")
        allocators.append(Allocator(name, library, "given by --peer"))
    return allocators


def _linker_cache() -> dict[str, Path]:
    """Returns the libraries that the dynamic linker would find: a dictionary from file name to path, by ldconfig, which
    only root has in PATH."""
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
    """Returns the path of the library of this allocator. Looks first in the directory for this machine's architecture,
    because the dynamic linker's cache also lists libraries of other architectures."""
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
    # apt's output goes to stderr as other progress does, because stdout is for the results
    try:
        if subprocess.run(install, stdout=sys.stderr).returncode != 0:
            subprocess.run([*apt, "update"], stdout=sys.stderr)
            subprocess.run(install, stdout=sys.stderr)
    except OSError as error:
        raise Missing(f"cannot install {' '.join(packages)}: {error}") from error


def c_library() -> Path:
    """Returns the path of the C library. It is preloaded to measure its malloc in a program that is linked with another
    malloc."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    for line in maps:
        path = Path(line.partition("/")[1] + line.partition("/")[2])
        if path.name.startswith("libc.so"):
            return path
    raise Missing("the C library is not mapped here: this python was not linked with it")


def _version(peer: Peer, library: Path) -> str:
    """Returns the version of the allocator's Debian package, if the file belongs to that package."""
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
    """Returns these allocators with the paths of their libraries, and installs what is missing. Raises Missing if one
    cannot be installed."""
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
