/* The registry of all caches: the table of their records, and the functions by which a thread reads the records of
 * other threads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/cache_registry.h"

#include "base/bounds.h"
#include "base/probe.h"
#include "cache/depot.h"
#include "memory/reserve.h"
#include "memory/slot_meta.h"
#include "memory/table.h"
#include "os/os.h"

/*
 * CACHES_MAX is how many threads can have a cache at the same time. CACHES_STEP is the smallest number of bytes by
 * which the tables of caches and of their links grow.
 */
enum { CACHES_MAX = 1 << 15, CACHES_STEP = 16 << 10 };

/*
 * How many caches one search for another thread's magazine (cache_walk) checks at most. Each check transfers a cache
 * line to which another thread writes.
 */
enum { WALK_LENGTH = 8 };

/*
 * `usual` is larger than the number of every bucket, so threads without a cache never use the short path of the large
 * pool.
 */
struct cache cache_none = {.state.usual = BUCKET_LIMIT};
struct cache cache_shared = {.state.usual = BUCKET_LIMIT};
_Thread_local struct cache *cache_mine = &cache_none;

static struct table caches;
static struct table links;
static _Alignas(CACHE_LINE) _Atomic uint32_t opened; /* how many records of caches have ever been used */
static struct stack closed;                          /* the records of ended threads' caches, which new threads get */

static size_t cache_table_size(void)
{
    return os_round_to_pages(CACHES_MAX * sizeof(struct cache));
}

static size_t cache_links_size(void)
{
    return os_round_to_pages(CACHES_MAX * sizeof(stack_link));
}

COLD size_t cache_space(void)
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

COLD bool cache_lay_records(void)
{
    size_t table = cache_table_size();
    size_t table_links = cache_links_size();
    bool laid = table_open(&caches, reserve_cut(table), table, CACHES_STEP);
    return table_open(&links, reserve_cut(table_links), table_links, CACHES_STEP) && laid;
}

void cache_unlay(void)
{
    table_close(&caches);
    table_close(&links);
}

/*
 * Writes to each bin of a record two values that the fast paths need and that never change: the mark of the owner, and
 * the state byte of a live slot. Returns the record.
 */
static struct cache *cache_label(uint32_t number)
{
    struct cache *cache = cache_record(number);
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        cache->bin[bucket].owner = slot_meta_owner(number);
        cache->bin[bucket].live = slot_meta_of(SLOT_LIVE, bucket);
    }
    return cache;
}

struct cache *cache_find_record(void)
{
    uint32_t number = stack_pop(&closed, cache_links(), 0);
    if (number != STACK_EMPTY) {
        return cache_label(number);
    }
    number = atomic_load_explicit(&opened, memory_order_relaxed);
    do {
        size_t end = (size_t)number + 1;
        if (!table_reach(&links, end * sizeof(stack_link)) || !table_reach(&caches, end * sizeof(struct cache))) {
            return NULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&opened, &number, number + 1, memory_order_release,
                                                    memory_order_relaxed));
    return cache_label(number);
}

void cache_put_record(struct cache *cache)
{
    stack_push(&closed, cache_links(), 0, (uint32_t)(cache - cache_record(0)));
}

/*
 * A thread that is not the owner of the cache changes `public_magazine` only to NULL, by compare-and-swap. The owner
 * changes `public_magazine` by exchange. So each magazine belongs to one thread at any time. The magazine's count is
 * read again after the compare-and-swap, because the owner may have used the magazine since the first reading.
 */
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
    depot_push(bucket, magazine); /* the owner of the magazine has emptied it before this thread took it */
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

COLD struct span cache_table_span(void)
{
    return (struct span){&caches, sizeof caches};
}

COLD struct span cache_opened_span(void)
{
    return (struct span){&opened, sizeof opened};
}

void cache_forget_records(void)
{
    stack_reset(&closed);
}

void cache_reset_records(void)
{
    table_after_fork(&caches);
    table_after_fork(&links);
}
