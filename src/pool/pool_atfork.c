/* Makes the pools usable in the child of a fork: finds the free slots that the threads of its parent held. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_atfork.h"

#include "cache/depot.h"
#include "memory/slots.h"
#include "os/os_process.h"
#include "percpu/percpu.h"
#include "pool/histogram.h"
#include "pool/in_use.h"
#include "pool/pool_purge.h"
#include "pool/pool_return.h"
#include "pool/pool_state.h"
#include "pool/pressure.h"
#include "pool/standard.h"

_Atomic uint32_t pool_recovery;
/* the address of a thread-local variable of the thread that has forked, by which that thread is recognized */
static const void *forking_thread;
static bool forked_with_threads; /* true if the process had several threads when pool_before_fork last ran */

void pool_before_fork(void)
{
    forked_with_threads = os_has_threads();
}

/* Adds one slot, whose state byte is `meta`, to one of the counts of slots that a fork child has inherited: live slots,
 * free slots that read as zero (purged), or other free slots (depot). */
static void pool_count_meta(uint8_t meta)
{
    struct pool *pool = &pools[slot_meta_bucket(meta)];
    bool live = slot_meta_state(meta) == SLOT_LIVE;
    pool->inherited_live += live;
    pool->inherited_purged += !live && slot_meta_is_zero(meta);
    pool->inherited_depot += !live && !slot_meta_is_zero(meta);
}

/* Counts by their metadata the slots that the child of a fork has inherited, for each bucket: live, purged and other
 * free slots. */
static void pool_count_metadata(void)
{
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        pools[bucket].inherited_live = 0;
        pools[bucket].inherited_depot = 0;
        pools[bucket].inherited_purged = 0;
    }
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        pool_count_meta(region_meta(number));
    }
}

static void pool_find_free_slot(uint32_t number)
{
    uint8_t meta = region_meta(number);
    if (slot_meta_is_leaving(meta)) {
        region_forget(number); /* the parent may have unmapped the addresses of this slot already */
    } else if (slot_meta_is_zero(meta)) {
        slots_push_purged(slot_meta_bucket(meta), number);
    } else if (slot_meta_state(meta) != SLOT_LIVE) {
        slots_push(slot_meta_bucket(meta), number);
    }
}

/* Pushes all slots whose metadata says that they are free onto the stacks of their buckets. Begins with the highest
 * slot, so that the lowest will be allocated first. */
static void pool_find_free(void)
{
    for (uint32_t number = region_front(); number-- > 0;) {
        if (slot_meta_begins(region_meta(number))) {
            pool_find_free_slot(number);
        }
    }
}

/* In the child of a fork, resets what other threads of the parent may have been changing: the growth of tables, and the
 * unmapping of addresses. */
static void pool_reset_range(void)
{
    region_after_fork();
    in_use_after_fork();
    pool_reset_return();
}

/* Adds a cache's counts of live, purged and other free slots to the counts of inherited slots. `sign` is 1, or
 * (uint64_t)-1 to subtract instead. */
static void pool_add_counts(struct cache *cache, unsigned bucket, uint64_t sign)
{
    struct pool *pool = &pools[bucket];
    const struct cache_tally *tally = &cache->tally[bucket];
    pool->inherited_live += sign * (counter_read(&cache->bin[bucket].requests) - cache_returned(cache, bucket));
    pool->inherited_depot +=
        sign * (counter_read(&tally->deposited) - counter_read(&tally->withdrawn) - counter_read(&tally->stack_hits));
    pool->inherited_purged += sign * (counter_read(&tally->purged) - counter_read(&tally->unpurged));
}

/* Adds (or, if `sign` is (uint64_t)-1, subtracts) the counts of all caches. If `sign` is 1, there are no caches of
 * processors to add, because pool_find_threads has found none. */
static void pool_add_all_counts(unsigned bucket, uint64_t sign)
{
    for (uint32_t number = 0; number < cache_count(); number++) {
        pool_add_counts(cache_at(number), bucket, sign);
    }
    for (uint32_t number = 0; sign != 1 && number < percpu_records(); number++) {
        pool_add_counts(percpu_at(number), bucket, sign);
    }
}

/* Returns how many bytes of free slots with pages the child of a fork has inherited in depots and on stacks, for the
 * buckets from `first` on. */
static uint64_t pool_inherited_retained(unsigned first)
{
    uint64_t retained = 0;
    for (unsigned bucket = first; bucket < region.buckets; bucket++) {
        retained += pools[bucket].inherited_depot * region.geometry[bucket].capacity;
    }
    return retained;
}

/*
 * Returns true if the parent had several threads, and then also sets pool_is_child_of_threads. One of three signs is
 * enough: libc knew of several threads; another thread had an open cache; or the caches of processors are in use. libc
 * may not know of all threads, and with the kind `cpu` threads have no caches by which they could be counted.
 */
