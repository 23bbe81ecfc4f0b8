/* Draws the sample of requests for the histogram, where a free looks at the clock anyway. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "histogram.h"
#include "pool.h"

/* Frees that one drawn while the clock stands still stands for at least: the histogram's lines are
 * written by all threads. */
enum { SAMPLE_LEAST = 240 };

/*
 * A card keeps the last request when its slot is free. So a tick, which comes with a slot that was
 * just freed, has a request for nothing; it stands for all frees of the thread and bucket since the
 * last one that was drawn. A slot that another thread has taken meanwhile says a request, too.
 */
static void pool_draw(struct cache *cache, unsigned bucket, uint32_t number, uint16_t least)
{
    uint16_t *sampled = &cache->tally[bucket].sampled;
    uint16_t returned = (uint16_t)cache_returned(cache, bucket);
    uint16_t weight = (uint16_t)(returned - *sampled);
    if (weight >= least) {
        histogram_add(card_request(card_read(&lanes.lane[bucket].cards[number])), weight);
        *sampled = returned;
    }
}

void pool_sample(struct cache *cache, const void *slot)
{
    struct place place = lane_find(slot);
    pool_draw(cache, (unsigned)place.bucket, (uint32_t)place.slot, SAMPLE_LEAST);
}

/* A slot that was free a moment ago, or STACK_EMPTY: of a trained bucket the last one freed. */
static uint32_t pool_find_sample(const struct cache *cache, unsigned bucket)
{
    const struct cache_bin *bin = &cache->bin[bucket];
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (top != bin->floor) {
        return lane_number(bucket, top[-1]);
    }
    return pool_is_large(bucket) ? slots_peek_loose(bucket) : STACK_EMPTY;
}

void pool_sample_all(struct cache *cache)
{
    for (unsigned bucket = 0; bucket < lanes.count; bucket++) {
        uint32_t number = pool_find_sample(cache, bucket);
        if (number != STACK_EMPTY) {
            pool_draw(cache, bucket, number, 1);
        }
    }
}

void pool_sample_shared(const void *slot, uint32_t frees)
{
    static _Thread_local uint32_t left __attribute__((tls_model("initial-exec")));
    left += frees;
    if (left >= SAMPLE_LEAST) {
        struct place place = lane_find(slot);
        struct card *card = &lane_of(place.bucket)->cards[place.slot];
        histogram_add(card_request(card_read(card)), left);
        left = 0;
    }
}
