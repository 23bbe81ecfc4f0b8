/* Ticks: in some of its frees a thread reads the clock, and purges a few slots that have been free for long enough. */
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
#include "pool/pool_spare.h"
#include "pool/pool_state.h"
#include "pool/pressure.h"

/*
 * There is no timer. A thread counts its frees anyway, and after every N-th free of a bucket it runs a tick, which
 * reads the coarse clock. N doubles at each tick at which the clock has not advanced since the last one, and shrinks at
 * each tick at which it has. So a busy thread spends little time on ticks, and a thread with few frees still runs them
 * often enough.
 *
 * INTERVAL_MAX, the largest N, is a prime number, because ticks also sample the frees: otherwise a program that repeats
 * one pattern of frees could have the same slot sampled each time. SHARED_INTERVAL is the largest N in a thread without
 * a cache.
 */
enum { INTERVAL_MAX = 1021, SHARED_INTERVAL = 61 };

/* pool_tick_sooner tries to keep ticks at most this many nanoseconds apart */
static const uint64_t tick_pace = 8000000;

/* How many caches of other threads one step checks for public magazines that lie unused (public magazines are those
 * that other threads may steal). */
enum { IDLE_LOOKS = 32 };

bool pool_decay_once(struct cache *cache, uint64_t now)
{
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

/* Runs one step of purging if decay_claim has chosen this caller at the present step of the clock. If memory is nearly
 * used up, every caller purges, and slots of any age are purged. Returns true if more pages are due to be purged. */
static bool pool_decay(struct cache *cache, enum decay_call call, uint64_t now)
{
    if (pressure_tick(now)) {
        pool_reclaim(0);
        return true;
    }
    return decay.age != DECAY_NEVER && decay_claim(call, now) && pool_decay_once(cache, now);
}

bool pool_decay_step(void)
{
    return pool_decay(cache_reach(), DECAY_GIVE, clock_now());
}

/*
 * Returns true if the bucket is large and this function has not yet returned true in this step of the clock. The caller
 * then makes the next ticks (frees that read the clock) come sooner: freed slots of a large bucket all go to one stack,
 * and a tick should soon check how old they are. Once in each step is enough, because cache_hasten does this for the
 * ticks of all buckets.
 */
static bool pool_tick_is_hastened(struct cache *cache, unsigned bucket)
{
    bool hastened = pool_is_large(bucket) && !cache->state.hastened;
    cache->state.hastened = cache->state.hastened || hastened;
    return hastened;
}

/*
 * Runs at a tick (a free that reads the clock) that finds the clock where the last tick found it, because the coarse
 * clock advances in steps of some milliseconds. Doubles the number of frees until the bucket's next tick. There are two
 * exceptions for large buckets. The first tick of this kind since the clock advanced first lowers the number for all
 * buckets (cache_hasten), and the doubling begins from there. Each further one shows that the thread is busy with the
 * bucket, so the thread may keep one free slot of it in its cache (a spare slot).
 */
static void pool_tick_later(struct cache *cache, unsigned bucket)
{
    if (pool_tick_is_hastened(cache, bucket)) {
        cache_hasten(cache);
    } else {
        pool_keep_spare(cache, bucket);
    }
    uint32_t twice = 2 * cache->state.interval;
    cache->state.interval = LESSER(twice, INTERVAL_MAX);
    cache_arm(cache, bucket, cache->state.interval);
}

/*
 * Returns how many frees to wait until the next tick (a free that reads the clock), after the clock has advanced: half
 * as many as before, or fewer if these would take longer than tick_pace nanoseconds. How long they would take is
 * computed from the last `frees` frees, which took `elapsed` nanoseconds.
 */
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
    /* If memory is nearly used up, each tick of this thread purges, even if another thread has purged at this step of
     * the clock. Ticks run in frees, so allocations need not purge as well. */
    cache_set_more(cache, more && !pressure_is_high());
    pool_review_spares(cache);
    if (cache->state.more) {
        cache_force_slow(cache);
    }
    cache_arm_all(cache, more ? 1 : sooner);
    pool_sample_rest(cache);
}

/*
 * Purges a little in an allocation. While pages are due to be purged, every free runs a tick (reads the clock and
 * purges), and every allocation calls this function. So none of these calls has to purge much. The result of pool_decay
 * is not used here: only the ticks, which run in frees, decide that no more pages are due.
 */
void pool_tick_taking(struct cache *cache)
{
    pool_decay(cache, DECAY_TAKE, clock_now());
}

/*
 * pool_tick finds the bucket by the slot. If the bucket were an argument, the fast path of free would have to save a
 * register for it.
 */
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

/* What a thread without a cache needs to decide in which of its frees it runs a tick (reads the clock and purges a
 * little). A thread with a cache has these values in its struct cache_state. */
static _Thread_local struct {
    uint64_t ticked;
    uint32_t interval;
    uint32_t frees; /* how many frees the thread has made since its last tick (a free that reads the clock) */
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
