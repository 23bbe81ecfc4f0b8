/* What a worker is there for: to allocate, to free, or both. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_JOB_H
#define STRESS_JOB_H

#include "shelf.h"
#include "worker.h"

/*
 * One operation each, of the calling thread:
 *   job_take   a block for the shelf; waits while that is full
 *   job_give   frees a block from the shelf; waits while that is empty
 *   job_trade  one out of a trader's own blocks: made, freed, resized, exchanged with other
 * traders; seldom, free memory is given back to the kernel
 */
typedef void job(struct worker *worker);
void job_take(struct worker *worker);
void job_give(struct worker *worker);
void job_trade(struct worker *worker);

/* Frees all that lies on shelves, and all that the worker holds. At rest. */
void job_clear_shelves(struct worker *worker);
void job_clear(struct worker *worker);

/* Forgets what lies on shelves. In the child of a fork, which knows its blocks by their claims. */
void job_forget_shelves(void);

#endif
