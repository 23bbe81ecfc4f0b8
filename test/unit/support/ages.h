/* Helpers for tests of decay, the purging of slots that have been free for long. They set up pools with a decay time
 * (how long free slots keep their pages), move the test's clock, and free slots until the library runs a tick (a
 * free that reads the clock). */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_AGES_H
#define SOCKMALLOC_TEST_AGES_H

#include <stdint.h>

#include "statistics/snapshot.h"
#include "support/clock_still.h"

/* DECAY is the usual decay time of these tests in milliseconds. Freed slots belong to the young generation at first,
 * which becomes the old one after AGE milliseconds. */
enum { DECAY = 1000, AGE = DECAY / 2 };

/* Sets up pools whose free slots keep their pages for `milliseconds`, or for ever with DECAY_NEVER. When ages_lay
 * returns, the young generation of free slots has just become the old one for the first time. */
void ages_lay(uint64_t milliseconds);

/* Allocates and frees slots until at least one free must have been a tick, which reads the clock. The freed slots stay
 * in the thread's cache. */
void ages_tick(void);

/*
 * ages_pass moves the test's clock on by `milliseconds`, and ages_pass_almost by a nanosecond less. Both then allocate
 * and free as ages_tick does, so that the library reads the clock.
 */
void ages_pass(uint64_t milliseconds);
void ages_pass_almost(uint64_t milliseconds);

/* Allocates `count` slots of the bucket, writes to every byte of each, and frees them. Only one thread at a time may
 * call this function. */
void ages_take_and_give(unsigned bucket, unsigned count);

/* Moves the clock on by a millisecond and runs a tick, again and again, until a tick purges no slot of the bucket. */
void ages_purge_all(unsigned bucket);

#endif
