/* The pools: takes and gives slots of a bucket, trained or large, and keeps the metadata and the
 * counts right. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_H
#define SOCKMALLOC_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/budget.h"
#include "cache/cache.h"
#include "cache/training.h"
#include "config/choices.h"
#include "memory/region.h"
#include "memory/slots.h"

/* What the pools know of a bucket beyond its caches' counters. */
struct pool {
    _Alignas(CACHE_LINE) _Atomic int64_t live; /* as of the threads' last slow paths; for the peak only */
    _Atomic int64_t peak;
    _Atomic uint32_t sampled_slot; /* a slot's number and 1; see pool_populate, for these three */
    _Atomic uint32_t ahead;
    _Atomic uint32_t ahead_pages;
    struct counter remote_frees; /* slots freed by another thread than took them, by the sample */
    /* Stocks that the parent of a fork handed down: the counters then began anew. */
    uint64_t inherited_live;
    uint64_t inherited_depot;
    uint64_t inherited_purged;
};

extern INTERNAL struct pool pools[BUCKET_LIMIT];
extern INTERNAL unsigned pool_first_large;

/* What of the settings the pools go by. */
struct pool_settings {
    enum kind kind;
    uint32_t crowd;        /* of KIND_AUTO: threads beyond which it turns to processors' caches */
    uint32_t free_list;    /* of KIND_STANDARD: free slots that a bucket keeps */
    uint64_t cache_limit;  /* bytes that all caches may hold */
    uint64_t retain_limit; /* bytes of all free slots with pages; BUDGET_UNLIMITED */
    uint64_t large_limit;  /* of them, the large pool's; BUDGET_UNLIMITED */
    uint64_t decay;        /* milliseconds that free slots keep their pages; DECAY_NEVER */
    uint64_t charge_limit; /* bytes that may be charged for memory, used or not; 0 or SIZE_MAX: any */
    struct training_settings training;
};

/*
 * At start, before anything is published. False if the settings ask for processors' caches that
 * can't be had: then the kind is KIND_THREAD. KIND_AUTO without them is that from the start.
 */
bool pool_open(const struct bucket_plan *plan, const struct pool_settings *settings);

/* The kind in force: KIND_AUTO is KIND_CPU once it has turned. */
enum kind pool_kind(void);

/* Whether the processors' caches serve this call. The first call of a thread too many turns
 * KIND_AUTO. */
bool pool_is_percpu(void);

/* Whether this is the child of a process that had several threads, or a child of such a one. */
extern INTERNAL bool pool_is_child_of_threads;

/* Where the child of a fork stands with what its parent had: see pool_inherit. */
enum { POOL_RECOVERED, POOL_HEIR, POOL_RECOVERING };
extern INTERNAL _Atomic uint32_t pool_heir;

/* It, as an object that another process may copy over its own. */
struct span pool_kind_span(void);

/* A slow path's count: by the one writer of a thread's own cache, or by one of many. */
static inline void pool_count(const struct cache *cache, struct counter *counter, uint64_t amount)
{
    if (UNLIKELY(cache == &cache_shared)) {
        counter_add_shared(counter, amount);
    } else {
        counter_add(counter, amount);
    }
}

/* Whether the bucket is the large pool's. */
static inline bool pool_is_large(unsigned bucket)
{
    return bucket >= pool_first_large;
}

/* That many slots came to the depot or the stack; fewer than none: they left it. */
static inline void pool_retain_slots(unsigned bucket, int64_t count)
{
    int64_t bytes = count * (int64_t)region.geometry[bucket].capacity;
    budget_retain(bytes);
    if (pool_is_large(bucket)) {
        budget_retain_large(bytes);
    }
}

/* Where rare events are counted: the thread's cache, or what stands in where threads have none. */
struct cache *pool_counters(void);

/* Ends the process with one line that says what the metadata of `address` says: it is not a live slot.
 */
INTERNAL void pool_die(const char *call, const void *address) __attribute__((noreturn, cold));

/* A number that is another one for most threads: by where the thread's variables lie
 * (multiplicative hashing: D. Knuth, "The Art of Computer Programming", volume 3). */
