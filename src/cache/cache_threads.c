/* Which thread has which cache: opened at the first need, closed at the thread's end, counted by
 * all. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>

#include "base/bounds.h"
#include "base/probe.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "memory/region.h"
#include "memory/reserve.h"
#include "memory/table.h"
#include "os/os.h"

/* Threads that can have a cache at once. */
enum { CACHES_MAX = 1 << 15, CACHES_STEP = 16 << 10 };

/* Caches that one walk looks at: each look is a cache line of another thread's. */
enum { WALK_LENGTH = 8 };

struct cache cache_none = {.state.usual = BUCKET_LIMIT};
struct cache cache_shared = {.state.usual = BUCKET_LIMIT};
_Thread_local struct cache *cache_mine = &cache_none;

static _Atomic uint32_t usual = BUCKET_LIMIT;

static pthread_key_t exit_key;
static bool exit_key_made;

static struct table caches;
static struct table links;
static _Alignas(CACHE_LINE) _Atomic uint32_t opened; /* records ever used */
static _Atomic uint32_t open_now;
static struct stack closed; /* records of threads that are gone, with their counters, for reuse */

static size_t cache_table_size(void)
{
    return os_round_to_pages(CACHES_MAX * sizeof(struct cache));
}

static size_t cache_links_size(void)
{
    return os_round_to_pages(CACHES_MAX * sizeof(stack_link));
}

size_t cache_space(void)
{
    return reserve_space(cache_table_size()) + reserve_space(cache_links_size());
}

static stack_link *cache_links(void)
{
    return (stack_link *)(void *)links.start;
}

static struct cache *cache_record(uint32_t number)
{
    return (struct cache *)(void *)caches.start + number;
}

/*
 * The end of a thread: all that it held goes to the depot. Its counters stay in the record, which
 * the next new thread continues. What the thread frees afterwards, in destructors that run later,
 * goes straight to the stacks: cache_shared has no magazines. In the child of a fork glibc may give
 * a new thread the stack of one that was just ending, and with it the value of this key: that cache
 * is not the thread's.
 */
static void cache_close(void *argument)
{
    struct cache *cache = argument;
    if (cache != cache_mine) {
        return;
    }
    cache_mine = &cache_shared;
    for (unsigned bucket = 0; bucket < regions.count; bucket++) {
        cache_set_quota(cache, bucket, 0);
        cache_begin(cache, bucket);
    }
    atomic_fetch_sub_explicit(&open_now, 1, memory_order_relaxed);
    stack_push(&closed, cache_links(), 0, (uint32_t)(cache - cache_record(0)));
}

bool cache_lay(void)
{
    size_t table = cache_table_size();
    size_t table_links = cache_links_size();
    bool laid = table_open(&caches, reserve_cut(table), table, CACHES_STEP);
    laid = table_open(&links, reserve_cut(table_links), table_links, CACHES_STEP) && laid;
    /* Without a key nothing would tell of a thread's end: then no thread gets a cache. */
    exit_key_made = exit_key_made || pthread_key_create(&exit_key, cache_close) == 0;
    return laid;
}

void cache_unlay(void)
{
    table_close(&caches);
    table_close(&links);
}

/* A record: one that a thread left behind, else a new one. NULL when the table is full or memory
 * has run out. */
static struct cache *cache_find_record(void)
{
    uint32_t number = stack_pop(&closed, cache_links(), 0);
    if (number != STACK_EMPTY) {
        return cache_record(number);
    }
    number = atomic_load_explicit(&opened, memory_order_relaxed);
    do {
        size_t end = (size_t)number + 1;
        if (!table_reach(&links, end * sizeof(stack_link)) || !table_reach(&caches, end * sizeof(struct cache))) {
            return NULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&opened, &number, number + 1, memory_order_release,
                                                    memory_order_relaxed));
    return cache_record(number);
}

static void cache_number(struct cache *cache)
{
    uint32_t owner = slot_meta_owner((size_t)(cache - cache_record(0)));
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        cache->bin[bucket].owner = owner;
        cache->bin[bucket].live = slot_meta_of(SLOT_LIVE, bucket);
    }
}

void cache_set_usual(uint32_t bucket)
{
    atomic_store_explicit(&usual, bucket, memory_order_relaxed);
    if (cache_is_own(cache_mine)) {
        cache_set_more(cache_mine, cache_mine->state.more);
    }
}

