/* Free slots that grow old: a house that keeps their pages for a second, and frees that tick. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_AGES_H
#define SOCKMALLOC_TEST_AGES_H

#include <stdint.h>

#include "statistics/snapshot.h"
#include "support/clock_still.h"

/* Milliseconds that free slots keep their pages, and that a generation lasts. */
enum { DECAY = 1000, AGE = DECAY / 2 };

/* Lays a house that keeps pages for so long, or DECAY_NEVER; the generations have just changed
 * places for the first time. */
void ages_lay(uint64_t milliseconds);

/* So many frees of the calling thread that it looks at the clock. What they free stays with it. */
void ages_tick(void);

/* The same once the clock has gone on: by so much, and by just too little for that. */
void ages_pass(uint64_t milliseconds);
void ages_pass_almost(uint64_t milliseconds);

/* Takes slots, writes to all of each, and gives them back. Any thread, one at a time. */
void ages_take_and_give(unsigned bucket, unsigned count);

/* A step of decay after the other, until one finds nothing to do. */
void ages_purge_all(unsigned bucket);

/* A bucket's figures now. */
const struct snapshot_figures *ages_figures(unsigned bucket);

#endif
