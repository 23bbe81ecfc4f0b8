/* A thread's cache. For each bucket it has two magazines of free slots: a private one for the fast paths of the thread,
 * and a public one, which other threads may steal. It also has new slots that were carved for this thread alone. */
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
 * caches is full, or if there is no key whose destructor would run at the end of the thread. The function does not
 * change errno.
 */
INTERNAL struct cache *cache_open(void);

/* Returns the calling thread's cache, and opens it first if the thread has none yet. Returns cache_shared if no cache
 * could be opened for the thread. */
static inline struct cache *cache_reach(void)
{
    return LIKELY(cache_mine != &cache_none) ? cache_mine : cache_open();
}

/*
 * Makes the bucket's next tick come after `interval` frees. (A tick is a free at which the thread reads the clock and
 * purges a little.) The fast path of free adds 1 to `returned` of the bin, and runs a tick when `returned` has become 0
 * (counter_step). So cache_arm sets `returned` to minus the interval. The sum of `returned` and `armed` is the number
 * of slots of the bucket that the thread has freed, and must not change. So cache_arm adds to `armed` what it has
 * subtracted from `returned`. If the bucket has no private magazine, each free is a slow path anyway, and the tick
 * comes after at most 61 frees. `cache` must be the calling thread's own.
 */
void cache_arm(struct cache *cache, unsigned bucket, uint32_t interval);

/*
 * Makes the next tick of each bucket (a free that reads the clock) come after `interval` frees of this bucket, as
 * cache_arm does. Also stores `interval` in the cache's state; each tick computes from this number after how many frees
 * the following tick comes.
 */
void cache_arm_all(struct cache *cache, uint32_t interval);

/*
 * Makes the next tick (a free that reads the clock) come after at most 16 frees of a bucket. This function is called
 * when slots have gone to the depot or to the stack of free slots, because a tick should soon find out how long they
 * have been free.
 */
void cache_hasten(struct cache *cache);

/*
 * Returns how many slots of the bucket the cache's thread has freed. For another thread's cache, the result may for a
 * moment be wrong by the number of frees between two ticks (frees that read the clock).
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
 * Sets the bucket's quota. `quota` must be at most MAGAZINE_SLOTS. If the cache has a spare slot of the bucket
 * (cache_keep_spare), drops it first. A higher quota is charged to the budget first; if the budget does not have enough
 * left, the quota stays and the function returns false. If the quota falls, slots that no longer fit go to the stack of
 * free slots; if it falls to 0, both magazines go to the depot; the budget's charge is lowered after that. A quota of 0
 * also frees the new slots that were carved for this thread and not used yet. `cache` must be the calling thread's own.
 */
bool cache_set_quota(struct cache *cache, unsigned bucket, uint32_t quota);

/*
 * Sets the first bucket whose malloc and free may use the short path of the large pool; all larger buckets may use it
 * too. This path uses the stack of free slots and does nothing else. So it may only be used if no budget counts free
 * slots, if no background thread must be told of freed slots, and if memory is not tight. If `bucket` is BUCKET_LIMIT,
 * no bucket uses the path. The change takes effect in the calling thread's cache at once, and in another thread's at
 * that thread's next tick (a free that reads the clock).
 */
void cache_set_usual(uint32_t bucket);

/*
 * Sets the cache's `more`, which is true if pages are due to be purged. While it is true, the short path of the large
 * pool, which purges nothing, is closed for this thread. While it is false, the path is open for the buckets that
 * cache_set_usual has last set. `cache` must be the calling thread's own.
 */
void cache_set_more(struct cache *cache, bool more);

/*
 * cache_force_slow makes the next malloc of each bucket take the slow path, although the private magazine has slots. It
 * raises the magazine's floor, below which malloc's fast path pops no slots, to the magazine's top. If a signal handler
 * allocates a slot after the top was read and before the floor is set, the top is then below the floor, which also
 * makes malloc take the slow path. cache_resume_fast lowers the floor of one bucket again, and returns false if the
 * floor was not raised. `cache` must be the calling thread's own.
 */
void cache_force_slow(struct cache *cache);
bool cache_resume_fast(struct cache *cache, unsigned bucket);

