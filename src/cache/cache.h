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

/*
 * Maps the first pages of the table of all caches, and makes the key whose destructor runs at the end of a thread. One
 * thread calls this function at start-up. Returns false if the kernel refuses to map the pages.
 */
bool cache_lay(void);

/*
 * Opens a cache for the calling thread and returns it. Returns cache_shared if there is no memory, if the table of
 * caches is full, or if the library would not notice the end of the thread. The function keeps errno.
 */
INTERNAL struct cache *cache_open(void);

/* Returns the calling thread's cache, and opens it first if the thread has none yet. */
static inline struct cache *cache_reach(void)
{
    return LIKELY(cache_mine != &cache_none) ? cache_mine : cache_open();
}

/*
 * Makes the bucket's next tick come after `interval` frees. A tick is a thread's regular work after a number of frees:
 * it reads the clock and purges a little. The fast path of free counts in `returned` of the bin, and runs a tick when
 * this counter comes to 0 (counter_step). So cache_arm sets the counter to minus the interval, and adds to `armed` what
 * it subtracts from the counter. If the bucket has no private magazine, each free is a slow path anyway and the tick
 * comes after 61 frees at most. `cache` must be the calling thread's own.
 */
void cache_arm(struct cache *cache, unsigned bucket, uint32_t interval);

/*
 * Makes the next tick of each bucket come after `interval` frees of the bucket, as cache_arm does, and notes `interval`
 * as the cache's interval from now on.
 */
void cache_arm_all(struct cache *cache, uint32_t interval);

/*
 * Makes the next tick (the thread's regular work) come after 16 frees at most. The function is called when slots have
 * gone to the depot or the stack, because a tick should soon check how long they have been free.
 */
void cache_hasten(struct cache *cache);

/*
 * Returns how many slots of the bucket the cache's thread has freed. If another thread calls the function, the result
 * can be wrong by one interval of ticks for a moment.
 */
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
 * Sets the bucket's quota, MAGAZINE_SLOTS at most. A higher quota is charged to the budget first; the function returns
 * false, with nothing changed, if the budget has no room for it. With a lower quota, slots that no longer fit go to the
 * stack, or with their magazine to the depot, before the budget's charge is lowered. A quota of 0 also frees the rest
 * of the new slots that were carved for this thread (the fresh run). `cache` must be the calling thread's own.
 */
bool cache_set_quota(struct cache *cache, unsigned bucket, uint32_t quota);

/*
 * Sets from which bucket on malloc and free may use the short path of the large pool. That path goes to the stack of
 * free slots and does nothing else. So it may only be used while no budget counts free slots, no background thread
 * waits, and memory is not tight. BUCKET_LIMIT closes the short path. The calling thread's cache is changed at once,
 * and that of another thread at its next tick, the work that each thread does after a number of frees.
 */
void cache_set_usual(uint32_t bucket);

/*
 * Notes if pages are due to be purged. While pages are due, the short path of the large pool, which purges nothing, is
 * closed. `cache` must be the calling thread's own.
 */
void cache_set_more(struct cache *cache, bool more);

/*
 * cache_force_slow makes the next malloc of each bucket take the slow path, although the private magazine has slots. It
 * reads the magazine's top and raises the floor to it. A signal handler may allocate a slot between these two steps;
 * the top is then below the floor, which also makes malloc take the slow path. cache_resume_fast lowers the floor of
 * one bucket again. It returns false if the floor was not raised. `cache` must be the calling thread's own.
 */
void cache_force_slow(struct cache *cache);
bool cache_resume_fast(struct cache *cache, unsigned bucket);

/*
 * cache_mark_cold marks all slots in the bucket's private magazine, and all places above them, as cold, which means
 * that no fast path uses them: it moves floor and ceiling to the top. On the slow path, cache_pop_cold pops one cold
 * slot, and cache_push_cold fills one cold place. Places that have become warm in this way serve the fast paths again.
 * cache_pop_cold returns NULL if no cold slot is left, and cache_push_cold returns false if the quota is used up.
 * `cache` must be the calling thread's own.
 */
void cache_mark_cold(struct cache *cache, unsigned bucket);
void *cache_pop_cold(struct cache *cache, unsigned bucket);
bool cache_push_cold(struct cache *cache, unsigned bucket, void *slot);

/*
 * A spare slot is one free slot of a large bucket that a thread keeps in its cache, in front of the bucket's stack.
 * pool_spare decides which thread keeps one. The slot lies in a private magazine with room for one slot, so the fast
 * paths of malloc and free use it. The bucket has no quota and no public magazine.
 *
 * cache_keep_spare puts such a magazine into the bin. It does nothing if the bin has one already, if the budget of
 * SOCKMALLOC_CACHE has no room for a slot of the bucket, or if no magazine can be had. cache_drop_spare takes the
 * magazine away, and its slot goes to the stack of free slots; the bin must have such a magazine (cache_has_spare).
 * cache_drop_spares does that for each bucket of which the thread has made no request since the last call, or for each
 * bucket if `all` is true.
 *
 * `cache` must be the calling thread's own. A signal handler that interrupts malloc or free must not call these
 * functions, because malloc may just have loaded the slot.
 */
void cache_keep_spare(struct cache *cache, unsigned bucket);
void cache_drop_spare(struct cache *cache, unsigned bucket);
void cache_drop_spares(struct cache *cache, bool all);

/* Returns true if the cache may keep a spare slot of the bucket: the bucket has a private magazine, but no quota. */
static inline bool cache_has_spare(const struct cache *cache, unsigned bucket)
{
    return cache->bin[bucket].floor != NULL && cache_quota(cache, bucket) == 0;
}

