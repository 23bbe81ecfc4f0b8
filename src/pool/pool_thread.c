/*
 * The slow paths of the kinds `thread` and `lockfree`: for threads with magazines, and for buckets without magazines.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_thread.h"

#include "cache/training.h"
#include "pool/pool_decay.h"
#include "pool/pool_kind.h"
#include "pool/pool_populate.h"
#include "pool/pool_state.h"

/* Allocates a single slot: from the stack of free slots, or else from the stack of purged slots, or else a new one. */
static void *thread_pop_single(struct cache *cache, unsigned bucket)
{
    enum slots_source source;
    void *slot = slots_pop(bucket, &source);
    pool_count_source(cache, bucket, source);
    return slot;
}

void pool_mark_cold(struct cache *cache, unsigned bucket)
{
    if (pool_filled_pages(bucket) > 0) {
        cache_mark_cold(cache, bucket);
    }
}

void *pool_alloc_cold(unsigned bucket, size_t request, uint8_t *was)
{
    struct cache *cache = cache_mine;
    if (cache->state.more || pool_filled_pages(bucket) == 0) {
        /*
         * Either pages are due to be purged, or no slot of the bucket is treated as cold, because programs leave these
         * slots empty. In both cases the caller goes on with thread_find, which opens the fast path again if
         * cache_force_slow has closed it.
         */
        return NULL;
    }
    void *slot = cache_pop_cold(cache, bucket);
    if (slot == NULL) {
        return NULL;
    }
    pool_fetch_lines(bucket, slot, request);
    pool_mark(region_number(slot), cache->bin[bucket].live, cache->bin[bucket].owner, request, was);
    counter_add(&cache->bin[bucket].requests, 1);
    counter_add(&cache->bin[bucket].asked, request);
    return slot;
}

bool pool_free_cold(unsigned bucket, void *slot)
{
    struct cache *cache = cache_mine;
    if (!cache_push_cold(cache, bucket, slot)) {
        return false;
    }
    if (UNLIKELY(counter_step(&cache->bin[bucket].returned))) {
        pool_tick(slot);
    }
    return true;
}

/*
 * Finds a slot for a thread that has a quota for the bucket. The code below has four numbered steps, which are tried
 * one after the other until a slot is found. Step 2 is tried if the stack has free slots, and step 3 only if it has
 * none. Step 2 may find nothing all the same, because other threads were faster or there is no memory for a magazine.
 * Then step 4 allocates one slot, a free one if it can; no run is carved, so that the range does not grow by more than
 * is needed.
 */
static void *thread_find_trained(struct cache *cache, unsigned bucket)
{
    /* 1. A slot of a magazine: the thread's public one, another thread's public one, or one from the depot. */
    void *slot = cache_refill(cache, bucket);
    if (slot == NULL && slots_have_free(bucket)) {
        /* 2. A slot of the private magazine, after it was refilled from the stack of free slots. */
        slot = cache_refill_from_stack(cache, bucket);
        if (slot != NULL) {
            counter_add(&cache->tally[bucket].depot_hits, 1);
        }
    } else if (slot == NULL && !slots_have_purged(bucket)) {
        /* 3. A new slot of a run that is carved for this thread. None is carved while there are purged slots, because
         * step 4 shall use these again before the range grows. */
        slot = cache_carve(cache, bucket);
        if (slot != NULL) {
            counter_add(&cache->tally[bucket].carves, 1);
        }
    }
    pool_mark_cold(cache, bucket);
    training_learn(cache, bucket);
    /* 4. A single slot, without a magazine. */
    return slot != NULL ? slot : thread_pop_single(cache, bucket);
}

/* Finds a slot for a thread whose quota for the bucket is 0. The thread gets one slot, and its cache keeps no free
 * slots of the bucket. */
static void *thread_find_untrained(struct cache *cache, unsigned bucket)
{
    void *slot = slots_have_free(bucket) ? NULL : cache_take_one(cache, bucket);
    return slot != NULL ? slot : thread_pop_single(cache, bucket);
}

/* Finds a slot of the bucket for the thread, with a quota or without. */
static void *thread_find(struct cache *cache, unsigned bucket)
{
    if (!pool_is_trained(cache, bucket)) {
        return thread_pop_single(cache, bucket);
    }
    if (UNLIKELY(cache_resume_fast(cache, bucket))) {
        /* pops from the private magazine, which may have slots that cache_force_slow has kept from the fast path */
        void *slot = cache_pop(&cache->bin[bucket]);
        if (slot != NULL) {
            return slot;
        }
    }
    return training_admits(cache, bucket) ? thread_find_trained(cache, bucket) : thread_find_untrained(cache, bucket);
}

static void *thread_alloc(unsigned bucket, size_t request, uint8_t *was, const void *caller)
{
    (void)caller;
    /* 1. A cold slot of the private magazine, one that was freed long ago. In a burst of requests, most are served in
     * this step. */
    void *slot = pool_alloc_cold(bucket, request, was);
    if (slot != NULL) {
        return slot;
    }
    /* 2. The thread's cache, which is opened in the thread's first slow path. */
    struct cache *cache = cache_reach();
    /* 3. One step of purging, if the thread's last tick (a free that reads the clock) has left pages that are due to be
     * purged. */
    if (UNLIKELY(cache->state.more)) {
        pool_tick_taking(cache);
    }
    /* 4. The slot. */
    slot = thread_find(cache, bucket);
    if (UNLIKELY(slot == NULL)) {
        return NULL;
    }
    /* 5. The pages and cache lines of the slot, its metadata, and the counters. */
    pool_prepare(bucket, slot, request, was);
    pool_count_alloc(cache, bucket, request);
    return slot;
}

/* Puts a slot into the thread's magazines. Returns false if the thread has no quota for the bucket, or if there is no
 * empty magazine; the caller then still has to free the slot. */
static bool thread_free_trained(struct cache *cache, unsigned bucket, void *slot)
{
    if (!pool_is_trained(cache, bucket) || !training_admits(cache, bucket) || !cache_flush(cache, bucket, slot)) {
        return false;
    }
    pool_mark_cold(cache, bucket);
    training_learn(cache, bucket);
    return true;
}

static bool thread_free(unsigned bucket, void *slot, uint32_t number)
{
    /* 1. A cold place of the private magazine, which the fast path of free does not use. If there is one, nothing else
     * has to be done. */
    if (pool_free_cold(bucket, slot)) {
        return false;
    }
    /* 2. The slot is likely to be allocated next, so its first line is fetched for writing. */
    __builtin_prefetch(slot, 1);
    /* 3. The counters of the thread's cache. */
    struct cache *cache = cache_reach();
    bool tick = pool_count_free(cache, bucket);
    /* 4. The slot goes into the thread's magazines; if one is full, that magazine goes to the depot. If the thread has
     * no quota for the bucket, or no empty magazine is found, the slot goes to the stack of free slots instead. */
    if (!thread_free_trained(cache, bucket, slot)) {
        slots_push(bucket, number);
        pool_count_deposit(cache, bucket, 1);
    }
    /* 5. A tick (a free that reads the clock), if the number of frees says that one is due. */
    if (UNLIKELY(tick)) {
        pool_tick(slot);
    }
    return true;
}

const struct pool_operations pool_thread = {
    .alloc = thread_alloc,
    .free = thread_free,
    .withdraw = pool_withdraw_from_stack,
    .restore = pool_restore_to_stack,
    .counters = pool_own_counters,
    .peak = pool_counted_peak,
};
