/* The pool room's checks: each sin against a slot ends the process with one line that names it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdio.h>

#include "capture.h"
#include "house.h"
#include "pool.h"

static char *taken;

static void give(void *address)
{
    house_give(address);
}

static void ask(void *address)
{
    pool_card("malloc_usable_size", address);
}

/* Wants of `sin` at `address` the line "CALL(ADDRESS): ..." */
static void expect_death(capture_work *sin, const char *call, char *address, const char *what)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "%s(%p): %s\n", call, (void *)address, what);
    capture_abort(sin, address, wanted);
}

static char *take_third(unsigned bucket, size_t request)
{
    house_lay_default();
    house_take(bucket, request, NULL);
    house_take(bucket, request, NULL);
    taken = house_take(bucket, request, NULL);
    cr_assert_eq(lane_find(taken).slot, 2);
    return taken;
}

Test(pool_misuse, double_free)
{
    give(take_third(B16K, 16390));
    expect_death(give, "free", taken,
                 "bucket 16k, slot 2: freed already: the card says free, last request 16390 bytes");
}

Test(pool_misuse, double_free_of_a_large_slot)
{
    give(take_third(B1M, 1000000));
    expect_death(
        give, "free", taken,
        "bucket 1m, slot 2: freed already: the card says free, last request 1000000 bytes");
}

Test(pool_misuse, free_of_a_purged_slot)
{
    give(take_third(B1M, 1000000));
    cr_assert_geq(pool_trim(1), 1000000);
    expect_death(
        give, "free", taken,
        "bucket 1m, slot 2: freed already: the card says purged, last request 1000000 bytes");
}

Test(pool_misuse, free_of_an_interior_address)
{
    take_third(B4K, 5000);
    expect_death(give, "free", taken + 16,
                 "bucket 4k, slot 2: interior address, 16 bytes into the slot: the card says live");
    expect_death(
        give, "free", taken + 8191,
        "bucket 4k, slot 2: interior address, 8191 bytes into the slot: the card says live");
    give(taken);
    expect_death(give, "free", taken + 1,
                 "bucket 4k, slot 2: interior address, 1 bytes into the slot: the card says free");
}

Test(pool_misuse, free_of_a_slot_that_was_never_issued)
{
    take_third(B64K, 65536);
    expect_death(give, "free", lane_slot(B64K, 3),
                 "bucket 64k, slot 3: never issued: the card says never used");
    expect_death(give, "free", lane_slot(B64K, lanes.lane[B64K].limit - 1),
                 "bucket 64k, slot 962: never issued: the card says never used");
    expect_death(give, "free", lane_slot(B4M, 5),
                 "bucket 4m, slot 5: never issued: the card says never used");
}

Test(pool_misuse, free_beyond_the_last_slot)
{
    take_third(B4K, 5000);
    char *end = lanes.lane[B8K].slots + ((size_t)1 << HOUSE_SHIFT);
    expect_death(give, "free", end - 16,
                 "bucket 8k, slot 5461: interior address, 4080 bytes into the slot: the card says "
                 "never used");
}

Test(pool_misuse, asking_about_what_is_not_live)
{
    take_third(B16K, 16390);
    cr_assert_eq(card_request(card_read(pool_card("malloc_usable_size", taken))), 16390);
    expect_death(
        ask, "malloc_usable_size", taken + 4096,
        "bucket 16k, slot 2: interior address, 4096 bytes into the slot: the card says live");
    give(taken);
    expect_death(ask, "malloc_usable_size", taken,
                 "bucket 16k, slot 2: freed already: the card says free, last request 16390 bytes");
    expect_death(ask, "malloc_usable_size", lane_slot(B32K, 0),
                 "bucket 32k, slot 0: never issued: the card says never used");
}
