/* Gives new and purged slots the pages that their requests will want, before these are touched. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_populate.h"

#include "base/bounds.h"
#include "os/os.h"
#include "pool/pool_purge.h"
#include "pool/pressure.h"

/*
 * A page costs some 10 us by fault and 2 us in a call for sixteen. But one that the program never
 * writes to is memory for nothing: a reader asks for 256 KiB and gets 1,500 bytes. So a new slot is
 * a sampled slot: it gets no page but by touch. What of it is in memory by the time that the next new
 * slot of its bucket is taken, the next AHEAD_SLOTS get at once, and the one after them is a
 * sampled slot again. A region that does not grow pays for what is touched, and for nothing else.
 *
 * A server that reads for many clients takes a buffer for each before it fills the first, and a
 * sampled slot among them has a page or none by then. So one that is live and not whole stays: it is
 * looked at again AHEAD_SLOTS later, and meanwhile the pages ahead are halved each time. They are
 * trusted at once and doubted slowly: where a program begins to leave its buffers empty, as many
 * pages come in vain once more as AHEAD_SLOTS of them would take.
 *
 * Behind a seccomp filter nobody may ask what is in memory. Then no sampled slot is heard, what was
 * trusted is soon doubted, and all pages come by touch: slower in a burst, and never memory for
 * nothing. What is in a live slot can't be read instead, since its owner may have protected it.
 */
enum { AHEAD_PAGES = 256, AHEAD_SLOTS = 15, POPULATE_LEAST = 2 };

/* Pages of a request that are looked at, or populated at most. */
static size_t pool_populated_pages(size_t request)
{
    size_t pages = os_round_to_pages(request) / os_page_size();
    return LESSER(pages, AHEAD_PAGES);
}

/* Pages from the start of the bucket's last sampled slot that are in memory; of one that is there as a
 * whole, AHEAD_PAGES. A hint: it may have been freed since, or be another's. */
static uint32_t pool_sampled_pages(unsigned bucket)
{
    unsigned char there[AHEAD_PAGES];
    uint32_t sampled_slot = atomic_load_explicit(&pools[bucket].sampled_slot, memory_order_relaxed);
    if (sampled_slot == 0) {
        return 0;
    }
    uint32_t number = sampled_slot - 1;
    size_t request = region_request(number);
    size_t pages = pool_populated_pages(request);
    size_t count = 0;
    if (os_residency(region_slot(number), pages * os_page_size(), there)) {
        while (count < pages && (there[count] & 1U) != 0) {
            count++;
        }
    }
    return count == pages ? AHEAD_PAGES : (uint32_t)count;
}

/* Whether there is something to wait for: what is free will not be written to. */
static bool pool_sampled_is_live(unsigned bucket)
{
    uint32_t number = atomic_load_explicit(&pools[bucket].sampled_slot, memory_order_relaxed) - 1;
    return slot_meta_state(region_meta(number)) == SLOT_LIVE;
}

/* Looks at the sampled slot, and says by it what comes ahead. Whether it stays. */
static bool pool_check_sampled(unsigned bucket)
{
    struct pool *pool = &pools[bucket];
    uint32_t trusted = atomic_load_explicit(&pool->ahead_pages, memory_order_relaxed) / 2;
    uint32_t sampled_pages = pool_sampled_pages(bucket);
    uint32_t pages = GREATER(sampled_pages, trusted);
    atomic_store_explicit(&pool->ahead_pages, pages, memory_order_relaxed);
    atomic_store_explicit(&pool->ahead, pages >= POPULATE_LEAST ? AHEAD_SLOTS : 0, memory_order_relaxed);
    return sampled_pages < AHEAD_PAGES && trusted >= POPULATE_LEAST && pool_sampled_is_live(bucket);
}

/* Pages that a new slot of the bucket gets at once; none, and it is the next sampled slot. */
static size_t pool_ahead_pages(unsigned bucket, const void *slot)
{
    struct pool *pool = &pools[bucket];
    uint32_t ahead = atomic_load_explicit(&pool->ahead, memory_order_relaxed);
    if (ahead > 0) {
        atomic_store_explicit(&pool->ahead, ahead - 1, memory_order_relaxed);
    } else if (!pool_check_sampled(bucket)) {
        atomic_store_explicit(&pool->sampled_slot, region_number(slot) + 1, memory_order_relaxed);
        return 0;
    }
    return atomic_load_explicit(&pool->ahead_pages, memory_order_relaxed);
}

void pool_populate(unsigned bucket, void *slot, size_t request)
{
    if (LIKELY(!slot_meta_is_zero(region_meta(region_number(slot))))) {
        return;
    }
    if (pressure_grow(request)) {
        pool_reclaim(request);
    }
    size_t pages = pool_populated_pages(request);
    size_t ahead = pages >= POPULATE_LEAST ? pool_ahead_pages(bucket, slot) : 0;
    if (ahead > 0) {
        os_populate(slot, LESSER(pages, ahead) * os_page_size());
    }
}

/*
 * A processor fetches ahead of a copy up to the end of the page, and no further. So the copy, which
 * for a network buffer is the kernel's for a read, waits at the start of each page, one after the
 * other. Asked for when the slot is taken they come side by side: a quarter less time for a read
 * into a buffer that is in no near cache (doc/design/measurements.md).
 *
 * Asked for earlier, as when a magazine comes in, they are gone again when they are needed: at the
 * start of a page, all of them have a few places in the near caches. For the same reason no more
 * than FETCH_MOST at once. And where a buffer stays empty all of it is for nothing; hence as many
 * pages as the bucket's last new slots were found to have in memory, see pool_populate.
 */
enum { FETCH_MOST = 16 };

/* Bytes from the start of a slot that a program is likely to fill, as far as they are asked for. In
 * bytes, since a division would take as long as the rest of it. */
size_t pool_fetched_bytes(unsigned bucket, size_t request)
{
    size_t filled = pool_filled_pages(bucket);
    size_t bytes = LESSER(filled, FETCH_MOST) * os_page_size();
    return LESSER(bytes, request);
}

FETCHES_TO_WRITE void pool_fetch_lines(unsigned bucket, const void *slot, size_t request)
{
    size_t page = os_page_size();
    size_t bytes = pool_fetched_bytes(bucket, request);
    for (size_t offset = 0; offset < bytes; offset += page) {
        __builtin_prefetch((const char *)slot + offset, 1);
    }
}
