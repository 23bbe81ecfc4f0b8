/* What the child of a fork does with what its parent's threads held. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/depot.h"
#include "pool/histogram.h"
#include "pool/in_use.h"
#include "os/os.h"
#include "pool/pool_parts.h"
#include "pool/pressure.h"
#include "percpu/processor.h"
#include "memory/slots.h"
#include "pool/standard.h"

bool pool_is_torn;
_Atomic uint32_t pool_heir;
static const void *heir; /* a place among the variables of the thread that forked */
static bool crowded;     /* there were other threads when the last fork began */

void pool_before_fork(void)
{
    crowded = os_has_threads();
}

/* Adds one slot to its bucket's stocks, by its card. */
static void pool_count_card(uint8_t card)
{
    struct pool *pool = &pools[card_bucket(card)];
    bool live = card_state(card) == CARD_LIVE;
    pool->inherited_live += live;
    pool->inherited_purged += !live && card_is_zero(card);
    pool->inherited_depot += !live && !card_is_zero(card);
}

/* Sets the stocks of all buckets to what the cards say. */
static void pool_count_cards(void)
{
    for (unsigned bucket = 0; bucket < lanes.count; bucket++) {
        pools[bucket].inherited_live = 0;
        pools[bucket].inherited_depot = 0;
        pools[bucket].inherited_purged = 0;
    }
    for (uint32_t number = lane_next(0); number != LANE_END; number = lane_after(number)) {
        pool_count_card(lane_card(number));
    }
}

static void pool_find_free_slot(uint32_t number)
{
    uint8_t card = lane_card(number);
    if (card_is_leaving(card)) {
        lane_forget(number); /* it may have no addresses any more */
    } else if (card_is_zero(card)) {
        slots_give_purged(card_bucket(card), number);
    } else if (card_state(card) != CARD_LIVE) {
        slots_give(card_bucket(card), number);
    }
}

/* Gives all free slots, as their cards say, the highest first so that the lowest is taken first. */
static void pool_find_free(void)
{
    for (uint32_t number = lane_front(); number-- > 0;) {
        if (card_is_slot(lane_card(number))) {
            pool_find_free_slot(number);
        }
    }
}

/* What other threads may have been at: growth, and giving addresses back. */
static void pool_reset_range(void)
{
    lane_after_fork();
    in_use_after_fork();
    pool_reset_return();
}

/* Adds what a cache's counters say to the inherited stocks; `sign` is 1, or -1 to take it away. */
static void pool_add_counts(struct cache *cache, unsigned bucket, uint64_t sign)
{
    struct pool *pool = &pools[bucket];
    const struct cache_tally *tally = &cache->tally[bucket];
    pool->inherited_live +=
        sign * (counter_read(&cache->bin[bucket].requests) - cache_returned(cache, bucket));
    pool->inherited_depot +=
        sign * (counter_read(&tally->deposited) - counter_read(&tally->withdrawn) -
                counter_read(&tally->stack_hits));
    pool->inherited_purged +=
        sign * (counter_read(&tally->purged) - counter_read(&tally->unpurged));
}

static void pool_add_all_counts(unsigned bucket, uint64_t sign)
{
    for (uint32_t number = 0; number < cache_count(); number++) {
        pool_add_counts(cache_at(number), bucket, sign);
    }
    for (uint32_t number = 0; sign != 1 && number < processor_records(); number++) {
        pool_add_counts(processor_at(number), bucket, sign);
    }
}

/* What lies in depots and stacks now, in bytes, of the buckets from `first` on. */
static uint64_t pool_inherited_stock(unsigned first)
{
    uint64_t stock = 0;
    for (unsigned bucket = first; bucket < lanes.count; bucket++) {
        stock += pools[bucket].inherited_depot * lanes.lane[bucket].capacity;
    }
    return stock;
}

/* Threads that libc does not know of may have caches; of those that use processors' caches nobody
 * keeps count. */
static bool pool_find_torn(void)
{
    bool torn = crowded || cache_others_are_open() || processor_records() > 0;
    pool_is_torn = pool_is_torn || torn;
    return torn;
}

static void pool_reset(void)
{
    cache_reset();
    pool_reset_processors();
    depot_reset();
    magazine_reset();
    slots_reset();
}

