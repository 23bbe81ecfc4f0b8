/* Stores which kind of pool is in force, and has the operations on stacks of free slots that most kinds share. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_kind.h"

#include "memory/slots.h"
#include "pool/pool_state.h"

/* The operations that are in force before pool_open, and if the pools are off. No slot is allocated or freed then.
 * malloc_trim and other functions that purge may still be called, and find no slot. */
static const struct pool_operations pool_closed = {
    .withdraw = pool_withdraw_from_stack,
    .restore = pool_restore_to_stack,
    .counters = pool_own_counters,
    .peak = pool_counted_peak,
};
static const struct pool_operations *const closed[] = {&pool_closed};

const struct pool_operations *const *pool_kinds = closed;
_Atomic(enum kind) pool_kind_in_force;

COLD void pool_set_kind(enum kind kind)
{
    atomic_store_explicit(&pool_kind_in_force, kind, memory_order_relaxed);
}

COLD struct span pool_kind_span(void)
{
    return (struct span){&pool_kind_in_force, sizeof pool_kind_in_force};
}

uint32_t pool_withdraw_from_stack(unsigned bucket, bool only_old)
{
    uint32_t number = slots_pop_generation(bucket, decay_old());
    return number == STACK_EMPTY && !only_old ? slots_pop_free(bucket) : number;
}

void pool_restore_to_stack(unsigned bucket, uint32_t number, unsigned generation)
{
    slots_push_generation(bucket, number, generation);
}

struct cache *pool_own_counters(void)
{
    return cache_reach();
}

uint64_t pool_counted_peak(unsigned bucket, uint64_t live, uint64_t carved)
{
    if (pool_is_large(bucket)) {
        /*
         * a slot is carved only when all others of the bucket are live, so the number of carved slots is also the
         * largest number that were live at once
         */
        return carved;
    }
    int64_t peak = atomic_load_explicit(&pools[bucket].peak, memory_order_relaxed);
    return peak > (int64_t)live ? (uint64_t)peak : live;
}
