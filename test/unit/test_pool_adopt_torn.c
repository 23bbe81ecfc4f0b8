/* The pool room in the child of a fork of several threads: no page is of another's moment. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "house.h"
#include "os.h"
#include "pool_parts.h"
#include "route.h"
#include "slots.h"

enum { RUN = 16 /* slots that are carved at once */ };

/* As if the process were forked then, with other threads, none of which has a cache yet, or alone.
 * The test runner has threads, for which libc must go by its own word at once again. */
static void fork_as_if(bool alone)
{
    char word = __libc_single_threaded;
    __libc_single_threaded = alone;
    pool_before_fork();
    __libc_single_threaded = word;
    pool_adopt();
}

/* A thread took a free slot, and neither its card nor what it does with it is there yet. */
static void take_half(void)
{
    house_give(house_take(B1M, 1 << 20, NULL));
    cr_assert_neq(slots_take_loose(B1M), STACK_EMPTY);
    pool_count_stack_hit(cache_mine, B1M);
    cr_assert_not_null(house_fault(), "it lies nowhere");
}

Test(pool_adopt_torn, libc_says_whether_there_are_threads)
{
    char word = __libc_single_threaded;
    __libc_single_threaded = 1;
    bool alone = !os_has_threads();
    __libc_single_threaded = 0;
    bool among_others = os_has_threads();
    __libc_single_threaded = word;
    cr_assert(alone && among_others);
}

/* The stack's page shows that a slot was taken, and its card, which was copied before, that not. */
Test(pool_adopt_torn, slots_that_only_a_card_knows_are_found)
{
    house_lay_default();
    take_half();
    fork_as_if(false);
    house_assert();
}

Test(pool_adopt_torn, without_threads_stocks_are_believed)
{
    house_lay_default();
    take_half();
    fork_as_if(true);
    cr_assert_not_null(house_fault());
    cr_assert_not(pool_is_torn);
}

/* The card says that nobody has used it, and the slot's page, which was copied later, has been
 * written to. */
Test(pool_adopt_torn, unused_slots_are_not_taken_for_zero)
{
    house_lay_default();
    house_give(house_take(B4K, 4096, NULL));
    cr_assert_eq(lane_carved(B4K), RUN);
    for (unsigned number = 0; number < RUN; number++) {
        memset(lane_slot(B4K, number), 'x', 4096);
    }
    fork_as_if(false);
    cr_assert(pool_is_torn);
    static const char zeros[4096];
    for (unsigned number = 0; number < RUN; number++) {
        char *bytes = route_take_zeroed(1, 4096, NULL);
        cr_assert_eq(memcmp(bytes, zeros, sizeof zeros), 0);
    }
    cr_assert_eq(lane_carved(B4K), RUN, "those");
}
