/* The budgets in bytes of free memory: what all caches together may hold, and what the process may retain. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUDGET_H
#define SOCKMALLOC_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

#define BUDGET_UNLIMITED UINT64_MAX

/*
 * All numbers are bytes; a slot counts with its capacity. A cache is charged for its quotas, no matter how many slots
 * its magazines hold. The sum of all charges never exceeds cache_limit, so the caches never hold more either. Free
 * slots outside caches that have their pages are retained memory. They are counted only if SOCKMALLOC_RETAIN or
 * SOCKMALLOC_LARGE_RETAIN is set. Any thread may read and change the counts without a lock.
 */
struct budget {
    uint64_t cache_limit; /* the most bytes of charges: SOCKMALLOC_CACHE, or retain_limit if that is lower */
    /* the most bytes of charges and retained memory together: SOCKMALLOC_RETAIN, or BUDGET_UNLIMITED */
    uint64_t retain_limit;
    /* the most bytes of retained memory of the large pool: SOCKMALLOC_LARGE_RETAIN, or BUDGET_UNLIMITED */
    uint64_t large_limit;
    bool counts_retained; /* true if one of the last two is not BUDGET_UNLIMITED */
    _Alignas(CACHE_LINE) _Atomic uint64_t charged;
    _Atomic int64_t retained;       /* below zero for a moment if an alloc is counted before the free of the slot */
    _Atomic int64_t large_retained; /* the part of `retained` that is slots of the large pool */
};

extern INTERNAL struct budget budget;

/* Sets the limits, and all counts to zero. One thread calls it at start-up. */
void budget_open(uint64_t cache_limit, uint64_t retain_limit, uint64_t large_limit);

/* Charges `bytes` for quotas of a cache. Returns false, with nothing charged, if the limit does not allow all of
 * them. */
bool budget_charge(uint64_t bytes);

/* Returns a charge of `bytes`. */
void budget_return(uint64_t bytes);

/* Returns how many bytes are charged. */
static inline uint64_t budget_charged(void)
{
    return atomic_load_explicit(&budget.charged, memory_order_relaxed);
}

/* Returns how many bytes could be charged now. */
uint64_t budget_left(void);

/* Returns true if retained memory is counted at all. */
static inline bool budget_limits_retained(void)
{
    return UNLIKELY(budget.counts_retained);
}

/* Counts slots that came to a depot or a stack with their pages, or left it if `bytes` is negative. Price without
 * SOCKMALLOC_RETAIN and SOCKMALLOC_LARGE_RETAIN: a load and a test. */
static inline void budget_retain(int64_t bytes)
{
    if (budget_limits_retained()) {
        atomic_fetch_add_explicit(&budget.retained, bytes, memory_order_relaxed);
    }
}

/* Counts slots of the large pool in addition to budget_retain, which is called for them, too. */
static inline void budget_retain_large(int64_t bytes)
{
    if (budget_limits_retained()) {
        atomic_fetch_add_explicit(&budget.large_retained, bytes, memory_order_relaxed);
    }
}

/* Return how many bytes of retained memory exceed SOCKMALLOC_RETAIN, and SOCKMALLOC_LARGE_RETAIN. 0 if none do. */
uint64_t budget_excess(void);
uint64_t budget_excess_large(void);

/* Sets the three counts and keeps the limits. The library calls it at start-up, and in the child of a fork. */
void budget_reset(uint64_t charged, uint64_t retained, uint64_t large_retained);

#endif