/*
 * cache_mark_cold marks all slots in the bucket's private magazine as cold (freed long ago), and also all free places
 * above them: it moves floor and ceiling to the top, so that no fast path uses these slots and places. On the slow
 * path, cache_pop_cold pops one cold slot, and cache_push_cold pushes a slot to one cold place. Afterwards the fast
 * paths may use the place of that slot in the magazine. cache_pop_cold returns NULL if no cold slot is left, and
 * cache_push_cold returns false if the quota is used up. `cache` must be the calling thread's own.
 */
void cache_mark_cold(struct cache *cache, unsigned bucket);
void *cache_pop_cold(struct cache *cache, unsigned bucket);
bool cache_push_cold(struct cache *cache, unsigned bucket, void *slot);

/*
 * A spare slot is one free slot of a large bucket that a thread keeps in its cache, so that malloc and free need not
 * use the bucket's stack. pool_spare decides which thread keeps one. The slot lies in a private magazine that can hold
 * one slot, so the fast paths of malloc and free use it. The bucket has no quota and no public magazine.
 *
 * cache_keep_spare gives the bucket such a magazine. It does nothing if the bucket has one already, if the budget of
 * SOCKMALLOC_CACHE has too little left for a slot of the bucket, or if no empty magazine is found. cache_drop_spare
 * removes the magazine, and its slot goes to the stack of free slots; the bucket must have such a magazine
 * (cache_has_spare). cache_drop_spares calls cache_drop_spare for each bucket of which the thread has made no request
 * since the last call, or for each bucket if `all` is true.
 *
 * `cache` must be the calling thread's own. A signal handler that interrupts malloc or free must not call these
 * functions, because malloc may just have loaded the slot.
 */
void cache_keep_spare(struct cache *cache, unsigned bucket);
void cache_drop_spare(struct cache *cache, unsigned bucket);
void cache_drop_spares(struct cache *cache, bool all);

/* Returns true if the cache may hold a spare slot of the bucket (a free slot of a large bucket that the thread keeps):
 * the bucket then has a private magazine but no quota. */
static inline bool cache_has_spare(const struct cache *cache, unsigned bucket)
{
    return cache->bin[bucket].floor != NULL && cache_quota(cache, bucket) == 0;
}

/*
 * Replaces the empty private magazine by one with slots, and pops a slot from that. The new private magazine is the
 * thread's public one if that has slots. Otherwise a miss is counted, and the slots come from another thread's public
 * magazine or from the depot. In both cases the empty private magazine becomes the public one. Returns NULL if no
 * magazine with slots is found. `cache` must be the calling thread's own, with a quota for the bucket.
 */
void *cache_refill(struct cache *cache, unsigned bucket);

/*
 * Refills the empty private magazine with up to 16 free slots from the stacks, and pops one of them. Returns NULL if
 * the stacks are empty, or if the cache has no private magazine and there is no memory for one. `cache` must be the
 * calling thread's own, with a quota for the bucket.
 */
void *cache_refill_from_stack(struct cache *cache, unsigned bucket);

/*
 * Returns a new slot, which was never used, or NULL if the range is full or there is no memory. A run of up to 16 slots
 * is carved for this thread alone, so that other threads rarely write to the cache line with the metadata of these
 * slots. Each call returns the next slot of the run. The slots do not go through a magazine, because malloc's fast path
 * would then allocate them and populate no pages. The slow path knows the request and can populate its pages. `cache`
 * must be the calling thread's own, with a quota for the bucket.
 */
void *cache_carve(struct cache *cache, unsigned bucket);

/* Returns how many of the new slots that were carved for this thread have not been allocated yet. */
static inline uint32_t cache_fresh(const struct cache *cache, unsigned bucket)
{
    return atomic_load_explicit(&cache->tally[bucket].fresh_left, memory_order_relaxed);
}

/*
 * Frees a slot when the private magazine is full. The full magazine becomes the public one, which other threads may
 * steal. The former public magazine becomes the private one if it is not full; else it goes to the depot, and an empty
 * magazine becomes the private one. The freed slot is pushed onto the new private magazine. Returns false if there is
 * no empty magazine; the caller then still has to free the slot. `cache` must be the calling thread's own, with a quota
 * for the bucket.
 */
bool cache_flush(struct cache *cache, unsigned bucket, void *slot);

/*
 * Allocates a single slot for a cache without a quota. Pops the slot from another thread's public magazine or from a
 * magazine of the depot. The magazine goes to the depot with its other slots. Returns NULL if no magazine with slots is
 * found.
 */