void cache_set_more(struct cache *cache, bool more)
{
    cache->state.more = more;
    cache->state.usual = more ? BUCKET_LIMIT : atomic_load_explicit(&usual, memory_order_relaxed);
}

COLD struct cache *cache_open(void)
{
    int kept = errno;
    struct cache *cache = exit_key_made ? cache_find_record() : NULL;
    if (cache == NULL) {
        cache_mine = &cache_shared;
    } else {
        /* Set before pthread_setspecific, which may call malloc: that call finds the cache. */
        cache_mine = cache;
        cache_arm_all(cache, 1);
        cache_number(cache);
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

/* A thief takes by compare-and-swap and never puts anything there, so the word goes from a magazine
 * to NULL, or by its owner's exchange; what the magazine holds counts from then on only. */
struct magazine *cache_steal(struct cache *victim, unsigned bucket)
{
    _Atomic(struct magazine *) *public_magazine = &victim->bin[bucket].public_magazine;
    struct magazine *magazine = atomic_load_explicit(public_magazine, memory_order_acquire);
    if (magazine == NULL || magazine_count(magazine) == 0 ||
        !atomic_compare_exchange_strong_explicit(public_magazine, &magazine, NULL, memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        return NULL;
    }
    if (magazine_count(magazine) > 0) {
        return magazine;
    }
    depot_push(bucket, magazine); /* its owner had it back meanwhile, and emptied it */
    return NULL;
}

struct magazine *cache_walk(struct cache *cache, unsigned bucket)
{
    struct cache_tally *tally = &cache->tally[bucket];
    uint32_t count = atomic_load_explicit(&opened, memory_order_acquire);
    uint32_t looks = LESSER(count, WALK_LENGTH);
    for (uint32_t look = 0; look < looks; look++) {
        uint32_t number = (cache->state.victim + look) % count;
        if (cache_record(number) == cache) {
            continue;
        }
        counter_add(&tally->walks, 1);
        struct magazine *magazine = cache_steal(cache_record(number), bucket);
        if (magazine != NULL) {
            probe_steal(bucket, magazine_count(magazine));
            counter_add(&tally->steals, 1);
            cache->state.victim = number;
            return magazine;
        }
    }
    cache->state.victim += looks;
    return NULL;
}

uint32_t cache_open_count(void)
{
    return atomic_load_explicit(&open_now, memory_order_relaxed);
}

uint32_t cache_count(void)
{
    return atomic_load_explicit(&opened, memory_order_acquire) + 1;
}

struct cache *cache_at(uint32_t number)
{
    return number == 0 ? &cache_shared : cache_record(number - 1);
}

uint32_t cache_capacity(void)
{
    size_t capacity = caches.limit / sizeof(struct cache);
    return (uint32_t)LESSER(capacity, CACHES_MAX);
}

struct span cache_table_span(void)
{
    return (struct span){&caches, sizeof caches};
}

struct span cache_opened_span(void)
{
    return (struct span){&opened, sizeof opened};
}

bool cache_others_are_open(void)
{
    return cache_open_count() > (cache_is_own(cache_mine) ? 1U : 0U);
}

void cache_isolate(void)
{
    uint32_t count = atomic_load_explicit(&opened, memory_order_relaxed);
    stack_reset(&closed); /* the records come back by cache_reset: one may be on its way to the caller */
    atomic_store_explicit(&open_now, cache_is_own(cache_mine) ? 1 : 0, memory_order_relaxed);
    for (uint32_t number = 0; number < count; number++) {
        struct cache *cache = cache_record(number);
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
    uint32_t count = atomic_load_explicit(&opened, memory_order_relaxed);
    stack_reset(&closed);
    table_after_fork(&caches);
    table_after_fork(&links);
    atomic_store_explicit(&open_now, 0, memory_order_relaxed);
    for (uint32_t number = 0; number < count; number++) {
        struct cache *cache = cache_record(number);
        for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
            cache_forget(cache, bucket);
        }
        if (cache == cache_mine) {
            atomic_store_explicit(&open_now, 1, memory_order_relaxed);
        } else {
            stack_push(&closed, cache_links(), 0, number);
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
