/* Gives free memory back to the kernel while a thread of the program sleeps in the kernel and waits for events. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_sleep.h"

#include "base/clock.h"
#include "cache/depot.h"
#include "os/os_process.h"
#include "pool/pool_decay.h"
#include "pool/pool_purge.h"
#include "pool/pool_state.h"

enum {
    BUSY_WAIT = 1000000, /* nanoseconds until the next attempt, if another thread is giving pages back just now */
    /* nanoseconds; if a wait begins sooner than this after the beginning of the last one, the thread runs a busy event
     * loop */
    BUSY_PAUSE = 10000000,
    /*
     * after this number of sleeps in a row that each began less than BUSY_PAUSE after the one before, a thread no
     * longer wakes up to look for what other threads have freed
     */
    BUSY_STREAK = 64,
    BRIEF_WAIT = 1000000000, /* nanoseconds; in a busy event loop, a wait of at most this time gives nothing back */
    MAGAZINES_A_BIN = 2,     /* each bucket of a cache has a private and a public magazine */
};

/* When the calling thread last used its own magazines, and which of them it has purged since. */
static _Thread_local struct {
    uint64_t asked; /* the time at which pool_sleep_limit was last called */
    uint64_t since; /* the time at which `uses` was last seen to have changed */
    uint32_t uses;  /* how many slots the thread has allocated and freed, as far as its own cache counts them */
    /* the number of the next magazine to purge: twice the number of its bucket, plus 1 for the public magazine */
    uint16_t next;
    /* the number of the next piece to purge of the slot at index `slot`, if the bucket's slots are purged in pieces */
    uint16_t piece;
    uint32_t slot;   /* the index of the next slot to purge in the magazine that `next` names */
    uint32_t streak; /* how many sleeps in a row have each begun less than BUSY_PAUSE after the one before */
    /* how long, in nanoseconds, the next sleep may last if nothing is free; 0 if the thread does not look for what
     * other threads free */
    uint64_t watch;
} idle __attribute__((tls_model("initial-exec")));

/*
 * watch_first is how long a thread sleeps at first while nothing is free, and watch_least is the shortest sleep in
 * which it wakes up to look for what other threads have freed; both in nanoseconds. A thread that sleeps for less than
 * watch_least need not wake up for this, because its sleep ends soon anyway.
 */
static const uint64_t watch_first = 500000000;
static const uint64_t watch_least = 5000000000;

static atomic_flag purging = ATOMIC_FLAG_INIT;

/* Returns true if slots with pages lie in depots or on stacks, or if a step has left a slot that is purged only in
 * part. */
static bool pool_sleep_has_free(void)
{
    if (pool_has_unfinished()) {
        return true;
    }
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        if (slots_have_free(bucket) || depot_has_full(bucket)) {
            return true;
        }
    }
    return false;
}

/* Returns true if a step that is due now would find something to purge: slots of the old generation, or a slot that is
 * purged only in part. If it would not, the step could only make the generations change places. */
static bool pool_sleep_has_old(void)
{
    bool has_old = pool_has_unfinished();
    for (unsigned bucket = 0; bucket < region.buckets && !has_old; bucket++) {
        has_old = slots_have_old(bucket) || depot_has_old(bucket);
    }
    return has_old;
}

/* Returns true if the thread may have magazines of the bucket: the bucket is not large, or the thread keeps a spare
 * slot of it. */
static bool pool_sleep_looks(const struct cache *cache, unsigned bucket)
{
    return !pool_is_large(bucket) || cache_has_spare(cache, bucket);
}

/* Returns true if the thread's own magazines may hold slots: if a private magazine has a slot, or if there is a public
 * magazine, which may be empty. */
static bool pool_sleep_holds(const struct cache *cache)
{
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        const struct cache_bin *bin = &cache->bin[bucket];
        if (!pool_sleep_looks(cache, bucket)) {
            continue;
        }
        const struct magazine *magazine = cache_private(bin);
        if ((magazine != NULL && atomic_load_explicit(&bin->top, memory_order_relaxed) > magazine->slot) ||
            atomic_load_explicit(&bin->public_magazine, memory_order_relaxed) != NULL) {
            return true;
        }
    }
    return false;
}

