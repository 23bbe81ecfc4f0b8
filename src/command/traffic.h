/*
 * Counts all requests of a program, in calls and in bytes, to say how large a share of them the pools serve. There are
 * separate counts for the requests that the pools serve, and for the other requests: within, below and above the sizes
 * of the pools.
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

/* The requests of a program: all since its start, or only those made in the seconds during which they were sampled. */
struct traffic {
    struct traffic_part pools;  /* served by the pools */
    struct traffic_part fallen; /* within the sizes of the pools, but served by mimalloc or a mapping of their own */
    /* requests below the sizes of the pools; this is an estimate from the histogram, which counts a sample of all
     * requests */
    struct traffic_part below;
    /* requests above the sizes of the pools; this is an estimate from the histogram, which counts a sample of all
     * requests */
    struct traffic_part above;
    double seconds; /* how long the requests were sampled; 0 if they are counted since the start */
};

/*
 * Adds the requests between two snapshots of a process to *traffic, or all requests since its start if `former` is
 * NULL. Requests below 2048 bytes are counted only with SOCKMALLOC_SAMPLE_SMALL=1, or if the option --sample of the
 * command had turned their sampling on between the snapshots (sampling.h).
 */
void traffic_add(struct traffic *traffic, const struct snapshot *now, const struct snapshot *former,
                 const struct bucket_plan *plan);

/* These functions add up the calls, and the requested bytes, of the four parts of `traffic`, and return the sum. */
uint64_t traffic_calls(const struct traffic *traffic);
uint64_t traffic_bytes(const struct traffic *traffic);

#endif
