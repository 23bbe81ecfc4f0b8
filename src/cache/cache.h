/* The caches: what one thread holds per bucket, a private magazine and a public one. */
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

/* Lays the table of the records (cache_lay_records) and prepares to learn of the end of threads. At start, by one
 * thread. Returns false if the first pages of the table can't be had. */
bool cache_lay(void);

/* Opens a cache for the calling thread; cache_shared where it can't have one. */
INTERNAL struct cache *cache_open(void);

/* The thread's cache, opened if need be. */
static inline struct cache *cache_reach(void)
{
    return LIKELY(cache_mine != &cache_none) ? cache_mine : cache_open();
}

/*
 * Has the bucket's next tick come after `interval` frees: counter_step of the bin's `returned` is
 * then true. For that the counter is set to minus the interval, and what it lacks is noted in
 * `armed`. Where every free is a slow path it comes sooner. The thread's own cache.
 */
void cache_arm(struct cache *cache, unsigned bucket, uint32_t interval);

/* The same for all buckets; and the interval from now on. */
void cache_arm_all(struct cache *cache, uint32_t interval);

/* The same with a short interval, unless it is: free slots came together, and somebody should soon
 * look how long they have been there. */
void cache_hasten(struct cache *cache);

/* Slots freed in all. By another thread than the cache's it can be out by an interval for a moment.
 */
static inline uint64_t cache_returned(const struct cache *cache, unsigned bucket)
{
    return counter_read(&cache->bin[bucket].returned) + counter_read(&cache->tally[bucket].armed);
}

/* Free slots that each of the two magazines may hold. */
static inline uint32_t cache_quota(const struct cache *cache, unsigned bucket)
{
    return atomic_load_explicit(&cache->tally[bucket].quota, memory_order_relaxed);
}

/*
 * Sets it, to MAGAZINE_SLOTS at most. More is charged to the budget first: false, with nothing
 * changed, where that has no room. What no longer fits goes to the stack or the depot before the
 * charge is given back, and with a quota of 0 what is left of the fresh run. The thread's own
 * cache.
 */
bool cache_set_quota(struct cache *cache, unsigned bucket, uint32_t quota);

/*
 * Sets from which bucket on allocs and frees may use the short path of the large pool, which goes to the stack of free
 * slots and does nothing else: no budget counts free slots, no background thread waits, and memory is not tight. The
 * calling thread's cache knows at once, another thread's when its next tick comes. BUCKET_LIMIT closes the short path.
 */
void cache_set_usual(uint32_t bucket);

/* Whether pages are due to go back. The thread's own cache. */
void cache_set_more(struct cache *cache, bool more);

/*
 * Has the next take of each bucket come to a slow path, though the private magazine has slots: the
 * floor is raised to the top. A handler that comes in between and keeps a slot leaves the top below
 * the floor, which is as good. Whether there is anything to do so is asked by cache_resume_fast, which
 * gives the bucket its slots back. The thread's own cache.
 */
void cache_force_slow(struct cache *cache);
bool cache_resume_fast(struct cache *cache, unsigned bucket);

/*
 * Calls all slots cold that the bucket's private magazine holds, and all that will come above them.
 * Each then comes and goes by a slow path once: cache_pop_cold, which is NULL when none is left,
 * and cache_push_cold, which is false where the quota has no room. Whatever came or went since is
 * warm, and served by the fast paths. The thread's own cache.
 */
void cache_mark_cold(struct cache *cache, unsigned bucket);
void *cache_pop_cold(struct cache *cache, unsigned bucket);
bool cache_push_cold(struct cache *cache, unsigned bucket, void *slot);

/*
 * Refills an empty private magazine and takes a slot from it: from the public magazine; or else,
 * which is a miss, from another thread's public one, else the depot. NULL when none has anything.
 * In these four the cache is the thread's own, and has a quota for the bucket.
 */
void *cache_refill(struct cache *cache, unsigned bucket);

/* Gathers a run of loose slots into the empty private magazine and takes one. NULL: no slot is
 * loose, or there is no magazine. */
void *cache_refill_from_stack(struct cache *cache, unsigned bucket);

/*
 * A slot that was never used, one of a run that is carved for this thread: their metadata fill a cache
 * line, which no other thread then writes. They are handed out one by one, not by a magazine, so
 * that each can be given its pages when its request is known. NULL: no memory.
 */
void *cache_carve(struct cache *cache, unsigned bucket);

/* What is left of the thread's run. */
static inline uint32_t cache_fresh(const struct cache *cache, unsigned bucket)
{
    return atomic_load_explicit(&cache->tally[bucket].fresh_left, memory_order_relaxed);
}

/* Makes room where the private magazine is full, and puts the slot in. False: no magazine is to be
 * had. */
bool cache_flush(struct cache *cache, unsigned bucket, void *slot);

/* For a cache without a quota: a single slot out of a magazine of the depot's, or out of another
 * thread's public one, of which the rest goes to the depot. NULL when neither has any. */
void *cache_take_one(struct cache *cache, unsigned bucket);

/*
 * Gives the depot the public magazines of buckets that a thread has not used for a while: it may
 * sleep for hours. Looks at `looks` caches at most, the next ones each time, and at each once in
 * `age`. `now` and `age` are clock_now's.
 */
void cache_collect_idle(struct cache *cache, uint64_t now, uint64_t age, uint32_t looks);

/* Forgets what training noted of a bucket: the record's next thread begins untrained. */
void cache_begin(struct cache *cache, unsigned bucket);

/* Drops both magazines and the quota without a trace. In the child of a fork, which counts the
 * slots anew, and the budget too. */
void cache_forget(struct cache *cache, unsigned bucket);

/* Free slots in one bucket of one cache, as far as another thread can tell. */
uint32_t cache_held(struct cache *cache, unsigned bucket);

/* Caches open now. */
uint32_t cache_open_count(void);

/* Gives the calling thread's own cache up, as its end would: from now on it has none. */
void cache_leave(void);

/* Whether threads other than the calling one have caches open. In the child of a fork: had. */
bool cache_others_are_open(void);

/*
 * Forgets what other threads have, and what they may have taken from the calling one: its public
 * magazines. Its private ones, and what it is about to do with them, stay. In the child of a fork.
 */
void cache_isolate(void);

/* Forgets all magazines, and closes every cache but the calling thread's. In the child of a fork.
 */
void cache_reset(void);

/* Sets all event counters to zero. In the child of a fork. */
void cache_reset_counters(void);

/* --- what the room's own files share; the cache or bin is the thread's own --- */

/* Makes a magazine the private one. */
void cache_load(struct cache *cache, unsigned bucket, struct magazine *magazine);

/* Takes the private magazine out, with its count brought up to date. NULL if there is none. */
struct magazine *cache_unload(struct cache_bin *bin);

/* Puts a magazine, or none, in place of the public one: nobody but the owner ever puts one there.
 */
struct magazine *cache_exchange(struct cache_bin *bin, struct magazine *magazine);

/* Gives what is left of the run away: such slots have no pages, as purged ones have none. */
void cache_free_fresh(struct cache *cache, unsigned bucket);

/* Says where the thread's run of fresh slots goes on, and how many are left of it. */
void cache_set_fresh(struct cache *cache, unsigned bucket, uint32_t first, uint32_t left);

/* Gives a magazine, or none, to the depot. */
void cache_deposit(struct cache *cache, unsigned bucket, struct magazine *magazine);

/* Counts slots that went to the depot or the stack. */
void cache_count_deposit(struct cache *cache, unsigned bucket, uint32_t count);

#endif
