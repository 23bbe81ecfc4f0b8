/* The caches of processors, for SOCKMALLOC_POOL=cpu: each processor has one magazine for each bucket. */
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
 * For servers with more threads than processors: the free slots that are cached are bounded by the number of
 * processors. The record of a processor is a struct cache, of which only `top` of each bin and the counters are used.
 * Restartable sequences alone change these, so they are exact without a locked instruction. A magazine has one owner
 * at a time: the processor whose top lies in it, the depot, or a thread that moves it from one to the other. Its
 * count is right while no processor owns it.
 *
 * A thread may be moved to another processor between any two statements, and a signal handler may use the caches in
 * between. So each operation is a single sequence that names the top it expects.
 */
struct processors {
    struct rseq_table table;
    _Atomic uint32_t limit[BUCKET_LIMIT]; /* the quota times the size of a pointer, in bytes */
};

extern INTERNAL struct processors processors;

/* The places that a slot can come from. */
enum percpu_source {
    PERCPU_NONE,
    PERCPU_CACHE, /* the magazine of the processor that the thread runs on */
    PERCPU_DEPOT,
    PERCPU_CARVED,
    PERCPU_FREE,
    PERCPU_PURGED
};

/* percpu_space returns the bytes of addresses for a record of each processor of the machine, for reserve_open.
 * percpu_lay maps the first page of the table, and returns false if the kernel refuses. percpu_unlay unmaps the table.
 * One thread calls these functions at start-up. */
size_t percpu_space(void);
bool percpu_lay(void);
void percpu_unlay(void);

/* Makes all records usable, for good. Returns false if there are no restartable sequences or no memory. Any thread may
 * call it, and several may at once. Until the first call succeeds, all slots come from the depot and the stacks, and go
 * there. */
bool percpu_open(void);

/* Sets how many free slots of a bucket each processor may hold, MAGAZINE_SLOTS at most; 0, as at first, for none. A
 * processor that holds more than a new quota sends its magazine to the depot at its next free of the bucket. */
void percpu_set_quota(unsigned bucket, uint32_t quota);

/* Returns the quota of a bucket in bytes of pointers. */
static inline uint32_t percpu_limit(unsigned bucket)
{
    return atomic_load_explicit(&processors.limit[bucket], memory_order_relaxed);
}

/* Returns how many free slots of a bucket each processor may hold. */
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

/* Returns the offset in a record of the bucket's top. */
static inline size_t percpu_top(unsigned bucket)
{
    return offsetof(struct cache, bin) + bucket * sizeof(struct cache_bin) + offsetof(struct cache_bin, top);
}

/* The slow paths of percpu_pop and percpu_push: the processor's magazine is empty, or full, or missing. */
INTERNAL void *percpu_pop_slow(unsigned bucket, enum percpu_source *source);
INTERNAL bool percpu_push_slow(unsigned bucket, void *slot);

/*
 * Allocates a slot of a trained bucket: from the magazine of the processor that the thread runs on; else from a
 * magazine of the depot, which the processor then gets; else from the stacks; else carved, as a run for the
 * processor. Returns NULL if there is none. Stores the source, and counts everything but the request.
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
 * Frees a slot, whose metadata says free, into the magazine of the processor that the thread runs on. A full magazine
 * goes to the depot, and an empty one comes. Returns false, with nothing counted, if there is no magazine or the
 * quota is 0; the caller then pushes the slot to the stack. Counts everything but the free.
 */
FAST_PATH bool percpu_push(unsigned bucket, void *slot)
{
    return LIKELY(rseq_push(&processors.table, percpu_top(bucket), slot, percpu_limit(bucket))) ||
           percpu_push_slow(bucket, slot);
}

/* Adds to a counter in the record of the processor that the thread runs on. The counter is named by its counterpart
 * in cache_shared, which is used if the processor has no record. */
static inline void percpu_count(struct counter *of_shared, uint64_t amount)
{
    size_t offset = (size_t)((char *)of_shared - (char *)&cache_shared);
    if (UNLIKELY(!rseq_add(&processors.table, offset, amount))) {
        counter_add_shared(of_shared, amount);
    }
}

/* Returns how many records are in use, for reports; 0 before percpu_open. percpu_at returns one by its processor's
 * number, and cache_held says what it holds. */
uint32_t percpu_records(void);

/* Returns how many records there can be on any machine. */
uint32_t percpu_capacity(void);
struct cache *percpu_at(uint32_t number);

/* Makes all processors hold nothing. It runs in the child of a fork, which finds the free slots again by their
 * metadata. */
void percpu_forget(void);

/* Makes all processors hold nothing, and sets their counters to zero. It runs in the child of a fork of several
 * threads, of which some may have been allocating or freeing. */
void percpu_reset(void);

#endif
