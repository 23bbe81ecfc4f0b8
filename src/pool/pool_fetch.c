/* Has the lines that whoever fills a cold slot would wait for come side by side. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/bounds.h"
#include "os/os.h"
#include "pool/pool_parts.h"

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

void pool_mark_cold(struct cache *cache, unsigned bucket)
{
    if (pool_filled_pages(bucket) > 0) {
        cache_mark_cold(cache, bucket);
    }
}

/* Where takes were halted, of whatever bucket, the floor lies as high: cache_resume_fast lowers it. */
void *pool_alloc_cold(unsigned bucket, size_t request, uint8_t *was)
{
    struct cache *cache = cache_mine;
    if (cache->state.more || pool_filled_pages(bucket) == 0) {
        return NULL;
    }
    void *slot = cache_pop_cold(cache, bucket);
    if (slot == NULL) {
        return NULL;
    }
    pool_fetch_lines(bucket, slot, request);
    pool_mark(region_number(slot), cache->bin[bucket].live, cache->bin[bucket].owner, request, was);
    counter_add(&cache->bin[bucket].requests, 1);
    counter_add(&cache->bin[bucket].asked, request);
    return slot;
}

bool pool_free_cold(unsigned bucket, void *slot)
{
    struct cache *cache = cache_mine;
    if (!cache_push_cold(cache, bucket, slot)) {
        return false;
    }
    if (UNLIKELY(counter_step(&cache->bin[bucket].returned))) {
        pool_tick(slot);
    }
    return true;
}
