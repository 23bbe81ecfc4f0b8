/* A moment's figures, bucket by bucket, summed from what the rooms below count: one row a figure.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SNAPSHOT_H
#define SOCKMALLOC_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "config/choices.h"
#include "memory/bucket.h"
#include "pool/histogram.h"

/*
 * Columns: name, heading of the table and its width, whether it only grows (a COUNTER) or not (a
 * GAUGE), unit where the name does not say what is counted, help. The structure, the totals, every
 * format, the names that sockmalloc_statistic takes and the man page come from these rows.
 * At rest: live + cached + depot + purged = carved, where each is counted by itself; and in a
 * process that was not forked, requests - returned = live.
 */
#define SNAPSHOT_SLOT_ROWS(ROW)                                                                                        \
    ROW(live, "live", 9, GAUGE, "slots", "slots in use, counted by their metadata")                                    \
    ROW(cached, "cached", 9, GAUGE, "slots", "free slots in the threads' or the processors' caches")                   \
    ROW(depot, "depot", 9, GAUGE, "slots", "free slots in the depot or the stack")                                     \
    ROW(purged, "purged", 9, GAUGE, "slots", "free slots without pages: given back, or never used yet")                \
    ROW(carved, "carved", 9, GAUGE, "slots", "slots that exist")                                                       \
    ROW(peak, "peak", 9, GAUGE, "slots", "most slots in use at one time; a trained bucket's, as of slow paths")        \
    ROW(requests, "requests", 11, COUNTER, "", "requests served")                                                      \
    ROW(asked, "asked", 15, COUNTER, "bytes", "bytes asked for in requests served")                                    \
    ROW(resident, "resident", 13, GAUGE, "bytes", "bytes of the bucket in memory: live, free and purged")              \
    ROW(resident_live, "resident-live", 13, GAUGE, "bytes", "bytes in memory of slots in use")                         \
    ROW(resident_free, "resident-free", 13, GAUGE, "bytes", "bytes in memory of free slots and of none yet")           \
    ROW(resident_purged, "resident-purged", 15, GAUGE, "bytes",                                                        \
        "bytes in memory of purged slots: somebody wrote to them after their free")                                    \
    ROW(cache_hits, "cache-hits", 11, COUNTER, "", "requests that the thread's or processor's cache served")           \
    ROW(depot_hits, "depot-hits", 11, COUNTER, "", "requests that the depot or the stack served")                      \
    ROW(swaps, "swaps", 9, COUNTER, "", "private magazines exchanged for the public one to some effect")               \
    ROW(fell_through, "fall-through", 12, COUNTER, "requests", "requests of the bucket that fell through")             \
    ROW(fell_through_asked, "fall-through-asked", 18, COUNTER, "bytes", "bytes asked for in requests that fell through")

#define SNAPSHOT_CACHE_ROWS(ROW)                                                                                       \
    ROW(returned, "returned", 11, COUNTER, "slots", "slots freed")                                                     \
    ROW(remote_frees, "remote-frees", 13, COUNTER, "slots",                                                            \
        "slots freed by another thread than took them, by a sample that tells four threads apart")                     \
    ROW(quota, "quota", 9, GAUGE, "slots", "free slots that all caches together may hold")                             \
    ROW(misses, "misses", 9, COUNTER, "", "private magazines that the public one could not help")                      \
    ROW(walks, "walks", 9, COUNTER, "", "other threads' public magazines looked at after a miss")                      \
    ROW(steals, "steals", 9, COUNTER, "", "other threads' public magazines taken")                                     \
    ROW(promotions, "promotions", 10, COUNTER, "", "quotas that began")                                                \
    ROW(growths, "growths", 9, COUNTER, "", "quotas raised out of the budget")                                         \
    ROW(transfers, "transfers", 9, COUNTER, "", "quotas raised by another bucket's loss")                              \
    ROW(losses, "losses", 9, COUNTER, "", "quotas lowered for another bucket's gain")                                  \
    ROW(decays, "decays", 9, COUNTER, "", "quotas lowered for want of use")

#define SNAPSHOT_ROWS(ROW) SNAPSHOT_SLOT_ROWS(ROW) SNAPSHOT_CACHE_ROWS(ROW)

