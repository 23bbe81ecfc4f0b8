/* Tests of route/message_route.c, which serves requests of some small sizes from message pages. mimalloc serves all
 * other small requests. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "route/message_route.h"
#include "route/route.h"
#include "support/capture.h"
#include "support/house.h"

enum { LEAST = 128, MOST = 2048, LIMIT = 1 << 20 };

static void lay(void)
{
    route_watch_small(false);
    house_lay_default();
    route_open();
    cr_assert(route_open_messages(LEAST, MOST, (size_t)LIMIT * 8));
}

static char *taken(size_t request)
{
    char *block = route_alloc(request, NULL);
    cr_assert_not_null(block);
    return block;
}

Test(message_route, serves_requests_of_its_sizes)
{
    static const struct {
        size_t request;
        bool served;
    } cases[] = {{0, false}, {127, false}, {128, true}, {1000, true}, {2048, true}, {2049, false}, {4096, false}};
    lay();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *block = taken(cases[i].request);
        size_t usable = route_usable_size("malloc_usable_size", block);
        cr_assert_eq(message_route_owns(block), cases[i].served, "%zu bytes", cases[i].request);
        cr_assert_geq(usable, cases[i].request);
        cr_assert(!cases[i].served || route_good_size(cases[i].request) == usable);
        memset(block, 'x', usable);
        route_free("free", block);
    }
}

Test(message_route, nothing_is_served_without_the_setting)
{
    route_watch_small(false);
    house_lay_default();
    route_open();
    char *block = taken(1000);
    cr_assert_not(message_route_owns(block));
    cr_assert_not(message_route_owns(NULL));
    cr_assert_eq(route.direct_below, BUCKET_REQUEST_FLOOR);
    route_free("free", block);
}

Test(message_route, calloc_clears_all_that_may_be_used)
{
    lay();
    char *block = taken(1001);
    memset(block, 'x', route_usable_size("malloc_usable_size", block));
    route_free("free", block);
    char *cleared = route_alloc_zeroed(7, 143, NULL);
    cr_assert_eq(cleared, block);
    for (size_t i = 0; i < route_usable_size("malloc_usable_size", cleared); i++) {
        cr_assert_eq(cleared[i], 0);
    }
    route_free("free", cleared);
}

/* Resizes a block in steps: from message pages to mimalloc and back, within the space that the block has already, and
 * to a smaller size. */
Test(message_route, realloc_keeps_the_content)
{
    static const size_t steps[] = {100, 200, 205, 190, 2048, 300, 4096, 150000, 900, 64, 128, 20};
    lay();
    char *block = memset(taken(50), 'x', 50);
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        block = route_realloc("realloc", block, steps[i], NULL);
        cr_assert_not_null(block);
        for (unsigned at = 0; at < 20; at++) {
            cr_assert_eq(block[at], 'x');
        }
    }
    route_free("free", block);
    block = memset(taken(200), 'y', 200);
    cr_assert_eq(route_realloc("realloc", block, 150, NULL), block);
    cr_assert_neq(route_realloc("realloc", block, 1500, NULL), block);
}

Test(message_route, mimalloc_serves_what_has_no_page)
{
    enum { PAGES = LIMIT >> 16, IN_PAGE = 31, ALL = PAGES * IN_PAGE };
    static char *blocks[ALL + 10];
    lay();
    for (unsigned i = 0; i < ALL + 10; i++) {
        blocks[i] = taken(2048);
    }
    cr_assert(message_route_owns(blocks[ALL - 1]));
    cr_assert_not(message_route_owns(blocks[ALL + 9]));
    for (unsigned i = 0; i < ALL + 10; i++) {
        route_free("free", blocks[i]);
    }
    cr_assert(message_route_owns(taken(2048)));
}

static void free_it(void *block)
{
    route_free("free", block);
}

static void resize_it(void *block)
{
    route_realloc("realloc", block, 500, NULL);
}

Test(message_route, misuse_ends_the_process_with_one_line)
{
    lay();
    char *block = taken(500);
    capture_abort(free_it, block + 16, "): no message of this object begins there");
    route_free("free", block);
    capture_abort(free_it, block, "free(");
    capture_abort(free_it, block, "): freed already: a message");
    capture_abort(resize_it, block, "realloc(");
}

Test(message_route, no_pages_without_addresses)
{
    route_watch_small(false);
    house_lay_default();
    route_open();
    cr_assert_not(route_open_messages(LEAST, MOST, 1000));
    cr_assert_not(message_route_open(LEAST, MOST, LIMIT, 0, SIZE_MAX));
    cr_assert_not(message_route_owns(taken(500)));
    cr_assert_eq(route.direct_below, BUCKET_REQUEST_FLOOR);
}
