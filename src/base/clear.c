/* Memory set to zero, the lines ahead being fetched meanwhile. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/clear.h"

#include <stdbool.h>
#include <string.h>

/*
 * memset waits for lines that come from the third-level cache or from memory. Asked for a little
 * ahead, they are there when it comes: a tenth to a quarter less time, and none more where they are
 * in the second-level cache (doc/design/measurements.md). What may be in the first-level cache is
 * cleared in less time than the asking takes, so it is left to memset.
 *
 * A piece is short enough for memset to clear it by plain stores. By `rep stos` it would not read
 * lines that no cache has, which is of no use here, and pay for each start.
 */
enum { CLEAR_PIECE = 0x400, CLEAR_AHEAD = 2 * CLEAR_PIECE, CLEAR_LEAST = 0x10000 };

/* Elsewhere memset has an instruction that makes zeros without reading (aarch64's DC ZVA). */
#if defined __x86_64__
static const bool clear_fetches = true;
#else
static const bool clear_fetches = false;
#endif

/* All of the lines, since every second one saved nothing, and as if to read them: for writing
 * (prefetchw) saved half as much. */
static void fetch_piece(const char *piece)
{
    for (size_t offset = 0; offset < CLEAR_PIECE; offset += CACHE_LINE) {
        __builtin_prefetch(piece + offset);
    }
}

void *clear_memory(void *start, size_t size)
{
    if (!clear_fetches || size < CLEAR_LEAST) {
        return memset(start, 0, size);
    }
    char *piece = start, *end = piece + size;
    for (; end - piece > CLEAR_AHEAD + CLEAR_PIECE; piece += CLEAR_PIECE) {
        fetch_piece(piece + CLEAR_AHEAD);
        memset(piece, 0, opaque(CLEAR_PIECE)); /* a constant size becomes `rep stos` */
    }
    memset(piece, 0, (size_t)(end - piece));
    return start;
}
