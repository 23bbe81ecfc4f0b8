/* What the pools' own files share: counts, the ways of each kind, ticks, pages that go. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_PARTS_H
#define SOCKMALLOC_POOL_PARTS_H

#include "pool/pool.h"

/* Slots came to the depot or the stack, or left it in another way than by a stack hit. */
static inline void pool_count_deposit(struct cache *cache, unsigned bucket, uint32_t count)
{
    pool_count(cache, &cache->tally[bucket].deposited, count);
    pool_retain_slots(bucket, (int64_t)count);
}

static inline void pool_count_withdrawal(struct cache *cache, unsigned bucket, uint32_t count)
{
    pool_count(cache, &cache->tally[bucket].withdrawn, count);
    pool_retain_slots(bucket, -(int64_t)count);
}

static inline void pool_count_stack_hit(struct cache *cache, unsigned bucket)
{
    pool_count(cache, &cache->tally[bucket].stack_hits, 1);
    pool_retain_slots(bucket, -1);
}

/* Counts where a single slot came from. */
void pool_count_source(struct cache *cache, unsigned bucket, enum slots_source source);

/* The pool `standard`: a slot, noted as the caller's where that is wanted, or NULL; and back. */
void *pool_alloc_standard(struct cache *cache, unsigned bucket, const void *caller);
void pool_free_standard(struct cache *cache, unsigned bucket, uint32_t number);

/* The pool `cpu`: a slot with its metadata written, or NULL; and back. */
void *pool_alloc_cpu(unsigned bucket, size_t request, uint8_t *was);
void pool_free_cpu(unsigned bucket, void *slot, uint32_t number);

/*
 * Where a taken slot has no pages, new or purged: gives it those of its request at once that the
 * bucket's last new slots were found to be used, 256 at most. Before its metadata is marked.
 */
void pool_populate(unsigned bucket, void *slot, size_t request);

/*
 * Cold slots are those of a magazine that has just become the private one: since they were freed at
 * least a magazine of others was. Where the bucket's buffers are filled they come and go by a way
 * of their own. A take asks for the lines that whoever fills the buffer would wait for
 * (pool_fetch); a give does not ask for the first of them, as one of a warm slot does.
 *
 * pool_mark_cold, after a magazine was swapped in, begins with it. pool_alloc_cold is NULL where no cold
 * slot is left, or pages are due to go back, of which a take is then a step; pool_free_cold is
 * false where the magazine is full. The calling thread's cache, if it has one.
 */
void pool_mark_cold(struct cache *cache, unsigned bucket);
void *pool_alloc_cold(unsigned bucket, size_t request, uint8_t *was);
bool pool_free_cold(unsigned bucket, void *slot);
INTERNAL void pool_fetch_lines(unsigned bucket, const void *slot, size_t request);

/* Pages of the bucket's last new slots that were found to be filled, of which one alone is none:
 * see pool_populate. */
static inline uint32_t pool_filled_pages(unsigned bucket)
{
    uint32_t pages = atomic_load_explicit(&pools[bucket].ahead_pages, memory_order_relaxed);
    return pages < 2 ? 0 : pages;
}

/* Price where buffers stay empty: a load and a comparison. */
static inline void pool_fetch(unsigned bucket, const void *slot, size_t request)
{
    if (pool_filled_pages(bucket) > 0) {
        pool_fetch_lines(bucket, slot, request);
    }
}

/* How much of a slot of the bucket is asked for, in bytes from its start; 0 where nothing says that
 * its program fills it. */
size_t pool_fetched_bytes(unsigned bucket, size_t request);

/* Gives back the addresses of the slots that are purged by now. While memory is tight, so that the
 * program itself can have them. Returns the bytes. */
size_t pool_return_purged(void);

/* Another thread may have been in pool_return. In the child of a fork. */
void pool_reset_return(void);

/* A step of decay before a take, while a tick has found more to give back. */
void pool_tick_taking(struct cache *cache);

/* The same, if it is so, by a thread that has no cache of its own. */
void pool_tick_taking_shared(void);

/*
 * The sample, for the histogram and of who frees: of the slot that was just freed, where a thread
 * that has a cache of its own comes to a tick. Whether it was awaited: then the bucket's next tick
 * is where it would have been. `moved` says that the clock has gone on since the last tick.
 */
bool pool_sample(struct cache *cache, const void *slot, bool moved);

/*
 * Where the clock has gone on: a bucket that is rare may never come to a tick of its own, so the
 * next free of each that had any is one. Where none came since it was awaited, the last slot that
 * lies there is drawn. After cache_arm_all.
 */
void pool_sample_rest(struct cache *cache);

/* The same by a thread that has no cache, after so many frees more. */
void pool_sample_shared(const void *slot, uint32_t frees);

/* pool_tick by a thread that has no cache of its own. */
INTERNAL void pool_tick_shared(const void *slot);

/*
 * After a slow path: gives pages back where SOCKMALLOC_RETAIN or SOCKMALLOC_LARGE_RETAIN has no
 * room for what has come together. Of as much as one magazine brings there at most, in one call.
 */
void pool_enforce_limits(void);

/*
 * While memory is near its end: gives back as much as is about to be taken, a quantum at least, of
 * what is free; what the caches hold only where that does not suffice.
 */
void pool_reclaim(size_t bytes);

#endif
