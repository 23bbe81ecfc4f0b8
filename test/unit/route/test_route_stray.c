/* Tests of route/route.c with addresses outside the pools: blocks of libc are given back to libc, and stray
 * addresses, which belong to no block, end the process with a message. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "route/route.h"
#include "support/capture.h"
#include "support/house.h"

static char object[64];

static void lay(void)
{
    fallback_open();
    house_lay_default();
}

/* Returns a block of libc's own malloc. A library that was loaded with RTLD_DEEPBIND would get such blocks. */
static char *take_from_libc(size_t request)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    cr_assert_not_null(libc);
    void *(*take)(size_t) = (void *(*)(size_t))dlsym(libc, "malloc");
    cr_assert_not_null(take);
    char *bytes = take(request);
    cr_assert(fallback_is_foreign(bytes), "not from libc's heap");
    memset(bytes, 'x', request);
    return bytes;
}

Test(route_stray, pools_serve_as_before)
{
    lay();
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        char *slot = house_take(bucket, house_plan.capacity[bucket], NULL);
        slot[0] = slot[house_plan.capacity[bucket] - 1] = 1;
        house_give(slot);
        cr_assert_eq(house_metadata(bucket, SLOT_LIVE), 0);
    }
    route_free("free", route_alloc(100, NULL));
    route_free("free", NULL);
    house_assert();
}

Test(route_stray, blocks_of_libc_go_back_to_libc)
{
    lay();
    char *bytes = take_from_libc(5000);
    char *next = take_from_libc(100);
    cr_assert_geq(route_usable_size("malloc_usable_size", bytes), 5000);
    route_free("free", bytes);
    cr_assert_eq(take_from_libc(5000), bytes, "libc returns the block again");
    route_free("free", next);
}

/* When a block of libc grows, it stays libc's, even if the pools serve the new size, because its owner may pass it to
 * libc next. */
Test(route_stray, blocks_of_libc_stay_in_libc_when_they_grow)
{
    lay();
    char *bytes = take_from_libc(1000);
    bytes = route_realloc("realloc", bytes, 50000, NULL);
    cr_assert(fallback_is_foreign(bytes));
    cr_assert(bytes[0] == 'x' && memcmp(bytes, bytes + 1, 999) == 0);
    cr_assert_null(route_realloc("realloc", bytes, 0, NULL));
}

static void give(void *address)
{
    route_free("free", address);
}

static void expect_stray(char *address)
{
    char wanted[128];
    snprintf(wanted, sizeof wanted, "free(%p): a stray address: no allocator has returned it\n", (void *)address);
    capture_abort(give, address, wanted);
}

Test(route_stray, strays_are_found)
{
    lay();
    expect_stray(object);
    expect_stray(object + 16);
    expect_stray((char *)(uintptr_t)house_lay_default);
    expect_stray(region.start + region_ready());
    expect_stray(region.start - 1);
    expect_stray((char *)(uintptr_t)region.states);
}

Test(route_stray, stacks_and_libraries_hold_strays)
{
    _Alignas(16) char local[64];
    lay();
    expect_stray(local);
    expect_stray(local + 1);
    expect_stray((char *)&stdout);
    expect_stray((char *)(uintptr_t)1);
    expect_stray((char *)(uintptr_t)4096);
}

/* Blocks of 1 byte to 1 GiB can be freed both before and after route_open. Before it, mimalloc serves all of them,
 * wherever they lie. After it, requests that are too large for the pools get mappings of their own. */
Test(route_stray, blocks_of_mimalloc_are_not_strays)
{
    lay();
    for (unsigned open = 0; open < 2; open++) {
        for (size_t request = 1; request <= (size_t)1 << 31; request *= 8) {
            char *bytes = route_alloc(request, NULL);
            cr_assert_not_null(bytes);
            bytes[0] = bytes[request - 1] = 1;
            route_free("free", bytes);
            route_free("free", route_alloc_aligned((size_t)64 << 20, request, NULL));
        }
        route_free("free", NULL);
        route_open();
    }
    house_assert();
}

/* Before start-up the library knows no slots, so it passes every address to mimalloc. */
Test(route_stray, before_init_mimalloc_gets_all)
{
    char *bytes = route_alloc(100, NULL);
    cr_assert_not(fallback_is_stray(object));
    route_free("free", bytes);
    route_free("free", NULL);
}

Test(route_stray, addresses_in_the_range_are_not_strays)
{
    lay();
    char *bytes = route_alloc(16384, NULL);
    capture_abort(give, bytes + 16, ": interior address, 16 bytes into the slot");
    route_free("free", bytes);
    capture_abort(give, bytes, ": freed already: the metadata says free");
    capture_abort(give, house_slot(B16K, 3), ": never issued: the metadata says never used");
}

static void resize_freed(void *address)
{
    route_realloc("realloc", address, 5000, NULL);
}

static void free_freed(void *address)
{
    route_free("cfree", address);
}

static void measure_freed(void *address)
{
    route_usable_size("malloc_usable_size", address);
}

Test(route_stray, messages_name_the_call)
{
    house_lay_default();
    char *bytes = route_alloc(5000, NULL);
    route_free("free", bytes);
    capture_abort(resize_freed, bytes, ": realloc(0x");
    capture_abort(resize_freed, bytes + 64, ": realloc(0x");
    capture_abort(free_freed, bytes, ": cfree(0x");
    capture_abort(measure_freed, bytes, ": malloc_usable_size(0x");
}
