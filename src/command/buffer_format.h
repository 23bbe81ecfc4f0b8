/* Prints the figures of named message pages and rings as text, as JSON and in the format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUFFER_FORMAT_H
#define SOCKMALLOC_BUFFER_FORMAT_H

#include "base/text.h"
#include "command/remote_pools.h"

/* The most bytes that each of the functions prints for one process. */
enum { BUFFER_FORMAT_SIZE = (MESSAGE_OBJECTS + RING_SHOWN) * 4096 };

/* Prints a table for message pages, with a line for each type that had messages, and one for rings, if there are any.
 */
void buffer_format_text(const struct remote_buffers *buffers, int process, struct text *text);

/* Prints the members "messages" and "rings" of the statistics, each after a comma and only if there are any. */
void buffer_format_json(const struct remote_buffers *buffers, struct text *text);

/* Pools, message pages and rings with the labels that all of their samples get. */
struct pool_subject {
    const struct remote_pools *pools;
    const char *labels;
};

/* Prints the metrics sockmalloc_message_* and sockmalloc_ring_* of all subjects, each with the name as a label. */
void buffer_format_prometheus(const struct pool_subject *subject, unsigned count, struct text *text);

#endif
