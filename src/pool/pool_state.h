/* The state that all files of the pools share: counts of each bucket, limits, and how a slot is marked as live. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_STATE_H
#define SOCKMALLOC_POOL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/budget.h"
#include "cache/cache.h"
#include "memory/region.h"
#include "memory/slots.h"

/* The counts that the pools keep of one bucket, beside the counters in the caches. */
struct pool {
    /* `live` is how many slots are live, as far as each thread had counted them when it was last in a slow path. `peak`
     * is the largest value of `live` so far. pool_count_live in pool_state.c updates both. */
    _Alignas(CACHE_LINE) _Atomic int64_t live;
    _Atomic int64_t peak;
    /* The four members below decide how many pages new slots get in advance, as pool_populate.c explains. */

    /* the number of the sampled slot, plus 1; 0 if there is none yet. The sampled slot is a new slot of which the
     * library counts later how many pages are resident. */
    _Atomic uint32_t sampled_slot;
    /* how many more new slots are allocated before the resident pages of the sampled slot are counted */
    _Atomic uint32_t ahead;
    _Atomic uint32_t ahead_pages; /* how many pages are populated in each new slot: 0, or at least 2 */
    /* the value that `ahead` gets at the next check of the sampled slot, if that check decides that new slots get no
     * pages in advance */
    _Atomic uint32_t pause;
    /* how many slots were freed by another thread than the one that has allocated them; estimated by sampling */
    struct counter remote_frees;
    /* How many live slots, purged slots and other free slots the parent of a fork had at the fork. The counters of the
     * child begin at 0, so these numbers are added to what the counters say. */
    uint64_t inherited_live;
    uint64_t inherited_depot;
    uint64_t inherited_purged;
};

extern INTERNAL struct pool pools[BUCKET_LIMIT];

/* The first bucket of the large pool, which has no magazines except for spare slots (pool_spare.h). Only start-up
 * writes this variable. */
extern INTERNAL unsigned pool_first_large;

/*
 * True in the child of a process that had several threads, and in all children of such a child. A slot whose metadata
 * says that it reads as zero may then have other bytes, because the parent's other threads worked on while the kernel
 * copied the page tables (pool_atfork.h).
 */
extern INTERNAL bool pool_is_child_of_threads;

/* Returns true if the bucket belongs to the large pool. */
static inline bool pool_is_large(unsigned bucket)
{
    return bucket >= pool_first_large;
}

/* Adds to a counter of `cache` in a slow path. Only the thread itself writes to the counters of its own cache. Many
 * threads write to those of cache_shared, so only these need a locked instruction. */
static inline void pool_count(const struct cache *cache, struct counter *counter, uint64_t amount)
{
    if (UNLIKELY(cache == &cache_shared)) {
        counter_add_shared(counter, amount);
    } else {
        counter_add(counter, amount);
    }
}

/* Adds `count` slots of the bucket to the retained memory that the budget limits; subtracts them if `count` is
 * negative. Retained slots are those that lie with their pages in a depot or on a stack of free slots. */
static inline void pool_retain_slots(unsigned bucket, int64_t count)
{
    int64_t bytes = count * (int64_t)region.geometry[bucket].capacity;
    budget_retain(bytes);
    if (pool_is_large(bucket)) {
        budget_retain_large(bytes);
    }
}

/* Counts `count` slots that have come to the bucket's depot or its stack of free slots. */
static inline void pool_count_deposit(struct cache *cache, unsigned bucket, uint32_t count)
{
    pool_count(cache, &cache->tally[bucket].deposited, count);
    pool_retain_slots(bucket, (int64_t)count);
}

/* Counts `count` slots that were taken from the bucket's depot or its stack of free slots. Slots that were allocated
 * straight from the stack are counted by pool_count_stack_hit instead. */
static inline void pool_count_withdrawal(struct cache *cache, unsigned bucket, uint32_t count)
{
    pool_count(cache, &cache->tally[bucket].withdrawn, count);
    pool_retain_slots(bucket, -(int64_t)count);
}

/* Counts one allocation whose slot came from the bucket's stack of free slots. */
static inline void pool_count_stack_hit(struct cache *cache, unsigned bucket)
{
    pool_count(cache, &cache->tally[bucket].stack_hits, 1);
    pool_retain_slots(bucket, -1);
}

/* Counts one allocation by where slots_pop has found its slot. */
void pool_count_source(struct cache *cache, unsigned bucket, enum slots_source source);

/* Returns true if the thread has its own cache and the bucket is not large. If so, the number of live slots is updated
 * from the counters of this cache, and with KIND_THREAD the thread may have magazines of the bucket. */
static inline bool pool_is_trained(const struct cache *cache, unsigned bucket)
{
    return !pool_is_large(bucket) && cache != &cache_shared;
}

/* Counts an allocation of `request` bytes in the thread's cache, and in the number of live slots. */
void pool_count_alloc(struct cache *cache, unsigned bucket, size_t request);

/* Counts a free in the thread's cache, and in the number of live slots. Returns true if it is time for a tick (a free
 * that reads the clock and purges a little). */
bool pool_count_free(struct cache *cache, unsigned bucket);

/* Returns a number that differs for most threads: a hash of the address of a thread-local variable (multiplicative
 * hashing: D. Knuth, "The Art of Computer Programming", volume 3). */
static inline uint32_t pool_thread_number(void)
{
    return (uint32_t)(((uint64_t)(uintptr_t)&cache_mine * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* Returns the owner mark that the calling thread writes into the metadata of its slots. slot_meta_owner makes the mark
 * from the number of the thread's cache or, if the thread has no cache, from pool_thread_number. */
static inline uint32_t pool_owner(void)
{
    return LIKELY(cache_is_own(cache_mine)) ? cache_mine->bin[0].owner : slot_meta_owner(pool_thread_number());
}

/* Writes the metadata of a slot that is being allocated. The request is written first, so that a live slot always has
 * its request. Stores the former state byte in `was` unless that is NULL. */
FAST_PATH void pool_mark(size_t number, uint8_t live, uint32_t owner, size_t request, uint8_t *was)
{
    if (was != NULL) {
        *was = region_meta(number);
    }
    region_set_request_word(number, owner | (uint32_t)request);
    region_set_meta(number, live);
}

/*
 * pool_make_tight makes the library save address space from now on, because the kernel has refused memory: some limits
 * charge for mapped memory, used or not. Tables then grow by no more than what is needed, realloc gives no block space
 * for further growth, and the short path of the large pool is closed. pool_is_tight returns true after that call. It
 * also calls pool_make_tight itself once the range of the pools has passed 1/32 of the limit on charged memory. The
 * library begins to save so early, because a slot is charged as a whole: where requests fit their slots badly, half of
 * the charged memory is wasted. Any thread may call these functions.
 */
void pool_make_tight(void);
bool pool_is_tight(void);

/* True after pool_make_tight: memory is tight. pool_is_known_tight returns this variable and computes nothing, so a
 * request outside the pools' sizes pays only one load for the check. */
extern INTERNAL atomic_bool pool_tight;

FAST_PATH bool pool_is_known_tight(void)
{
    return atomic_load_explicit(&pool_tight, memory_order_relaxed);
}

/* Sets the limit on the bytes that may be charged to the process; 0 or SIZE_MAX for none. Any thread may call this
 * function. */
void pool_limit_charge(uint64_t bytes);

#endif
