/* Memory set to zero, the lines of the next piece being fetched meanwhile. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "clear.h"

#include <stdbool.h>
#include <string.h>

/*
 * memset waits for lines that come from the third-level cache or from memory. Asked for one page
 * ahead, they are there when it comes: a fifth to two fifths less time, and none more where they
 * are in the second-level cache (doc/design/measurements.md). What may be in the
 * first-level cache is cleared in less time than the asking takes, so it is left to memset.
 */
enum { CLEAR_PIECE = 0x1000, CLEAR_LEAST = 0x10000 };

/* Elsewhere memset has an instruction that makes zeros without reading (aarch64's DC ZVA). */
#if defined __x86_64__
static const bool clear_fetches = true;
#else
static const bool clear_fetches = false;
#endif

/* All of the lines, since every second one saved nothing, and as if to read them: for writing
 * (prefetchw) saved half as much. A hint never faults. */
static void fetch(const char *start, const char *end)
{
    for (const char *line = start; line < end; line += CACHE_LINE) {
        __builtin_prefetch(line);
    }
}

void *clear_memory(void *start, size_t size)
{
    if (!clear_fetches || size < CLEAR_LEAST) {
        return memset(start, 0, size);
    }
    char *piece = start, *end = piece + size;
    for (; end - piece > CLEAR_PIECE; piece += CLEAR_PIECE) {
        char *next = piece + CLEAR_PIECE;
        fetch(next, end - next > CLEAR_PIECE ? next + CLEAR_PIECE : end);
        memset(piece, 0, CLEAR_PIECE);
    }
    memset(piece, 0, (size_t)(end - piece));
    return start;
}
