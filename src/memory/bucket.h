/* Decides which bucket (size class) serves a request, and how large its slots are. The functions only compute: they use
 * no memory but their arguments. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUCKET_H
#define SOCKMALLOC_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * The settings from which the plan of the buckets is made. They are, in bytes and in this order: SOCKMALLOC_MIN,
 * SOCKMALLOC_MAX, SOCKMALLOC_LARGE, SOCKMALLOC_HEADROOM, and the page size.
 */
struct bucket_settings {
    size_t minimum;
    size_t maximum;
    size_t large;
    size_t headroom;
    size_t page;
};

/* A granule is 4 KiB. Each capacity is a multiple of a granule, so a table with one entry for each granule maps a
 * request to its bucket. */
enum {
    BUCKET_GRANULE_SHIFT = 12,
    BUCKET_REQUEST_FLOOR = 1 << 11, /* the smallest value that SOCKMALLOC_MIN may have */
    BUCKET_REQUEST_LIMIT = 1 << 26, /* the largest value that SOCKMALLOC_MAX may have */
    BUCKET_GRANULES = BUCKET_REQUEST_LIMIT >> BUCKET_GRANULE_SHIFT,
    /* the largest number of buckets: there are 15 powers of two from 4 KiB to 64 MiB, and the last bucket may have
     * another size */
    BUCKET_LIMIT = 16,
    BUCKET_LABEL_SIZE = 9 /* the size of the longest label, "67108863", and of a NUL */
};

/*
 * A bucket's number times the size of a cache line. This is the offset in bytes of the bucket's entry in a table that
 * has a cache line for each bucket, such as the bins of a thread's cache. malloc maps a request to this offset and not
 * to the bucket's number, because the shift that makes an offset of a number would delay the first load of malloc.
 */
typedef uint16_t bucket_offset;

/* Returns the offset of a bucket in a table that has a cache line for each bucket. */
static inline size_t bucket_offset_of(size_t bucket)
{
    return bucket * CACHE_LINE;
}

/*
 * The plan: all that settings decide about the buckets. Start-up makes it once. The sizes of buckets are powers of two.
 * A slot can hold more than its bucket's size by the headroom (SOCKMALLOC_HEADROOM, rounded up to whole pages), but no
 * slot can hold more than `maximum`, rounded up to whole pages. If the power of two for the last bucket would exceed
 * the maximum, the size of the last bucket is the maximum itself.
 */
struct bucket_plan {
    size_t minimum; /* bytes of the smallest request that has a bucket */
    size_t maximum; /* bytes of the largest request that has a bucket */
    unsigned count;
    /* the number of the first bucket of the large pool; all later buckets are also the large pool's */
    unsigned first_large;
    /* the bucket's size in bytes: a power of two, or the largest request of the plan if that is less */
    size_t size[BUCKET_LIMIT];
    /* bytes of the largest request that a slot can hold; a multiple of the page size */
    size_t capacity[BUCKET_LIMIT];
    size_t stride[BUCKET_LIMIT];                 /* bytes from one slot to the next */
    char label[BUCKET_LIMIT][BUCKET_LABEL_SIZE]; /* the bucket's size as settings write it, such as "16k" */
};

/* Writes the bucket's size into its label, as settings write it. */
void bucket_label(struct bucket_plan *plan, unsigned bucket);

/*
 * The map from requests to buckets that most plans have, those of the default settings among them, as an initializer:
 * for each granule (4 KiB) of request sizes, the offset of the bucket that serves them. Bucket N has slots for requests
 * up to 2^N granules and one more, for the headroom. A map with this initializer lies in the library's file, so
 * start-up need not write it, and the part for requests of megabytes takes no memory until such a request comes.
 * BUCKET_USUAL_MAXIMUM is the largest request, in bytes, that the map contains.
 */
enum { BUCKET_USUAL_MAXIMUM = 1 << 25 };
#define BUCKET_USUAL_MAP                                                                                               \
    {                                                                                                                  \
        [2] = 1 * CACHE_LINE, [3 ... 4] = 2 * CACHE_LINE, [5 ... 8] = 3 * CACHE_LINE, [9 ... 16] = 4 * CACHE_LINE,     \
        [17 ... 32] = 5 * CACHE_LINE, [33 ... 64] = 6 * CACHE_LINE, [65 ... 128] = 7 * CACHE_LINE,                     \
        [129 ... 256] = 8 * CACHE_LINE, [257 ... 512] = 9 * CACHE_LINE, [513 ... 1024] = 10 * CACHE_LINE,              \
        [1025 ... 2048] = 11 * CACHE_LINE, [2049 ... 4096] = 12 * CACHE_LINE, [4097 ... 8191] = 13 * CACHE_LINE,       \
    }

/* Makes the plan, and the map from requests to buckets by bucket_map_make. If `map` is NULL, makes no map. */
void bucket_plan_make(struct bucket_plan *plan, const struct bucket_settings *settings,
                      bucket_offset map[BUCKET_GRANULES]);

/* Writes to `map`, for each granule (4 KiB) of request sizes, the offset of the bucket that serves them. */
void bucket_map_make(const struct bucket_plan *plan, bucket_offset map[BUCKET_GRANULES]);

/* Returns true if BUCKET_USUAL_MAP is the plan's map for all requests that have a bucket. */
bool bucket_map_is_usual(const struct bucket_plan *plan);

#endif
