/*
 * Training: sets the quota of each cache for each bucket (how many slots a magazine may hold), by how much the bucket
 * is used, and within the budget.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/training.h"

#include "base/bounds.h"
#include "base/probe.h"
#include "cache/budget.h"
#include "memory/region.h"

static struct training_settings training;
static _Atomic uint32_t result[BUCKET_LIMIT];
static atomic_bool trained;

COLD void training_open(const struct training_settings *settings)
{
    training = *settings;
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        atomic_store_explicit(&result[bucket], settings->first[bucket], memory_order_relaxed);
    }
}

/* Sets a quota of the cache, and stores it as the result of training unless quotas are frozen. The weighted sum of
 * misses and of exchanges of magazines begins at 0 again. Returns false if too little of the budget is left. */
static bool training_set(struct cache *cache, unsigned bucket, uint32_t quota)
{
    if (!cache_set_quota(cache, bucket, quota)) {
        return false;
    }
    cache->tally[bucket].want = 0;
    if (!training.frozen) {
        atomic_store_explicit(&result[bucket], quota, memory_order_relaxed);
        atomic_store_explicit(&trained, true, memory_order_relaxed);
    }
    return true;
}

/* Returns how many bytes of the budget one more slot of quota costs: one slot in each of the two magazines. */
static uint64_t training_price(unsigned bucket)
{
    return 2 * (uint64_t)region.geometry[bucket].capacity;
}

static uint32_t training_least(uint64_t one, uint64_t other)
{
    return (uint32_t)LESSER(one, other);
}

/*
 * Returns the number of requests and frees of the bucket, modulo 2^32. Callers only compare this number with earlier
 * ones.
 */
static uint32_t training_uses(const struct cache *cache, unsigned bucket)
{
    return (uint32_t)(counter_read(&cache->bin[bucket].requests) + cache_returned(cache, bucket));
}

/* Returns true if the bucket was not used since training last stored its number of requests and frees. */
static bool training_is_idle(const struct cache *cache, unsigned bucket)
{
    return training_uses(cache, bucket) == cache->tally[bucket].seen;
}

/* Returns how many slots of its quota the bucket can lose: all of them if it is idle, half if it has had no miss and
 * fewer than eight exchanges of its magazines, and otherwise none. */
static uint32_t training_unused(const struct cache *cache, unsigned bucket)
{
    uint32_t quota = cache_quota(cache, bucket);
    if (training_is_idle(cache, bucket)) {
        return quota;
    }
    return cache->tally[bucket].want < CACHE_MISS ? quota / 2 : 0;
}

/*
 * Returns the bucket, other than `starved`, that can lose the most bytes of quota. Returns region.buckets if none can
 * lose any.
 */
static unsigned training_find_donor(const struct cache *cache, unsigned starved)
{
    unsigned donor = region.buckets;
    uint64_t most = 0;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        uint64_t unused = training_unused(cache, bucket) * training_price(bucket);
        if (bucket != starved && unused > most) {
            most = unused;
            donor = bucket;
        }
    }
    return donor;
}

/* Returns by how many slots, at most `wanted`, the bucket's quota can be raised with what is left of the budget. */
static uint32_t training_room(unsigned bucket, uint32_t wanted)
{
    return training_least(wanted, budget_left() / training_price(bucket));
}

/*
 * Lowers the quota of another bucket of the cache, so that the quota of the bucket `starved` can be raised by `wanted`
 * slots. If the other bucket has too little unused quota for this, it loses all its unused quota. Returns false if no
 * bucket can lose slots.
 */
static bool training_make_room(struct cache *cache, unsigned starved, uint32_t wanted)
{
    unsigned donor = training_find_donor(cache, starved);
    if (donor == region.buckets) {
        return false;
    }
    uint64_t cost = wanted * training_price(starved);
    uint64_t left = budget_left();
    uint64_t needed = EXCESS(cost, left);
    uint64_t price = training_price(donor);
    uint32_t given = training_least((needed + price - 1) / price, training_unused(cache, donor));
    if (given == 0 || !training_set(cache, donor, cache_quota(cache, donor) - given)) {
        return false;
    }
    probe_demotion(donor, cache_quota(cache, donor));
    counter_add(&cache->tally[donor].losses, 1);
    return true;
}

/*
 * Sets the first quota of a bucket: the quota from the settings or the profile, or else TRAINING_FIRST slots. Sets
 * fewer slots if the budget has less left. If the budget has nothing left and quotas are not frozen, another bucket
 * loses some of its quota. Returns false if the bucket gets no quota.
 */
static bool training_promote(struct cache *cache, unsigned bucket)
{
    struct cache_tally *tally = &cache->tally[bucket];
    uint32_t wanted = training.first[bucket] > 0 ? training.first[bucket] : TRAINING_FIRST;
    tally->score = 0;
    if (training_room(bucket, 1) == 0 && !training.frozen) {
        training_make_room(cache, bucket, wanted);
    }
    uint32_t quota = training_room(bucket, wanted);
    if (quota == 0 || !training_set(cache, bucket, quota)) {
        return false;
    }
    tally->seen = 0;
    probe_promotion(bucket, quota);
    counter_add(&tally->promotions, 1);
    return true;
}

/* Doubles the quota of a bucket, because its magazines often could not serve a call (misses). The quota rises to at
 * most MAGAZINE_SLOTS, and only as far as the budget allows. If too little of the budget is left, another bucket of the
 * cache first loses unused quota. */
