/* The depots: each trained bucket's shared magazines, a stack of full ones and a stack of empty
 * ones. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "depot.h"

#include "bucket.h"

static struct depot {
    struct stack full;
    struct stack empty;
} depots[BUCKET_LIMIT];

struct magazine *depot_take_full(unsigned bucket)
{
    return magazine_pop(&depots[bucket].full);
}

struct magazine *depot_take_empty(unsigned bucket)
{
    struct magazine *magazine = magazine_pop(&depots[bucket].empty);
    return magazine != NULL ? magazine : magazine_open();
}

void depot_give(unsigned bucket, struct magazine *magazine)
{
    struct depot *depot = &depots[bucket];
    magazine_push(magazine_count(magazine) > 0 ? &depot->full : &depot->empty, magazine);
}

void depot_reset(void)
{
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        stack_reset(&depots[bucket].full);
        stack_reset(&depots[bucket].empty);
    }
}
