/* The statistics of a fixed-size pool: one row for each figure. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_STATISTICS_H
#define SOCKMALLOC_FIXED_STATISTICS_H

#include "buffers/fixed_pool.h"

/* The columns of a row: the figure's name, its unit, and its meaning. */
#define FIXED_FIGURE_ROWS(ROW)                                                                                         \
    ROW(live, "blocks", "blocks in use")                                                                               \
    ROW(cached, "blocks", "free blocks in the magazines of threads or of processors")                                  \
    ROW(free, "blocks", "free blocks with pages outside of magazines")                                                 \
    ROW(purged, "blocks", "free blocks without pages: purged, or never used yet")                                      \
    ROW(carved, "blocks", "blocks that exist, in use or free")                                                         \
    ROW(chunks, "chunks", "chunks that the blocks lie in")                                                             \
    ROW(memory, "bytes", "bytes of all chunks")                                                                        \
    ROW(metadata, "bytes", "bytes that describe the blocks of all chunks the pool ever had at a time")                 \
    ROW(requests, "events", "blocks allocated from magazines or, in the kind standard, from the free list")            \
    ROW(frees, "events", "blocks freed to magazines or, in the kind standard, to the free list")                       \
    ROW(swaps, "events", "times that a thread exchanged its two magazines, and the other one served")                  \
    ROW(walks, "events", "public magazines of other threads that were looked at")                                      \
    ROW(steals, "events", "public magazines of other threads that were taken")

struct fixed_figures {
#define FIXED_FIGURE_FIELD(name, unit, help) uint64_t name;
    FIXED_FIGURE_ROWS(FIXED_FIGURE_FIELD)
    FIXED_EVENT_ROWS(FIXED_FIGURE_FIELD)
#undef FIXED_FIGURE_FIELD
};

/*
 * Sums up the figures of a pool. If other threads use the pool meanwhile, the figures are not exact. The function also
 * reads copies of other processes' pools. In a copy, a count of a table's entries may have any value, so the function
 * limits it to the size of the table.
 */
INTERNAL void fixed_statistics_take(const struct fixed_pool *pool, struct fixed_figures *figures);

#endif