static void pool_begin_anew(unsigned bucket)
{
    int64_t live = (int64_t)pools[bucket].inherited_live;
    atomic_store_explicit(&pools[bucket].live, live, memory_order_relaxed);
    atomic_store_explicit(&pools[bucket].peak, live, memory_order_relaxed);
    counter_reset(&pools[bucket].crossed);
}

static void pool_adopt_as(bool torn)
{
    if (torn) {
        pool_reset();
        pool_reset_range();
        pool_find_free();
        pool_count_cards();
    }
    for (unsigned bucket = 0; bucket < lanes.count; bucket++) {
        if (torn) {
            standard_reset(bucket, (uint32_t)pools[bucket].inherited_depot);
        } else {
            pool_add_all_counts(bucket, 1);
        }
        pool_begin_anew(bucket);
    }
    budget_reset(torn ? pool_processors_charge() : budget_charged(), pool_inherited_stock(0),
                 pool_inherited_stock(pool_first_large));
    cache_reset_counters();
    histogram_reset();
    pressure_after_fork();
}

void pool_adopt(void)
{
    pool_adopt_as(pool_find_torn());
}

/* What the calling thread's own cache holds is not with the others. */
static void pool_leave_own(unsigned bucket)
{
    if (cache_is_own(cache_mine)) {
        pools[bucket].inherited_depot -= cache_held(cache_mine, bucket);
        pools[bucket].inherited_purged -= cache_fresh(cache_mine, bucket);
    }
}

static void pool_isolate(void)
{
    cache_isolate();
    pool_reset_processors();
    depot_reset();
    slots_reset();
    pool_count_cards();
    for (unsigned bucket = 0; bucket < lanes.count; bucket++) {
        pool_leave_own(bucket);
        standard_reset(bucket, 0);
        pool_begin_anew(bucket);
    }
    budget_reset(budget_charged(), 0, 0);
    cache_reset_counters();
    histogram_reset();
    pressure_after_fork();
}

void pool_inherit(void)
{
    if (!pool_find_torn()) {
        pool_adopt_as(false);
        return;
    }
    pool_isolate();
    heir = &cache_mine;
    atomic_store_explicit(&pool_heir, POOL_HEIR, memory_order_release);
}

/* What was counted since pool_inherit stays counted: the stocks are the cards' less that. */
static void pool_adopt_rest(void)
{
    cache_reset();
    processor_forget();
    depot_reset();
    magazine_reset();
    slots_reset();
    pool_reset_range();
    pool_find_free();
    pool_count_cards();
    for (unsigned bucket = 0; bucket < lanes.count; bucket++) {
        standard_reset(bucket, (uint32_t)pools[bucket].inherited_depot);
    }
    budget_reset(pool_processors_charge(), pool_inherited_stock(0),
                 pool_inherited_stock(pool_first_large));
    for (unsigned bucket = 0; bucket < lanes.count; bucket++) {
        pool_add_all_counts(bucket, (uint64_t)-1);
    }
}

/* The heir alone changes POOL_HEIR to POOL_ADOPTING, and back to POOL_ADOPTED: who comes meanwhile
 * waits. */
void pool_disinherit_slow(void)
{
    uint32_t seen = POOL_HEIR;
    if (heir == &cache_mine) {
        return;
    }
    while (!atomic_compare_exchange_strong_explicit(&pool_heir, &seen, POOL_ADOPTED,
                                                    memory_order_acq_rel, memory_order_acquire) &&
           seen == POOL_ADOPTING) {
        os_wait(&pool_heir, POOL_ADOPTING, UINT64_MAX);
        seen = POOL_HEIR;
    }
}

void pool_adopt_slow(void)
{
    uint32_t seen = POOL_HEIR;
    if (heir != &cache_mine) {
        pool_disinherit_slow();
    } else if (atomic_compare_exchange_strong_explicit(
                   &pool_heir, &seen, POOL_ADOPTING, memory_order_acq_rel, memory_order_acquire)) {
        pool_adopt_rest();
        atomic_store_explicit(&pool_heir, POOL_ADOPTED, memory_order_release);
        os_wake(&pool_heir);
    }
}
