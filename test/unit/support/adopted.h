/* What the child of a fork must be able to do once it has adopted its parent's slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ADOPTED_H
#define SOCKMALLOC_TEST_ADOPTED_H

#include <stdbool.h>

#include "support/capture.h"

/* CHECKs the figures right after adoption where threads were caught: the cards are the truth. */
void adopted_expect(void);

/* CHECKs that each free slot of the bucket can be taken once, and again when it was given back. The
 * calling thread stays on one processor from then on. */
void adopted_take_all_free(unsigned bucket);

/* Whether the slot was live when adopted_take_all_free began with its bucket, or was then taken. */
bool adopted_is_in_use(const void *slot);

/* For other threads than the test's first: what a child said becomes this process's fault. */
void adopted_expect_clean(const struct capture *capture);

#endif
