/* Defines a snapshot of the statistics: the figures of each bucket and of the whole process. Each figure has a row
 * here. */
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
 * The columns of a row: the figure's name; its width in the text format; COUNTER if the figure only grows, otherwise
 * GAUGE; its unit, or "" if the name says what is counted; and its meaning. The structure, the totals, every format,
 * the names that sockmalloc_statistic accepts, the public header, the man pages and the JSON schema are made from these
 * rows. While no thread allocates or frees, live + cached + depot + purged = carved, although each is counted by
 * itself; and in a process that was not forked, requests - returned = live.
 */
#define SNAPSHOT_SLOT_ROWS(ROW)                                                                                        \
    ROW(live, 9, GAUGE, "slots", "slots in use, counted from their metadata")                                          \
    ROW(cached, 9, GAUGE, "slots", "free slots in the caches of threads or of processors")                             \
    ROW(depot, 9, GAUGE, "slots", "free slots in the depot or the lock-free stack")                                    \
    ROW(purged, 9, GAUGE, "slots", "free slots without pages: purged, or never used yet")                              \
    ROW(carved, 9, GAUGE, "slots", "slots that exist, in use or free")                                                 \
    ROW(peak, 9, GAUGE, "slots", "most slots in use at one time; may be too low, because slow paths alone count it")   \
    ROW(requests, 11, COUNTER, "", "requests served")                                                                  \
    ROW(asked, 15, COUNTER, "bytes", "bytes that the served requests asked for")                                       \
    ROW(resident, 13, GAUGE, "bytes", "resident bytes of the bucket: of live, free and purged slots together")         \
    ROW(resident_live, 13, GAUGE, "bytes", "resident bytes of slots in use")                                           \
    ROW(resident_free, 13, GAUGE, "bytes", "resident bytes of free slots and of space not yet divided into slots")     \
    ROW(resident_purged, 15, GAUGE, "bytes",                                                                           \
        "resident bytes of purged slots, to which the program wrote after it had freed them")                          \
    ROW(cache_hits, 11, COUNTER, "", "requests served from the cache of the thread or the processor")                  \
    ROW(depot_hits, 11, COUNTER, "", "requests served from the depot or the lock-free stack")                          \
    ROW(swaps, 9, COUNTER, "", "times that a thread exchanged its two magazines, and the other one served")            \
    ROW(fell_through, 12, COUNTER, "requests", "requests of the bucket's sizes that got no slot of it")                \
    ROW(fell_through_asked, 18, COUNTER, "bytes", "bytes asked for in the requests that got no slot")

#define SNAPSHOT_CACHE_ROWS(ROW)                                                                                       \
    ROW(returned, 11, COUNTER, "slots", "slots freed")                                                                 \
    ROW(remote_frees, 13, COUNTER, "slots",                                                                            \
        "slots freed by another thread than the one that allocated them; an estimate")                                 \
    ROW(quota, 9, GAUGE, "slots", "free slots that all caches together may hold")                                      \
    ROW(misses, 9, COUNTER, "", "allocations and frees that neither of the thread's magazines could serve")            \
    ROW(walks, 9, COUNTER, "", "public magazines of other threads that were looked at after a miss")                   \
    ROW(steals, 9, COUNTER, "", "public magazines of other threads that were taken")                                   \
    ROW(promotions, 10, COUNTER, "", "times that a cache got its first quota of the bucket")                           \
    ROW(growths, 9, COUNTER, "", "quotas raised from the unused part of the budget")                                   \
    ROW(transfers, 9, COUNTER, "", "quotas raised because another bucket's quota was lowered")                         \
    ROW(losses, 9, COUNTER, "", "quotas lowered so that another bucket's quota could be raised")                       \
    ROW(decays, 9, COUNTER, "", "quotas lowered because they were not used")

#define SNAPSHOT_ROWS(ROW) SNAPSHOT_SLOT_ROWS(ROW) SNAPSHOT_CACHE_ROWS(ROW)

/*
 * Figures that are counted once for the whole process. The columns are those of SNAPSHOT_SLOT_ROWS, without the width.
 */
#define SNAPSHOT_PROCESS_ROWS(ROW)                                                                                     \
    ROW(processes, GAUGE, "", "processes that the figures are of; more than 1 where sockmalloc stat adds several up")  \
    ROW(charged, GAUGE, "bytes", "bytes that the quotas allow all caches together to hold")                            \
    ROW(budget, GAUGE, "bytes", "most bytes that all caches together may hold")                                        \
    ROW(pressure_highs, COUNTER, "", "times that memory was nearly used up and pages were purged for that")

