/* Gives new and purged slots the pages that their requests will want, before these are touched. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os.h"
#include "pool.h"
#include "pressure.h"

/*
 * A page costs some 10 us by fault and 2 us in a call for sixteen. But one that the program never
 * writes to is memory for nothing: a reader asks for 256 KiB and gets 1,500 bytes. So a bucket's
 * slots are sampled when they are free again, and what was not written to there is not populated
 * for the next. `untouched` is that share, smoothed, UNTOUCHED_ALL being all of it.
 *
 * Before anything was sampled, and for a lane that is quiet, QUIET_PAGES are all that is risked.
 * Where a slot that got no more than those is in memory as a whole by the time that the next new
 * one is taken, the lane is growing and its slots are written to: AHEAD_SLOTS then get all pages at
 * once, and the one after them is looked at again. (1 MiB, written to: 3.6 ms with 16 pages a call,
 * 1.5 ms with 256; scripts/bench zeroed.)
 */
enum { QUIET_PAGES = 16, AHEAD_PAGES = 256, AHEAD_SLOTS = 7, POPULATE_LEAST = 2 };
enum { UNTOUCHED_ALL = 256, SMOOTHING = 8 };

static size_t at_most(size_t pages, size_t limit)
{
    return pages < limit ? pages : limit;
}

/* Pages of a request that are looked at, or populated in a growing lane where all are written to.
 */
static size_t pool_populated_pages(size_t request)
{
    return at_most(os_round_to_pages(request) / os_page_size(), AHEAD_PAGES);
}

/* Whether all pages of the bucket's last witness are in memory. A hint: it may have been freed
 * since, or be another's. */
static bool pool_witness_is_there(unsigned bucket)
{
    unsigned char there[AHEAD_PAGES];
    uint32_t witness = atomic_load_explicit(&pools[bucket].witness, memory_order_relaxed);
    if (witness == 0) {
        return false;
    }
    size_t pages =
        pool_populated_pages(card_request(card_read(&lanes.lane[bucket].cards[witness - 1])));
    size_t count = 0;
    if (os_residency(lane_slot(bucket, witness - 1), pages * os_page_size(), there)) {
        while (count < pages && (there[count] & 1U) != 0) {
            count++;
        }
    }
    return pages > QUIET_PAGES && count == pages;
}

/* Pages that may be risked for a new slot: all, or those of a quiet lane. */
static size_t pool_risked_pages(unsigned bucket, const void *slot)
{
    struct pool *pool = &pools[bucket];
    uint32_t ahead = atomic_load_explicit(&pool->ahead, memory_order_relaxed);
    if (ahead > 0) {
        atomic_store_explicit(&pool->ahead, ahead - 1, memory_order_relaxed);
        return AHEAD_PAGES;
    }
    if (pool_witness_is_there(bucket)) {
        atomic_store_explicit(&pool->ahead, AHEAD_SLOTS, memory_order_relaxed);
    }
    atomic_store_explicit(&pool->witness, lane_number(bucket, slot) + 1, memory_order_relaxed);
    return QUIET_PAGES;
}

static size_t pool_wanted_pages(unsigned bucket, const void *slot, size_t request)
{
    uint32_t untouched = atomic_load_explicit(&pools[bucket].untouched, memory_order_relaxed);
    size_t pages = pool_populated_pages(request) * (UNTOUCHED_ALL - untouched) / UNTOUCHED_ALL;
    return pages <= QUIET_PAGES ? pages : at_most(pages, pool_risked_pages(bucket, slot));
}

void pool_populate(unsigned bucket, void *slot, size_t request)
{
    if (LIKELY(!card_is_zero(card_read(lane_card(bucket, slot))))) {
        return;
    }
    if (pressure_grow(request)) {
        pool_relieve(request);
    }
    size_t pages = pool_wanted_pages(bucket, slot, request);
    if (pages >= POPULATE_LEAST) {
        os_populate(slot, pages * os_page_size());
    }
}

static bool pool_page_is_zero(const char *page)
{
    const uint64_t *words = (const uint64_t *)(const void *)page;
    for (size_t i = 0; i < os_page_size() / sizeof *words; i++) {
        if (words[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Pages from the slot's start up to the last one that was written to. What is not in memory is not
 * read: that would put a page there. */
static size_t pool_written_pages(const char *slot, size_t pages)
{
    unsigned char there[AHEAD_PAGES];
    size_t page = os_page_size();
    size_t written = os_residency(slot, pages * page, there) ? pages : 0;
    while (written > 0 &&
           ((there[written - 1] & 1U) == 0 || pool_page_is_zero(slot + (written - 1) * page))) {
        written--;
    }
    return written;
}

/* A part of the difference; a step at least, so that the share gets there. */
static int32_t pool_smoothed(int32_t difference)
{
    int32_t step = difference / SMOOTHING;
    return step != 0 ? step : (difference > 0) - (difference < 0);
}

void pool_learn_touched(unsigned bucket, uint32_t number)
{
    size_t request = card_request(card_read(&lanes.lane[bucket].cards[number]));
    size_t pages = pool_populated_pages(request);
    if (pages < POPULATE_LEAST) {
        return;
    }
    size_t written = pool_written_pages(lane_slot(bucket, number), pages);
    int32_t found = (int32_t)((pages - written) * UNTOUCHED_ALL / pages);
    _Atomic uint32_t *untouched = &pools[bucket].untouched;
    int32_t before = (int32_t)atomic_load_explicit(untouched, memory_order_relaxed);
    int32_t after = before + pool_smoothed(found - before);
    atomic_store_explicit(untouched, (uint32_t)after, memory_order_relaxed);
}
