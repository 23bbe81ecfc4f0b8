/* The event counters that a thread keeps for each bucket: one row each. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COUNTER_H
#define SOCKMALLOC_COUNTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What the fast paths count: it shares a cache line with the magazine that they touch anyway. */
#define COUNTER_FAST_ROWS(ROW)                                                                                         \
    ROW(requests, "requests served")                                                                                   \
    ROW(asked, "bytes asked for in them")                                                                              \
    ROW(returned, "slots freed")

/* What only slow paths count. */
#define COUNTER_SLOW_ROWS(ROW)                                                                                         \
    ROW(swaps, "private magazines exchanged for the public one to some effect")                                        \
    ROW(walks, "other threads' public magazines looked at")                                                            \
    ROW(steals, "other threads' public magazines taken")                                                               \
    ROW(misses, "private magazines that the public one could not help")                                                \
    ROW(promotions, "quotas that began")                                                                               \
    ROW(growths, "quotas raised out of the budget")                                                                    \
    ROW(transfers, "quotas raised by another bucket's loss")                                                           \
    ROW(losses, "quotas lowered for another bucket's gain")                                                            \
    ROW(decays, "quotas lowered for want of use")                                                                      \
    ROW(depot_hits, "requests that a magazine of the depot's, or a run of the stack's, served")                        \
    ROW(stack_hits, "requests that a slot of the stack's served")                                                      \
    ROW(carves, "requests that carved")                                                                                \
    ROW(deposited, "slots given to the depot or the stack")                                                            \
    ROW(withdrawn, "slots taken from either in other ways than by a stack hit")                                        \
    ROW(purged, "slots given without pages: these were given back, or never there")                                    \
    ROW(unpurged, "purged slots that were taken again")                                                                \
    ROW(fell_through, "requests of the bucket that fell through")                                                      \
    ROW(fell_through_asked, "bytes asked for in them")

#define COUNTER_ROWS(ROW) COUNTER_FAST_ROWS(ROW) COUNTER_SLOW_ROWS(ROW)

/* Relaxed atomics: one thread writes, and whoever reports may read at any time. */
struct counter {
    _Atomic uint64_t count;
};

static inline uint64_t counter_read(const struct counter *counter)
{
    return atomic_load_explicit(&counter->count, memory_order_relaxed);
}

/*
 * By the counter's one writer: adds 1, and says whether the counter came to zero by it, which one
 * that was set to minus some number does after so many. The processor sees that by the addition
 * itself: a fast path that counts anyway pays a jump that is not taken.
 */
#ifdef __x86_64__
static inline bool counter_step(struct counter *counter)
{
    bool carry;
    __asm__("addq $1, %0" : "+m"(counter->count), "=@ccc"(carry));
    return carry;
}
#else
static inline bool counter_step(struct counter *counter)
{
    uint64_t count = atomic_load_explicit(&counter->count, memory_order_relaxed) + 1;
    atomic_store_explicit(&counter->count, count, memory_order_relaxed);
    return count == 0;
}
#endif

/*
 * By the counter's one writer. No locked instruction; on x86-64 a single one all the same, which
 * the compiler does not make of an atomic load and store, and which a signal handler that counts
 * too can't come between.
 */
#ifdef __x86_64__
static inline void counter_add(struct counter *counter, uint64_t amount)
{
    __asm__("addq %1, %0" : "+m"(counter->count) : "er"(amount) : "cc");
}
#else
static inline void counter_add(struct counter *counter, uint64_t amount)
{
    atomic_store_explicit(&counter->count, counter_read(counter) + amount, memory_order_relaxed);
}
#endif

/* By one of several writers. */
static inline void counter_add_shared(struct counter *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&counter->count, amount, memory_order_relaxed);
}

static inline void counter_reset(struct counter *counter)
{
    atomic_store_explicit(&counter->count, 0, memory_order_relaxed);
}

#endif