static void training_grow(struct cache *cache, unsigned bucket)
{
    struct cache_tally *tally = &cache->tally[bucket];
    uint32_t quota = cache_quota(cache, bucket);
    uint32_t wanted = training_least(quota, MAGAZINE_SLOTS - quota);
    tally->want = 0;
    bool given = training_room(bucket, wanted) < wanted && training_make_room(cache, bucket, wanted);
    uint32_t more = training_room(bucket, wanted);
    if (more > 0 && training_set(cache, bucket, quota + more)) {
        counter_add(given ? &tally->transfers : &tally->growths, 1);
    }
}

/* Halves the quotas of buckets that were not used since training last checked them. */
static void training_decay(struct cache *cache)
{
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        uint32_t quota = cache_quota(cache, bucket);
        if (quota > 0 && training_is_idle(cache, bucket)) {
            training_set(cache, bucket, quota / 2);
            probe_demotion(bucket, cache_quota(cache, bucket));
            counter_add(&cache->tally[bucket].decays, 1);
        }
        cache->tally[bucket].seen = training_uses(cache, bucket);
    }
}

/* Counts a slow path of the thread, and lowers the quotas of unused buckets after every 64th slow path. */
static void training_tick(struct cache *cache)
{
    if (UNLIKELY(++cache->state.events >= TRAINING_DECAY)) {
        cache->state.events = 0;
        training_decay(cache);
    }
}

bool training_admits(struct cache *cache, unsigned bucket)
{
    if (LIKELY(cache_quota(cache, bucket) > 0)) {
        return true;
    }
    uint32_t uses = ++cache->tally[bucket].score;
    bool first = uses == 1 && training.first[bucket] > 0;
    bool earned = uses >= TRAINING_PROMOTION && !training.frozen;
    if ((first || earned) && training_promote(cache, bucket)) {
        return true;
    }
    if (!training.frozen) {
        training_tick(cache);
    }
    return false;
}

void training_learn(struct cache *cache, unsigned bucket)
{
    if (training.frozen) {
        return;
    }
    if (UNLIKELY(cache->tally[bucket].want >= TRAINING_MISSES * CACHE_MISS)) {
        training_grow(cache, bucket);
    }
    training_tick(cache);
}

/*
 * Returns how many slots the bucket's quota has to lose, because they were not needed since training_rest last lowered
 * quotas. An idle bucket loses half of its quota. A bucket that has had a miss, or a swap of its magazines, loses
 * nothing. Any other bucket loses at least a quarter: without a swap, training cannot know how much of the public
 * magazine is needed, so the quota falls until swaps begin.
 */
static uint32_t training_surplus(const struct cache *cache, unsigned bucket)
{
    const struct cache_tally *tally = &cache->tally[bucket];
    uint32_t quota = cache_quota(cache, bucket);
    if (training_is_idle(cache, bucket)) {
        return (quota + 1) / 2;
    }
    uint32_t unused = tally->least / 2U;
    uint32_t spare = quota / 4;
    return tally->want > 0 ? 0 : GREATER(unused, spare);
}

/* Lowers the bucket's quota by the slots that were not needed, and begins to count misses, swaps and uses anew. */
static void training_rest_bucket(struct cache *cache, unsigned bucket)
{
    struct cache_tally *tally = &cache->tally[bucket];
    uint32_t surplus = training_surplus(cache, bucket);
    if (surplus > 0) {
        training_set(cache, bucket, cache_quota(cache, bucket) - surplus);
        probe_demotion(bucket, cache_quota(cache, bucket));
        counter_add(&tally->decays, 1);
    }
    tally->want = 0;
    tally->least = MAGAZINE_SLOTS;
    tally->seen = training_uses(cache, bucket);
}

/* Stores how many slots the private magazine has, if that is the smallest number since training_rest last lowered
 * quotas. */
static void training_note_depth(struct cache *cache, unsigned bucket)
{
    struct cache_tally *tally = &cache->tally[bucket];
    uint32_t depth = magazine_depth(atomic_load_explicit(&cache->bin[bucket].top, memory_order_relaxed));
    tally->least = (uint16_t)training_least(depth, tally->least);
}

/* Halves all quotas of the cache, because SOCKMALLOC_CACHE was lowered and all caches together may hold too much. */
static void training_shrink(struct cache *cache)
{
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        uint32_t quota = cache_quota(cache, bucket);
        if (quota > 0) {
            training_set(cache, bucket, quota / 2);
            probe_demotion(bucket, cache_quota(cache, bucket));
            counter_add(&cache->tally[bucket].decays, 1);
        }
    }
}

void training_rest(struct cache *cache, uint64_t now)
{
    if (UNLIKELY(budget_is_overdrawn())) {
        training_shrink(cache);
    }
    bool over = now - cache->state.rested >= decay.age;
    if (training.frozen || decay.age == DECAY_NEVER) {
        return;
    }
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        if (cache_quota(cache, bucket) == 0) {
            continue;
        }
        training_note_depth(cache, bucket);
        if (over) {
            training_rest_bucket(cache, bucket);
        }
    }
    if (over) {
        cache->state.rested = now;
    }
}

bool training_result(uint32_t quota[BUCKET_LIMIT])
{
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        quota[bucket] = atomic_load_explicit(&result[bucket], memory_order_relaxed);
    }
    return atomic_load_explicit(&trained, memory_order_relaxed);
}
