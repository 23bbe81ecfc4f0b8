/* Gives the pages of free slots back to the kernel. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "depot.h"
#include "os.h"
#include "pool_parts.h"
#include "probe.h"
#include "slots.h"
#include "standard.h"

/* Of which free slots the pages are to go. */
enum purge_from { PURGE_OLD, PURGE_ANY };

/* A loose slot, or STACK_EMPTY; and back. The standard pool counts its own. */
static uint32_t pool_withdraw_loose(unsigned bucket, enum purge_from from)
{
    if (pool_kind() == KIND_STANDARD) {
        return standard_withdraw(bucket, from == PURGE_OLD);
    }
    uint32_t number = slots_take_generation(bucket, decay_old());
    return number == STACK_EMPTY && from == PURGE_ANY ? slots_take_loose(bucket) : number;
}

static void pool_restore_loose(unsigned bucket, uint32_t number)
{
    if (pool_kind() == KIND_STANDARD) {
        standard_restore(bucket, number);
    } else {
        slots_give(bucket, number);
    }
}

/* A few free slots that the caller holds, on their way to the stack of purged ones. */
enum { PURGE_BATCH = 64, QUANTUM_PAGES = 128 };

struct purge {
    struct cache *cache;
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

/* How many of the sorted slots lie side by side from `first` on. */
static unsigned pool_run_length(const struct purge *purge, unsigned first)
{
    unsigned length = 1;
    while (first + length < purge->count &&
           purge->number[first + length] == purge->number[first] + length) {
        length++;
    }
    return length;
}

static void pool_purge_slot(struct purge *purge, uint32_t number)
{
    struct card *card = &lanes.lane[purge->bucket].cards[number];
    card_write(card, CARD_PURGED | card_request(card_read(card)));
    slots_give_purged(purge->bucket, number);
    pool_count(purge->cache, &purge->cache->tally[purge->bucket].purged, 1);
}

static void pool_keep_slot(struct purge *purge, uint32_t number)
{
    pool_restore_loose(purge->bucket, number);
    pool_count_deposit(purge->cache, purge->bucket, 1);
}

/* One call for slots that lie side by side. What the kernel would not take stays loose. */
static size_t pool_purge_run(struct purge *purge, unsigned first, unsigned length)
{
    unsigned bucket = purge->bucket;
    size_t size = length * lanes.lane[bucket].stride;
    bool gone = os_discard(lane_slot(bucket, purge->number[first]), size);
    for (unsigned i = first; i < first + length; i++) {
        if (gone) {
            pool_purge_slot(purge, purge->number[i]);
        } else {
            pool_keep_slot(purge, purge->number[i]);
        }
    }
    if (!gone) {
        return 0;
    }
    probe_purge(bucket, size);
    return size;
}

/*
 * Gives the pages of the slots back; the batch is empty then. Where a processor forgets its
 * translations one by one, or a virtual machine has to be left for each, a call for many pages that
 * lie side by side costs less than one for a single slot: hence the order.
 */
static size_t pool_purge(struct purge *purge)
{
    size_t purged = 0;
    pool_sort(purge->number, purge->count);
    for (unsigned first = 0; first < purge->count;) {
        unsigned length = pool_run_length(purge, first);
        purged += pool_purge_run(purge, first, length);
        first += length;
    }
    purge->count = 0;
    return purged;
}

/* Slots in one batch: what the limit asks for, one at least. */
static unsigned pool_batch(unsigned bucket, size_t limit)
{
    size_t stride = lanes.lane[bucket].stride;
    size_t wanted = limit / stride + (limit % stride != 0 ? 1 : 0);
    return wanted < PURGE_BATCH ? (unsigned)wanted : PURGE_BATCH;
}

/* Fills a batch from the loose slots. */
static void pool_gather_loose(struct purge *purge, unsigned wanted, enum purge_from from)
{
    while (purge->count < wanted) {
        uint32_t number = pool_withdraw_loose(purge->bucket, from);
        if (number == STACK_EMPTY) {
            return;
        }
        pool_count_withdrawal(purge->cache, purge->bucket, 1);
        purge->number[purge->count++] = number;
    }
}

/* Fills a batch from one full magazine of the depot's, the lowest first, which have been free for
 * longest. */
static void pool_gather_magazine(struct purge *purge, unsigned wanted, enum purge_from from)
{
    unsigned bucket = purge->bucket;
    struct magazine *magazine = depot_take_old(bucket);
    if (magazine == NULL && from == PURGE_ANY) {
        magazine = depot_take_full(bucket);
    }
    if (magazine == NULL) {
        return;
    }
    uint32_t count = magazine_count(magazine);
    uint32_t taken = count < wanted - purge->count ? count : wanted - purge->count;
    for (uint32_t i = 0; i < taken; i++) {
        purge->number[purge->count++] = lane_number(bucket, magazine->slot[i]);
    }
    memmove(magazine->slot, magazine->slot + taken, (count - taken) * sizeof(void *));
    magazine_set_count(magazine, count - taken);
    pool_count_withdrawal(purge->cache, bucket, taken);
    depot_give_old(bucket, magazine);
}

size_t pool_quantum(void)
{
    return QUANTUM_PAGES * os_page_size();
}

/* About `limit` bytes of one bucket. */
static size_t pool_trim_bucket(struct cache *cache, unsigned bucket, size_t limit,
                               enum purge_from from)
{
    struct purge purge = {.cache = cache, .bucket = bucket, .count = 0};
    size_t purged = 0;
    while (purged < limit) {
        unsigned wanted = pool_batch(bucket, limit - purged);
        pool_gather_loose(&purge, wanted, from);
        if (purge.count < wanted) {
            pool_gather_magazine(&purge, wanted, from);
        }
        size_t part = pool_purge(&purge);
        if (part == 0) {
            break;
        }
        purged += part;
    }
    return purged;
}

static size_t pool_trim_from(size_t limit, enum purge_from from)
{
    struct cache *cache = pool_books();
    size_t purged = 0;
    for (unsigned bucket = lanes.count; bucket-- > 0 && purged < limit;) {
        purged += pool_trim_bucket(cache, bucket, limit - purged, from);
    }
    return purged;
}

size_t pool_trim(size_t limit)
{
    return pool_trim_from(limit, PURGE_ANY);
}

size_t pool_trim_old(size_t limit)
{
    return pool_trim_from(limit, PURGE_OLD);
}

/* A call brings at most a magazine of the largest trained bucket, or a slot. */
static size_t pool_settled_most(void)
{
    unsigned trained = pool_first_large < lanes.count ? pool_first_large : lanes.count;
    size_t magazine = trained > 0 ? MAGAZINE_SLOTS * lanes.lane[trained - 1].capacity : 0;
    return magazine > pool_quantum() ? magazine : pool_quantum();
}

/* The large buckets' pages go first: so what the large pool has too much of does. */
void pool_settle(void)
{
    if (budget_limits_stock()) {
        uint64_t large = budget_excess_large();
        uint64_t all = budget_excess();
        uint64_t excess = large > all ? large : all;
        if (excess > 0) {
            size_t most = pool_settled_most();
            pool_trim(excess < most ? (size_t)excess : most);
        }
    }
}
