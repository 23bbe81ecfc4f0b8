/* Prints the figures of named fixed-size pools, sockmalloc_pool_*, as JSON and in the format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_FORMAT_H
#define SOCKMALLOC_POOL_FORMAT_H

#include "base/text.h"
#include "command/buffer_format.h"
#include "command/remote_pools.h"
#include "statistics/format_prometheus.h"

/* The most bytes that pool_format_json prints. */
enum { POOL_FORMAT_SIZE = REMOTE_POOLS * 2048 + BUFFER_FORMAT_SIZE };

/* Prints the members "pools", "messages" and "rings" of the statistics: arrays with an object each, after a comma. A
 * member without objects is left out. */
void pool_format_json(const struct remote_pools *pools, struct text *text);

/*
 * Prints the pools of all subjects, each with the label pool="NAME". The short form has five metrics, the wide form all
 * figures. Prints message pages and rings, too. Prints nothing if there is none.
 */
void pool_format_prometheus(const struct pool_subject *subject, unsigned count, enum prometheus_detail detail,
                            struct text *text);

#endif
