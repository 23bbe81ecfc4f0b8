/* Samples frees, to fill the histogram of request sizes and to estimate how many slots are freed by another thread than
 * the one that allocated them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_sample.h"

#include "pool/histogram.h"
#include "pool/pool_state.h"

/* While the coarse clock has not advanced, a sample is taken only if it stands for at least this number of frees.
 * Samples must be rare, because they are counted in memory that all threads write to. */
enum { SAMPLE_LEAST = 240 };

/* Returns how many frees of the bucket the thread has made since its last sample. */
static uint16_t pool_undrawn(const struct cache *cache, unsigned bucket)
{
    return (uint16_t)(cache_returned(cache, bucket) - cache->tally[bucket].sampled);
}

/*
 * Samples a slot that is free: its metadata still says how many bytes were last requested and which thread allocated
 * it. The sample stands for all of the thread's frees in the bucket since the last sample. If another thread has
 * allocated the slot meanwhile, the request of that thread is sampled. Returns the request word of the slot.
 */
static uint32_t pool_draw(struct cache *cache, unsigned bucket, uint32_t number)
{
    uint32_t value = region_request_word(number);
    histogram_add(slot_meta_request(value), pool_undrawn(cache, bucket));
    cache->tally[bucket].sampled = (uint16_t)cache_returned(cache, bucket);
    return value;
}

static void pool_count_remote_frees(unsigned bucket, uint32_t value, uint32_t frees)
{
    if (!slot_meta_is_owned_by(value, pool_owner())) {
        counter_add_shared(&pools[bucket].remote_frees, frees);
    }
}

bool pool_sample(struct cache *cache, const void *slot, bool moved)
{
    uint32_t number = region_number(slot);
    unsigned bucket = region_bucket(number);
    uint32_t bit = UINT32_C(1) << bucket;
    bool awaited = (cache->state.awaited & bit) != 0;
    uint16_t undrawn = pool_undrawn(cache, bucket);
    cache->state.awaited &= ~bit;
    if (undrawn >= (moved || awaited ? 1 : SAMPLE_LEAST)) {
        pool_count_remote_frees(bucket, pool_draw(cache, bucket, number), undrawn);
    }
    return awaited;
}

/* Returns the number of a free slot of the bucket, or STACK_EMPTY: the slot on top of the private magazine or, in the
 * large pool, the slot that was freed last. Another thread may have allocated the slot when the function returns. */
static uint32_t pool_find_sample(const struct cache *cache, unsigned bucket)
{
    const struct cache_bin *bin = &cache->bin[bucket];
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (magazine_depth(top) > 0) {
        return region_number(top[-1]);
    }
    return pool_is_large(bucket) ? slots_peek_free(bucket) : STACK_EMPTY;
}

/* Samples a free slot of the bucket. It does not matter which thread has freed the slot, because the sample counts only
 * the size of the slot's last request. */
static void pool_draw_found(struct cache *cache, unsigned bucket)
{
    uint32_t number = pool_find_sample(cache, bucket);
    if (number != STACK_EMPTY) {
        pool_draw(cache, bucket, number);
    }
}

void pool_sample_rest(struct cache *cache)
{
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        uint32_t bit = UINT32_C(1) << bucket;
        if (pool_undrawn(cache, bucket) == 0) {
            continue;
        }
        if ((cache->state.awaited & bit) != 0) {
            pool_draw_found(cache, bucket);
            cache->state.awaited &= ~bit;
        } else {
            cache->state.awaited |= bit;
            cache_arm(cache, bucket, 1);
        }
    }
}

void pool_sample_shared(const void *slot, uint32_t frees)
{
    static _Thread_local uint32_t left __attribute__((tls_model("initial-exec")));
    left += frees;
    if (left >= SAMPLE_LEAST) {
        uint32_t value = region_request_word(region_number(slot));
        histogram_add(slot_meta_request(value), left);
        pool_count_remote_frees(region_bucket(region_number(slot)), value, left);
        left = 0;
    }
}
