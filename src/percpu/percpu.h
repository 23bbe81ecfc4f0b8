/* The processors' caches: what each processor holds per bucket, one magazine, whoever runs on it.
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
 * For servers with more threads than processors: what is cached is bounded by processors. A record
 * is a struct cache of which a bin's `top` and the counters are used; all are changed by
 * restartable sequences alone, so that they are exact without a locked instruction. A magazine has
 * one owner: the processor whose top lies in it, the depot, or the thread that has taken it from
 * either, which it does only to bring it to the other. Its count is right while it is no
 * processor's.
 *
 * A thread may run on another processor after each line below, and a signal handler may do all of
 * this in between: every operation says again which top it means, and is one step.
 */
struct processors {
    struct rseq_table table;
    _Atomic uint32_t limit[BUCKET_LIMIT]; /* the quota, in bytes of a magazine's pointers */
};

extern INTERNAL struct processors processors;

/* What served a request. */
enum percpu_source {
    PERCPU_NONE,
    PERCPU_CACHE, /* the running processor's magazine: nothing else was asked */
    PERCPU_DEPOT,
    PERCPU_CARVED,
    PERCPU_FREE,
    PERCPU_PURGED
};

/* Addresses for a record for each processor of the machine; laying the table, which is false where
 * its first page can't be had; and undoing that. At start. */
size_t percpu_space(void);
bool percpu_lay(void);
void percpu_unlay(void);

/*
 * Makes all records usable, for good. False where there are no restartable sequences, or no memory.
 * Any thread, and several at once. Until then everything here goes by depot and stacks.
 */
bool percpu_open(void);

/*
 * Free slots that each processor may hold, MAGAZINE_SLOTS at most; 0, as at first, for none. Where
 * a processor holds more than a new quota, nothing is added until it is less, and the next slot
 * given there sends the magazine to the depot.
 */
void percpu_set_quota(unsigned bucket, uint32_t quota);

static inline uint32_t percpu_limit(unsigned bucket)
{
    return atomic_load_explicit(&processors.limit[bucket], memory_order_relaxed);
}

static inline uint32_t percpu_quota(unsigned bucket)
{
    return percpu_limit(bucket) / (uint32_t)sizeof(void *);
}

/*
 * Raises the quotas of the buckets 0 to `trained` - 1 on all processors, by equal shares of what is left of the cache
 * budget, and charges the budget for them. Does nothing before percpu_open, or while another thread is in it. Any
 * thread.
 */
void percpu_share_budget(unsigned trained);

/* Returns the bytes that all quotas of all processors are charged for in the cache budget. */
uint64_t percpu_charge(void);

/* Where a record has the bucket's top. */
static inline size_t percpu_top(unsigned bucket)
{
    return offsetof(struct cache, bin) + bucket * sizeof(struct cache_bin) + offsetof(struct cache_bin, top);
}

/* What percpu_pop and percpu_push leave over. */
INTERNAL void *percpu_pop_slow(unsigned bucket, enum percpu_source *source);
INTERNAL bool percpu_push_slow(unsigned bucket, void *slot);

/*
 * A slot of a trained bucket: from the running processor's magazine; else from one of the depot's,
 * which takes its place; else from the stacks; else carved, with a run for the processor. NULL when
 * nothing is to be had. Counts everything but the request.
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
 * Gives a slot whose metadata says free to the running processor's magazine; where that is full, it
 * goes to the depot and an empty one comes. False, with nothing counted, if there is none or the
 * quota is 0: the caller then gives the slot to the stack. Counts everything but the return.
 */
FAST_PATH bool percpu_push(unsigned bucket, void *slot)
{
    return LIKELY(rseq_push(&processors.table, percpu_top(bucket), slot, percpu_limit(bucket))) ||
           percpu_push_slow(bucket, slot);
}

/*
 * Adds to a counter of the running processor's record, which is named by the same one of
 * cache_shared; beyond the table to that.
 */
static inline void percpu_count(struct counter *of_shared, uint64_t amount)
{
    size_t offset = (size_t)((char *)of_shared - (char *)&cache_shared);
    if (UNLIKELY(!rseq_add(&processors.table, offset, amount))) {
        counter_add_shared(of_shared, amount);
    }
}

/* Every record by its processor's number, for reports; none before percpu_open. What one holds
 * says cache_held. */
uint32_t percpu_records(void);

/* Records that there can be, on any machine. */
uint32_t percpu_capacity(void);
struct cache *percpu_at(uint32_t number);

/* No processor holds anything any more. In the child of a fork, before anything is found anew. */
void percpu_forget(void);

/*
 * The same, and their counters begin anew. In the child of a fork,
 * which finds the slots by their metadata: nothing tells whether other threads were taking or giving.
 */
void percpu_reset(void);

#endif