static uint32_t pool_sleep_uses(const struct cache *cache)
{
    uint64_t uses = 0;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        if (pool_sleep_looks(cache, bucket)) {
            uses += counter_read(&cache->bin[bucket].requests) + cache_returned(cache, bucket);
        }
    }
    return (uint32_t)uses;
}

static uint64_t pool_sleep_until(uint64_t due, uint64_t now)
{
    return (int64_t)(due - now) > 0 ? due - now : 0;
}

/*
 * Returns in how many nanoseconds from `now` on the pages of the thread's own magazines are due to be purged. Returns
 * POOL_SLEEP_NEVER if the magazines have no slots or all are purged already. If the thread has allocated or freed a
 * slot since the last call, first stores `now` as the time of this use, and the purging of the magazines begins
 * anew.
 */
static uint64_t pool_sleep_own(const struct cache *cache, uint64_t now)
{
    if (!cache_is_own(cache) || !pool_sleep_holds(cache)) {
        return POOL_SLEEP_NEVER;
    }
    uint32_t uses = pool_sleep_uses(cache);
    if (uses != idle.uses) {
        idle.uses = uses;
        idle.since = now;
        idle.next = 0;
        idle.slot = 0;
        idle.piece = 0;
    } else if (idle.next == MAGAZINES_A_BIN * BUCKET_LIMIT) {
        return POOL_SLEEP_NEVER; /* all slots in the thread's own magazines have already been purged */
    }
    return pool_sleep_until(idle.since + DECAY_GENERATIONS * decay_age(), now);
}

static uint64_t pool_sleep_shared(uint64_t now)
{
    uint64_t turned = atomic_load_explicit(&decay.turned, memory_order_relaxed);
    return pool_sleep_has_free() ? pool_sleep_until(turned + decay_age(), now) : POOL_SLEEP_NEVER;
}

/*
 * Returns in how many nanoseconds from `now` on a step on the depots and stacks is due, in a sleep of `wanted`
 * nanoseconds. Returns POOL_SLEEP_NEVER if they have no free slots, and also if the sleep ends before anything can be
 * purged in it: the old generation is empty, so the only step in this sleep would make the generations change places,
 * and it would wake the thread up for this alone. Such a wake-up costs 20 to 40 us of processor time. The generations
 * then change places in a free after the sleep, or at the beginning of the next one.
 */
static uint64_t pool_sleep_shared_in(uint64_t wanted, uint64_t now)
{
    uint64_t shared = pool_sleep_shared(now);
    bool useless = shared > 0 && shared < wanted && wanted - shared < decay_age() && !pool_sleep_has_old();
    return useless ? POOL_SLEEP_NEVER : shared;
}

/*
 * Returns true if the thread's last wait began less than BUSY_PAUSE ago. Such a thread runs a busy event loop. Its
 * waits of at most BRIEF_WAIT are not divided into pieces, between which memory would be purged, because that would
 * cost the thread time. When the loop is no longer busy, its waits begin further apart, and memory is purged in them
 * again.
 */
static bool pool_sleep_is_busy(uint64_t now)
{
    uint64_t asked = idle.asked;
    idle.asked = now;
    return now - asked < BUSY_PAUSE;
}

/* Returns for how many nanoseconds the thread may sleep while nothing is free. The next such sleep is twice as long. */
static uint64_t pool_sleep_watch(void)
{
    uint64_t watch = idle.watch;
    if (watch == 0) {
        return POOL_SLEEP_NEVER;
    }
    idle.watch = watch < POOL_SLEEP_NEVER / 4 ? 2 * watch : watch;
    return watch;
}

uint64_t pool_sleep_limit(uint64_t wanted, bool watches)
{
    if (decay.age == DECAY_NEVER) {
        return POOL_SLEEP_NEVER;
    }
    uint64_t now = clock_now();
    bool busy = pool_sleep_is_busy(now);
    if (busy && wanted <= BRIEF_WAIT) {
        return POOL_SLEEP_NEVER;
    }
    uint64_t own = pool_sleep_own(cache_mine, now);
    uint64_t shared = pool_sleep_shared_in(wanted, now);
    uint64_t limit = own < shared ? own : shared;
    idle.watch = watches && wanted > watch_least && os_has_threads() ? watch_first : 0;
    idle.streak = busy ? idle.streak + 1 : 0;
    return limit == POOL_SLEEP_NEVER && idle.streak <= BUSY_STREAK ? pool_sleep_watch() : limit;
}

