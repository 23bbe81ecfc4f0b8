/* Opens the pools, and has the slow paths in which malloc and free continue when their fast paths in pool.h cannot
 * serve. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool.h"

#include "base/probe.h"
#include "config/message.h"
#include "percpu/percpu.h"
#include "pool/background.h"
#include "pool/histogram.h"
#include "pool/standard.h"

static const struct bucket_plan *plan;
static struct pool_settings settings;

/*
 * Changes the kind of pool from KIND_AUTO to KIND_CPU, in which all threads on a processor share one cache, because
 * there are many more threads than processors. If restartable sequences cannot be used, the new kind is KIND_THREAD. A
 * thread that has a cache of its own closes it in its next slow path. The kind never changes back, because the process
 * may later have as many threads again. Several threads may call this function at once.
 */
static COLD void auto_turn(void)
{
    if (!percpu_open()) {
        pool_set_kind(KIND_THREAD);
        return;
    }
    percpu_share_budget(pool_first_large);
    pool_set_kind(KIND_CPU);
}

/* Returns the operations that serve a call if the settings ask for the kind of pool KIND_AUTO. If the thread has no
 * cache yet, and `crowd` (a setting) or more caches are open already, changes the kind first. */
static const struct pool_operations *auto_choose(void)
{
    if (cache_mine == &cache_none && cache_open_count() >= settings.crowd) {
        auto_turn();
    }
    return pool_kind() == KIND_CPU ? &pool_cpu : &pool_thread;
}

static void *auto_alloc(unsigned bucket, size_t request, uint8_t *was, const void *caller)
{
    return auto_choose()->alloc(bucket, request, was, caller);
}

static bool auto_free(unsigned bucket, void *slot, uint32_t number)
{
    return auto_choose()->free(bucket, slot, number);
}

static const struct pool_operations pool_auto = {
    .alloc = auto_alloc,
    .free = auto_free,
    .withdraw = pool_withdraw_from_stack,
    .restore = pool_restore_to_stack,
    .counters = pool_own_counters,
    .peak = pool_counted_peak,
};

static const struct pool_operations *const kinds[KIND_COUNT] = {
    [KIND_THREAD] = &pool_thread, [KIND_LOCKFREE] = &pool_thread, [KIND_STANDARD] = &pool_standard,
    [KIND_CPU] = &pool_cpu,       [KIND_AUTO] = &pool_auto,
};

/* Returns the first bucket of the large pool, whose free slots lie on lock-free stacks, and in no magazine except for
 * spare slots (pool_spare.h). With KIND_LOCKFREE all buckets belong to the large pool; with KIND_STANDARD none does. */
static unsigned pool_find_first_large(enum kind kind)
{
    switch (kind) {
    case KIND_LOCKFREE:
        return 0;
    case KIND_STANDARD:
        return BUCKET_LIMIT;
    default:
        return plan->first_large;
    }
}

/*
 * Opens the processors' caches if the kind is KIND_CPU. Returns false if they cannot be opened. Also returns false if
 * the kind is KIND_AUTO and there are no restartable sequences, because the kind could then not change to KIND_CPU
 * later.
 */
static bool pool_prepare_kind(enum kind kind)
{
    if (kind == KIND_CPU) {
        if (!percpu_open()) {
            return false;
        }
        percpu_share_budget(pool_first_large);
    }
    return kind != KIND_AUTO || rseq_available();
}

COLD bool pool_open(const struct bucket_plan *bucket_plan, const struct pool_settings *pool_settings)
{
    plan = bucket_plan;
    settings = *pool_settings;
    pool_kinds = kinds;
    pool_first_large = pool_find_first_large(settings.kind);
    pool_limit_charge(settings.charge_limit);
    budget_open(settings.cache_limit, settings.retain_limit, settings.large_limit);
    if (settings.adjustable) {
        budget_count_retained();
    }
    decay_open(settings.decay);
    training_open(&settings.training);
    standard_open(settings.free_list);
    /* The large pool has a short path (pool_alloc_large, and the end of pool_free_slow). This path does not count free
     * slots in the budget and does not call the background thread. So the path stays closed if the budget limits free
     * slots or if a background thread is wanted. */
    bool unusual = budget_limits_retained() || background.wanted;
    cache_set_usual(unusual ? BUCKET_LIMIT : pool_first_large);
    bool prepared = pool_prepare_kind(settings.kind);
    pool_set_kind(prepared ? settings.kind : KIND_THREAD);
    return prepared || settings.kind == KIND_AUTO;
}

void pool_adjust(const struct pool_limits *limits)
{
    budget_limit(limits->cache, limits->retain, limits->large);
    decay_open(limits->decay);
}

OUT_OF_LINE void *pool_alloc_slow(unsigned bucket, size_t request, uint8_t *was, const void *caller)
{
    pool_recover_due();
    void *slot = pool_operations()->alloc(bucket, request, was, caller);
    /* The limits on free memory are enforced last. SOCKMALLOC_RETAIN limits the quotas of the caches and the free slots
     * outside the caches together, so a quota that was raised in this call leaves less for those free slots. */
    pool_enforce_limits();
    return slot;
}

static OUT_OF_LINE void pool_free_by_kind(void *slot, unsigned bucket, uint32_t number)
{
    pool_drop_recovery();
    if (pool_operations()->free(bucket, slot, number)) {
        background_call();
        pool_enforce_limits();
    }
}

void pool_free_slow(void *slot, struct cache_bin *bin, size_t number)
{
    struct cache *cache = cache_mine;
    size_t bucket = cache_bucket_of(cache, bin);
    if (UNLIKELY(bucket < cache->state.usual)) {
        pool_free_by_kind(slot, (unsigned)bucket, (uint32_t)number);
        return;
    }
    /* the short path of the large pool: pushes the slot onto the stack of free slots */
    __builtin_prefetch(slot, 1);
    slots_push(bucket, (uint32_t)number);
    counter_add(&cache->tally[bucket].deposited, 1);
    if (UNLIKELY(counter_step(&bin->returned))) {
        pool_tick(slot);
    }
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

uint64_t pool_peak(unsigned bucket, uint64_t live, uint64_t carved)
{
    return kinds[pool_kind()]->peak(bucket, live, carved);
}
