/* Measures how many bytes of the range of slots are in memory, by bucket and by state of the slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/residency.h"

#include <string.h>

#include "base/bounds.h"
#include "memory/region.h"
#include "memory/slot_meta.h"
#include "os/os.h"

/* Returns the member of `residency` that counts the pages of a slot with this state byte. */
static size_t *residency_of(struct residency *residency, uint8_t meta)
{
    switch (slot_meta_state(meta)) {
    case SLOT_LIVE:
        return &residency->live;
    case SLOT_PURGED:
        return &residency->purged;
    default:
        return &residency->free;
    }
}

/* The state of a walk, page by page, over slots that lie side by side. */
struct walk {
    uint32_t slot; /* the number of the slot that the walk has reached */
    struct residency *residency;
};

static uint32_t slot_pages(uint32_t number)
{
    return region.geometry[region_bucket(number)].pages;
}

/* Adds a page that is in memory to the counts of its slot's bucket (walk->residency). */
static void residency_add(struct walk *walk, uint32_t number)
{
    while (number >= walk->slot + slot_pages(walk->slot)) {
        walk->slot += slot_pages(walk->slot);
    }
    uint8_t meta = region_meta(walk->slot);
    *residency_of(&walk->residency[slot_meta_bucket(meta)], meta) += (size_t)1 << REGION_SHIFT;
}

/*
 * Adds the pages that are in memory, from `first` up to the one before `end`, to the counts of their buckets
 * (walk->residency). Returns false if the kernel does not say which pages are in memory.
 */
static bool residency_add_part(struct walk *walk, uint32_t first, uint32_t end)
{
    /* the array is small, because a signal handler may have a stack of two pages */
    unsigned char pages[OS_RESIDENCY_PAGES];
    size_t granules = os_page_size() >> REGION_SHIFT; /* the number of granules of 4 KiB in a page of the machine */
    if (!residency_ask(region_slot(first), (size_t)(end - first) << REGION_SHIFT, pages)) {
        return false;
    }
    for (uint32_t number = first; number < end; number++) {
        if ((pages[(number - first) / granules] & 1U) != 0) {
            residency_add(walk, number);
        }
    }
    return true;
}

/*
 * Adds the resident pages of slots that lie side by side, in steps of OS_RESIDENCY_PAGES pages. Returns false if the
 * kernel does not say which pages are resident.
 */
static bool residency_add_stretch(struct residency *residency, uint32_t first, uint32_t end)
{
    struct walk walk = {.slot = first, .residency = residency};
    uint32_t most = (uint32_t)(OS_RESIDENCY_PAGES * os_page_size() >> REGION_SHIFT);
    bool known = true;
    while (known && first < end) {
        uint32_t part = LESSER(end - first, most);
        known = residency_add_part(&walk, first, first + part);
        first += part;
    }
    return known;
}

/*
 * Adds the resident pages of all slots. Goes from one stretch of slots that lie side by side to the next, because the
 * addresses between them may be unmapped, and mincore would fail for these. Returns false if the kernel does not say
 * which pages are resident.
 */
static bool residency_add_all(struct residency *residency)
{
    bool known = true;
    uint32_t number = region_next(0);
    while (known && number != REGION_END) {
        uint32_t first = number;
        uint32_t end = number;
        while (number == end) {
            end += slot_pages(number);
            number = region_after(number);
        }
        known = residency_add_stretch(residency, first, end);
    }
    return known;
}

void residency_measure(struct residency residency[BUCKET_LIMIT])
{
    memset(residency, 0, BUCKET_LIMIT * sizeof residency[0]);
    bool known = residency_add_all(residency);
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        residency[bucket] = known ? residency[bucket] : (struct residency){.known = false};
        residency[bucket].known = known;
    }
}
