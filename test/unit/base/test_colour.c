/* Tests of base/colour.h: the data that every malloc and free touch lie at different offsets of their pages, so that
 * they do not share a cache set. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "base/colour.h"
#include "cache/cache.h"
#include "cache/magazine.h"
#include "memory/region.h"
#include "route/route.h"
#include "support/crew.h"
#include "support/house.h"

/* Offsets are compared in units of half a cache line. A whole line would be too large a unit, because data that are
 * only read may share a cache line: COLOUR_REGIONS and COLOUR_HINTS are half a line apart. */
enum { UNIT = CACHE_LINE / 2, UNITS = COLOUR_PAGE / UNIT };

/* for each unit (half a cache line) of a page: the name of the data that lie there; NULL if there are none */
static const char *owner[UNITS];

/* Marks in `owner` the units of a page in which the `size` bytes at `address` lie. Fails the test if other data than
 * `who` lie in one of these units. */
static void claim(const void *address, size_t size, const char *who)
{
    size_t first = (uintptr_t)address % COLOUR_PAGE / UNIT;
    size_t last = ((uintptr_t)address + size - 1) % COLOUR_PAGE / UNIT;
    for (size_t part = first; part <= last; part++) {
        cr_expect(owner[part] == NULL || owner[part] == who, "offset %zx: %s and %s", part * UNIT, owner[part], who);
        owner[part] = who;
    }
}

/* Marks in `owner` the units (half cache lines) of a page in which the metadata of slots begin. The metadata lie in two
 * tables, one of states and one of requests; the first cache line of each table is marked. */
static void claim_metadata(void)
{
    claim((const void *)region.states, CACHE_LINE, "states");
    claim((const void *)region.requests, CACHE_LINE, "requests");
}

static void claim_what_is_only_read(void)
{
    claim(&region.start, CACHE_LINE, "only read");
    claim(region.geometry, house_plan.first_large * sizeof *region.geometry, "only read");
    size_t granules = region.geometry[house_plan.first_large - 1].capacity >> BUCKET_GRANULE_SHIFT;
    size_t size = (size_t)((const char *)&route.line[granules] - (const char *)&route.direct_below);
    claim(&route.direct_below, size, "only read");
    claim(&route.hints, 2 * sizeof route.hints, "only read");
}

/* Marks in `owner` the units (half cache lines) of a page in which magazines lie. The 32 magazines fill several pages,
 * and must lie at the same offsets in each page. */
static void claim_magazines(void)
{
    for (unsigned i = 0; i < 32; i++) {
        const struct magazine *magazine = magazine_open();
        claim(magazine->slot, sizeof magazine->slot, "magazines");
    }
}

/* A trained bucket is one of which caches hold free slots. Its malloc and free touch all data that are marked here. */
Test(colour, data_of_a_trained_bucket_share_no_offset)
{
    house_lay_default();
    claim(region_slot(1), CACHE_LINE, "buffers");
    claim_what_is_only_read();
    claim_magazines();
    for (unsigned bucket = 0; bucket < house_plan.first_large; bucket++) {
        claim(&cache_reach()->bin[bucket], sizeof(struct cache_bin), "bins");
    }
    claim_metadata();
}

/* The data of a large bucket may lie at the page offset of a neighbouring large bucket's data, because a thread seldom
 * uses two neighbours at once. They must not lie at the page offset of any data that every malloc and free touch. */
Test(colour, data_of_a_large_bucket_share_no_offset)
{
    house_lay_default();
    for (unsigned bucket = house_plan.first_large; bucket < house_plan.count; bucket++) {
        memset(owner, 0, sizeof owner);
        claim(region_slot(1), CACHE_LINE, "buffers");
        claim(&region.start, CACHE_LINE, "only read");
        claim(&region.geometry[bucket], sizeof *region.geometry, "only read");
        claim(&cache_reach()->bin[bucket], sizeof(struct cache_bin), "bins");
        claim_metadata();
    }
}

static void expect_colour(unsigned number)
{
    (void)number;
    CHECK((uintptr_t)cache_reach()->bin % COLOUR_PAGE == COLOUR_BINS);
}

Test(colour, bins_of_all_threads_have_one_offset)
{
    house_lay_default();
    expect_colour(0);
    crew_run(4, expect_colour);
}
