/* A thread's cache: for each bucket a private and a public magazine, and a run of slots that were never used. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CACHE_H
#define SOCKMALLOC_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "cache/cache_record.h"
#include "cache/cache_registry.h"
#include "cache/magazine.h"

/* Lays the table of the records (cache_lay_records) and makes the key whose destructor runs at the end of a thread. One
 * thread calls it at start-up. Returns false if the first pages of the table can't be had. */
bool cache_lay(void);

/* Opens a cache for the calling thread and returns it. Returns cache_shared if there is no memory, the table is full,
 * or the end of the thread could not be noticed. Keeps errno. */
INTERNAL struct cache *cache_open(void);

/* Returns the calling thread's cache, and opens it first if the thread has none yet. */
static inline struct cache *cache_reach(void)
{
    return LIKELY(cache_mine != &cache_none) ? cache_mine : cache_open();
}

/*
 * Makes the bucket's next tick come after `interval` frees. The fast path of free counts in `returned` of the bin and
 * runs a tick when this counter comes to 0 (counter_step). So cache_arm sets the counter to minus the interval, and
 * adds to `armed` what the counter loses. If the bucket has no private magazine, each free is a slow path anyway and
 * the tick comes after 61 frees at most. `cache` must be the calling thread's own.
 */
void cache_arm(struct cache *cache, unsigned bucket, uint32_t interval);

/* Arms all buckets with `interval` (cache_arm), which also becomes the cache's interval from now on. */
void cache_arm_all(struct cache *cache, uint32_t interval);

/* Makes the next tick come after 16 frees at most. Called when slots have gone to the depot or the stack, because a
 * tick should soon check how long they have been free. */
void cache_hasten(struct cache *cache);

/* Returns how many slots of the bucket the cache's thread has freed. Read by another thread, the number can be wrong
 * by one interval for a moment. */
static inline uint64_t cache_returned(const struct cache *cache, unsigned bucket)
{
    return counter_read(&cache->bin[bucket].returned) + counter_read(&cache->tally[bucket].armed);
}

/* Returns the bucket's quota: the number of free slots that each of the two magazines may hold. */
static inline uint32_t cache_quota(const struct cache *cache, unsigned bucket)
{
    return atomic_load_explicit(&cache->tally[bucket].quota, memory_order_relaxed);
}

/*
 * Sets the bucket's quota, MAGAZINE_SLOTS at most. A higher quota is charged to the budget first; returns false, with
 * nothing changed, if the budget has no room for it. With a lower quota, slots that no longer fit go to the stack, or
 * with their magazine to the depot, before the charge is returned. A quota of 0 also frees the rest of the fresh run.
 * `cache` must be the calling thread's own.
 */
bool cache_set_quota(struct cache *cache, unsigned bucket, uint32_t quota);

/*
 * Sets from which bucket on allocs and frees may use the short path of the large pool, which goes to the stack of free
 * slots and does nothing else: no budget counts free slots, no background thread waits, and memory is not tight. The
 * calling thread's cache is changed at once, that of another thread at its next tick. BUCKET_LIMIT closes the short
 * path.
 */
void cache_set_usual(uint32_t bucket);

/* Notes if pages are due to be purged. While they are, the short path of the large pool is closed. `cache` must be the
 * calling thread's own. */
void cache_set_more(struct cache *cache, bool more);

/*
 * cache_force_slow makes the next alloc of each bucket take the slow path, although the private magazine has slots: it
 * raises the floor to the top. A signal handler may allocate a slot between these two steps; the top is then below the
 * floor, which also sends allocs to the slow path. cache_resume_fast lowers the floor of one bucket again. It returns
 * false if the floor was not raised. `cache` must be the calling thread's own.
 */
void cache_force_slow(struct cache *cache);
bool cache_resume_fast(struct cache *cache, unsigned bucket);

/*
 * cache_mark_cold marks all slots in the bucket's private magazine, and all places above them, as cold: it moves floor
 * and ceiling to the top. A cold slot is popped by cache_pop_cold, and a cold place is filled by cache_push_cold, both
 * on the slow path and one at a time. A slot that was allocated or freed since then is warm and serves the fast paths.
 * cache_pop_cold returns NULL if no cold slot is left, cache_push_cold false if the quota is used up. `cache` must be
 * the calling thread's own.
 */
void cache_mark_cold(struct cache *cache, unsigned bucket);
void *cache_pop_cold(struct cache *cache, unsigned bucket);
bool cache_push_cold(struct cache *cache, unsigned bucket, void *slot);

/*
 * Refills the empty private magazine and pops a slot from it. The slots come from the public magazine; else, which is
 * counted as a miss, from another thread's public magazine, or from the depot. Returns NULL if none of these has a
 * slot. The calling thread's own cache, with a quota for the bucket.
 */
void *cache_refill(struct cache *cache, unsigned bucket);

