/* Defines the jobs of the workers: a worker allocates, frees, or does both. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_JOB_H
#define STRESS_JOB_H

#include "shelf.h"
#include "worker.h"

/* Each of these functions does one operation of the calling thread:
 *   job_take   allocates a block and puts it on a shelf; waits while the shelf is full
 *   job_give   frees a block from the shelf; waits while the shelf is empty
 *   job_trade  allocates, frees or resizes one of the worker's own blocks, or exchanges it with another worker;
 *              seldom, returns free memory to the kernel */
typedef void job(struct worker *worker);
void job_take(struct worker *worker);
void job_give(struct worker *worker);
void job_trade(struct worker *worker);

/* job_clear_shelves frees all blocks on shelves, and job_clear frees all blocks that the worker holds. No other thread
 * may work meanwhile. */
void job_clear_shelves(struct worker *worker);
void job_clear(struct worker *worker);

/* Empties all shelves without freeing the blocks on them. The child of a fork calls it, because it finds all blocks
 * that it inherited in the table of claims (claim.h). */
void job_forget_shelves(void);

#endif
