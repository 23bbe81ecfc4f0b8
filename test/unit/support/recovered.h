/* Checks that the child of a fork has found all free slots of its parent, and can use them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_RECOVERED_H
#define SOCKMALLOC_TEST_RECOVERED_H

#include <stdbool.h>

#include "support/capture.h"

/* Checks by CHECK, in the child of a fork, that the library's counters agree with the slots' metadata, that no cache
 * holds a slot, and that no request is counted yet. The fork may have interrupted other threads of the parent. */
void recovered_expect(void);

/* Checks by CHECK that each free slot of the bucket can be allocated once, and again after it was freed. The calling
 * thread stays pinned to one processor. */
void recovered_take_all_free(unsigned bucket);

/* Returns true if the slot was live when recovered_take_all_free began with its bucket, or if that function has
 * allocated it. */
bool recovered_is_in_use(const void *slot);

/* Fails a CHECK of this process if a CHECK has failed in the child. Any thread may call it. */
void recovered_expect_clean(const struct capture *capture);

#endif
