/*
 * Counts all requests of a program, in calls and bytes, by the part that serves them, to say how much the pools serve.
 */
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

/* The requests since the start of a program, or of a time of sampling. */
struct traffic {
    struct traffic_part pools;  /* served by the pools */
    struct traffic_part fallen; /* within the sizes of the pools, but served by mimalloc or a mapping of their own */
    struct traffic_part below;  /* requests below the sizes of the pools: an estimate, see pool/histogram.h */
    struct traffic_part above;  /* requests above the sizes of the pools: an estimate */
    double seconds;             /* how long the requests were sampled; 0 if they are counted since the start */
};

/*
 * Adds the requests between two snapshots of a process to *traffic, or all requests since its start if `former` is
 * NULL. Requests below 2048 bytes are counted only with SOCKMALLOC_SAMPLE_SMALL=1, or while `--sample` had sampling
 * turned on between the snapshots.
 */
void traffic_add(struct traffic *traffic, const struct snapshot *now, const struct snapshot *former,
                 const struct bucket_plan *plan);

/* These functions return the sums of the calls and of the bytes of all parts. */
uint64_t traffic_calls(const struct traffic *traffic);
uint64_t traffic_bytes(const struct traffic *traffic);

#endif
