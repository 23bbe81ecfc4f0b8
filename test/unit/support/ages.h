/* Helpers for tests of decay. Some set up pools that keep the pages of free slots for a second. Others call free until
 * the library runs a tick, which is its check of the clock in every n-th free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_AGES_H
#define SOCKMALLOC_TEST_AGES_H

#include <stdint.h>

#include "statistics/snapshot.h"
#include "support/clock_still.h"

/* DECAY is how many milliseconds free slots keep their pages, and AGE how many a generation lasts. */
enum { DECAY = 1000, AGE = DECAY / 2 };

/* Sets up pools that keep the pages of free slots for `milliseconds`, or for ever with DECAY_NEVER. The two
 * generations have just changed places for the first time. */
void ages_lay(uint64_t milliseconds);

/* Allocates and frees slots until the library must have looked at the clock (a tick). The freed slots stay in the
 * thread's cache. */
void ages_tick(void);

/*
 * ages_pass moves the clock on by `milliseconds`, and ages_pass_almost by a little less. Both then allocate and free as
 * ages_tick does.
 */
void ages_pass(uint64_t milliseconds);
void ages_pass_almost(uint64_t milliseconds);

/* Allocates `count` slots, writes to all of each, and frees them. Only one thread at a time may call it. */
void ages_take_and_give(unsigned bucket, unsigned count);

/* Runs one step of decay after another, until a step finds nothing to purge. */
void ages_purge_all(unsigned bucket);

#endif