void *cache_take_one(struct cache *cache, unsigned bucket);

/*
 * Moves the public magazines of sleeping threads (those magazines that other threads may steal) to the depot. A round
 * checks each cache once: each of its public magazines goes to the depot if the cache's thread has made no request of
 * the magazine's bucket since the last round. One call checks up to `looks` caches. A new round begins at least `age`
 * nanoseconds after the beginning of the last one. `cache` is the calling thread's own, and `now` is what clock_now has
 * returned.
 */
void cache_collect_idle(struct cache *cache, uint64_t now, uint64_t age, uint32_t looks);

/*
 * Clears what training has stored about a bucket in the cache. This function is called when a thread ends and in the
 * child of a fork, so that the next thread that gets this cache begins untrained.
 */
void cache_begin(struct cache *cache, unsigned bucket);

/*
 * Removes from a cache both magazines of a bucket, its quota, the new slots that were carved for the thread, and what
 * training has stored about the bucket. The slots are not moved elsewhere and not counted. This function runs in the
 * child of a fork, which finds all free slots by their metadata and computes the budget anew.
 */
void cache_forget(struct cache *cache, unsigned bucket);

/*
 * Returns how many free slots of a bucket lie in the two magazines of a cache. The number is exact for the calling
 * thread's own cache. For another thread's cache it may be a little wrong.
 */
uint32_t cache_held(struct cache *cache, unsigned bucket);

/* Returns how many caches are open. */
uint32_t cache_open_count(void);

/*
 * Closes the calling thread's own cache, as the end of the thread would. The thread uses cache_none from then on, so
 * its next slow path opens a cache again.
 */
void cache_leave(void);

/* Returns true if threads other than the calling one have open caches. In the child of a fork, until cache_isolate
 * runs, returns true if other threads had open caches at the fork. */
bool cache_others_are_open(void);

/*
 * Empties the caches of all other threads. Removes from the calling thread's own cache only the public magazines,
 * because other threads may have been stealing them at the fork. The private magazines of this cache stay, because a
 * signal handler may have forked in the middle of a malloc or free that uses them. The slots are not moved elsewhere.
 * The function also empties the list of unused records of caches, which cache_reset fills again. This function runs in
 * the child of a fork.
 */
void cache_isolate(void);

/*
 * Removes all magazines and quotas from the caches, and makes all records of caches free for new threads, except for
 * the calling thread's record. This function runs in the child of a fork.
 */
void cache_reset(void);

/* Sets all event counters of all caches to zero, and makes the next free of the calling thread a tick (a free that
 * reads the clock). This function runs in the child of a fork. */
void cache_reset_counters(void);

/*
 * --- The functions below are shared by cache.c and the other cache_* files. The cache or bin must be the calling
 * thread's own. ---
 */

/* Makes `magazine` the private magazine of a bucket that has none. The floor and the ceiling are set so that the fast
 * paths may use all slots in it, and all places up to the quota. */
void cache_load(struct cache *cache, unsigned bucket, struct magazine *magazine);

/* Removes the private magazine from the bin, stores in the magazine how many slots it has, and returns the magazine.
 * Returns NULL if the bin has no private magazine. */
struct magazine *cache_unload(struct cache_bin *bin);

/*
 * Stores a magazine, or NULL, as the public magazine, and returns the former public magazine. Other threads only ever
 * change the public magazine to NULL. So if one call has stored NULL, the next call returns NULL.
 */
struct magazine *cache_exchange(struct cache_bin *bin, struct magazine *magazine);

/*
 * Frees the new slots that were carved for this thread and have not been allocated yet. They have no pages, so they go
 * to the stack of purged slots.
 */
void cache_free_fresh(struct cache *cache, unsigned bucket);

/*
 * Sets which slots were carved for this thread and have not been allocated yet: the number of the first of them, and
 * how many there are.
 */
void cache_set_fresh(struct cache *cache, unsigned bucket, uint32_t first, uint32_t left);

/* Pushes a magazine to the depot, counts its slots, and makes the thread's next tick come sooner (cache_hasten). Does
 * nothing for NULL. */
void cache_deposit(struct cache *cache, unsigned bucket, struct magazine *magazine);

/* Counts slots that have gone to the depot or to the stack of free slots, in the counters of the cache and in the
 * budget. */
void cache_count_deposit(struct cache *cache, unsigned bucket, uint32_t count);

#endif
