/* Tests of the checks in free, realloc and similar calls: each misuse of a slot ends the process with one line that
 * names the call, the slot and what is wrong. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdio.h>

#include "pool/pool.h"
#include "support/capture.h"
#include "support/house.h"

static char *taken;

static void give(void *address)
{
    house_give(address);
}

static void ask(void *address)
{
    pool_number("malloc_usable_size", address);
}

/* Checks that the misuse `sin` of `address` prints the line "CALL(ADDRESS): bucket BUCKET, slot NUMBER: WHAT" and
 * aborts the process. NUMBER is the number of the slot `taken`. */
static void expect_death(capture_work *sin, const char *call, char *address, const char *bucket, const char *what)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "%s(%p): bucket %s, slot %u: %s\n", call, (void *)address, bucket,
             region_number(taken), what);
    capture_abort(sin, address, wanted);
}

/* Checks that the misuse `sin` of `address`, an address at which no slot lies, prints a line that says so and aborts
 * the process. */
static void expect_no_slot(capture_work *sin, const char *call, char *address)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "%s(%p): never issued: no slot of the pools lies there\n", call, (void *)address);
    capture_abort(sin, address, wanted);
}

static char *take_third(unsigned bucket, size_t request)
{
    house_lay_default();
    house_take(bucket, request, NULL);
    house_take(bucket, request, NULL);
    taken = house_take(bucket, request, NULL);
    cr_assert(region_find(taken).exact);
    return taken;
}

Test(pool_misuse, double_free)
{
    give(take_third(B16K, 16390));
    expect_death(give, "free", taken, "16k", "freed already: the metadata says free, last request 16390 bytes");
}

Test(pool_misuse, double_free_of_a_large_slot)
{
    give(take_third(B1M, 1000000));
    expect_death(give, "free", taken, "1m", "freed already: the metadata says free, last request 1000000 bytes");
}

Test(pool_misuse, free_of_a_purged_slot)
{
    give(take_third(B1M, 1000000));
    cr_assert_geq(pool_trim(1), 1000000);
    expect_death(give, "free", taken, "1m", "freed already: the metadata says purged, last request 1000000 bytes");
}

Test(pool_misuse, free_of_an_interior_address)
{
    take_third(B4K, 5000);
    expect_death(give, "free", taken + 16, "4k", "interior address, 16 bytes into the slot: the metadata says live");
    expect_death(give, "free", taken + 8191, "4k",
                 "interior address, 8191 bytes into the slot: the metadata says live");
    give(taken);
    expect_death(give, "free", taken + 1, "4k", "interior address, 1 bytes into the slot: the metadata says free");
}

Test(pool_misuse, free_of_a_slot_that_was_never_issued)
{
    take_third(B64K, 65536);
    taken = house_slot(B64K, 3); /* one of the slots that were carved together; it was never allocated */
    expect_death(give, "free", taken, "64k", "never issued: the metadata says never used");
    expect_death(give, "free", taken + 8, "64k",
                 "interior address, 8 bytes into the slot: the metadata says never used");
}

Test(pool_misuse, free_where_no_slot_lies)
{
    take_third(B4K, 5000);
    expect_no_slot(give, "free", region.start);
    expect_no_slot(give, "free", region.start + 16);
    expect_no_slot(give, "free", region_slot(region_front()));
    expect_no_slot(give, "free", region.start + region_ready() - 16);
}

Test(pool_misuse, usable_size_of_a_dead_block)
{
    take_third(B16K, 16390);
    cr_assert_eq(region_request(pool_number("malloc_usable_size", taken)), 16390);
    expect_death(ask, "malloc_usable_size", taken + 4096, "16k",
                 "interior address, 4096 bytes into the slot: the metadata says live");
    give(taken);
    expect_death(ask, "malloc_usable_size", taken, "16k",
                 "freed already: the metadata says free, last request 16390 bytes");
    expect_no_slot(ask, "malloc_usable_size", region_slot(region_front()));
}
