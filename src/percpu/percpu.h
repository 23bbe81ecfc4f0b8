/*
 * The caches of the processors, for SOCKMALLOC_POOL=cpu: each processor has one magazine of free slots for each bucket.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PERCPU_H
#define SOCKMALLOC_PERCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/counter.h"
#include "cache/cache.h"
#include "percpu/rseq.h"

/*
 * These caches are meant for servers with more threads than processors, because then the number of processors, and not
 * that of threads, limits how many free slots are cached. The record of a processor is a struct cache, of which only
 * `top` of each bin and the counters are used. Except in the child of a fork, only restartable sequences change `top`
 * and the counters, so both are exact without a locked instruction. A magazine has one owner at a time: the processor
 * whose `top` points into the magazine, the depot, or a thread that moves it from one to the other. The count stored in
 * the magazine is up to date only while no processor owns the magazine.
 *
 * A thread may be moved to another processor between any two statements, and a signal handler may use the caches in
 * between. So each operation is a single restartable sequence. An operation that replaces a magazine gets two tops from
 * its caller: the one that was read from the record before, and the new one. It changes nothing if the record no longer
 * has the first.
 */
struct processors {
    struct rseq_table table;
    /* the quota of each bucket: the number of slots times the size of a pointer; in bytes, because rseq_push compares
     * it with the bytes that the pointers in a magazine take up */
    _Atomic uint32_t limit[BUCKET_LIMIT];
};

extern INTERNAL struct processors processors;

/* Where percpu_pop has found a slot. */
enum percpu_source {
    PERCPU_NONE,
    PERCPU_CACHE, /* the magazine of the processor that the thread runs on */
    PERCPU_DEPOT,
    PERCPU_CARVED,
    PERCPU_FREE,
    PERCPU_PURGED
};

/*
 * percpu_space returns how many bytes of addresses the table with a record for each processor takes, for reserve_open.
 * percpu_lay maps the first page of the table, and returns false if the kernel refuses. percpu_unlay unmaps the table.
 * One thread calls these functions at start-up.
 */
size_t percpu_space(void);
bool percpu_lay(void);
void percpu_unlay(void);

/*
 * Makes the records of all processors usable until the process ends. Returns false if there are no restartable
 * sequences or no memory. Any thread may call this function, and several threads may call it at once. Until a call has
 * succeeded, all slots are allocated from the depot and the stacks, and freed to them.
 */
bool percpu_open(void);

/*
 * Sets how many free slots of a bucket each processor may hold (the quota), MAGAZINE_SLOTS at most. Before the first
 * call the quota is 0. If a processor holds more than a new quota, its next free of the bucket moves its magazine to
 * the depot.
 */
void percpu_set_quota(unsigned bucket, uint32_t quota);

/* Returns the quota of a bucket in bytes, as rseq_push needs it: the number of slots times the size of a pointer. */
static inline uint32_t percpu_limit(unsigned bucket)
{
    return atomic_load_explicit(&processors.limit[bucket], memory_order_relaxed);
}

/* Returns the quota of a bucket: how many free slots of the bucket each processor may hold. */
static inline uint32_t percpu_quota(unsigned bucket)
{
    return percpu_limit(bucket) / (uint32_t)sizeof(void *);
}

/*
 * Raises the quotas of the buckets 0 to `trained` - 1 on all processors, by equal shares of what is left of the cache
 * budget, and charges the budget for the higher quotas. Does nothing before percpu_open, or while another thread
 * executes this function. Any thread may call it.
 */
void percpu_share_budget(unsigned trained);

/* Returns how many bytes of the budget are charged for all quotas of all processors. */
uint64_t percpu_charge(void);

/* Returns the offset of the bucket's `top` in a processor's record. */
static inline size_t percpu_top(unsigned bucket)
{
    return offsetof(struct cache, bin) + bucket * sizeof(struct cache_bin) + offsetof(struct cache_bin, top);
}

/* percpu_pop and percpu_push call these slow paths if the processor has no magazine of the bucket, or if the magazine
 * is empty (percpu_pop) or full (percpu_push). */
INTERNAL void *percpu_pop_slow(unsigned bucket, enum percpu_source *source);
INTERNAL bool percpu_push_slow(unsigned bucket, void *slot);

/*
 * Allocates a slot. The bucket must be one of those to which percpu_share_budget gives a quota. The slot comes from the
 * first of these places that has one: the magazine of the processor on which the thread runs; a magazine of the depot,
 * which the processor then gets; the stacks; a run of new slots that is carved for the processor. Returns NULL if there
 * is no slot. Stores the place in `source`, and counts all events but the request.
 */
FAST_PATH void *percpu_pop(unsigned bucket, enum percpu_source *source)
{
    void *slot = rseq_pop(&processors.table, percpu_top(bucket));
    if (UNLIKELY(slot == NULL)) {
        return percpu_pop_slow(bucket, source);
    }
    *source = PERCPU_CACHE;
    return slot;
}

/*
 * Pushes a freed slot, whose state in the metadata is SLOT_FREE already, onto the magazine of the processor that the
 * thread runs on. If that magazine is full, it goes to the depot, and an empty one replaces it. Returns false if there
 * is no magazine or the quota is 0; the caller then pushes the slot to the stack. Counts all events but the free.
 */
FAST_PATH bool percpu_push(unsigned bucket, void *slot)
{
    return LIKELY(rseq_push(&processors.table, percpu_top(bucket), slot, percpu_limit(bucket))) ||
           percpu_push_slow(bucket, slot);
}

/*
 * Adds to a counter in the record of the processor that the thread runs on. `of_shared` is the counter of the same name
 * in cache_shared; if the processor has no record, adds to `of_shared`.
 */
static inline void percpu_count(struct counter *of_shared, uint64_t amount)
{
    size_t offset = (size_t)((char *)of_shared - (char *)&cache_shared);
    if (UNLIKELY(!rseq_add(&processors.table, offset, amount))) {
        counter_add_shared(of_shared, amount);
    }
}

/*
 * Returns how many processors have usable records, for reports; 0 before percpu_open. percpu_at, below, returns the
 * record of a processor by the processor's number; cache_held returns how many slots a record holds.
 */
uint32_t percpu_records(void);

/* Returns the largest number of processors that can have records on any machine. */
uint32_t percpu_capacity(void);
struct cache *percpu_at(uint32_t number);

/*
 * Removes the magazines from the records of all processors. This function runs in the child of a fork, which finds the
 * free slots by their metadata.
 */
void percpu_forget(void);

/*
 * Removes the magazines from the records of all processors, and sets their counters to zero. This function runs in the
 * child of a fork of a process with several threads, some of which may have been allocating or freeing at the fork.
 */
void percpu_reset(void);

#endif
