/* The budget: limits, in bytes, on the free memory of the process. One limit says how many bytes all caches together
 * may hold. Two other limits say how much free memory may keep its pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUDGET_H
#define SOCKMALLOC_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

#define BUDGET_UNLIMITED UINT64_MAX

/*
 * All numbers are bytes; each slot counts as many bytes as its capacity. A cache is charged for its quotas (the numbers
 * of slots that it may hold) and for its spare slots, no matter how many slots its magazines hold. No charge may raise
 * the sum of all charges above cache_limit, so the caches hold no more than cache_limit, unless budget_limit lowers the
 * limit: they may then hold more until each thread has lowered its quotas. Retained memory is the free slots that lie
 * outside the caches and have not been purged. It is counted only if SOCKMALLOC_RETAIN, SOCKMALLOC_LARGE_RETAIN or
 * SOCKMALLOC_CONTROL is set. Any thread may read and change the counts without a lock. The limits are aligned words: a
 * thread that reads one while budget_limit changes it gets the old limit or the new one.
 */
struct budget {
    /* the most bytes that all caches may be charged for their quotas: SOCKMALLOC_CACHE, or retain_limit if that is
     * lower */
    uint64_t cache_limit;
    /* the most bytes that the charges for quotas and the retained memory (free slots with pages, outside the caches)
     * may have together: SOCKMALLOC_RETAIN, or BUDGET_UNLIMITED */
    uint64_t retain_limit;
    /* the most bytes of retained memory (free slots with pages, outside the caches) in the large pool:
     * SOCKMALLOC_LARGE_RETAIN, or BUDGET_UNLIMITED */
    uint64_t large_limit;
    /* true if retain_limit or large_limit was set at start-up, or may be set later; retained memory is then counted */
    bool counts_retained;
    _Alignas(CACHE_LINE) _Atomic uint64_t charged;
    /* the bytes of retained memory. The number is below zero for a moment if a slot is freed and allocated again, and
     * the allocation is counted before the free. */
    _Atomic int64_t retained;
    _Atomic int64_t large_retained; /* the part of `retained` that consists of slots of the large pool */
};

extern INTERNAL struct budget budget;

/* Sets the limits, and all counts to zero. From then on retained memory is counted if retain_limit or large_limit is
 * not BUDGET_UNLIMITED. One thread calls this function at start-up. */
void budget_open(uint64_t cache_limit, uint64_t retain_limit, uint64_t large_limit);

/* Sets the limits, and keeps the counts. This function is safe in signal handlers. */
void budget_limit(uint64_t cache_limit, uint64_t retain_limit, uint64_t large_limit);

/* Makes the library count retained memory even if it has no limit, so that a limit can be set later. One thread calls
 * this function at start-up after budget_open, before slots are freed. */
void budget_count_retained(void);

/*
 * Charges the budget `bytes` for the quotas of a cache. Returns false, with nothing charged, if the sum of all charges
 * would exceed cache_limit.
 */
bool budget_charge(uint64_t bytes);

/* Lowers the sum of the charges of all caches by `bytes`, which were charged before. */
void budget_return(uint64_t bytes);

/* Returns the sum of the charges of all caches, in bytes. */
static inline uint64_t budget_charged(void)
{
    return atomic_load_explicit(&budget.charged, memory_order_relaxed);
}

/* Returns how many more bytes the caches can be charged now. */
uint64_t budget_left(void);

/* Returns true if the caches may hold more than cache_limit, because the limit was lowered while the program ran. */
bool budget_is_overdrawn(void);

/* Returns true if retained memory (free slots with pages, outside the caches) is counted, because it has a limit or may
 * get one later. */
static inline bool budget_limits_retained(void)
{
    return UNLIKELY(budget.counts_retained);
}

/*
 * Adds `bytes` to the retained memory. `bytes` is positive for slots that have come, with their pages, to a depot or a
 * stack, and negative for slots that were taken from there. If retained memory is not counted, the price is a load and
 * a test.
 */
static inline void budget_retain(int64_t bytes)
{
    if (budget_limits_retained()) {
        atomic_fetch_add_explicit(&budget.retained, bytes, memory_order_relaxed);
    }
}

/* Adds `bytes` to the retained memory of the large pool. The caller also calls budget_retain for the same slots. */
static inline void budget_retain_large(int64_t bytes)
{
    if (budget_limits_retained()) {
        atomic_fetch_add_explicit(&budget.large_retained, bytes, memory_order_relaxed);
    }
}

/*
 * budget_excess returns by how many bytes charges and retained memory exceed retain_limit (SOCKMALLOC_RETAIN).
 * budget_excess_large returns by how many bytes the large pool's retained memory exceeds large_limit
 * (SOCKMALLOC_LARGE_RETAIN). Both return 0 if the limit is not exceeded.
 */
uint64_t budget_excess(void);
uint64_t budget_excess_large(void);

/*
 * Sets the charges and the two counts of retained memory, and keeps the limits. The library calls this function at
 * start-up, and in the child of a fork.
 */
void budget_reset(uint64_t charged, uint64_t retained, uint64_t large_retained);

#endif