/* What is counted once for the whole process: the same columns without the table's. */
#define SNAPSHOT_PROCESS_ROWS(ROW)                                                                                     \
    ROW(charged, GAUGE, "bytes", "bytes that the caches' quotas allow them")                                           \
    ROW(budget, GAUGE, "bytes", "bytes that all caches together may hold")                                             \
    ROW(pressure_highs, COUNTER, "", "times that memory came near its end, and pages went back")

/*
 * What is derived from those, of each bucket and of all: name, heading and width, help. A share of
 * all there was since the start, in ten-thousandths, which snapshot_NAME tells; every format and
 * the man page have it from here.
 */
#define SNAPSHOT_SHARE_ROWS(ROW)                                                                                       \
    ROW(filled, "filled", 8, "share of their slots' capacity that the requests served asked for")

/*
 * A figure that cannot be known, because the kernel may not be asked: the bytes in memory, behind a
 * seccomp filter. Every format says that it is unknown; as a number it could not be told from one.
 */
#define SNAPSHOT_UNKNOWN UINT64_MAX

struct snapshot_figures {
#define SNAPSHOT_FIELD(name, heading, width, type, unit, help) uint64_t name;
    SNAPSHOT_ROWS(SNAPSHOT_FIELD)
#undef SNAPSHOT_FIELD
};

struct snapshot {
    unsigned buckets; /* 0 while the pools are off */
    struct snapshot_figures bucket[BUCKET_LIMIT];
    struct snapshot_figures total;
#define SNAPSHOT_FIELD(name, type, unit, help) uint64_t name;
    SNAPSHOT_PROCESS_ROWS(SNAPSHOT_FIELD)
#undef SNAPSHOT_FIELD
    struct histogram_figures sizes; /* of a sample of the requests: see pool_sample */
    enum kind kind;                 /* in force */
    int process;                    /* whose figures these are */
    const char *program;            /* static */
};

/*
 * Sums everything up. Signal-safe, no lock: threads go on counting meanwhile, so that under load a
 * row may be out by what they do while it is read. O(threads x buckets), and a system call per 4
 * MiB of region (residency.h).
 */
INTERNAL void snapshot_take(struct snapshot *snapshot);

/* Returns the sum of two figures, which is unknown if one of them is. */
static inline uint64_t snapshot_sum(uint64_t one, uint64_t other)
{
    return one == SNAPSHOT_UNKNOWN || other == SNAPSHOT_UNKNOWN ? SNAPSHOT_UNKNOWN : one + other;
}

enum { SNAPSHOT_WHOLE = 10000 };

/* The part's share of the whole; 0 of nothing. Counts that were not read at one instant make no
 * more than all of it. */
INTERNAL uint64_t snapshot_share(uint64_t part, unsigned __int128 whole);

/* Of the bucket; of all of them, if it is `snapshot->buckets`. */
INTERNAL uint64_t snapshot_filled(const struct snapshot *snapshot, const struct bucket_plan *plan, unsigned bucket);

enum snapshot_type { SNAPSHOT_GAUGE, SNAPSHOT_COUNTER };

/* A row, for who goes through all of them. */
struct snapshot_row {
    const char *name;
    enum snapshot_type type;
    const char *unit; /* "slots", "bytes", "requests", or "" */
    const char *help;
    size_t offset; /* of the figure in a structure of figures */
};

enum {
#define SNAPSHOT_ONE(name, heading, width, type, unit, help) +1
    SNAPSHOT_COUNT = 0 SNAPSHOT_ROWS(SNAPSHOT_ONE)
#undef SNAPSHOT_ONE
};

extern INTERNAL const struct snapshot_row snapshot_rows[SNAPSHOT_COUNT];

/* The figure of a row. */
static inline uint64_t snapshot_figure(const struct snapshot_figures *figures, const struct snapshot_row *row)
{
    return *(const uint64_t *)(const void *)((const char *)figures + row->offset);
}

/* A figure by its row's name, or NULL. */
INTERNAL const uint64_t *snapshot_find(const struct snapshot_figures *figures, const char *name);

#endif
