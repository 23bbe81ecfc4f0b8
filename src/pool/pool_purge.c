/* Purges free slots: gives their pages back to the kernel. pool_drain moves free slots from caches to the depots and
 * stacks, where they can be purged. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_purge.h"

#include <stdatomic.h>
#include <string.h>

#include "base/bounds.h"
#include "base/probe.h"
#include "cache/depot.h"
#include "memory/slots.h"
#include "os/os.h"
#include "percpu/percpu.h"
#include "pool/pool_kind.h"
#include "pool/pool_state.h"

/* Says which free slots are purged: those of the old generation (slots freed longer ago), or all. */
enum purge_from { PURGE_OLD, PURGE_ANY };

/*
 * A batch has at most PURGE_BATCH slots. A step of decay purges up to QUANTUM_PAGES pages, and fewer if their price
 * would exceed STEP_PRICE pages. STEP_PRICE suffices for two slots of 256 KiB. The price estimates the step's time;
 * this comment gives prices in pages. The price depends on runs, which are slots that lie side by side.
 *
 * If each run takes a call of its own, a page costs SHORT_PRICE in a run of at most SHORT_PAGES pages, and otherwise 1.
 * The reason is that Linux on x86 invalidates the TLB page by page if a call discards up to 33 pages, and as a whole if
 * it discards more. A page of headroom that was never touched does not count, so even a run of 34 pages may be
 * invalidated page by page. A virtual machine is interrupted for each single invalidation. There 17 pages took 60 us,
 * 33 pages 116 us, 34 pages 33 us, and 136 pages 62 us.
 *
 * If one call discards all runs of a batch (os_discard_together), the TLB is invalidated once. Then a run of at most
 * SHORT_PAGES pages costs its number of pages plus TOGETHER_PRICE, because neither the page table nor the metadata of
 * the run is in a near cache. In a free after a pause, each slot of one page took 2.8 us to purge.
 *
 * A slot of 1 MiB or more is purged in pieces of about QUANTUM_PAGES pages. One call takes 40 us for 128 resident pages
 * and 80 us for 256, and now and then two or three times as long. For a slot of 32 MiB it takes 2.5 ms. Pages that are
 * not resident cost nearly nothing: 4 us for 1 GiB of them.
 */
enum { PURGE_BATCH = 64, QUANTUM_PAGES = 128, STEP_PRICE = 134, SHORT_PAGES = 34, SHORT_PRICE = 4, TOGETHER_PRICE = 3 };

/*
 * The slot that steps of decay are purging in pieces: the lower 32 bits are the slot's number plus one, and the upper
 * 32 bits are the number of its next piece. The word is 0 if there is no such slot. Meanwhile the slot is on no stack,
 * and is counted as free.
 *
 * A step takes the slot by exchanging the word with 0, so no two threads hold the slot. When one piece is done, the
 * step puts the slot back here. If another thread has put a different slot here meanwhile, the step's own slot goes
 * back to the old generation. A later step purges it from the first piece on, which costs no more, because the pieces
 * that were purged are no longer resident.
 *
 * In the child of a fork from several threads the slot is found again by its metadata, which says that it is free.
 */
static _Atomic uint64_t pool_unfinished;
enum { UNFINISHED_PIECE_SHIFT = 32 };

/* A batch of free slots that the caller holds while it purges them, and how much it may still purge. */
struct purge {
    struct cache *cache;
    enum purge_from from;
    size_t limit; /* how many bytes are to be purged in all */
    size_t purged;
    /* how much this purge may still cost; a price is in bytes and stands for time (pool_price); the purge ends when
     * nothing is left */
    size_t price;
    unsigned bucket;
    unsigned count;
    uint32_t number[PURGE_BATCH];
};

static void pool_sort(uint32_t *number, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        uint32_t moved = number[i];
        unsigned at = i;
        for (; at > 0 && number[at - 1] > moved; at--) {
            number[at] = number[at - 1];
        }
        number[at] = moved;
    }
}