static bool pool_find_threads(void)
{
    bool had_threads = forked_with_threads || cache_others_are_open() || percpu_records() > 0;
    pool_is_child_of_threads = pool_is_child_of_threads || had_threads;
    return had_threads;
}

static void pool_reset(void)
{
    cache_reset();
    percpu_reset();
    depot_reset();
    magazine_reset();
    slots_reset();
    pool_forget_unfinished();
}

static void pool_begin_anew(unsigned bucket)
{
    int64_t live = (int64_t)pools[bucket].inherited_live;
    atomic_store_explicit(&pools[bucket].live, live, memory_order_relaxed);
    atomic_store_explicit(&pools[bucket].peak, live, memory_order_relaxed);
    counter_reset(&pools[bucket].remote_frees);
}

static void pool_atfork_child_of(bool had_threads)
{
    if (had_threads) {
        pool_reset();
        pool_reset_range();
        pool_find_free();
        pool_count_metadata();
    }
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        if (had_threads) {
            standard_reset(bucket, (uint32_t)pools[bucket].inherited_depot);
        } else {
            pool_add_all_counts(bucket, 1);
        }
        pool_begin_anew(bucket);
    }
    budget_reset(had_threads ? percpu_charge() : budget_charged(), pool_inherited_retained(0),
                 pool_inherited_retained(pool_first_large));
    cache_reset_counters();
    histogram_reset();
    pressure_after_fork();
}

void pool_atfork_child_at_once(void)
{
    pool_atfork_child_of(pool_find_threads());
}

/*
 * Subtracts the slots in the calling thread's own cache from the counts of inherited slots, because the thread keeps
 * its cache.
 */
static void pool_leave_own(unsigned bucket)
{
    if (cache_is_own(cache_mine)) {
        pools[bucket].inherited_depot -= cache_held(cache_mine, bucket);
        pools[bucket].inherited_purged -= cache_fresh(cache_mine, bucket);
    }
}

static void pool_isolate(void)
{
    cache_isolate();
    percpu_reset();
    depot_reset();
    slots_reset();
    pool_forget_unfinished();
    pool_count_metadata();
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        pool_leave_own(bucket);
        standard_reset(bucket, 0);
        pool_begin_anew(bucket);
    }
    budget_reset(budget_charged(), 0, 0);
    cache_reset_counters();
    histogram_reset();
    pressure_after_fork();
}

void pool_atfork_child(void)
{
    if (!pool_find_threads()) {
        pool_atfork_child_of(false);
        return;
    }
    pool_isolate();
    forking_thread = &cache_mine;
    atomic_store_explicit(&pool_recovery, POOL_RECOVERY_DUE, memory_order_release);
}

/*
 * Finds the free slots in the child of a fork, and sets the counts of inherited slots from the metadata. The metadata
 * also shows what the child's thread has allocated and freed since pool_atfork_child. The thread has counted these
 * slots in its own cache too. To count them only once, this function subtracts the counts of the caches from the counts
 * of inherited slots.
 */
static void pool_recover(void)
{
    cache_reset();
    percpu_forget();
    depot_reset();
    magazine_reset();
    slots_reset();
    pool_forget_unfinished();
    pool_reset_range();
    pool_find_free();
    pool_count_metadata();
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        standard_reset(bucket, (uint32_t)pools[bucket].inherited_depot);
    }
    budget_reset(percpu_charge(), pool_inherited_retained(0), pool_inherited_retained(pool_first_large));
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        pool_add_all_counts(bucket, (uint64_t)-1);
    }
}

/* Does nothing in the thread that has forked. In another thread, changes POOL_RECOVERY_DUE to POOL_RECOVERED, so that
 * the free slots are never searched for. If the thread that has forked is searching for them (POOL_RECOVERING), waits
 * until it has finished. */
void pool_drop_recovery_slow(void)
{
    uint32_t seen = POOL_RECOVERY_DUE;
    if (forking_thread == &cache_mine) {
        return;
    }
    while (!atomic_compare_exchange_strong_explicit(&pool_recovery, &seen, POOL_RECOVERED, memory_order_acq_rel,
                                                    memory_order_acquire) &&
           seen == POOL_RECOVERING) {
        os_wait(&pool_recovery, POOL_RECOVERING, UINT64_MAX);
        seen = POOL_RECOVERY_DUE;
    }
}

void pool_recover_slow(void)
{
    uint32_t seen = POOL_RECOVERY_DUE;
    if (forking_thread != &cache_mine) {
        pool_drop_recovery_slow();
    } else if (atomic_compare_exchange_strong_explicit(&pool_recovery, &seen, POOL_RECOVERING, memory_order_acq_rel,
                                                       memory_order_acquire)) {
        pool_recover();
        atomic_store_explicit(&pool_recovery, POOL_RECOVERED, memory_order_release);
        os_wake(&pool_recovery);
    }
}
