/* Declares the pools' interface: the fast paths of malloc and free for the sizes that the pools serve, and what other
 * folders call. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_H
#define SOCKMALLOC_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/training.h"
#include "pool/pool_atfork.h"
#include "pool/pool_decay.h"
#include "pool/pool_kind.h"
#include "pool/pool_purge.h"
#include "pool/pool_return.h"
#include "pool/pool_state.h"

/* Limits on free memory, which pool_adjust can change. */
struct pool_limits {
    uint64_t cache; /* how many bytes of free slots all caches together may hold */
    /* how many bytes of free slots may keep their pages, those in caches included; BUDGET_UNLIMITED for no limit */
    uint64_t retain;
    /* how many bytes of free slots of the large pool may keep their pages; BUDGET_UNLIMITED for no limit */
    uint64_t large;
    uint64_t decay; /* for how many milliseconds free slots keep their pages; DECAY_NEVER if they keep them for ever */
};

/* The settings with which the pools are opened. */
struct pool_settings {
    enum kind kind;
    uint32_t crowd;       /* with KIND_AUTO: how many caches must be open for the kind to change to KIND_CPU */
    uint32_t free_list;   /* with KIND_STANDARD: how many free slots each bucket keeps */
    uint64_t cache_limit; /* the four members from here on are the limits of struct pool_limits */
    uint64_t retain_limit;
    uint64_t large_limit;
    uint64_t decay;
    bool adjustable; /* true if pool_adjust may be called later */
    /* the limit in bytes on the mapped memory, used or not, that the process may be charged for (pool_limit_charge) */
    uint64_t charge_limit;
    struct training_settings training;
};

/*
 * Opens the pools. The library calls this function at start-up, before route_publish. `plan` must stay valid. Returns
 * false if the settings require KIND_CPU and the caches of processors cannot be opened, as without restartable
 * sequences; the kind in force is then KIND_THREAD. KIND_AUTO becomes KIND_THREAD without restartable sequences; this
 * is no failure.
 */
bool pool_open(const struct bucket_plan *plan, const struct pool_settings *settings);

/* Changes the limits while the pools are in use. If free slots exceed the new limits, later calls of malloc and free
 * purge them. Signal handlers may call this function. It needs `adjustable` in the settings of pool_open. */
void pool_adjust(const struct pool_limits *limits);

/* Ends the process with one line about `address`, which is not the start of a live slot. The line says what the
 * metadata of the address shows. `call` is the name of the function that the program called with the address. */
INTERNAL void pool_die(const char *call, const void *address) __attribute__((noreturn, cold));

/*
 * An allocation, step by step:
 *
 *  1. route_alloc (route.h)            sizes outside the pools go to mimalloc; a table gives the bucket
 *  2. pool_alloc (below)               pops the private magazine of the thread's cache, writes metadata, counts: done.
 *                                      A large bucket has such a magazine for a spare slot alone (pool_spare.h)
 *  3. pool_alloc_large (below)         a large bucket: pops the stack of free slots, while nothing else is due
 *  4. pool_alloc_slow (pool.c)         in the child of a fork, finds the free slots first; then, by the kind of pool:
 *  5. thread_alloc (pool_thread.c)     cold slots; one step of purging; then the first of steps 6 to 9 with a slot
 *  6. cache_refill (cache.c)           the public magazine; another thread's (cache_registry.c); the depot (depot.c)
 *  7. slots_pop_free (slots.h)         the stack of free slots, one slot or a magazine's worth of them
 *  8. slots_pop_purged (slots.h)       the stack of free slots that have no pages
 *  9. region_carve (region.c)          space that was never used, at the end of the range, which grows
 * 10. pool_prepare (pool_populate.h)   pages and cache lines in advance; then the metadata and the counters
 *     or standard_alloc (pool_standard.c), cpu_alloc (pool_cpu.c): 5 to 10 of these two kinds
 * 11. pool_enforce_limits (pool_purge.c)  purges what SOCKMALLOC_RETAIN has no room for
 * 12. route_alloc_far (route.c)        there was no slot: unmaps free slots and tries again, else mimalloc
 *
 * pool_alloc is step 2. It allocates a slot for `request` bytes out of the private magazine, or returns NULL if the
 * magazine is empty. `line` is what route_offset returns for the request: its bucket's number times the size of a cache
 * line. Stores the slot's former state byte in `was` unless that is NULL: calloc needs no memset if slot_meta_is_zero
 * is true of this byte and pool_is_child_of_threads is false. Price: about 20 instructions with a single test, none
 * locked; the slot itself is neither read nor written.
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
 * The short path of the large pool: allocates that slot of a large bucket that was freed last. Returns NULL if
 * cache->state.usual says that this path is closed (cache_set_usual), or if the young generation (slots freed lately)
 * has no free slot; the caller then calls pool_alloc_slow. Price: a compare-and-swap, and about 80 instructions in all.
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

/*
 * Allocates a slot when pool_alloc and pool_alloc_large have returned NULL. Returns NULL if the range of the pools is
 * full or the kernel has no memory. Stores the slot's former state byte in `was` unless that is NULL. `caller` is the
 * return address of the program's call of malloc.
 */
