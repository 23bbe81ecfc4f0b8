/* Defines the event counters that a thread keeps for each bucket; each counter has a row here. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COUNTER_H
#define SOCKMALLOC_COUNTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The counters that the fast paths change. These counters lie in the cache line that has the pointers into the
 * magazine, so a fast path touches no further line for them.
 */
#define COUNTER_FAST_ROWS(ROW)                                                                                         \
    ROW(requests, "requests served")                                                                                   \
    ROW(asked, "bytes that these requests asked for")                                                                  \
    ROW(returned, "slots freed")

/* The counters that only slow paths change. */
#define COUNTER_SLOW_ROWS(ROW)                                                                                         \
    ROW(swaps, "private magazines exchanged for the public one, which could then serve")                               \
    ROW(walks, "public magazines of other threads that were looked at")                                                \
    ROW(steals, "public magazines of other threads that were taken")                                                   \
    ROW(misses, "requests and frees that neither the private nor the public magazine could serve")                     \
    ROW(promotions, "first quotas of the bucket")                                                                      \
    ROW(growths, "quotas raised from the unused part of the budget")                                                   \
    ROW(transfers, "quotas raised because another bucket's quota was lowered")                                         \
    ROW(losses, "quotas lowered so that another bucket's quota could be raised")                                       \
    ROW(decays, "quotas lowered because they were not used")                                                           \
    ROW(depot_hits, "requests served by a magazine of the depot, or by a run of slots of the stack")                   \
    ROW(stack_hits, "requests served by a single slot of the stack")                                                   \
    ROW(carves, "requests served by new slots, which were carved")                                                     \
    ROW(deposited, "slots that came to the depot or the stack")                                                        \
    ROW(withdrawn, "slots that left the depot or the stack, except for those of stack_hits")                           \
    ROW(purged, "slots that came to the stack of purged slots: purged, or never used")                                 \
    ROW(unpurged, "slots that left the stack of purged slots")                                                         \
    ROW(fell_through, "requests of the bucket's sizes that got no slot of it")                                         \
    ROW(fell_through_asked, "bytes that those requests asked for")

#define COUNTER_ROWS(ROW) COUNTER_FAST_ROWS(ROW) COUNTER_SLOW_ROWS(ROW)

/*
 * A counter is a relaxed atomic, because one thread writes it and another thread may read it for a report at any time.
 */
struct counter {
    _Atomic uint64_t count;
};

static inline uint64_t counter_read(const struct counter *counter)
{
    return atomic_load_explicit(&counter->count, memory_order_relaxed);
}

/*
 * Adds 1, and returns true if the counter has become zero. A counter that was set to -N becomes zero after N calls.
 * Only the one thread that writes the counter may call this function. On x86-64 the addition itself sets the carry flag
 * when the counter becomes zero, so a fast path that counts anyway pays only for a jump that is not taken.
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
 * Adds `amount`. Only the one thread that writes the counter may call this function, so no locked instruction is
 * needed. On x86-64 the addition is one instruction, so that no signal handler, which may count too, can run between a
 * load and a store. The function is written in assembly, because the compiler does not make one instruction of an
 * atomic load and an atomic store.
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

/* Adds `amount` to a counter that several threads write. */
static inline void counter_add_shared(struct counter *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&counter->count, amount, memory_order_relaxed);
}

static inline void counter_reset(struct counter *counter)
{
    atomic_store_explicit(&counter->count, 0, memory_order_relaxed);
}

#endif
