/*
 * Counts the slots in use of a process, and the bytes that were requested for them, by the size of the request. The
 * metadata of each slot contains the size of its request.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_sizes.h"

#include <string.h>

#include "memory/region.h"

void remote_sizes_count(struct remote_sizes *sizes)
{
    memset(sizes, 0, sizeof *sizes);
    uint32_t front = region_front();
    for (uint32_t number = 0; number < front; number++) {
        uint8_t meta = region_meta(number);
        if (slot_meta_begins(meta) && slot_meta_state(meta) == SLOT_LIVE) {
            size_t request = region_request(number);
            unsigned step = histogram_step(request);
            sizes->count[step]++;
            sizes->bytes[step] += request;
        }
    }
}

void remote_sizes_add(struct remote_sizes *sizes, const struct remote_sizes *more)
{
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        sizes->count[step] += more->count[step];
        sizes->bytes[step] += more->bytes[step];
    }
}