/* Returns how many of the batch's slots, sorted by number, lie side by side from index `first` on. */
static unsigned pool_run_length(const struct purge *purge, unsigned first)
{
    uint32_t pages = region.geometry[purge->bucket].pages;
    unsigned length = 1;
    while (first + length < purge->count && purge->number[first + length] == purge->number[first] + length * pages) {
        length++;
    }
    return length;
}

static void pool_purge_slot(struct purge *purge, uint32_t number)
{
    region_set_meta(number, slot_meta_of(SLOT_PURGED, purge->bucket));
    slots_push_purged(purge->bucket, number);
    pool_count(purge->cache, &purge->cache->tally[purge->bucket].purged, 1);
}

static void pool_keep_slots(struct purge *purge, unsigned first, unsigned count, unsigned generation)
{
    for (unsigned i = first; i < first + count; i++) {
        pool_operations()->restore(purge->bucket, purge->number[i], generation);
    }
    pool_count_deposit(purge->cache, purge->bucket, count);
}

/*
 * Discards the pages of `count` ranges. If the kernel cannot discard them all by one call, discards the first range
 * only. Returns how many ranges, from the first on, have lost their pages; 0 if the kernel keeps the pages of the first
 * range. A single range is discarded by madvise, because that is cheaper.
 */
static size_t pool_discard(const struct span *range, size_t count)
{
    size_t gone = count > 1 ? os_discard_together(range, count) : 0;
    return gone == 0 && os_discard(range->start, range->size) ? 1 : gone;
}

/*
 * Marks the slots of a run (slots that lie side by side) as purged, after their pages were given back to the kernel.
 * Returns how many slots the run has.
 */
static unsigned pool_purge_run(struct purge *purge, unsigned first, size_t size)
{
    unsigned length = (unsigned)(size / region.geometry[purge->bucket].stride);
    for (unsigned i = first; i < first + length; i++) {
        pool_purge_slot(purge, purge->number[i]);
    }
    probe_purge(purge->bucket, size);
    purge->purged += size;
    return length;
}

/* Puts the slots of a run (slots that lie side by side) back on their stack, because the kernel keeps their pages.
 * Returns how many slots the run has. */
static unsigned pool_keep_run(struct purge *purge, unsigned first, size_t size)
{
    unsigned length = (unsigned)(size / region.geometry[purge->bucket].stride);
    pool_keep_slots(purge, first, length, decay_young());
    return length;
}

/* Returns the price of purging a run (slots that lie side by side) of `size` bytes, in bytes: the size, or more for a
 * short run, which costs more time per page. */
static size_t pool_price(size_t size)
{
    size_t page = os_page_size();
    if (size > SHORT_PAGES * page) {
        return size;
    }
    return os_discards_together() ? size + TOGETHER_PRICE * page : SHORT_PRICE * size;
}

/*
 * Returns true if the price that is left to this purge is enough for a run (slots that lie side by side) of `size`
 * bytes, and subtracts the run's price from what is left. If too little is left, sets the price that is left to 0,
 * which ends the purge. For the first run of a step the result is always true, so that each step purges something.
 */
static bool pool_affords_run(struct purge *purge, size_t size, bool is_first)
{
    size_t price = pool_price(size);
    bool affords = price <= purge->price || is_first;
    purge->price -= affords ? LESSER(price, purge->price) : purge->price;
    return affords;
}

/* Divides the sorted batch into runs of slots that lie side by side, and stores them in `run`. When the next run is too
 * expensive, its slots and those after it are put back into the old generation. Returns the number of runs. */
static size_t pool_find_runs(struct purge *purge, struct span run[PURGE_BATCH])
{
    size_t runs = 0;
    for (unsigned first = 0; first < purge->count;) {
        unsigned length = pool_run_length(purge, first);
        size_t size = length * region.geometry[purge->bucket].stride;
        if (!pool_affords_run(purge, size, purge->purged == 0 && first == 0)) {
            pool_keep_slots(purge, first, purge->count - first, decay_old());
            purge->count = first;
        } else {
            run[runs++] = (struct span){region_slot(purge->number[first]), size};
            first += length;
        }
    }
    return runs;
}

