/*
 * Prints figures of a program's message pages and rings, in which the program allocates messages by functions of
 * sockmalloc.h: as text, as JSON and in the format of Prometheus. A program can have several sets of message pages and
 * several rings; those with a name are printed.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUFFER_FORMAT_H
#define SOCKMALLOC_BUFFER_FORMAT_H

#include "base/text.h"
#include "command/remote_pools.h"

/* The most bytes that each function below prints for one process. */
enum { BUFFER_FORMAT_SIZE = (MESSAGE_OBJECTS + RING_SHOWN) * 4096 };

/*
 * Prints a table of the sets of message pages and a table of the rings. Below a set, a line follows for each type of
 * messages that were allocated from the set. Leaves out a table that would have no rows.
 */
void buffer_format_text(const struct remote_buffers *buffers, int process, struct text *text);

/*
 * Prints the members "messages" and "rings" of the statistics as JSON, each after a comma. Leaves out a member whose
 * list would be empty.
 */
void buffer_format_json(const struct remote_buffers *buffers, struct text *text);

/* The pools, sets of message pages and rings of one process, or their sums over all processes of a program. In the
 * format of Prometheus, all samples of these figures get the labels `labels`. */
struct pool_subject {
    const struct remote_pools *pools;
    const char *labels;
};

/*
 * Prints the metrics sockmalloc_message_* and sockmalloc_ring_* of all subjects. The name of a set of message pages or
 * of a ring becomes a label of its samples.
 */
void buffer_format_prometheus(const struct pool_subject *subject, unsigned count, struct text *text);

#endif
