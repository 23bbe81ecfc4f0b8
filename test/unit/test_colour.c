/* The colour room: the data that every request touches lie at different offsets of their pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "cache.h"
#include "colour.h"
#include "crew.h"
#include "house.h"
#include "lane.h"
#include "route.h"

/* Half lines: what is only read may share a line with other such things, as lanes and route do. */
enum { UNIT = CACHE_LINE / 2, UNITS = COLOUR_PAGE / UNIT };

/* Who has the part of a page. */
static const char *owner[UNITS];

static void claim(const void *address, size_t size, const char *who)
{
    size_t first = (uintptr_t)address % COLOUR_PAGE / UNIT;
    size_t last = ((uintptr_t)address + size - 1) % COLOUR_PAGE / UNIT;
    for (size_t part = first; part <= last; part++) {
        cr_expect(owner[part] == NULL || owner[part] == who, "offset %zx: %s and %s", part * UNIT,
                  owner[part], who);
        owner[part] = who;
    }
}

Test(colour, hot_data_do_not_share_an_offset)
{
    house_lay_default();
    claim(lane_slot(B4K, 0), CACHE_LINE, "buffers");
    claim(lanes.lane, sizeof lanes.lane, "lanes");
    claim(&lanes.start, 1, "lanes");
    claim(&route.minimum, sizeof route.minimum + sizeof route.span, "route");
    claim(cache_reach()->bin, sizeof cache_reach()->bin, "bins");
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        claim(lanes.lane[bucket].cards, 1, house_plan.label[bucket]);
        claim((const void *)lanes.lane[bucket].links, 1, house_plan.label[bucket]);
    }
}

static void expect_colour(unsigned number)
{
    (void)number;
    CHECK((uintptr_t)cache_reach()->bin % COLOUR_PAGE == COLOUR_BINS);
}

Test(colour, bins_of_all_threads_have_the_same)
{
    house_lay_default();
    expect_colour(0);
    crew_run(4, expect_colour);
}