/*
 * Purges the batch, which is empty afterwards. The slots are sorted, because one call for many pages that lie side by
 * side costs less than one call for each slot.
 *
 * No slot is held by two threads. All slots of the batch were popped from a stack or taken out of a magazine that was
 * popped from one, so no other thread can find them: not on a stack, not in a magazine, and not by their metadata,
 * since no thread allocates a slot by its metadata. A range that is discarded consists of whole slots of the batch and
 * of nothing between them, because there is no gap between slots of a bucket that begin one stride apart. A slot is
 * pushed to a stack again only after the call that discards it has returned, and its metadata says before the push that
 * it is purged.
 */
static void pool_purge_batch(struct purge *purge)
{
    struct span run[PURGE_BATCH] = {{.start = NULL}};
    unsigned number = 0;
    pool_sort(purge->number, purge->count);
    size_t runs = pool_find_runs(purge, run);
    for (size_t first = 0; first < runs;) {
        size_t end = first + pool_discard(run + first, runs - first);
        if (end == first) {
            number += pool_keep_run(purge, number, run[first++].size);
        }
        for (; first < end; first++) {
            number += pool_purge_run(purge, number, run[first].size);
        }
    }
    purge->count = 0;
}

/* Returns how many pages a slot of the bucket has, in pages of the kernel. */
static size_t pool_slot_pages(unsigned bucket)
{
    return region.geometry[bucket].stride / os_page_size();
}

size_t pool_pieces(unsigned bucket)
{
    return GREATER((pool_slot_pages(bucket) + QUANTUM_PAGES / 2) / QUANTUM_PAGES, 1);
}

size_t pool_discard_piece(unsigned bucket, void *slot, size_t piece)
{
    size_t pages = pool_slot_pages(bucket);
    size_t pieces = pool_pieces(bucket);
    size_t start = pages * piece / pieces * os_page_size();
    size_t size = pages * (piece + 1) / pieces * os_page_size() - start;
    return os_discard((char *)slot + start, size) ? size : 0;
}

/* Returns true if the slots of the bucket are purged in pieces. Only steps of decay do this, because only they have to
 * be short. */
static bool pool_goes_in_pieces(const struct purge *purge)
{
    return purge->from == PURGE_OLD && pool_pieces(purge->bucket) > 1;
}

/* Stores that the slot `number` is purged only in part, so that the next step continues with the piece `piece`. */
static void pool_leave_unfinished(struct purge *purge, uint32_t number, size_t piece)
{
    uint64_t none = 0;
    uint64_t word = (uint64_t)piece << UNFINISHED_PIECE_SHIFT | (number + 1);
    pool_count_deposit(purge->cache, purge->bucket, 1);
    if (!atomic_compare_exchange_strong_explicit(&pool_unfinished, &none, word, memory_order_release,
                                                 memory_order_relaxed)) {
        pool_operations()->restore(purge->bucket, number, decay_old());
    }
}

/* Purges one piece of a slot that the caller has removed from its stack. If the kernel refuses, the slot stays free and
 * not purged. */
static void pool_purge_piece(struct purge *purge, uint32_t number, size_t piece)
{
    size_t size = pool_discard_piece(purge->bucket, region_slot(number), piece);
    if (size == 0) {
        pool_operations()->restore(purge->bucket, number, decay_young());
        pool_count_deposit(purge->cache, purge->bucket, 1);
        return;
    }
    probe_purge(purge->bucket, size);
    purge->purged += size;
    if (piece + 1 < pool_pieces(purge->bucket)) {
        pool_leave_unfinished(purge, number, piece + 1);
    } else {
        pool_purge_slot(purge, number);
    }
}

/* Continues with the slot that an earlier step has left unfinished: purges its next piece or, if the purge is no step
 * of decay, the whole slot. */
static void pool_resume(struct purge *purge)
{
    uint64_t word = atomic_exchange_explicit(&pool_unfinished, 0, memory_order_acq_rel);
    if (word == 0) {
        return;
    }
    uint32_t number = (uint32_t)word - 1;
    purge->bucket = region_bucket(number);
    pool_count_withdrawal(purge->cache, purge->bucket, 1);
    if (pool_goes_in_pieces(purge)) {
        pool_purge_piece(purge, number, word >> UNFINISHED_PIECE_SHIFT);
    } else {
        purge->number[purge->count++] = number;
        pool_purge_batch(purge);
    }
}

