/* These cases test whether the library asks the kernel for huge pages in the range of the pools, or refuses them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"
#include "smaps.h"

/* The runner's arguments are two flags of /proc/self/smaps. The mapping of the pools must have the first and must not
 * have the second. If the kernel knows no transparent huge pages, the mapping must have neither. */
CASE(regions_have_the_flag)
{
    bool known = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        char *block = malloc(pools_size(bucket));
        CHECK(pools_own(block));
        CHECK_EQUAL(smaps_has_flag(block, check_arguments[0]), known);
        CHECK(!smaps_has_flag(block, check_arguments[1]));
        free(block);
    }
}

/* If only one small block in the pools' range is in use, the process must not pay for a huge page of 2 MiB. */
CASE(quiet_region_pays_for_what_it_touches)
{
    char *block = malloc(pools_size(0));
    CHECK(pools_own(block));
    memset(block, 1, pools_size(0));
    CHECK_EQUAL(pools_bucket_figure(0, "resident"), pools_size(0));
    CHECK_EQUAL(smaps_figure(block, "AnonHugePages"), 0);
    free(block);
}
