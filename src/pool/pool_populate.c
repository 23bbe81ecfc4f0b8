/* Prepares memory before the program first writes to it: pages of new slots, and cache lines of cold slots, which were
 * freed long ago. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pool_populate.h"

#include "base/bounds.h"
#include "os/os.h"
#include "pool/pool_purge.h"
#include "pool/pressure.h"

/*
 * A page costs some 10 us if the program's first write faults it in, and 2 us if a call to the kernel populates sixteen
 * pages at once. But a page that the program never writes to is wasted: some servers request 256 KiB to read 1,500
 * bytes. So the library samples. One new slot of each bucket, the sampled slot, gets no page in advance. When the
 * bucket's next new slot is allocated, the pages of the sampled slot that are resident by then are counted. The next
 * AHEAD_SLOTS new slots get as many pages in advance, and the one after them is the next sampled slot. If no new slots
 * are needed, this costs nothing.
 *
 * A server that reads for many clients allocates a buffer for each before it fills the first, so the sampled slot may
 * have one page or none when it is looked at. Therefore a sampled slot that is live and not filled to its end stays the
 * sampled slot, and is looked at again AHEAD_SLOTS slots later. Each such look halves the number of pages that a new
 * slot gets in advance, unless more are resident. So this number rises at once and falls slowly. If a program begins to
 * leave its buffers empty, the pages of AHEAD_SLOTS slots are wasted, then half as many, and so on: in all about twice
 * the pages of AHEAD_SLOTS slots.
 *
 * A look at the sampled slot is a system call of 1 to 2 us, which is most of the cost of a new slot that the program
 * never writes to. While sampled slots stay empty, the looks therefore become rare: the library looks when the 2nd,
 * 4th, 8th and 16th new slot of a bucket is allocated, and then at every 16th allocation of a new slot, until a look
 * finds a filled slot.
 *
 * A seccomp filter may forbid the system call that says which pages are resident. Then the sampled slot is never found
 * filled, the number of pages in advance soon falls to 0, and all pages come by faults. This is slower in a burst, but
 * wastes nothing. The library does not read the slot's memory to find out, because the program may have protected it. A
 * new slot gets at most AHEAD_PAGES pages in advance; a request of fewer than POPULATE_LEAST pages gets none, and is
 * not sampled.
 */
enum { AHEAD_PAGES = 256, AHEAD_SLOTS = 15, POPULATE_LEAST = 2 };

/* Returns how many pages of a request are checked for residency or populated: all, but at most AHEAD_PAGES. */
static size_t pool_populated_pages(size_t request)
{
    size_t pages = os_round_to_pages(request) / os_page_size();
    return LESSER(pages, AHEAD_PAGES);
}

/*
 * Returns how many pages from the start of the bucket's sampled slot (a new slot that got no page in advance) are
 * resident without a gap; or AHEAD_PAGES if the whole request is resident. This is a hint, because the slot may have
 * been freed, or allocated again, since it was chosen.
 */
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

/* Returns true if the bucket's sampled slot, which shows how many pages the program fills, is live. If it is free, the
 * program does not write to it any more. */
static bool pool_sampled_is_live(unsigned bucket)
{
    uint32_t number = atomic_load_explicit(&pools[bucket].sampled_slot, memory_order_relaxed) - 1;
    return slot_meta_state(region_meta(number)) == SLOT_LIVE;
}

/*
 * Returns after how many new slots of the bucket its sampled slot is checked next. `filled` is true if new slots get
 * pages in advance, as the last check decided. If `filled` is false, the next call returns about twice as many.
 */
static uint32_t pool_pause(struct pool *pool, bool filled)
{
    uint32_t last = atomic_load_explicit(&pool->pause, memory_order_relaxed);
    uint32_t longer = 2 * last + 1;
    uint32_t pause = filled ? 0 : LESSER(longer, AHEAD_SLOTS);
    atomic_store_explicit(&pool->pause, pause, memory_order_relaxed);
    return filled ? AHEAD_SLOTS : last;
}

/* Sets how many pages new slots get in advance: as many as are resident in the sampled slot (a new slot that got no
 * page in advance), or half as many as before if that is more. Also sets after how many new slots the next check comes.
 * Returns true if the sampled slot is to be checked again. */
static bool pool_check_sampled(unsigned bucket)
{
    struct pool *pool = &pools[bucket];
    uint32_t trusted = atomic_load_explicit(&pool->ahead_pages, memory_order_relaxed) / 2;
    uint32_t sampled_pages = pool_sampled_pages(bucket);
    uint32_t pages = GREATER(sampled_pages, trusted);
    bool filled = pages >= POPULATE_LEAST;
    atomic_store_explicit(&pool->ahead_pages, filled ? pages : 0, memory_order_relaxed);
    atomic_store_explicit(&pool->ahead, pool_pause(pool, filled), memory_order_relaxed);
    return sampled_pages < AHEAD_PAGES && trusted >= POPULATE_LEAST && pool_sampled_is_live(bucket);
}

/* Returns how many pages a new slot of the bucket gets in advance. Returns 0 if the function makes the slot the
 * bucket's next sampled slot, which gets none. */
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
 * A processor's prefetcher follows a copy up to the end of a page, and no further. So a copy that fills a buffer, which
 * for a network buffer is the kernel's copy in read, waits for memory at the start of each page, one page after the
 * other. If the first lines of all pages are prefetched when the slot is allocated, the processor loads them at the
 * same time: a read into a buffer that is in no near cache takes a quarter less time (doc/design/measurements.md).
 *
 * Prefetching earlier, when a magazine becomes the private one, does not help: lines at the start of a page share few
 * places of the near caches, and are evicted before they are used. For the same reason no more than FETCH_MOST lines
 * are prefetched at a time. In a buffer that stays empty the prefetched lines are wasted. So lines are prefetched for
 * as many pages only as were found resident in the bucket's sampled slots (new slots that got no page in advance).
 */
enum { FETCH_MOST = 16 };

/* The result is in bytes and not in pages, because a division would take as long as all the rest of this function. */
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
