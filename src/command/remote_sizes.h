/*
 * Counts the slots in use of a process, and the bytes that were requested for them, by the size of the request. The
 * metadata of each slot contains the size of its request.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SIZES_H
#define SOCKMALLOC_REMOTE_SIZES_H

#include <stdint.h>

#include "pool/histogram.h"

/*
 * For each step of the histogram of request sizes: the number of slots in use whose requested size belongs to the step,
 * and the sum of these sizes in bytes.
 */
struct remote_sizes {
    uint64_t count[HISTOGRAM_STEPS];
    uint64_t bytes[HISTOGRAM_STEPS];
};

/*
 * Counts the slots in use from the metadata of this process. remote_snapshot_take_sizes calls this function after it
 * has copied the metadata of another process over the metadata of this process.
 */
void remote_sizes_count(struct remote_sizes *sizes);

/* Adds the counts of another process to *sizes. */
void remote_sizes_add(struct remote_sizes *sizes, const struct remote_sizes *more);

#endif
