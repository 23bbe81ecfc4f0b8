"""Makes copies of the library that seem to be of another version."""
# SPDX-License-Identifier: BSD-2-Clause
import struct

from . import settings

MAGIC = b"sockmalloc view\0"
LIBRARY_SIZE = 24


def of_version(version: str, layout: int | None = None) -> bytes:
    """Returns the content of the library's file, changed in up to two fields, which other processes read. `version`
    replaces the version of the library. `layout`, if it is given, replaces the version of the data's layout. The fields
    are those of struct inspect_export: magic, version of the layout, library."""
    image = bytearray(settings.library().read_bytes())
    at = image.index(MAGIC) + len(MAGIC)
    if layout is not None:
        struct.pack_into("<I", image, at, layout)
    image[at + 4 : at + 4 + LIBRARY_SIZE] = version.encode().ljust(LIBRARY_SIZE, b"\0")
    return bytes(image)
