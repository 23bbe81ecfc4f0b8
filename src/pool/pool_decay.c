/* Gives the pages of what nobody has needed for a while back, a little at each tick. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_decay.h"

#include "base/bounds.h"
#include "base/clock.h"
#include "cache/training.h"
#include "memory/decay.h"
#include "pool/pool_kind.h"
#include "pool/pool_purge.h"
#include "pool/pool_return.h"
#include "pool/pool_sample.h"
#include "pool/pool_state.h"
#include "pool/pressure.h"

/*
 * Where from: a thread's frees are counted anyway, and every so many of them it comes here. How
 * many adapts: twice as many while the clock stands still in between, fewer when it has gone on, so
 * that a busy thread spends nothing on it and one with little to do comes often enough.
 * At most a prime number of them: the sample of requests would keep step with a program that does
 * the same over and over.
 */
enum { INTERVAL_MAX = 1021, SHARED_INTERVAL = 61 };

static const uint64_t tick_pace = 8000000; /* nanoseconds */

/* Other threads' caches that one step looks at for public magazines that lie there unused. */
enum { IDLE_LOOKS = 32 };

/* One step of decay, if it is this thread's turn. Whether there is more to do. */
static bool pool_decay(struct cache *cache, enum decay_call call, uint64_t now)
{
    if (pressure_tick(now)) {
        pool_reclaim(0);
        return true;
    }
    if (decay.age == DECAY_NEVER || !decay_claim(call, now)) {
        return false;
    }
    if (cache_is_own(cache)) {
        cache_collect_idle(cache, now, decay.age, IDLE_LOOKS);
    }
    if (!decay_is_due(now)) {
        return false;
    }
    if (pool_trim_step()) {
        return true;
    }
    if (decay_turn(now) && pool_is_tight()) {
        pool_return_purged();
    }
    return false;
}

bool pool_decay_step(void)
{
    return pool_decay(cache_reach(), DECAY_GIVE, clock_now());
}

/* Where frees go to the stack they come together there. Once in each step of the clock's, since it
 * sets all buckets back. */
static bool pool_tick_is_hastened(struct cache *cache, unsigned bucket)
{
    bool hastened = pool_is_large(bucket) && !cache->state.hastened;
    cache->state.hastened = cache->state.hastened || hastened;
    return hastened;
}

static void pool_tick_later(struct cache *cache, unsigned bucket)
{
    if (pool_tick_is_hastened(cache, bucket)) {
        cache_hasten(cache);
    }
    uint32_t twice = 2 * cache->state.interval;
    cache->state.interval = LESSER(twice, INTERVAL_MAX);
    cache_arm(cache, bucket, cache->state.interval);
}

/* Half as many frees as before; or so many that the next tick comes in a step of the clock's or
 * two, if frees go on as they did. */
static uint32_t pool_tick_sooner(uint32_t frees, uint64_t elapsed)
{
    uint32_t half = frees / 2;
    uint64_t paced = frees * tick_pace / elapsed;
    uint64_t sooner = LESSER(paced, half);
    return sooner > 1 ? (uint32_t)sooner : 1;
}

static void pool_tick_at(struct cache *cache, uint64_t now)
{
    uint32_t sooner = pool_tick_sooner(cache->state.interval, now - cache->state.ticked);
    cache->state.ticked = now;
    cache->state.hastened = false;
    training_rest(cache, now);
    bool more = pool_decay(cache, DECAY_GIVE, now);
    cache_set_more(cache, more && !pressure_is_high()); /* when a free gives back all there is */
    if (cache->state.more) {
        cache_force_slow(cache);
    }
    cache_arm_all(cache, more ? 1 : sooner);
    pool_sample_rest(cache);
}

/*
 * While there is more to do every free is a tick and every take as well, so that each can do half
 * as much. That of a free says when it is over.
 */
void pool_tick_taking(struct cache *cache)
{
    pool_decay(cache, DECAY_TAKE, clock_now());
}

/* The bucket is found anew: carried over from the fast path it would cost that a saved register. */
OUT_OF_LINE void pool_tick(const void *slot)
{
    struct cache *cache = cache_mine;
    unsigned bucket = region_bucket(region_number(slot));
    uint64_t now = clock_now();
    bool moved = now != cache->state.ticked;
    bool awaited = pool_sample(cache, slot, moved);
    if (moved) {
        pool_tick_at(cache, now);
    } else if (awaited) {
        cache_arm(cache, bucket, cache->state.interval);
    } else {
        pool_tick_later(cache, bucket);
    }
}

/* What a cache's state says, of a thread without a cache. */
static _Thread_local struct {
    uint64_t ticked;
    uint32_t interval;
    uint32_t frees; /* since the last tick */
    bool more;
} shared __attribute__((tls_model("initial-exec")));

void pool_tick_taking_shared(void)
{
    if (UNLIKELY(shared.more) && !pressure_is_high()) {
        pool_decay(pool_counters(), DECAY_TAKE, clock_now());
    }
}

static uint32_t pool_shared_interval(uint64_t now)
{
    uint64_t elapsed = now - shared.ticked;
    if (elapsed != 0) {
        return pool_tick_sooner(shared.interval, elapsed);
    }
    uint32_t twice = 2 * shared.interval;
    return LESSER(twice, SHARED_INTERVAL);
}

void pool_tick_shared(const void *slot)
{
    if (UNLIKELY(++shared.frees >= shared.interval)) {
        uint64_t now = clock_now();
        pool_sample_shared(slot, shared.frees);
        shared.frees = 0;
        shared.more = pool_decay(pool_counters(), DECAY_GIVE, now);
        shared.interval = shared.more ? 1 : pool_shared_interval(now);
        shared.ticked = now;
    }
}