/*
 * Refills the empty private magazine and pops a slot from it. The slots come from the thread's public magazine. If that
 * is empty, a miss is counted, and the slots come from another thread's public magazine or from the depot. Returns NULL
 * if none of these has a slot. `cache` must be the calling thread's own, with a quota for the bucket.
 */
void *cache_refill(struct cache *cache, unsigned bucket);

/*
 * Refills the empty private magazine with a run of free slots from the stacks, and pops one. Returns NULL if the stacks
 * are empty or no magazine can be had. `cache` must be the calling thread's own, with a quota for the bucket.
 */
void *cache_refill_from_stack(struct cache *cache, unsigned bucket);

/*
 * Returns a slot that was never used, or NULL if the range is full or memory has run out. The slot is the next one of a
 * run that is carved for this thread alone (the fresh run), so that other threads do not write to the cache line with
 * the run's metadata. The slots of a run are returned one at a time and not through a magazine, so that each slot's
 * pages can be populated when its request is known. `cache` must be the calling thread's own, with a quota for the
 * bucket.
 */
void *cache_carve(struct cache *cache, unsigned bucket);

/* Returns how many slots are left of the thread's fresh run, the new slots that were carved for this thread alone. */
static inline uint32_t cache_fresh(const struct cache *cache, unsigned bucket)
{
    return atomic_load_explicit(&cache->tally[bucket].fresh_left, memory_order_relaxed);
}

/*
 * Frees a slot when the private magazine is full. The full magazine becomes the public one. The former public magazine
 * becomes the private one if it is not full; else it goes to the depot, and an empty magazine becomes the private one.
 * The slot is pushed there. Returns false if no magazine can be had; the slot is then still the caller's. `cache` must
 * be the calling thread's own, with a quota for the bucket.
 */
bool cache_flush(struct cache *cache, unsigned bucket, void *slot);

/*
 * Allocates a single slot for a cache without a quota. The slot is popped from another thread's public magazine or from
 * a magazine of the depot; the rest of the magazine goes to the depot. Returns NULL if there is no such magazine.
 */
void *cache_take_one(struct cache *cache, unsigned bucket);

/*
 * Moves public magazines of threads that sleep to the depot. A public magazine moves if its thread has made no request
 * of the bucket since the last round, in which all caches were checked. One call checks the next `looks` caches at
 * most. A new round begins `age` nanoseconds after the beginning of the last one at the earliest. `cache` is the
 * calling thread's own, and `now` is the result of clock_now.
 */
void cache_collect_idle(struct cache *cache, uint64_t now, uint64_t age, uint32_t looks);

/*
 * Clears what training has noted of a bucket. This function is called when a thread ends, so that the next thread that
 * uses this record begins untrained.
 */
void cache_begin(struct cache *cache, unsigned bucket);

/*
 * Drops both magazines, the fresh run and the quota of a bucket without moving or counting the slots. This function
 * runs in the child of a fork, which finds all free slots again by their metadata and computes the budget anew.
 */
void cache_forget(struct cache *cache, unsigned bucket);

/*
 * Returns how many free slots of a bucket a cache holds. The number is exact for the calling thread's own cache, and an
 * approximation for another cache.
 */
uint32_t cache_held(struct cache *cache, unsigned bucket);

/* Returns how many caches are open. */
uint32_t cache_open_count(void);

/*
 * Closes the calling thread's own cache, as the end of the thread would. The thread uses cache_none from then on, so
 * its next slow path opens a cache again.
 */
void cache_leave(void);

/* Returns true if threads other than the calling one have open caches. In the child of a fork, returns true if other
 * threads had open caches at the fork. */
bool cache_others_are_open(void);

/*
 * Forgets what the caches of other threads hold, and the public magazines of the calling thread's own cache, because
 * other threads may have been stealing them. The calling thread's private magazines stay, because a signal handler may
 * have forked in the middle of a call of malloc or free that uses them. This function runs in the child of a fork.
 */
void cache_isolate(void);

/*
 * Forgets all magazines, and gives back all records except that of the calling thread. This function runs in the child
 * of a fork.
 */
void cache_reset(void);

/* Sets all event counters of all caches to zero. This function runs in the child of a fork. */
void cache_reset_counters(void);

/*
 * --- The functions below are shared by cache.c and the other cache_* files. The cache or bin must be the calling
 * thread's own. ---
 */

/* Makes a magazine the private one of a bucket that has none. Nothing in it is cold. */
void cache_load(struct cache *cache, unsigned bucket, struct magazine *magazine);

/* Removes the private magazine from the bin, sets its count and returns it. Returns NULL if there is none. */
struct magazine *cache_unload(struct cache_bin *bin);

/*
 * Stores a magazine, or NULL, as the public magazine, and returns the former public magazine. Other threads never store
 * a magazine there, so after an exchange for NULL the next exchange returns NULL.
 */
struct magazine *cache_exchange(struct cache_bin *bin, struct magazine *magazine);

/*
 * Frees what is left of the fresh run, the slots that were carved for this thread. Slots that were never used have no
 * pages, so they go to the stack of purged slots.
 */
void cache_free_fresh(struct cache *cache, unsigned bucket);

/*
 * Sets the number of the next slot of the fresh run (the slots that were carved for this thread), and how many slots of
 * it are left.
 */
void cache_set_fresh(struct cache *cache, unsigned bucket, uint32_t first, uint32_t left);

/* Pushes a magazine to the depot and counts its slots. Does nothing for NULL. */
void cache_deposit(struct cache *cache, unsigned bucket, struct magazine *magazine);

/* Counts slots that went to the depot or the stack, in the counters and in the budget. */
void cache_count_deposit(struct cache *cache, unsigned bucket, uint32_t count);

#endif
