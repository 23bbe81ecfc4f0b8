/*
 * The stacks of free slots and of purged slots of each bucket. Free slots of the large pool's buckets are on these
 * stacks only, except for a spare slot (pool_spare.h); other buckets have caches and depots too.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/slots.h"

#include "base/attributes.h"

LARGE_OBJECT struct slots slots;

void slots_reset(void)
{
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        stack_reset(&slots.free[0][bucket]);
        stack_reset(&slots.free[1][bucket]);
        stack_reset(&slots.purged[bucket]);
    }
}