static inline uint32_t pool_thread_number(void)
{
    return (uint32_t)(((uint64_t)(uintptr_t)&cache_mine * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* The mark of the calling thread: slot_meta_owner of its cache's number, or of the thread's, if it has
 * no cache. */
static inline uint32_t pool_owner(void)
{
    return LIKELY(cache_is_own(cache_mine)) ? cache_mine->bin[0].owner : slot_meta_owner(pool_thread_number());
}

/* Writes a taken slot's metadata, the request first; `was`, unless NULL, gets what the metadata said
 * before. */
FAST_PATH void pool_mark(size_t number, uint8_t live, uint32_t owner, size_t request, uint8_t *was)
{
    if (was != NULL) {
        *was = region_meta(number);
    }
    region_set_request_word(number, owner | (uint32_t)request);
    region_set_meta(number, live);
}

/*
 * A slot for `request` bytes, which must be of the line's bucket, out of the thread's private
 * magazine; NULL when that is empty: then pool_alloc_slow. `was`, unless NULL, gets the metadata's
 * former value: slot_meta_is_zero of it saves calloc its memset. Price: about 20 instructions with a
 * single test, no locked one; the slot itself is not touched.
 */
FAST_PATH void *pool_alloc(size_t line, size_t request, uint8_t *was)
{
    struct cache_bin *bin = cache_bin_at(cache_mine, line);
    void *slot = cache_pop(bin);
    if (LIKELY(slot != NULL)) {
        counter_add(&bin->requests, 1);
        counter_add(&bin->asked, request);
        pool_mark(region_page(slot), bin->live, bin->owner, request, was);
    }
    return slot;
}

/*
 * The large pool's usual case: the slot that came to the stack last, for a thread that has a cache
 * to count in and nothing else to do. NULL for everything else: then pool_alloc_slow. Price: a
 * compare-and-swap, about 80 instructions in all.
 */
FAST_PATH void *pool_alloc_large(size_t bucket, size_t request)
{
    struct cache *cache = cache_mine;
    if (UNLIKELY(bucket < cache->state.usual)) {
        return NULL;
    }
    uint32_t number = slots_pop_generation(bucket, decay_young());
    if (UNLIKELY(number == STACK_EMPTY)) {
        return NULL;
    }
    struct cache_bin *bin = cache_bin_of(cache, bucket);
    pool_mark(number, bin->live, bin->owner, request, NULL);
    counter_add(&bin->requests, 1);
    counter_add(&bin->asked, request);
    counter_add(&cache->tally[bucket].stack_hits, 1);
    return region_slot(number);
}

/* The same out of what lies further: public magazine, depot, stacks, region. NULL: neither pool nor
 * kernel has one. `caller` is whoever called malloc. */
INTERNAL void *pool_alloc_slow(unsigned bucket, size_t request, uint8_t *was, const void *caller);

/* What pool_free leaves over: no room in the private magazine. `bin` is of the slot's bucket and
 * the thread's cache. */
INTERNAL void pool_free_slow(void *slot, struct cache_bin *bin, size_t number);

/*
 * What a thread does now and then after the free of a slot, by the count of its frees: looks at the
 * clock, and gives pages back where it is time. Of as many slots as pool_quantum's bytes begin, and
 * no more, in one call, so that no free takes long.
 */
INTERNAL void pool_tick(const void *slot);

/* One step of what a tick does, whoever frees. Whether there is more to do. */
bool pool_decay_step(void);

/*
 * Takes back a slot; `address` is in the range, at that region_offset. False, with nothing done, if
 * it is not a live slot's first byte. Price: about 30 instructions with four tests, no locked one;
 * the slot itself is not touched.
 */
FAST_PATH bool pool_free(void *address, size_t offset)
{
    size_t number = offset >> REGION_SHIFT;
    uint8_t meta = region_meta(number);
    struct cache_bin *bin = cache_bin_of(cache_mine, slot_meta_bucket(meta));
    uint8_t freed;
    if (UNLIKELY(!region_is_exact(offset) || !slot_meta_free(meta, &freed))) {
        return false;
    }
    region_set_meta(number, freed);
    if (UNLIKELY(!cache_push(bin, address))) {
        pool_free_slow(address, bin, number);
        return true;
    }
    /*
     * Last in is first out: the next request of the bucket gets this slot, and its program will
     * write to it. The free lists of other allocators fetch the line by their link; here nothing
     * else does.
     */
    __builtin_prefetch(address, 1);
    if (UNLIKELY(counter_step(&bin->returned))) {
        pool_tick(address);
    }
    return true;
}

/* Returns the number of a live slot; anything else ends the process. `address` lies in the range.
 */
static inline uint32_t pool_number(const char *call, const void *address)
{
    uint32_t number = region_number(address);
    if (UNLIKELY(!region_is_exact(region_offset(address)) || slot_meta_state(region_meta(number)) != SLOT_LIVE)) {
        pool_die(call, address);
    }
    return number;
}

/* Counts a request of the bucket that falls through after all. */
void pool_count_fall_through(unsigned bucket, size_t request);

/*
 * Gives the pages of free slots back to the kernel, about `limit` bytes of them (whole slots, whole
 * magazines): what lies in the depots and stacks, large buckets first. Returns the bytes of the
 * slots that were purged. Any thread, no lock.
 */
size_t pool_trim(size_t limit);

/*
 * Gives back the addresses of free slots, too, wherever runs of them are long enough, and so what
 * limits charge for them. For who was refused memory. From the first call on memory is said to be
 * tight: tables grow by what is needed, and no block gets room that it did not ask for. Returns the
 * bytes; 0 also where another thread is at it. Any thread, no lock.
 */
size_t pool_return(void);

/* A step of the same of the old generation alone: what nobody has needed for a while. Of as many
 * slots as pool_quantum's bytes begin; of fewer, where they lie so scattered that it would take
 * long. Whether there may be more. */
bool pool_trim_step(void);

/* Bytes whose pages one call gives back at most, or one slot's if that is larger: so many that none
 * takes long. */
size_t pool_quantum(void);

/*
 * Gives the depots what the calling thread's cache holds, whose quotas stay, and other threads'
 * public magazines; what is in private ones and with processors nobody else can take. O(threads x
 * buckets). For who wants all that is free to go, before pool_trim.
 */
void pool_drain(void);

/* Bytes of the slots that lie in depots and stacks with their pages: all that pool_trim could give
 * back. O(threads x buckets). */
uint64_t pool_retained(void);

/*
 * Has every room be sparing with what is charged, for good: memory was refused.
 *
 * pool_is_tight returns true if that has been said; or if the pools have claimed a thirty-second of
 * what may be charged: a slot is charged whole, and where requests fit badly half of it is for
 * nothing. From then on that must not go on.
 */
void pool_make_tight(void);
bool pool_is_tight(void);

/* From now on no more than so many bytes may be charged. Any thread. */
void pool_limit_charge(uint64_t bytes);

/* Before a fork, in the parent: notes whether there are other threads. */
void pool_before_fork(void);

/*
 * In the child of a fork, by its one thread. Where there were other threads everything is forgotten
 * and the free slots are found anew by their metadata; slots that a thread was just taking or giving
 * may be lost. The counters begin anew; the stocks stay.
 *
 * Others go on while the kernel copies the parent page by page, which for a large process takes
 * milliseconds: the child has no moment's image, but of each page another moment's. So what a
 * counter or metadata says of another page is not to be believed, that a slot reads as zero neither
 * (pool_is_child_of_threads); but metadata says by itself whether its slot is free.
 */
void pool_atfork_child(void);

/*
 * The same in two steps, for a thread that may have forked in a handler which interrupted it in
 * malloc or free: a slot that it was about to take or give has a free metadata, and is in its hand all
 * the same.
 *
 * pool_inherit, in the child of the fork, brings the figures up to date, and leaves the thread what
 * it alone knows: its private magazines. What others shared seems empty, and what the handler
 * interrupted goes on with that, and until they are found anew the figures may be out by the slot
 * in its hand. The free slots are found by pool_recover_due, where the thread has no slot in its
 * hand: when it next takes one by the slow path, and before the child makes a thread or sleeps.
 * Should another thread come first, one that libc makes by itself, the child does without what its
 * parent had free.
 *
 * malloc in the handler itself, before it returns, is what it is in any handler: the fast path
 * alone.
 */
void pool_inherit(void);
INTERNAL void pool_recover_slow(void);

/* Returns true unless this is the child of a fork whose free slots have not been found yet. */
static inline bool pool_has_recovered(void)
{
    return LIKELY(atomic_load_explicit(&pool_heir, memory_order_acquire) == POOL_RECOVERED);
}

static inline void pool_recover_due(void)
{
    if (UNLIKELY(atomic_load_explicit(&pool_heir, memory_order_acquire) != POOL_RECOVERED)) {
        pool_recover_slow();
    }
}

/* By who is about to give a slot: nothing is found, but another thread than the heir ends the
 * waiting. */
INTERNAL void pool_disinherit_slow(void);

static inline void pool_disinherit(void)
{
    if (UNLIKELY(atomic_load_explicit(&pool_heir, memory_order_acquire) != POOL_RECOVERED)) {
        pool_disinherit_slow();
    }
}

#endif