/* Gives back the pages of as many slots of a magazine as one step may cost, or one piece of a large slot, from index
 * idle.slot on. Returns true if the magazine has more slots. */
static bool pool_sleep_purge(unsigned bucket, void *const *slot, size_t count)
{
    if (pool_pieces(bucket) == 1) {
        idle.slot += (uint32_t)pool_purge_in_place(bucket, slot + idle.slot, count - idle.slot);
        return idle.slot < count;
    }
    pool_discard_piece(bucket, slot[idle.slot], idle.piece++);
    if (idle.piece == pool_pieces(bucket)) {
        idle.piece = 0;
        idle.slot++;
    }
    return idle.slot < count;
}

static bool pool_sleep_purge_private(struct cache_bin *bin, unsigned bucket)
{
    const struct magazine *magazine = cache_private(bin);
    if (magazine == NULL) {
        return false;
    }
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    size_t count = top > magazine->slot ? (size_t)(top - magazine->slot) : 0;
    return count > idle.slot && pool_sleep_purge(bucket, magazine->slot, count);
}

/* Gives back pages of the public magazine's slots. The magazine is taken out of the bin meanwhile, so that no other
 * thread can steal it. Returns true if the magazine has more slots. */
static bool pool_sleep_purge_public(struct cache *cache, struct cache_bin *bin, unsigned bucket)
{
    struct magazine *magazine = cache_exchange(bin, NULL);
    if (magazine == NULL) {
        return false;
    }
    size_t count = magazine_count(magazine);
    bool more = count > idle.slot && pool_sleep_purge(bucket, magazine->slot, count);
    /* This exchange returns NULL, unless a signal handler has put another magazine into the bin meanwhile. */
    cache_deposit(cache, bucket, cache_exchange(bin, magazine));
    return more;
}

/* Runs one step on the thread's own magazines: gives back the pages of one magazine, or of as many of its slots as a
 * step may cost. */
static void pool_sleep_step_own(struct cache *cache)
{
    unsigned bucket = idle.next / MAGAZINES_A_BIN;
    bool more = false;
    if (bucket < region.buckets && pool_sleep_looks(cache, bucket)) {
        struct cache_bin *bin = &cache->bin[bucket];
        more = idle.next % MAGAZINES_A_BIN == 0 ? pool_sleep_purge_private(bin, bucket)
                                                : pool_sleep_purge_public(cache, bin, bucket);
    }
    if (!more) {
        idle.slot = 0;
        idle.piece = 0;
        idle.next++;
    }
}

/* Runs one step on the depots and stacks. Returns in how many nanoseconds the next step is due. */
static uint64_t pool_sleep_step_shared(struct cache *cache, uint64_t now)
{
    if (atomic_flag_test_and_set_explicit(&purging, memory_order_acquire)) {
        return BUSY_WAIT;
    }
    bool more = pool_decay_once(cache, now);
    atomic_flag_clear_explicit(&purging, memory_order_release);
    return more ? 0 : pool_sleep_shared(now);
}

void pool_sleep_step_unblocked(void)
{
    uint64_t now = clock_now();
    uint64_t next = pool_sleep_shared(now);
    if (next == 0) {
        next = pool_sleep_step_shared(cache_mine, now);
    }
    /* there may be no further step in this sleep, so a slot that is purged in pieces is finished now */
    while (next == 0 && pool_has_unfinished()) {
        next = pool_sleep_step_shared(cache_mine, now);
    }
}

void pool_sleep_after_fork(void)
{
    atomic_flag_clear_explicit(&purging, memory_order_relaxed);
}

uint64_t pool_sleep_step(void)
{
    uint64_t now = clock_now();
    struct cache *cache = cache_mine;
    uint64_t shared = pool_sleep_shared(now);
    if (shared == 0) {
        shared = pool_sleep_step_shared(cache, now);
        idle.watch = idle.watch != 0 ? watch_first : 0;
    }
    uint64_t own = pool_sleep_own(cache, now);
    if (own == 0) {
        pool_sleep_step_own(cache);
        own = pool_sleep_own(cache, now);
    }
    uint64_t limit = own < shared ? own : shared;
    return limit == POOL_SLEEP_NEVER ? pool_sleep_watch() : limit;
}
