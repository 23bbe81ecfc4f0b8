/* How much of all requests of a program the pools serve: calls and bytes, by where they go. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TRAFFIC_H
#define SOCKMALLOC_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/bucket.h"
#include "statistics/snapshot.h"

struct traffic_part {
    uint64_t calls;
    uint64_t bytes;
};

/* Requests since the start, or within a time. */
struct traffic {
    struct traffic_part pools;  /* served by the pools */
    struct traffic_part fallen; /* of the pools' sizes, but served by mimalloc or a mapping */
    struct traffic_part below;  /* smaller than the pools' sizes: an estimate, see pool/histogram.h */
    struct traffic_part above;  /* larger: an estimate */
    double seconds;             /* how long the requests were watched; 0 if that was since the start */
};

/*
 * Adds the requests between two snapshots of a process to *traffic; all since its start if `former` is NULL. Requests
 * below 2048 bytes are among them only if SOCKMALLOC_SAMPLE_SMALL=1 holds, or a sampling was on between the two.
 */
void traffic_add(struct traffic *traffic, const struct snapshot *now, const struct snapshot *former,
                 const struct bucket_plan *plan);

/* Return the calls and the bytes of all parts. */
uint64_t traffic_calls(const struct traffic *traffic);
uint64_t traffic_bytes(const struct traffic *traffic);

#endif
