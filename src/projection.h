/* Another process's state, copied over this one's own, so that the rooms speak of that process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PROJECTION_H
#define SOCKMALLOC_PROJECTION_H

#include "bucket.h"
#include "snapshot.h"
#include "target.h"

/* The buckets of the process that was projected last. */
extern struct bucket_plan projection_plan;

/*
 * Takes a snapshot of a process whose view was found: by the same code as in the process itself, so
 * that the figures are the same. Afterwards `options`, message_process_name and projection_plan are
 * that process's, until the next projection. The process goes on meanwhile; nothing of it is
 * written, and nothing in it runs. Only for a program whose own malloc is not ours; one thread.
 */
enum target_state projection_take(struct target *target, struct snapshot *snapshot);

/* Whether `options` hold nothing that would lead a printer astray, if they came from elsewhere. */
bool projection_options_make_sense(void);

/* Whose pages residency_ask tells of, from now on. False, with errno set, if it can't be asked. */
bool projection_ask_pages_of(int process);

#endif
