/* The budgets of free memory: what all caches together may hold, and what the process may. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "budget.h"

struct budget budget = {.cache_limit = 0, .retain_limit = BUDGET_UNLIMITED};

void budget_open(uint64_t cache_limit, uint64_t retain_limit)
{
    budget.cache_limit = cache_limit < retain_limit ? cache_limit : retain_limit;
    budget.retain_limit = retain_limit;
    budget_reset(0, 0);
}

bool budget_charge(uint64_t bytes)
{
    uint64_t charged = atomic_load_explicit(&budget.charged, memory_order_relaxed);
    do {
        if (bytes > budget.cache_limit - charged) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&budget.charged, &charged, charged + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void budget_return(uint64_t bytes)
{
    atomic_fetch_sub_explicit(&budget.charged, bytes, memory_order_relaxed);
}

uint64_t budget_left(void)
{
    return budget.cache_limit - budget_charged();
}

uint64_t budget_excess(void)
{
    int64_t stock = atomic_load_explicit(&budget.stock, memory_order_relaxed);
    uint64_t held = stock > 0 ? (uint64_t)stock : 0;
    if (!budget_limits_stock()) {
        return 0;
    }
    /* The charges are within the limit themselves: budget_open saw to that. */
    uint64_t room = budget.retain_limit - budget_charged();
    return held > room ? held - room : 0;
}

void budget_reset(uint64_t charged, uint64_t stock)
{
    atomic_store_explicit(&budget.charged, charged, memory_order_relaxed);
    atomic_store_explicit(&budget.stock, (int64_t)stock, memory_order_relaxed);
}
