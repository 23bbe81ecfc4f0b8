/* Each bucket's stacks of slots, loose and purged: the whole of the large pool, the bottom of a
 * trained one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "slots.h"

struct slots slots[BUCKET_LIMIT];

void slots_reset(void)
{
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        stack_reset(&slots[bucket].loose[0]);
        stack_reset(&slots[bucket].loose[1]);
        stack_reset(&slots[bucket].purged);
    }
}
