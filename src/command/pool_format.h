/* Prints the figures of named fixed-size pools, sockmalloc_pool_*, as JSON and in the format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_FORMAT_H
#define SOCKMALLOC_POOL_FORMAT_H

#include "base/text.h"
#include "command/remote_pools.h"
#include "statistics/format_prometheus.h"

/* The most bytes that pool_format_json prints. */
enum { POOL_FORMAT_SIZE = REMOTE_POOLS * 2048 };

/* Prints the member "pools" of the statistics: an array with an object for each pool, after a comma. */
void pool_format_json(const struct remote_pools *pools, struct text *text);

/* Pools with the labels that all of their samples get. */
struct pool_subject {
    const struct remote_pools *pools;
    const char *labels;
};

/*
 * Prints the pools of all subjects, each with the label pool="NAME". The short form has five metrics, the wide form all
 * figures. Prints nothing if there are no pools.
 */
void pool_format_prometheus(const struct pool_subject *subject, unsigned count, enum prometheus_detail detail,
                            struct text *text);

#endif
