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
 */
enum { POPULATE_PAGES = 16, POPULATE_LEAST = 2, UNTOUCHED_ALL = 256, SMOOTHING = 8 };

/* Pages of a request that are looked at, or populated where all are written to. */
static size_t pool_populated_pages(size_t request)
{
    size_t pages = os_round_to_pages(request) / os_page_size();
    return pages < POPULATE_PAGES ? pages : POPULATE_PAGES;
}

void pool_populate(unsigned bucket, void *slot, size_t request)
{
    if (LIKELY(!card_is_zero(card_read(lane_card(bucket, slot))))) {
        return;
    }
    if (pressure_grow(request)) {
        pool_relieve(request);
    }
    uint32_t untouched = atomic_load_explicit(&pools[bucket].untouched, memory_order_relaxed);
    size_t pages = pool_populated_pages(request) * (UNTOUCHED_ALL - untouched) / UNTOUCHED_ALL;
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
    unsigned char there[POPULATE_PAGES];
    size_t page = os_page_size();
    size_t written = os_residency(slot, pages * page, there) ? pages : 0;
    while (written > 0 &&
           ((there[written - 1] & 1U) == 0 || pool_page_is_zero(slot + (written - 1) * page))) {
        written--;
    }
    return written;
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
    int32_t after = before + (found - before) / SMOOTHING;
    atomic_store_explicit(untouched, (uint32_t)after, memory_order_relaxed);
}
