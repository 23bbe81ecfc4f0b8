/* What the child of a fork must be able to do once it has adopted its parent's slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_RECOVERED_H
#define SOCKMALLOC_TEST_RECOVERED_H

#include <stdbool.h>

#include "support/capture.h"

/* CHECKs the figures right after adoption where threads were caught: the metadata are the truth. */
void recovered_expect(void);

/* CHECKs that each free slot of the bucket can be taken once, and again when it was given back. The
 * calling thread stays on one processor from then on. */
void recovered_take_all_free(unsigned bucket);

/* Whether the slot was live when recovered_take_all_free began with its bucket, or was then taken. */
bool recovered_is_in_use(const void *slot);

/* For other threads than the test's first: what a child said becomes this process's fault. */
void recovered_expect_clean(const struct capture *capture);

#endif
