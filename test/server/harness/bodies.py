"""The bytes of bodies and values, computed from a name, so that no two are alike."""
# SPDX-License-Identifier: BSD-2-Clause
import functools
import hashlib


@functools.lru_cache(maxsize=64)
def body(size: int) -> bytes:
    """The one body of this size."""
    return value("body", size)


def value(name: str, size: int) -> bytes:
    """Bytes that no other name and no other size begins with, not even shifted by a page."""
    return hashlib.shake_128(f"{name} of {size}".encode()).digest(size)


def difference(got: bytes, wanted: bytes) -> str:
    """Where two byte strings differ, for a person; empty when they do not."""
    if got == wanted:
        return ""
    pairs = enumerate(zip(got, wanted))
    at = next((i for i, (a, b) in pairs if a != b), min(len(got), len(wanted)))
    return f"{len(got)} bytes came, {len(wanted)} were due, and they differ from byte {at} on"
