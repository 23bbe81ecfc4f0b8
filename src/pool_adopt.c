/* What the child of a fork does with what its parent's threads held. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "depot.h"
#include "histogram.h"
#include "os.h"
#include "pool_parts.h"
#include "pressure.h"
#include "processor.h"
#include "slots.h"
#include "standard.h"

bool pool_is_torn;
static bool crowded; /* there were other threads when the last fork began */

void pool_before_fork(void)
{
    crowded = os_has_threads();
}

/* Finds a bucket's free slots by their cards, the highest first so that the lowest is taken first.
 */
static void pool_recount(unsigned bucket)
{
    struct pool *pool = &pools[bucket];
    pool->inherited_live = 0;
    pool->inherited_depot = 0;
    pool->inherited_purged = 0;
    for (uint32_t number = lane_carved(bucket); number-- > 0;) {
        switch (card_state(card_read(&lanes.lane[bucket].cards[number]))) {
        case CARD_LIVE:
            pool->inherited_live++;
            break;
        case CARD_NEVER_USED:
        case CARD_PURGED:
            slots_give_purged(bucket, number);
            pool->inherited_purged++;
            break;
        default:
            slots_give(bucket, number);
            pool->inherited_depot++;
            break;
        }
    }
}

/* Adds what the caches' counters say to the inherited stocks, before they begin anew. */
static void pool_inherit(unsigned bucket)
{
    struct pool *pool = &pools[bucket];
    for (uint32_t number = 0; number < cache_count(); number++) {
        const struct cache_bin *bin = &cache_at(number)->bin[bucket];
        const struct cache_tally *tally = &cache_at(number)->tally[bucket];
        pool->inherited_live +=
            counter_read(&bin->requests) - cache_returned(cache_at(number), bucket);
        pool->inherited_depot += counter_read(&tally->deposited) - counter_read(&tally->withdrawn) -
                                 counter_read(&tally->stack_hits);
        pool->inherited_purged += counter_read(&tally->purged) - counter_read(&tally->unpurged);
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

void pool_adopt(void)
{
    /* Threads that libc does not know of may have caches; of those that use processors' caches
     * nobody keeps count. */
    bool torn = crowded || cache_others_are_open() || processor_records() > 0;
    pool_is_torn = pool_is_torn || torn;
    if (torn) {
        cache_reset();
        pool_reset_processors();
        depot_reset();
        magazine_reset();
        slots_reset();
    }
    for (unsigned bucket = 0; bucket < lanes.count; bucket++) {
        if (torn) {
            pool_recount(bucket);
            standard_reset(bucket, (uint32_t)pools[bucket].inherited_depot);
        } else {
            pool_inherit(bucket);
        }
        int64_t live = (int64_t)pools[bucket].inherited_live;
        atomic_store_explicit(&pools[bucket].live, live, memory_order_relaxed);
        atomic_store_explicit(&pools[bucket].peak, live, memory_order_relaxed);
        counter_reset(&pools[bucket].crossed);
    }
    budget_reset(torn ? pool_processors_charge() : budget_charged(), pool_inherited_stock(0),
                 pool_inherited_stock(pool_first_large));
    cache_reset_counters();
    histogram_reset();
    pressure_after_fork();
}