bool pool_has_unfinished(void)
{
    return atomic_load_explicit(&pool_unfinished, memory_order_relaxed) != 0;
}

void pool_forget_unfinished(void)
{
    atomic_store_explicit(&pool_unfinished, 0, memory_order_relaxed);
}

/* Returns how many slots to put into the next batch: as many as are still to be purged, but at most PURGE_BATCH. */
static unsigned pool_batch(const struct purge *purge)
{
    size_t stride = region.geometry[purge->bucket].stride;
    size_t left = purge->limit - purge->purged;
    size_t wanted = left / stride + (left % stride != 0 ? 1 : 0);
    return (unsigned)LESSER(wanted, PURGE_BATCH);
}

/* Fills the batch of slots to purge with up to `wanted` slots from the bucket's stack of free slots. */
static void pool_refill_free(struct purge *purge, unsigned wanted)
{
    while (purge->count < wanted) {
        uint32_t number = pool_operations()->withdraw(purge->bucket, purge->from == PURGE_OLD);
        if (number == STACK_EMPTY) {
            return;
        }
        pool_count_withdrawal(purge->cache, purge->bucket, 1);
        purge->number[purge->count++] = number;
    }
}

/* Adds slots of one magazine of the depot to the batch of slots to purge: those at its bottom, which have been free for
 * longest. */
static void pool_refill_magazine(struct purge *purge, unsigned wanted)
{
    unsigned bucket = purge->bucket;
    struct magazine *magazine = depot_pop_old(bucket);
    if (magazine == NULL && purge->from == PURGE_ANY) {
        magazine = depot_pop_full(bucket);
    }
    if (magazine == NULL) {
        return;
    }
    uint32_t count = magazine_count(magazine);
    uint32_t taken = LESSER(count, wanted - purge->count);
    for (uint32_t i = 0; i < taken; i++) {
        purge->number[purge->count++] = region_number(magazine->slot[i]);
    }
    memmove(magazine->slot, magazine->slot + taken, (count - taken) * sizeof(void *));
    magazine_set_count(magazine, count - taken);
    pool_count_withdrawal(purge->cache, bucket, taken);
    depot_push_old(bucket, magazine);
}

size_t pool_quantum(void)
{
    return QUANTUM_PAGES * os_page_size();
}

static bool pool_purge_is_over(const struct purge *purge)
{
    return purge->purged >= purge->limit || purge->price == 0;
}

static void pool_purge_bucket(struct purge *purge, unsigned bucket)
{
    bool more = true;
    purge->bucket = bucket;
    while (more && !pool_purge_is_over(purge)) {
        size_t before = purge->purged;
        unsigned wanted = pool_batch(purge);
        pool_refill_free(purge, wanted);
        if (purge->count < wanted) {
            pool_refill_magazine(purge, wanted);
        }
        if (purge->count == 1 && pool_goes_in_pieces(purge)) {
            purge->count = 0;
            pool_purge_piece(purge, purge->number[0], 0);
        } else {
            pool_purge_batch(purge);
        }
        more = purge->purged > before;
    }
}

static void pool_purge(struct purge *purge)
{
    if (pool_has_unfinished() && !pool_purge_is_over(purge)) {
        pool_resume(purge);
        if (purge->from == PURGE_OLD) {
            return; /* a step ends after one piece, even if the piece was a little shorter than others */
        }
    }
    for (unsigned bucket = region.buckets; bucket-- > 0 && !pool_purge_is_over(purge);) {
        pool_purge_bucket(purge, bucket);
    }
}

size_t pool_trim(size_t limit)
{
    struct purge purge = {.cache = pool_counters(), .from = PURGE_ANY, .limit = limit, .price = SIZE_MAX};
    pool_purge(&purge);
    return purge.purged;
}

bool pool_trim_step(void)
{
    struct purge purge = {
        .cache = pool_counters(), .from = PURGE_OLD, .limit = pool_quantum(), .price = STEP_PRICE * os_page_size()};
    bool resumes = pool_has_unfinished();
    pool_purge(&purge);
    decay_count_purged(purge.purged);
    return resumes || pool_has_unfinished() || pool_purge_is_over(&purge);
}

