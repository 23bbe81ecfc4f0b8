/* The pools: takes and gives slots of a bucket, trained or large, and keeps the cards and the
 * counts right. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool.h"

#include "depot.h"
#include "message.h"
#include "slots.h"

struct pool pools[BUCKET_LIMIT];

unsigned pool_first_large;
static const struct bucket_plan *plan;

void pool_open(const struct bucket_plan *bucket_plan)
{
    plan = bucket_plan;
    pool_first_large = bucket_plan->first_large;
}

/* A slot from the stacks, else the lane: for all that has no magazines. */
static void *pool_take_loose(struct cache *cache, unsigned bucket)
{
    struct cache_tally *tally = &cache->tally[bucket];
    enum slots_source source;
    void *slot = slots_take(bucket, &source);
    switch (source) {
    case SLOTS_LOOSE:
        pool_count(cache, &tally->stack_hits, 1);
        break;
    case SLOTS_PURGED:
        pool_count(cache, &tally->unpurged, 1);
        break;
    case SLOTS_CARVED:
        pool_count(cache, &tally->carves, 1);
        break;
    case SLOTS_NONE:
        break;
    }
    return slot;
}

/* Whether a free slot lies in the bucket's stacks: looked at before a whole run is carved. */
static bool pool_has_loose(unsigned bucket)
{
    return !stack_is_empty(&slots[bucket].loose) || !stack_is_empty(&slots[bucket].purged);
}

static void *pool_take_trained(struct cache *cache, unsigned bucket)
{
    void *slot = cache_refill(cache, bucket);
    if (slot == NULL && !pool_has_loose(bucket)) {
        slot = cache_carve(cache, bucket);
        if (slot != NULL) {
            counter_add(&cache->tally[bucket].carves, 1);
        }
    }
    return slot != NULL ? slot : pool_take_loose(cache, bucket);
}

/*
 * Brings the bucket's peak of live slots up to date with what the thread did since it last came
 * here. The peak can be short by what other threads have taken from their caches meanwhile, a
 * magazine or two each.
 */
static void pool_fold(struct cache *cache, unsigned bucket)
{
    const struct cache_bin *bin = &cache->bin[bucket];
    uint64_t *folded = &cache->tally[bucket].folded;
    uint64_t net = counter_read(&bin->requests) - counter_read(&bin->returned);
    int64_t change = (int64_t)(net - *folded);
    *folded = net;
    int64_t live =
        atomic_fetch_add_explicit(&pools[bucket].live, change, memory_order_relaxed) + change;
    int64_t peak = atomic_load_explicit(&pools[bucket].peak, memory_order_relaxed);
    while (live > peak &&
           !atomic_compare_exchange_weak_explicit(&pools[bucket].peak, &peak, live,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* A thread that has a cache, and a bucket that has magazines. */
static bool pool_has_magazines(const struct cache *cache, unsigned bucket)
{
    return !pool_is_large(bucket) && cache != &cache_shared;
}

OUT_OF_LINE void *pool_take_slow(unsigned bucket, size_t request, uint32_t *was)
{
    struct cache *cache = cache_reach();
    bool trained = pool_has_magazines(cache, bucket);
    void *slot = trained ? pool_take_trained(cache, bucket) : pool_take_loose(cache, bucket);
    if (UNLIKELY(slot == NULL)) {
        return NULL;
    }
    pool_mark(lane_card(bucket, slot), request, was);
    pool_count(cache, &cache->bin[bucket].requests, 1);
    pool_count(cache, &cache->bin[bucket].asked, request);
    if (trained) {
        pool_fold(cache, bucket);
    }
    return slot;
}

/* For all that pool_give and pool_give_large leave over. */
static OUT_OF_LINE void pool_give_rest(void *slot, unsigned bucket, uint32_t number)
{
    struct cache *cache = cache_reach();
    bool trained = pool_has_magazines(cache, bucket);
    pool_count(cache, &cache->bin[bucket].returned, 1);
    if (trained) {
        pool_fold(cache, bucket);
    }
    if (!trained || !cache_spill(cache, bucket, slot)) {
        pool_count(cache, &cache->tally[bucket].deposited, 1);
        slots_give(bucket, number);
    }
}

/*
 * The large pool's usual case comes first: a thread that has a cache to count in gives a slot to
 * the stack. Where the slot lies is computed anew: carried over from the fast path it would cost
 * that a saved register.
 */
void pool_give_slow(void *slot)
{
    struct place place = lane_find(slot);
    unsigned bucket = (unsigned)place.bucket;
    uint32_t number = (uint32_t)place.slot;
    struct cache *cache = cache_mine;
    if (!pool_is_large(bucket) || UNLIKELY(!cache_is_own(cache))) {
        pool_give_rest(slot, bucket, number);
        return;
    }
    counter_add(&cache->bin[bucket].returned, 1);
    counter_add(&cache->tally[bucket].deposited, 1);
    slots_give(bucket, number);
}

void pool_die(const char *call, const void *address)
{
    struct place place = lane_find(address);
    unsigned bucket = (unsigned)place.bucket;
    uint32_t number = (uint32_t)place.slot;
    const char *label = plan->label[bucket];
    uint32_t value = card_read(&lanes.lane[bucket].cards[number]);
    static const char *const states[] = {"never used", "live", "free", "purged"};
    const void *slot = lane_slot(bucket, number);
    if (!place.exact) {
        size_t within = (uintptr_t)address - (uintptr_t)slot;
        message_die(MESSAGE_INTERIOR, call, address, label, number, within, states[value >> 30]);
    }
    if (card_state(value) == CARD_NEVER_USED) {
        message_die(MESSAGE_NEVER_ISSUED, call, address, label, number);
    }
    message_die(MESSAGE_FREED_ALREADY, call, address, label, number, states[value >> 30],
                card_request(value));
}

void pool_count_fall_through(unsigned bucket, size_t request)
{
    struct cache *cache = cache_reach();
    pool_count(cache, &cache->tally[bucket].fell_through, 1);
    pool_count(cache, &cache->tally[bucket].fell_through_asked, request);
}
