/* The budgets of free memory: what all caches together may hold, and what the process may. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUDGET_H
#define SOCKMALLOC_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "attributes.h"

#define BUDGET_UNLIMITED UINT64_MAX

/*
 * Bytes throughout, of slots at their capacity. A cache is charged for the room that its quotas
 * give it, whether slots lie there or not: the sum of charges never passes the limit, so neither
 * does what the caches hold. Free slots outside caches are stock; only where SOCKMALLOC_RETAIN is
 * set are they counted. Any thread, no lock.
 */
struct budget {
    uint64_t cache_limit;
    uint64_t retain_limit; /* charges and stock together */
    _Alignas(CACHE_LINE) _Atomic uint64_t charged;
    _Atomic int64_t stock; /* below zero for a moment where a take overtakes its give */
};

extern INTERNAL struct budget budget;

/* At birth. */
void budget_open(uint64_t cache_limit, uint64_t retain_limit);

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
static inline bool budget_limits_stock(void)
{
    return UNLIKELY(budget.retain_limit != BUDGET_UNLIMITED);
}

/* Slots came to a depot or a stack with their pages, or left it. Price without SOCKMALLOC_RETAIN: a
 * load and a test. */
static inline void budget_stock(int64_t bytes)
{
    if (budget_limits_stock()) {
        atomic_fetch_add_explicit(&budget.stock, bytes, memory_order_relaxed);
    }
}

/* Bytes of stock that SOCKMALLOC_RETAIN has no room for. */
uint64_t budget_excess(void);

/* Forgets everything but `charged` and `stock`. In the child of a fork. */
void budget_reset(uint64_t charged, uint64_t stock);

#endif
