/* The budget: limits, in bytes, on the free memory of the process. One limit says how many bytes all caches together
 * may hold. Two other limits say how much free memory may keep its pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/budget.h"

#include "base/bounds.h"

struct budget budget = {.retain_limit = BUDGET_UNLIMITED, .large_limit = BUDGET_UNLIMITED};

COLD void budget_open(uint64_t cache_limit, uint64_t retain_limit, uint64_t large_limit)
{
    budget_limit(cache_limit, retain_limit, large_limit);
    budget.counts_retained = retain_limit != BUDGET_UNLIMITED || large_limit != BUDGET_UNLIMITED;
    budget_reset(0, 0, 0);
}

void budget_limit(uint64_t cache_limit, uint64_t retain_limit, uint64_t large_limit)
{
    budget.cache_limit = LESSER(cache_limit, retain_limit);
    budget.retain_limit = retain_limit;
    budget.large_limit = large_limit;
}

void budget_count_retained(void)
{
    budget.counts_retained = true;
}

bool budget_charge(uint64_t bytes)
{
    uint64_t charged = atomic_load_explicit(&budget.charged, memory_order_relaxed);
    do {
        if (bytes > EXCESS(budget.cache_limit, charged)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&budget.charged, &charged, charged + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void budget_return(uint64_t bytes)
{
    atomic_fetch_sub_explicit(&budget.charged, bytes, memory_order_relaxed);
}

uint64_t budget_left(void)
{
    uint64_t charged = budget_charged();
    return EXCESS(budget.cache_limit, charged);
}

bool budget_is_overdrawn(void)
{
    return budget_charged() > budget.cache_limit;
}

/* Returns by how many bytes the count `counted` exceeds `room`, or 0 if the count does not exceed it. */
static uint64_t budget_beyond(const _Atomic int64_t *counted, uint64_t room)
{
    int64_t retained = atomic_load_explicit(counted, memory_order_relaxed);
    return retained > 0 ? EXCESS((uint64_t)retained, room) : 0;
}

uint64_t budget_excess(void)
{
    uint64_t charged = budget_charged();
    return budget_beyond(&budget.retained, EXCESS(budget.retain_limit, charged));
}

uint64_t budget_excess_large(void)
{
    return budget_beyond(&budget.large_retained, budget.large_limit);
}

COLD void budget_reset(uint64_t charged, uint64_t retained, uint64_t large_retained)
{
    atomic_store_explicit(&budget.charged, charged, memory_order_relaxed);
    atomic_store_explicit(&budget.retained, (int64_t)retained, memory_order_relaxed);
    atomic_store_explicit(&budget.large_retained, (int64_t)large_retained, memory_order_relaxed);
}
