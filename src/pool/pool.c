/* The pools: how they are opened, which kind serves, and what is said of an address that is no live
 * slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool.h"

#include "base/probe.h"
#include "config/message.h"
#include "percpu/percpu.h"
#include "pool/background.h"
#include "pool/histogram.h"
#include "pool/standard.h"

struct pool pools[BUCKET_LIMIT];

unsigned pool_first_large;
static const struct bucket_plan *plan;
static struct pool_settings settings;
static _Atomic(enum kind) kind;

static void pool_set_kind(enum kind wanted)
{
    atomic_store_explicit(&kind, wanted, memory_order_relaxed);
}

/* The large pool is the lock-free stack: all of that kind's, and nothing of the mutex's. */
static unsigned pool_find_first_large(enum kind wanted)
{
    switch (wanted) {
    case KIND_LOCKFREE:
        return 0;
    case KIND_STANDARD:
        return BUCKET_LIMIT;
    default:
        return plan->first_large;
    }
}

/* Opens the processors' caches where they may be needed. False: there are none. */
static bool pool_prepare(enum kind wanted)
{
    if (wanted == KIND_CPU) {
        if (!percpu_open()) {
            return false;
        }
        percpu_share_budget(pool_first_large);
    }
    return wanted != KIND_AUTO || rseq_available();
}

static atomic_bool tight;
static _Atomic uint64_t charge_limit; /* bytes; 0 or SIZE_MAX: any */

void pool_make_tight(void)
{
    if (!atomic_exchange_explicit(&tight, true, memory_order_relaxed)) {
        table_grow_sparingly();
        cache_set_usual(BUCKET_LIMIT); /* a large slot may be taken only where it is not wasted */
    }
}

void pool_limit_charge(uint64_t bytes)
{
    atomic_store_explicit(&charge_limit, bytes, memory_order_relaxed);
}

bool pool_is_tight(void)
{
    enum { CHARGE_SHARE = 32 };
    uint64_t limit = atomic_load_explicit(&charge_limit, memory_order_relaxed);
    if (limit != 0 && region_ready() > limit / CHARGE_SHARE) {
        pool_make_tight();
    }
    return atomic_load_explicit(&tight, memory_order_relaxed);
}

bool pool_open(const struct bucket_plan *bucket_plan, const struct pool_settings *pool_settings)
{
    plan = bucket_plan;
    settings = *pool_settings;
    pool_first_large = pool_find_first_large(settings.kind);
    pool_limit_charge(settings.charge_limit);
    budget_open(settings.cache_limit, settings.retain_limit, settings.large_limit);
    decay_open(settings.decay);
    training_open(&settings.training);
    standard_open(settings.free_list);
    bool unusual = budget_limits_retained() || background.wanted;
    cache_set_usual(unusual ? BUCKET_LIMIT : pool_first_large);
    bool prepared = pool_prepare(settings.kind);
    pool_set_kind(prepared ? settings.kind : KIND_THREAD);
    return prepared || settings.kind == KIND_AUTO;
}

enum kind pool_kind(void)
{
    return atomic_load_explicit(&kind, memory_order_relaxed);
}

struct span pool_kind_span(void)
{
    return (struct span){&kind, sizeof kind};
}

struct cache *pool_counters(void)
{
    return pool_kind() == KIND_CPU ? &cache_shared : cache_reach();
}

/*
 * Threads outnumber processors by so far that the next one would not get a cache of its own: from
 * here on they share the processors'. Who has a cache gives it up at its next slow path. Never
 * back: a crowd that came once may come again.
 */
static COLD void pool_turn(void)
{
    if (!percpu_open()) {
        pool_set_kind(KIND_THREAD);
        return;
    }
    percpu_share_budget(pool_first_large);
    pool_set_kind(KIND_CPU);
}

bool pool_is_percpu(void)
{
    if (UNLIKELY(pool_kind() == KIND_AUTO) && cache_mine == &cache_none && cache_open_count() >= settings.crowd) {
        pool_turn();
    }
    return pool_kind() == KIND_CPU;
}

static const char *pool_state_word(uint8_t meta)
{
    static const char *const words[] = {"never used", "live", "free", "purged"};
    return words[slot_meta_state(meta) >> 6];
}

void pool_die(const char *call, const void *address)
{
    struct place place = region_find(address);
    probe_misuse(place.bucket, (uintptr_t)address);
    if (!place.found) {
        message_die(MESSAGE_NO_SLOT, call, address);
    }
    const char *label = plan->label[place.bucket];
    uint8_t meta = region_meta(place.number);
    const void *slot = region_slot(place.number);
    if (!place.exact) {
        size_t within = (uintptr_t)address - (uintptr_t)slot;
        message_die(MESSAGE_INTERIOR, call, address, label, place.number, within, pool_state_word(meta));
    }
    if (slot_meta_state(meta) == SLOT_NEVER_USED) {
        message_die(MESSAGE_NEVER_ISSUED, call, address, label, place.number);
    }
    message_die(MESSAGE_FREED_ALREADY, call, address, label, place.number, pool_state_word(meta),
                (unsigned)region_request(place.number));
}

void pool_count_fall_through(unsigned bucket, size_t request)
{
    struct cache *cache = pool_counters();
    probe_fall_through(bucket, request);
    pool_count(cache, &cache->tally[bucket].fell_through, 1);
    pool_count(cache, &cache->tally[bucket].fell_through_asked, request);
    histogram_add(request, 1);
}
