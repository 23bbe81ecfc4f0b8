/* Prints the figures of the named fixed-size pools that processes use by the functions sockmalloc_pool_*, as JSON and
 * in the format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_FORMAT_H
#define SOCKMALLOC_POOL_FORMAT_H

#include "base/text.h"
#include "command/buffer_format.h"
#include "command/remote_pools.h"
#include "statistics/format_prometheus.h"

/* The most bytes that pool_format_json prints. */
enum { POOL_FORMAT_SIZE = REMOTE_POOLS * 2048 + BUFFER_FORMAT_SIZE };

/*
 * Prints the members "pools", "messages" and "rings" of the statistics in JSON, with a comma before each. The value of
 * each member is an array: "pools" has one object for each pool, "messages" has one for each named set of message
 * pages, and "rings" has one for each ring. A member whose array would be empty is left out.
 */
void pool_format_json(const struct remote_pools *pools, struct text *text);

/*
 * Prints the figures of the pools of all subjects, with a line for each figure of each pool. A subject is a process, or
 * several processes that are added up. The lines have the label pool="NAME" and the labels of the subject. If `detail`
 * is PROMETHEUS_SHORT, prints five figures, otherwise all. Also prints the figures of message pages and rings. Figures
 * of pools are printed only if a subject has a pool, figures of message pages only if a subject has message pages, and
 * figures of rings only if a subject has a ring.
 */
void pool_format_prometheus(const struct pool_subject *subject, unsigned count, enum prometheus_detail detail,
                            struct text *text);

#endif
