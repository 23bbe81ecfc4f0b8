/* Tests of statistics/dump.c: the list of slots in use, which is a part of each report and can be written alone. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool/pool.h"
#include "statistics/dump.h"
#include "statistics/format.h"
#include "support/house.h"
#include "support/place.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */, TEXT_SIZE = 2 * FORMAT_TEXT_SIZE };

static char text[TEXT_SIZE];

/* Makes a directory for reports, and allocates two slots in different buckets. */
static void open_place(void)
{
    house_pools.kind = KIND_STANDARD;
    house_notes_use = true;
    place_open();
    cr_assert(house_take(B16K, 16384, NULL) && house_take(B4K, 5000, NULL));
    place_set_stats(place_path("stats"));
}

static const char *find_sums(void)
{
    char begin[64];
    snprintf(begin, sizeof begin, "\nend of what is in use by process %d: ", (int)getpid());
    const char *found = strstr(text, begin);
    cr_assert_not_null(found, "no list in: %s", text);
    return found + strlen(begin);
}

/* Returns the number of live slots in the row `total` of the table. In this row the number follows a dash, which stands
 * in place of a capacity. */
static unsigned live_in_the_table(void)
{
    unsigned live;
    const char *row = strstr(text, "\ntotal ");
    cr_assert(row != NULL && sscanf(row, "\ntotal - %u", &live) == 1);
    return live;
}

Test(dump, a_report_has_the_list_before_its_last_line)
{
    open_place();
    errno = UNUSUAL;
    cr_assert(dump_somewhere());
    cr_assert_eq(errno, UNUSUAL);
    cr_assert(dump_somewhere());
    place_read(place_path("stats"), text, sizeof text);
    place_expect_reports(text, 2);
    const char *sums = find_sums();
    cr_assert_eq(live_in_the_table(), 2);
    cr_assert_eq(strncmp(sums, "slots 2, bytes 21384, callers 1\nend of statistics of process ", 61), 0, "%s", sums);
    place_close();
}

Test(dump, the_list_can_come_alone)
{
    open_place();
    errno = UNUSUAL;
    cr_assert(dump_in_use_somewhere());
    cr_assert_eq(errno, UNUSUAL);
    place_read(place_path("stats"), text, sizeof text);
    cr_assert_eq(strncmp(text, "sockmalloc ", 11), 0);
    cr_assert_null(strstr(text, "statistics"));
    cr_assert_str_eq(find_sums(), "slots 2, bytes 21384, callers 1\n");
    place_close();
}

/* If the library keeps no list of slots in use, dump_in_use_somewhere makes no file, and a report contains no list. */
Test(dump, no_list_where_none_is_kept)
{
    place_open();
    place_set_stats(place_path("stats"));
    cr_assert(dump_in_use_somewhere());
    cr_assert_eq(access(place_path("stats"), F_OK), -1);
    cr_assert(dump_somewhere());
    place_read(place_path("stats"), text, sizeof text);
    place_expect_reports(text, 1);
    cr_assert_null(strstr(text, "in use by"));
    place_close();
}
