/* Checks what the child of a fork must be able to do once it has found its parent's slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_RECOVERED_H
#define SOCKMALLOC_TEST_RECOVERED_H

#include <stdbool.h>

#include "support/capture.h"

/* Checks, by CHECK, the figures right after a fork that caught other threads at work: they must agree with the
 * metadata. */
void recovered_expect(void);

/* Checks, by CHECK, that each free slot of the bucket can be allocated once, and again after it was freed. The calling
 * thread is pinned to one processor from then on. */
void recovered_take_all_free(unsigned bucket);

/* Returns true if the slot was live when recovered_take_all_free began with its bucket, or was allocated then. */
bool recovered_is_in_use(const void *slot);

/* If a CHECK has failed in a child, makes it a failed CHECK of this process. Threads other than the test's first may
 * call it. */
void recovered_expect_clean(const struct capture *capture);

#endif