/*
 * Shares that are computed from the figures in the rows above, for each bucket and for all together. The columns: name,
 * width in the text format, help. The function snapshot_NAME returns the share since the start, in ten-thousandths.
 */
#define SNAPSHOT_SHARE_ROWS(ROW) ROW(filled, 8, "share of the slots' capacity that the served requests asked for")

/*
 * The value of a figure that cannot be known, such as the resident bytes in a process behind a seccomp filter. Every
 * format shows that the figure is unknown, because any number could be taken for a count.
 */
#define SNAPSHOT_UNKNOWN UINT64_MAX

struct snapshot_figures {
#define SNAPSHOT_FIELD(name, width, type, unit, help) uint64_t name;
    SNAPSHOT_ROWS(SNAPSHOT_FIELD)
#undef SNAPSHOT_FIELD
};

struct snapshot {
    unsigned buckets; /* the number of buckets; 0 while the pools are off */
    struct snapshot_figures bucket[BUCKET_LIMIT];
    struct snapshot_figures total; /* the sums of the figures over all buckets */
#define SNAPSHOT_FIELD(name, type, unit, help) uint64_t name;
    SNAPSHOT_PROCESS_ROWS(SNAPSHOT_FIELD)
#undef SNAPSHOT_FIELD
    struct histogram_figures sizes; /* the histogram of the sizes of sampled requests */
    enum kind kind;                 /* the kind of pool that is in use */
    int process;                    /* the id of the process that the figures describe */
    const char *program;            /* the name of the process; a static string */
};

/*
 * Adds up the counters of all caches and pools into `snapshot`. Signal handlers may call the function, which takes no
 * lock. Other threads may go on counting meanwhile, so the figures of a row may not add up exactly. Price: time in
 * proportion to threads times buckets, and a system call for each 4 MiB of slots (residency.h).
 */
INTERNAL void snapshot_take(struct snapshot *snapshot);

/*
 * Stores the figures of one bucket or, if `bucket` is region.buckets, the sums of all buckets, as snapshot_take does.
 * Needs 3 KiB of stack, where a caller of snapshot_take that has no static memory for the snapshot needs 10 KiB.
 */
INTERNAL void snapshot_take_figures(struct snapshot_figures *figures, unsigned bucket);

/* Returns the sum of two figures, or SNAPSHOT_UNKNOWN if one of them is unknown. */
static inline uint64_t snapshot_sum(uint64_t one, uint64_t other)
{
    return one == SNAPSHOT_UNKNOWN || other == SNAPSHOT_UNKNOWN ? SNAPSHOT_UNKNOWN : one + other;
}

enum { SNAPSHOT_WHOLE = 10000 };

/*
 * Returns the share of `part` in `whole` in ten-thousandths, and 0 if `whole` is 0. Returns at most SNAPSHOT_WHOLE,
 * even if the part exceeds the whole because the two were not read at the same instant.
 */
INTERNAL uint64_t snapshot_share(uint64_t part, unsigned __int128 whole);

/*
 * Returns how much of their slots the requests have filled: the requested bytes as a share of the capacity of the
 * slots, in ten-thousandths. It is the share of one bucket or, if `bucket` is snapshot->buckets, that of all buckets.
 */
INTERNAL uint64_t snapshot_filled(const struct snapshot *snapshot, const struct bucket_plan *plan, unsigned bucket);

enum snapshot_type { SNAPSHOT_GAUGE, SNAPSHOT_COUNTER };

/* One row of SNAPSHOT_ROWS, for code that loops over all figures. */
struct snapshot_row {
    const char *name;
    enum snapshot_type type;
    const char *unit; /* "slots", "bytes", "requests", or "" */
    const char *help;
    size_t offset; /* the offset of the figure in struct snapshot_figures */
};

enum {
#define SNAPSHOT_ONE(name, width, type, unit, help) +1
    SNAPSHOT_COUNT = 0 SNAPSHOT_ROWS(SNAPSHOT_ONE)
#undef SNAPSHOT_ONE
};

extern INTERNAL const struct snapshot_row snapshot_rows[SNAPSHOT_COUNT];

/* Returns the figure of a row. */
static inline uint64_t snapshot_figure(const struct snapshot_figures *figures, const struct snapshot_row *row)
{
    return *(const uint64_t *)(const void *)((const char *)figures + row->offset);
}

/* Returns a pointer to the figure whose row has this name, or NULL if there is no such row. */
INTERNAL const uint64_t *snapshot_find(const struct snapshot_figures *figures, const char *name);

#endif
