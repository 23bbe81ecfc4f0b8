/* What the pools' fast paths leave over: takes and gives past the private magazine. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/background.h"
#include "pool/pool_parts.h"

void pool_count_source(struct cache *cache, unsigned bucket, enum slots_source source)
{
    struct cache_tally *tally = &cache->tally[bucket];
    switch (source) {
    case SLOTS_FROM_FREE:
        pool_count_stack_hit(cache, bucket);
        break;
    case SLOTS_FROM_PURGED:
        pool_count(cache, &tally->unpurged, 1);
        break;
    case SLOTS_FROM_CARVED:
        pool_count(cache, &tally->carves, 1);
        break;
    case SLOTS_FROM_NONE:
        break;
    }
}

/* A slot from the stacks, else the region: for all that has no magazines. */
static void *pool_alloc_single(struct cache *cache, unsigned bucket)
{
    enum slots_source source;
    void *slot = slots_pop(bucket, &source);
    pool_count_source(cache, bucket, source);
    return slot;
}

/* A fresh slot, unless a purged one is there. */
static void *pool_alloc_fresh(struct cache *cache, unsigned bucket)
{
    if (slots_have_purged(bucket)) {
        return NULL;
    }
    void *slot = cache_carve(cache, bucket);
    if (slot != NULL) {
        counter_add(&cache->tally[bucket].carves, 1);
    }
    return slot;
}

/* A run of loose ones. */
static void *pool_alloc_refilled(struct cache *cache, unsigned bucket)
{
    void *slot = cache_refill_from_stack(cache, bucket);
    if (slot != NULL) {
        counter_add(&cache->tally[bucket].depot_hits, 1);
    }
    return slot;
}

static void *pool_alloc_trained(struct cache *cache, unsigned bucket)
{
    void *slot = cache_refill(cache, bucket);
    if (slot == NULL) {
        slot = slots_have_free(bucket) ? pool_alloc_refilled(cache, bucket) : pool_alloc_fresh(cache, bucket);
    }
    pool_mark_cold(cache, bucket);
    training_learn(cache, bucket);
    return slot != NULL ? slot : pool_alloc_single(cache, bucket);
}

/* For a thread whose quota is 0: single slots, and nothing stays with it. */
static void *pool_alloc_untrained(struct cache *cache, unsigned bucket)
{
    void *slot = slots_have_free(bucket) ? NULL : cache_take_one(cache, bucket);
    return slot != NULL ? slot : pool_alloc_single(cache, bucket);
}

/*
 * Brings the bucket's peak of live slots up to date with what the thread did since it last came
 * here. The peak can be short by what other threads have taken from their caches meanwhile, a
 * magazine or two each.
 */
static void pool_fold(struct cache *cache, unsigned bucket)
{
    uint32_t *folded = &cache->tally[bucket].folded;
    uint32_t net = (uint32_t)(counter_read(&cache->bin[bucket].requests) - cache_returned(cache, bucket));
    int64_t change = (int32_t)(net - *folded);
    *folded = net;
    int64_t live = atomic_fetch_add_explicit(&pools[bucket].live, change, memory_order_relaxed) + change;
    int64_t peak = atomic_load_explicit(&pools[bucket].peak, memory_order_relaxed);
    while (live > peak && !atomic_compare_exchange_weak_explicit(&pools[bucket].peak, &peak, live, memory_order_relaxed,
                                                                 memory_order_relaxed)) {
    }
}

/* A bucket that has magazines, and a thread that has a cache for them. */
static bool pool_is_trained(const struct cache *cache, unsigned bucket)
{
    return !pool_is_large(bucket) && cache != &cache_shared;
}

static void *pool_alloc_by_kind(struct cache *cache, unsigned bucket, const void *caller)
{
    if (pool_kind() == KIND_STANDARD) {
        return pool_alloc_standard(cache, bucket, caller);
    }
    if (!pool_is_trained(cache, bucket)) {
        return pool_alloc_single(cache, bucket);
    }
    if (UNLIKELY(cache_resume_fast(cache, bucket))) {
        void *slot = cache_pop(&cache->bin[bucket]);
        if (slot != NULL) {
            return slot;
        }
    }
    return training_admits(cache, bucket) ? pool_alloc_trained(cache, bucket) : pool_alloc_untrained(cache, bucket);
}