size_t pool_purge_in_place(unsigned bucket, void *const *slot, size_t count)
{
    struct span range[PURGE_BATCH];
    size_t stride = region.geometry[bucket].stride;
    size_t affordable = STEP_PRICE * os_page_size() / pool_price(stride);
    size_t most = affordable > 0 ? LESSER(affordable, PURGE_BATCH) : 1;
    size_t step = LESSER(count, most);
    for (size_t i = 0; i < step; i++) {
        range[i] = (struct span){slot[i], stride};
    }
    for (size_t first = 0; first < step;) {
        size_t gone = pool_discard(range + first, step - first);
        first += GREATER(gone, 1);
    }
    return step;
}

/* Returns how many bytes pool_enforce_limits purges in one call at most. This is at least as much as one malloc or free
 * can add to the free memory that has a limit: a magazine or a slot. */
static size_t pool_enforce_most(void)
{
    unsigned trained = LESSER(pool_first_large, region.buckets);
    size_t magazine = trained > 0 ? MAGAZINE_SLOTS * region.geometry[trained - 1].capacity : 0;
    return GREATER(magazine, pool_quantum());
}

/* If only the large pool exceeds its own limit, pool_trim still purges the right slots, because it begins with large
 * buckets. */
void pool_enforce_limits(void)
{
    if (budget_limits_retained()) {
        uint64_t large = budget_excess_large();
        uint64_t all = budget_excess();
        uint64_t excess = GREATER(large, all);
        if (excess > 0) {
            size_t most = pool_enforce_most();
            pool_trim(excess < most ? (size_t)excess : most);
        }
    }
}

/*
 * Returns how many slots a cache has moved to depots and stacks, minus those that it has taken from there. For a thread
 * that allocates what other threads free, the result wraps around below 0, so only the sum over all caches has a
 * meaning.
 */
static uint64_t pool_brought(const struct cache *cache, unsigned bucket)
{
    const struct cache_tally *tally = &cache->tally[bucket];
    return counter_read(&tally->deposited) - counter_read(&tally->withdrawn) - counter_read(&tally->stack_hits);
}

static uint64_t pool_retained_slots(unsigned bucket)
{
    uint64_t stocked = pools[bucket].inherited_depot;
    for (uint32_t number = 0; number < cache_count(); number++) {
        stocked += pool_brought(cache_at(number), bucket);
    }
    for (uint32_t number = 0; number < percpu_records(); number++) {
        stocked += pool_brought(percpu_at(number), bucket);
    }
    /* the difference may be below 0, because the counters were not read at the same moment */
    return (int64_t)stocked > 0 ? stocked : 0;
}

uint64_t pool_retained(void)
{
    uint64_t bytes = 0;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        bytes += pool_retained_slots(bucket) * region.geometry[bucket].capacity;
    }
    return bytes;
}

/* Empties the calling thread's magazines of a bucket by setting the quota to 0 and then back. If another thread gets
 * that part of the budget meanwhile, the quota stays 0 until training raises it again. */
static void pool_drain_own(struct cache *cache, unsigned bucket)
{
    uint32_t quota = cache_quota(cache, bucket);
    cache_set_quota(cache, bucket, 0);
    cache_set_quota(cache, bucket, quota);
}

static void pool_drain_others(struct cache *cache, unsigned bucket)
{
    /* begins with 1, because cache number 0 has no magazines */
    for (uint32_t number = 1; number < cache_count(); number++) {
        cache_deposit(cache, bucket, cache_steal(cache_at(number), bucket));
    }
}

void pool_drain(void)
{
    struct cache *cache = pool_counters();
    for (unsigned bucket = 0; bucket < region.buckets && cache_is_own(cache); bucket++) {
        pool_drain_own(cache, bucket);
        pool_drain_others(cache, bucket);
    }
}

void pool_reclaim(size_t bytes)
{
    size_t wanted = GREATER(bytes, pool_quantum());
    if (pool_trim(wanted) < wanted) {
        pool_drain();
        pool_trim(wanted);
    }
}
