"""Computes the bytes of the bodies and values that tests send. The bytes are different for each name and each size."""
# SPDX-License-Identifier: BSD-2-Clause
import functools
import hashlib


@functools.lru_cache(maxsize=64)
def body(size: int) -> bytes:
    """Returns the body that has this size."""
    return value("body", size)


def value(name: str, size: int) -> bytes:
    """Returns the bytes for this name and size. They differ from the bytes of every other name and size, even if one of
    the two is shifted by a page."""
    return hashlib.shake_128(f"{name} of {size}".encode()).digest(size)


def difference(got: bytes, wanted: bytes) -> str:
    """Describes where two byte strings differ. Returns an empty text if they are equal."""
    if got == wanted:
        return ""
    pairs = enumerate(zip(got, wanted))
    at = next((i for i, (a, b) in pairs if a != b), min(len(got), len(wanted)))
    return f"{len(got)} bytes came, {len(wanted)} were due, and they differ from byte {at} on"
