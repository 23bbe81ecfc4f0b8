/* A moment's figures, bucket by bucket, summed from what the rooms below count: one row a figure.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SNAPSHOT_H
#define SOCKMALLOC_SNAPSHOT_H

#include <stdint.h>

#include "attributes.h"
#include "bucket.h"
#include "kind.h"

/*
 * Columns: name, heading, width, help. The structure, the totals, the printed tables, the names
 * that sockmalloc_statistic takes and the man page come from these rows.
 * At rest: live + cached + depot + purged = carved, where each is counted by itself; and in a
 * process that was not forked, requests - returned = live.
 */
#define SNAPSHOT_SLOT_ROWS(ROW)                                                                    \
    ROW(live, "live", 9, "slots in use, counted by their cards")                                   \
    ROW(cached, "cached", 9, "free slots in the threads' or the processors' caches")               \
    ROW(depot, "depot", 9, "free slots in the depot or the stack")                                 \
    ROW(purged, "purged", 9, "free slots without pages: given back, or never used yet")            \
    ROW(carved, "carved", 9, "slots that exist")                                                   \
    ROW(peak, "peak", 9, "most slots in use at one time; a trained bucket's, as of slow paths")    \
    ROW(requests, "requests", 11, "requests served")                                               \
    ROW(asked, "asked", 15, "bytes asked for in them")                                             \
    ROW(resident, "resident", 13, "bytes of the bucket that are in memory: the next three")        \
    ROW(resident_live, "resident-live", 13, "bytes in memory of slots in use")                     \
    ROW(resident_free, "resident-free", 13, "bytes in memory of free slots and of none yet")       \
    ROW(resident_purged, "resident-purged", 15,                                                    \
        "bytes in memory of purged slots: somebody wrote to them after their free")                \
    ROW(cache_hits, "cache-hits", 11, "requests that the thread's or processor's cache served")    \
    ROW(depot_hits, "depot-hits", 11, "requests that the depot or the stack served")               \
    ROW(swaps, "swaps", 9, "private magazines exchanged for the public one to some effect")        \
    ROW(fell_through, "fall-through", 12, "requests of the bucket that fell through")              \
    ROW(fell_through_asked, "fall-through-asked", 18, "bytes asked for in them")

#define SNAPSHOT_CACHE_ROWS(ROW)                                                                   \
    ROW(returned, "returned", 11, "slots freed")                                                   \
    ROW(quota, "quota", 9, "free slots that all caches together may hold")                         \
    ROW(misses, "misses", 9, "private magazines that the public one could not help")               \
    ROW(walks, "walks", 9, "other threads' public magazines looked at after a miss")               \
    ROW(steals, "steals", 9, "other threads' public magazines taken")                              \
    ROW(promotions, "promotions", 10, "quotas that began")                                         \
    ROW(growths, "growths", 9, "quotas raised out of the budget")                                  \
    ROW(transfers, "transfers", 9, "quotas raised by another bucket's loss")                       \
    ROW(losses, "losses", 9, "quotas lowered for another bucket's gain")                           \
    ROW(decays, "decays", 9, "quotas lowered for want of use")

#define SNAPSHOT_ROWS(ROW) SNAPSHOT_SLOT_ROWS(ROW) SNAPSHOT_CACHE_ROWS(ROW)

struct snapshot_figures {
#define SNAPSHOT_FIELD(name, heading, width, help) uint64_t name;
    SNAPSHOT_ROWS(SNAPSHOT_FIELD)
#undef SNAPSHOT_FIELD
};

struct snapshot {
    unsigned buckets; /* 0 while the pools are off */
    struct snapshot_figures bucket[BUCKET_LIMIT];
    struct snapshot_figures total;
    uint64_t charged; /* bytes that the caches' quotas allow them, and what they may come to */
    uint64_t budget;
    uint64_t pressure_highs; /* times that memory came near its end */
    enum kind kind;          /* in force */
};

/*
 * Sums everything up. Signal-safe, no lock: threads go on counting meanwhile, so that under load a
 * row may be out by what they do while it is read. O(threads x buckets), and a system call per 4
 * MiB of lane (residency.h).
 */
INTERNAL void snapshot_take(struct snapshot *snapshot);

/* A figure by its row's name, or NULL. */
INTERNAL const uint64_t *snapshot_find(const struct snapshot_figures *figures, const char *name);

#endif
