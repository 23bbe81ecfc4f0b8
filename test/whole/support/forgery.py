"""Makes copies of the library that seem to be of another version."""
# SPDX-License-Identifier: BSD-2-Clause
import struct

from . import settings

MAGIC = b"sockmalloc view\0"
LIBRARY_SIZE = 24


def of_version(version: str, layout: int | None = None) -> bytes:
    """Returns the content of the library's file with a changed struct inspect_export, from which other processes learn
    the library's version. `version` replaces the version of the library. `layout`, if it is given, replaces the version
    of the layout of the library's data. The struct begins with MAGIC, 4 bytes with the version of the layout, and
    LIBRARY_SIZE bytes with the version of the library."""
    image = bytearray(settings.library().read_bytes())
    at = image.index(MAGIC) + len(MAGIC)
    if layout is not None:
        struct.pack_into("<I", image, at, layout)
    image[at + 4 : at + 4 + LIBRARY_SIZE] = version.encode().ljust(LIBRARY_SIZE, b"\0")
    return bytes(image)