/* Refills the empty private magazine with a run of free slots from the stacks, and pops one. Returns NULL if the
 * stacks are empty or no magazine can be had. The calling thread's own cache, with a quota for the bucket. */
void *cache_refill_from_stack(struct cache *cache, unsigned bucket);

/*
 * Returns a slot that was never used, or NULL if the range is full or memory has run out. It is the next slot of a
 * run that is carved for this thread alone, so that other threads do not write to the cache line with the run's
 * metadata. The slots of a run are issued one at a time and not through a magazine, so that each can be populated
 * when its request is known. The calling thread's own cache, with a quota for the bucket.
 */
void *cache_carve(struct cache *cache, unsigned bucket);

/* Returns how many slots are left of the thread's fresh run of the bucket. */
static inline uint32_t cache_fresh(const struct cache *cache, unsigned bucket)
{
    return atomic_load_explicit(&cache->tally[bucket].fresh_left, memory_order_relaxed);
}

/*
 * Makes room where the private magazine is full, and pushes the slot. The public magazine is swapped in if it is not
 * full; else it goes to the depot and an empty magazine comes. Returns false if no magazine can be had; the slot is
 * then still the caller's. The calling thread's own cache, with a quota for the bucket.
 */
bool cache_flush(struct cache *cache, unsigned bucket, void *slot);

/* Allocates a single slot for a cache without a quota. The slot is popped from another thread's public magazine or
 * from a magazine of the depot; the rest of the magazine goes to the depot. Returns NULL if there is none. */
void *cache_take_one(struct cache *cache, unsigned bucket);

/*
 * Moves public magazines of threads that sleep to the depot. A public magazine moves if its thread has made no
 * request of the bucket since the last round. One call looks at the next `looks` caches at most; a new round over all
 * caches begins `age` nanoseconds after the last one at the earliest. `cache` is the calling thread's own, `now` is
 * clock_now.
 */
void cache_collect_idle(struct cache *cache, uint64_t now, uint64_t age, uint32_t looks);

/* Clears what training has noted of a bucket. Called when a thread ends, so that the next thread with this record
 * begins untrained. */
void cache_begin(struct cache *cache, unsigned bucket);

/* Drops both magazines, the fresh run and the quota of a bucket without moving or counting anything. In the child of
 * a fork, which finds all free slots again by their metadata and computes the budget anew. */
void cache_forget(struct cache *cache, unsigned bucket);

/* Returns how many free slots of a bucket a cache holds. Exact for the calling thread's own cache, near the truth for
 * another. */
uint32_t cache_held(struct cache *cache, unsigned bucket);

/* Returns how many caches are open. */
uint32_t cache_open_count(void);

/* Closes the calling thread's own cache, as the end of the thread would. The thread has cache_none from then on, so its
 * next slow path opens one again. */
void cache_leave(void);

/* Returns true if threads other than the calling one have open caches. In the child of a fork, returns true if other
 * threads had open caches at the fork. */
bool cache_others_are_open(void);

/*
 * Forgets what the caches of other threads hold, and the public magazines of the calling thread's own cache, because
 * other threads may have been stealing them. Its private magazines stay, also for a call of malloc or free that a
 * signal handler interrupted to fork. It runs in the child of a fork.
 */
void cache_isolate(void);

/* Forgets all magazines, and gives back all records except that of the calling thread. It runs in a fork child. */
void cache_reset(void);

/* Sets all event counters of all caches to zero. It runs in the child of a fork. */
void cache_reset_counters(void);

/* --- shared by cache.c and the other cache_* files; the cache or bin is the calling thread's own --- */

/* Makes a magazine the private one of a bucket that has none. Nothing in it is cold. */
void cache_load(struct cache *cache, unsigned bucket, struct magazine *magazine);

/* Takes the private magazine out and sets its count. Returns NULL if there is none. */
struct magazine *cache_unload(struct cache_bin *bin);

/* Puts a magazine, or NULL, in place of the public one, which it returns. Other threads never put a magazine there,
 * so a cache that has exchanged for NULL finds NULL there next time. */
struct magazine *cache_exchange(struct cache_bin *bin, struct magazine *magazine);

/* Frees what is left of the fresh run. Slots that were never used have no pages, so they join the purged ones. */
void cache_free_fresh(struct cache *cache, unsigned bucket);

/* Sets the number of the next slot of the fresh run, and how many slots are left of it. */
void cache_set_fresh(struct cache *cache, unsigned bucket, uint32_t first, uint32_t left);

/* Pushes a magazine to the depot and counts its slots. Does nothing for NULL. */
void cache_deposit(struct cache *cache, unsigned bucket, struct magazine *magazine);

/* Counts slots that went to the depot or the stack, in the counters and in the budget. */
void cache_count_deposit(struct cache *cache, unsigned bucket, uint32_t count);

#endif