INTERNAL void *pool_alloc_slow(unsigned bucket, size_t request, uint8_t *was, const void *caller);

/* Frees a slot that the private magazine has no space for. pool_free has already set the slot's metadata to free. `bin`
 * is the bin of the slot's bucket in the calling thread's cache. */
INTERNAL void pool_free_slow(void *slot, struct cache_bin *bin, size_t number);

/*
 * A free, step by step:
 *
 *  1. route_free (route.h)             addresses where mimalloc has its memory go to mimalloc
 *  2. pool_free (below)                if the metadata says live, sets it to free; else route_refuse (route.c)
 *  3. pool_free (below)                pushes the slot into the private magazine of the thread's cache
 *  4. pool_tick (pool_decay.c)         every so many frees: samples, reads the clock, purges a little. Done
 *  5. pool_free_slow (pool.c)          the magazine is full. A large bucket: pushes the stack of free slots. Done
 *  6. pool_drop_recovery (pool_atfork.h)  in the child of a fork; then, by the kind of pool:
 *  7. thread_free (pool_thread.c)      a cold place of the magazine; else the first place of steps 8 and 9 with room
 *  8. cache_flush (cache.c)            the public magazine, which changes places with the private one; the depot
 *  9. slots_push (slots.h)             the stack of free slots
 *     or standard_free (pool_standard.c), cpu_free (pool_cpu.c): 7 to 9 of these two kinds
 * 10. background_call (background.h)   wakes the background thread, if there is one
 * 11. pool_enforce_limits (pool_purge.c)  purges what SOCKMALLOC_RETAIN has no room for
 *
 * pool_free is steps 2 to 4. `address` lies in the range of the pools, `offset` bytes from its start. Returns false,
 * with nothing done, if `address` is not the first byte of a live slot. Price: about 30 instructions with four tests,
 * none locked; the slot itself is prefetched, and neither read nor written.
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
     * the bucket's next allocation gets this slot, and the program will write to it, so its first line is fetched now;
     * other allocators fetch that line anyway, because they store the address of the next free block there
     */
    __builtin_prefetch(address, 1);
    if (UNLIKELY(counter_step(&bin->returned))) {
        pool_tick(address);
    }
    return true;
}

/* Returns the number of the live slot that begins at `address`, which lies in the range of the pools. Ends the process
 * if there is none. */
static inline uint32_t pool_number(const char *call, const void *address)
{
    uint32_t number = region_number(address);
    if (UNLIKELY(!region_is_exact(region_offset(address)) || slot_meta_state(region_meta(number)) != SLOT_LIVE)) {
        pool_die(call, address);
    }
    return number;
}

/*
 * Counts a request that mimalloc serves because the pools have no slot for it. `bucket` is the bucket that would serve
 * a request of this size.
 */
void pool_count_fall_through(unsigned bucket, size_t request);

/* Returns the largest number of slots of the bucket that were live at once, for statistics. Not every kind of pool
 * knows this number exactly: the operation `peak` in pool_kind.h computes it. */
uint64_t pool_peak(unsigned bucket, uint64_t live, uint64_t carved);

#endif
