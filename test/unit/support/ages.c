/* Helpers for tests of decay. Some set up pools that keep the pages of free slots for a second. Others call free until
 * the library runs a tick, which is its check of the clock in every n-th free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/ages.h"

#include <string.h>

#include "pool/pool.h"
#include "support/crew.h"
#include "support/house.h"

/* FREES is the largest number of frees of a thread from one look at the clock to the next. SLOTS_MAX is the most slots
 * that a test allocates at a time. */
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
