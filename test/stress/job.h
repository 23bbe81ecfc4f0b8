/* Declares the jobs of the workers: a worker only allocates, only frees, or does both. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_JOB_H
#define STRESS_JOB_H

#include "shelf.h"
#include "worker.h"

/* Each of these functions does one operation of a worker, which the calling thread runs:
 *   job_take   allocates a block and puts it on a shelf, for other workers to free; waits while the shelf is full
 *   job_give   frees a block of this shelf; waits while the shelf is empty
 *   job_trade  allocates, frees or resizes one of the worker's own blocks, or exchanges a block with another worker;
 *              now and then also returns free memory to the kernel, or sleeps like a thread that waits for events */
typedef void job(struct worker *worker);
void job_take(struct worker *worker);
void job_give(struct worker *worker);
void job_trade(struct worker *worker);

/* job_clear_shelves frees all blocks on shelves, where workers leave them for other workers. job_clear frees all blocks
 * that the worker holds. During these calls no other thread may work. */
void job_clear_shelves(struct worker *worker);
void job_clear(struct worker *worker);

/*
 * Empties all shelves, where workers leave blocks for other workers, without freeing these blocks. The child of a fork
 * calls this function, because it finds all inherited blocks in the table of claims (claim.h), and frees them from
 * there.
 */
void job_forget_shelves(void);

#endif
