/* The budgets of free memory: what all caches together may hold, and what the process may. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUDGET_H
#define SOCKMALLOC_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

#define BUDGET_UNLIMITED UINT64_MAX

/*
 * Bytes throughout, of slots at their capacity. A cache is charged for the room that its quotas
 * give it, whether slots lie there or not: the sum of charges never passes the limit, so neither
 * does what the caches hold. Free slots outside caches are stock; only where SOCKMALLOC_RETAIN is
 * set are they counted, and those of the large pool for SOCKMALLOC_LARGE_RETAIN. Any thread, no
 * lock.
 */
struct budget {
    uint64_t cache_limit;
    uint64_t retain_limit; /* charges and stock together */
    uint64_t large_limit;  /* the large pool's part of the stock */
    bool counts_retained;  /* one of the last two is a limit */
    _Alignas(CACHE_LINE) _Atomic uint64_t charged;
    _Atomic int64_t retained; /* below zero for a moment where a take overtakes its give */
    _Atomic int64_t large_retained;
};

extern INTERNAL struct budget budget;

/* At start. */
void budget_open(uint64_t cache_limit, uint64_t retain_limit, uint64_t large_limit);

/* Charges all of `bytes`, or nothing: false. */
bool budget_charge(uint64_t bytes);

/* Gives a charge back. */
void budget_return(uint64_t bytes);

static inline uint64_t budget_charged(void)
{
    return atomic_load_explicit(&budget.charged, memory_order_relaxed);
}

/* What could be charged now. */
uint64_t budget_left(void);

/* Whether stock is counted at all. */
static inline bool budget_limits_retained(void)
{
    return UNLIKELY(budget.counts_retained);
}

/* Slots came to a depot or a stack with their pages, or left it. Price without SOCKMALLOC_RETAIN: a
 * load and a test. */
static inline void budget_retain(int64_t bytes)
{
    if (budget_limits_retained()) {
        atomic_fetch_add_explicit(&budget.retained, bytes, memory_order_relaxed);
    }
}

/* The same of slots of the large pool, which budget_retain hears of, too. */
static inline void budget_retain_large(int64_t bytes)
{
    if (budget_limits_retained()) {
        atomic_fetch_add_explicit(&budget.large_retained, bytes, memory_order_relaxed);
    }
}

/* Bytes of stock that SOCKMALLOC_RETAIN has no room for; and that SOCKMALLOC_LARGE_RETAIN has none
 * for. */
uint64_t budget_excess(void);
uint64_t budget_excess_large(void);

/* Forgets everything but `charged`, `stock` and what of that is the large pool's. In the child of a
 * fork. */
void budget_reset(uint64_t charged, uint64_t retained, uint64_t large_retained);

#endif
