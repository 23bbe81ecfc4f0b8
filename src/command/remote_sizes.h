/* How large the requests are whose slots are in use: counted by the metadata of all slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SIZES_H
#define SOCKMALLOC_REMOTE_SIZES_H

#include <stdint.h>

#include "pool/histogram.h"

/* By the steps of the histogram: how many slots in use hold a request of these sizes, and the bytes of the requests. */
struct remote_sizes {
    uint64_t count[HISTOGRAM_STEPS];
    uint64_t bytes[HISTOGRAM_STEPS];
};

/* Counts the slots in use, from the metadata of this process or from copies of another one's metadata. */
void remote_sizes_count(struct remote_sizes *sizes);

/* Adds the sizes of another process. */
void remote_sizes_add(struct remote_sizes *sizes, const struct remote_sizes *more);

#endif
