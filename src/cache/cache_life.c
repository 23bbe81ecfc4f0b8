/*
 * The life of a thread's cache: it is opened when the thread first needs it, closed when the thread ends, and reset in
 * the child of a fork.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>

#include "cache/cache.h"
#include "memory/region.h"

static pthread_key_t exit_key;
static bool exit_key_made;
static _Atomic uint32_t open_now; /* the number of caches that are open */

/*
 * Closes the calling thread's cache. libc calls this function with the value of `exit_key` when the thread ends, and
 * cache_leave calls it earlier. All free slots of the cache go to the depot and the stacks. The counters stay in the
 * record. Destructors of other keys may run later and free slots: these go straight to the stacks, because cache_shared
 * has no magazines.
 *
 * In the child of a fork, glibc may give a new thread the stack of a thread that was ending in the parent, and with the
 * stack the value of this key. The cache that the key names is then not the new thread's, so the function does nothing.
 */
static void cache_close(void *argument)
{
    struct cache *cache = argument;
    if (cache != cache_mine) {
        return;
    }
    cache_mine = &cache_shared;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        cache_set_quota(cache, bucket, 0);
        cache_begin(cache, bucket);
    }
    atomic_fetch_sub_explicit(&open_now, 1, memory_order_relaxed);
    cache_put_record(cache);
}

/*
 * Without `exit_key` the library would not notice the end of a thread. So if the key cannot be made, cache_open opens
 * no cache for any thread.
 */
COLD bool cache_lay(void)
{
    exit_key_made = exit_key_made || pthread_key_create(&exit_key, cache_close) == 0;
    return cache_lay_records();
}

COLD struct cache *cache_open(void)
{
    int kept = errno;
    struct cache *cache = exit_key_made ? cache_find_record() : NULL;
    if (cache == NULL) {
        cache_mine = &cache_shared;
    } else {
        /* `cache_mine` is set first, because pthread_setspecific may call malloc, which must find the cache. */
        cache_mine = cache;
        cache_arm_all(cache, 1);
        cache_set_more(cache, false);
        atomic_fetch_add_explicit(&open_now, 1, memory_order_relaxed);
        if (pthread_setspecific(exit_key, cache) != 0) {
            cache_close(cache);
        }
    }
    errno = kept;
    return cache_mine;
}

void cache_leave(void)
{
    struct cache *cache = cache_mine;
    if (cache_is_own(cache)) {
        pthread_setspecific(exit_key, NULL);
        cache_close(cache);
    }
    cache_mine = &cache_none;
}

uint32_t cache_open_count(void)
{
    return atomic_load_explicit(&open_now, memory_order_relaxed);
}

bool cache_others_are_open(void)
{
    return cache_open_count() > (cache_is_own(cache_mine) ? 1U : 0U);
}

void cache_isolate(void)
{
    cache_forget_records(); /* makes the list of unused records of caches empty; cache_reset fills it again */
    atomic_store_explicit(&open_now, cache_is_own(cache_mine) ? 1 : 0, memory_order_relaxed);
    for (uint32_t number = 1; number < cache_count(); number++) {
        struct cache *cache = cache_at(number);
        for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
            if (cache == cache_mine) {
                cache_exchange(&cache->bin[bucket], NULL);
            } else {
                cache_forget(cache, bucket);
            }
        }
    }
}

void cache_reset(void)
{
    cache_forget_records();
    cache_reset_records();
    atomic_store_explicit(&open_now, cache_is_own(cache_mine) ? 1 : 0, memory_order_relaxed);
    for (uint32_t number = 1; number < cache_count(); number++) {
        struct cache *cache = cache_at(number);
        for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
            cache_forget(cache, bucket);
        }
        if (cache != cache_mine) {
            cache_put_record(cache);
        }
    }
}

void cache_reset_counters(void)
{
    for (uint32_t number = 0; number < cache_count(); number++) {
        for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
            struct cache_bin *bin = &cache_at(number)->bin[bucket];
            struct cache_tally *tally = &cache_at(number)->tally[bucket];
#define CACHE_RESET_FAST(name, help) counter_reset(&bin->name);
            COUNTER_FAST_ROWS(CACHE_RESET_FAST)
#undef CACHE_RESET_FAST
#define CACHE_RESET_SLOW(name, help) counter_reset(&tally->name);
            COUNTER_SLOW_ROWS(CACHE_RESET_SLOW)
#undef CACHE_RESET_SLOW
            tally->sampled = 0;
            counter_reset(&tally->armed);
            tally->folded = 0;
        }
    }
    if (cache_is_own(cache_mine)) {
        cache_arm_all(cache_mine, 1);
    }
}
