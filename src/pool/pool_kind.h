/* The kinds of pool from which SOCKMALLOC_POOL chooses. Each kind has a table of operations for the slow paths. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_KIND_H
#define SOCKMALLOC_POOL_KIND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "cache/cache.h"
#include "config/choices.h"

/*
 * The operations that differ from kind to kind, for slow paths only. The fast paths in pool.h need not know the kind:
 * if a thread has no magazine, an allocation finds no slot, as in an empty magazine, and a free finds no place, as in a
 * full magazine; then a slow path follows. All operations may run in any thread and in a signal handler.
 */
struct pool_operations {
    /*
     * Allocates a slot of the bucket for `request` bytes, writes its metadata, and counts it. Returns NULL if there is
     * no free slot and none can be carved. Stores the slot's former state byte in `was` unless that is NULL. `caller`
     * is an address in the function that called malloc.
     */
    void *(*alloc)(unsigned bucket, size_t request, uint8_t *was, const void *caller);

    /* Frees a slot whose metadata already says that it is free, and counts the free. Returns true if the caller has to
     * enforce the limits on free memory and to call background_call; false if nothing is left to do. */
    bool (*free)(unsigned bucket, void *slot, uint32_t number);

    /*
     * Removes a free slot that has pages from the bucket's stacks, so that the caller can purge it. With `only_old`,
     * removes only a slot of the old generation (slots freed longer ago). Returns the slot's number, or STACK_EMPTY if
     * there is none. Changes no event counter.
     */
    uint32_t (*withdraw)(unsigned bucket, bool only_old);

    /* Undoes `withdraw`: puts the free slot `number`, which still has its pages, back onto the bucket's stack of the
     * given generation (slots freed lately, or longer ago). Changes no event counter. */
    void (*restore)(unsigned bucket, uint32_t number, unsigned generation);

    /* Returns the cache whose counters the calling thread increments on slow paths, such as purges. */
    struct cache *(*counters)(void);

    /* Returns the largest number of slots of the bucket that were live at once, as far as this kind of pool counts it.
     * `live` slots are live now, and `carved` slots have been carved since the start. */
    uint64_t (*peak)(unsigned bucket, uint64_t live, uint64_t carved);
};

/* The operations of each kind are defined in the file of the same name; KIND_AUTO has its own in pool.c. KIND_LOCKFREE
 * has the operations of KIND_THREAD; with KIND_LOCKFREE all buckets belong to the large pool. */
extern INTERNAL const struct pool_operations pool_thread;
extern INTERNAL const struct pool_operations pool_standard;
extern INTERNAL const struct pool_operations pool_cpu;

/* The operations of all kinds of pool, indexed by enum kind. pool_open sets this table at start-up. */
extern INTERNAL const struct pool_operations *const *pool_kinds;

/* The kind of pool in force. When a process has many threads, KIND_AUTO becomes KIND_CPU or, if processors cannot have
 * caches, KIND_THREAD. Signal handlers may read it. */
extern INTERNAL _Atomic(enum kind) pool_kind_in_force;

static inline enum kind pool_kind(void)
{
    return atomic_load_explicit(&pool_kind_in_force, memory_order_relaxed);
}

/* Returns the operations of the kind of pool in force. */
static inline const struct pool_operations *pool_operations(void)
{
    return pool_kinds[pool_kind()];
}

/* Returns the cache whose counters the calling thread increments on slow paths, such as purges. */
static inline struct cache *pool_counters(void)
{
    return pool_operations()->counters();
}

/*
 * The operations that most kinds share. pool_withdraw_from_stack and pool_restore_to_stack use the stacks of slots.h.
 * pool_own_counters returns the thread's own cache, or cache_shared if the thread can have none. pool_counted_peak
 * returns the number of carved slots for a large bucket, and for other buckets the peak that pool_count_live has
 * counted, which may lack what other threads have allocated since their last slow path.
 */
uint32_t pool_withdraw_from_stack(unsigned bucket, bool only_old);
void pool_restore_to_stack(unsigned bucket, uint32_t number, unsigned generation);
struct cache *pool_own_counters(void);
uint64_t pool_counted_peak(unsigned bucket, uint64_t live, uint64_t carved);

/* Puts a kind of pool in force. This function is called at start-up, and when KIND_AUTO becomes another kind. */
void pool_set_kind(enum kind kind);

/* Returns the address and the size of the variable that says which kind of pool is in force, for another process that
 * copies the statistics of this process. */
struct span pool_kind_span(void);

#endif
