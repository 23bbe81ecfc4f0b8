/* Helpers for tests of decay, the purging of slots that have been free for long. They set up pools with a decay time
 * (how long free slots keep their pages), move the test's clock, and free slots until the library runs a tick (a
 * free that reads the clock). */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/ages.h"

#include <string.h>

#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"

/* FREES is at least the number of frees of a thread from one tick to the next; a tick is a free that reads the clock.
 * SLOTS_MAX is the largest number of slots that a test allocates at a time. */
enum { FREES = 1024, SLOTS_MAX = 1024 };

void ages_tick(void)
{
    for (unsigned i = 0; i < FREES; i++) {
        house_give(house_take(B4K, 4096, NULL));
    }
}

void ages_pass(uint64_t milliseconds)
{
    clock_still_advance(milliseconds);
    ages_tick();
}

void ages_pass_almost(uint64_t milliseconds)
{
    clock_still_advance_almost(milliseconds);
    ages_tick();
}

void ages_lay(uint64_t milliseconds)
{
    house_pools.decay = milliseconds;
    house_lay_default();
    ages_tick();
}

void ages_take_and_give(unsigned bucket, unsigned count)
{
    static void *taken[SLOTS_MAX];
    size_t size = house_plan.capacity[bucket];
    for (unsigned i = 0; i < count; i++) {
        taken[i] = house_take(bucket, size, NULL);
        if (!CHECK(taken[i] != NULL)) {
            return;
        }
        memset(taken[i], 'x', size);
    }
    for (unsigned i = 0; i < count; i++) {
        house_give(taken[i]);
    }
}

void ages_purge_all(unsigned bucket)
{
    uint64_t before;
    do {
        before = house_figures(bucket)->purged;
        ages_pass(1);
    } while (house_figures(bucket)->purged > before);
}
