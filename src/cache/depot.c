/*
 * The depots, which all threads share. Each bucket has one, with two stacks of magazines with slots (one for each
 * generation of decay.h) and a stack of empty magazines.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/depot.h"

#include "base/attributes.h"
#include "memory/bucket.h"

static LARGE_OBJECT struct depot depots[BUCKET_LIMIT];

struct magazine *depot_pop_full(unsigned bucket)
{
    unsigned young = decay_young();
    struct magazine *magazine = magazine_pop(&depots[bucket].full[young]);
    return magazine != NULL ? magazine : magazine_pop(&depots[bucket].full[young ^ 1]);
}

bool depot_has_full(unsigned bucket)
{
    const struct depot *depot = &depots[bucket];
    return !stack_is_empty(&depot->full[0]) || !stack_is_empty(&depot->full[1]);
}

bool depot_has_old(unsigned bucket)
{
    return !stack_is_empty(&depots[bucket].full[decay_old()]);
}

struct magazine *depot_pop_old(unsigned bucket)
{
    return magazine_pop(&depots[bucket].full[decay_old()]);
}

struct magazine *depot_pop_empty(unsigned bucket)
{
    struct magazine *magazine = magazine_pop(&depots[bucket].empty);
    return magazine != NULL ? magazine : magazine_open();
}

static void depot_put(unsigned bucket, struct magazine *magazine, unsigned generation)
{
    struct depot *depot = &depots[bucket];
    bool full = magazine_count(magazine) > 0;
    magazine_push(full ? &depot->full[generation] : &depot->empty, magazine);
}

void depot_push(unsigned bucket, struct magazine *magazine)
{
    depot_put(bucket, magazine, decay_young());
}

void depot_push_old(unsigned bucket, struct magazine *magazine)
{
    depot_put(bucket, magazine, decay_old());
}

void depot_reset(void)
{
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        stack_reset(&depots[bucket].full[0]);
        stack_reset(&depots[bucket].full[1]);
        stack_reset(&depots[bucket].empty);
    }
}

COLD struct span depot_span(void)
{
    return (struct span){depots, sizeof depots};
}
