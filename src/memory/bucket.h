/* The buckets: which one serves a request, and how large its slots are. Pure arithmetic. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUCKET_H
#define SOCKMALLOC_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* What a plan is made from, in bytes: the settings of the same names, and the page size. */
struct bucket_settings {
    size_t minimum;
    size_t maximum;
    size_t large;
    size_t headroom;
    size_t page;
};

/* Every capacity is a multiple of a granule, so one line a granule maps a request to its bucket. */
enum {
    BUCKET_GRANULE_SHIFT = 12,
    BUCKET_REQUEST_FLOOR = 1 << 11, /* SOCKMALLOC_MIN can't be set lower */
    BUCKET_REQUEST_LIMIT = 1 << 26, /* SOCKMALLOC_MAX can't be set higher */
    BUCKET_GRANULES = BUCKET_REQUEST_LIMIT >> BUCKET_GRANULE_SHIFT,
    BUCKET_LIMIT = 16,    /* 4 KiB to 64 MiB are 15, whatever the last one's size */
    BUCKET_LABEL_SIZE = 9 /* "67108863" */
};

/*
 * A bucket as fast paths have it: the offset of its line, in bytes, in every table that has a cache
 * line a bucket, which the regions are and the bins of a cache. Requests are mapped to that and not
 * to a number, since the shift that makes one of the other would lie before the first load.
 */
typedef uint16_t bucket_offset;

static inline size_t bucket_offset_of(size_t bucket)
{
    return bucket * CACHE_LINE;
}

/*
 * Everything about the buckets that a setting decides. Made once at start. Their sizes are powers
 * of two, each with headroom, but for the last bucket: it ends where requests do, at `maximum`,
 * whatever number that is, without headroom. Where the next power of two would lie beyond, its size
 * is the maximum itself.
 */
struct bucket_plan {
    size_t minimum; /* requests from here ... */
    size_t maximum; /* ... to here have a bucket */
    unsigned count;
    unsigned first_large;                        /* buckets from this one on are the large pool's */
    size_t size[BUCKET_LIMIT];                   /* 2^k, the last one's at most the maximum */
    size_t capacity[BUCKET_LIMIT];               /* largest request in whole pages */
    size_t stride[BUCKET_LIMIT];                 /* from one slot to the next */
    char label[BUCKET_LIMIT][BUCKET_LABEL_SIZE]; /* the size as settings write it: "16k" */
};

/* Writes the label that a bucket of its size has. */
void bucket_label(struct bucket_plan *plan, unsigned bucket);

/* Makes the plan. `map` gets, for each granule of the range of requests, the line of the bucket
 * that serves it. */
void bucket_plan_make(struct bucket_plan *plan, const struct bucket_settings *settings,
                      bucket_offset map[BUCKET_GRANULES]);

#endif