static void *pool_alloc_by_thread(unsigned bucket, size_t request, uint8_t *was, const void *caller)
{
    struct cache *cache = cache_reach();
    if (UNLIKELY(cache->state.more)) {
        pool_tick_taking(cache);
    }
    void *slot = pool_alloc_by_kind(cache, bucket, caller);
    if (UNLIKELY(slot == NULL)) {
        return NULL;
    }
    pool_populate(bucket, slot, request);
    pool_fetch(bucket, slot, request);
    pool_mark(region_number(slot), slot_meta_of(SLOT_LIVE, bucket), pool_owner(), request, was);
    pool_count(cache, &cache->bin[bucket].requests, 1);
    pool_count(cache, &cache->bin[bucket].asked, request);
    if (pool_is_trained(cache, bucket)) {
        pool_fold(cache, bucket);
    }
    return slot;
}

/* In a burst most takes are of cold slots. Settled afterwards, since a quota that rose is charged,
 * which leaves less room for other free memory. */
OUT_OF_LINE void *pool_alloc_slow(unsigned bucket, size_t request, uint8_t *was, const void *caller)
{
    void *slot;
    pool_recover_due();
    if (pool_is_percpu()) {
        slot = pool_alloc_cpu(bucket, request, was);
    } else {
        slot = pool_alloc_cold(bucket, request, was);
        slot = slot != NULL ? slot : pool_alloc_by_thread(bucket, request, was, caller);
    }
    pool_enforce_limits();
    return slot;
}

/* Into the magazines, if the thread has a quota. False: the slot is the caller's still. */
static bool pool_free_trained(struct cache *cache, unsigned bucket, void *slot)
{
    if (!training_admits(cache, bucket) || !cache_flush(cache, bucket, slot)) {
        return false;
    }
    pool_mark_cold(cache, bucket);
    training_learn(cache, bucket);
    return true;
}

static void pool_free_by_kind(struct cache *cache, unsigned bucket, void *slot, uint32_t number)
{
    if (pool_kind() == KIND_STANDARD) {
        pool_free_standard(cache, bucket, number);
    } else if (!pool_is_trained(cache, bucket) || !pool_free_trained(cache, bucket, slot)) {
        slots_push(bucket, number);
        pool_count_deposit(cache, bucket, 1);
    }
}

/* Counts a slot that came back. Whether the thread's next tick is due. */
static bool pool_count_return(struct cache *cache, unsigned bucket)
{
    if (UNLIKELY(cache == &cache_shared)) {
        counter_add_shared(&cache->bin[bucket].returned, 1);
        return false;
    }
    return counter_step(&cache->bin[bucket].returned);
}

static void pool_free_by_thread(unsigned bucket, void *slot, uint32_t number)
{
    struct cache *cache = cache_reach();
    bool due = pool_count_return(cache, bucket);
    if (pool_is_trained(cache, bucket)) {
        pool_fold(cache, bucket);
    }
    pool_free_by_kind(cache, bucket, slot, number);
    if (UNLIKELY(due)) {
        pool_tick(slot);
    }
}

/* For all that pool_free and pool_free_slow leave over. */
static OUT_OF_LINE void pool_free_rest(void *slot, unsigned bucket, uint32_t number)
{
    pool_disinherit();
    bool by_processor = pool_is_percpu();
    if (!by_processor && pool_free_cold(bucket, slot)) {
        return;
    }
    __builtin_prefetch(slot, 1);
    if (by_processor) {
        pool_free_cpu(bucket, slot, number);
        pool_tick_shared(slot);
    } else {
        pool_free_by_thread(bucket, slot, number);
    }
    background_call();
    pool_enforce_limits();
}

/* The large pool's usual case comes first: a slot goes to the stack. */
void pool_free_slow(void *slot, struct cache_bin *bin, size_t number)
{
    struct cache *cache = cache_mine;
    size_t bucket = cache_bucket_of(cache, bin);
    if (UNLIKELY(bucket < cache->state.usual)) {
        pool_free_rest(slot, (unsigned)bucket, (uint32_t)number);
        return;
    }
    __builtin_prefetch(slot, 1);
    slots_push(bucket, (uint32_t)number);
    counter_add(&cache->tally[bucket].deposited, 1);
    if (UNLIKELY(counter_step(&bin->returned))) {
        pool_tick(slot);
    }
}
