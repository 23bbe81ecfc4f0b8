/* Forks while all workers are busy. The child checks all slots and counters that it inherited, and then goes on to
 * allocate and free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_CHILD_H
#define STRESS_CHILD_H

#include "judge.h"

/* Forks, waits for the child, and ends the process with a fault if the child found a fault, died or hung. A worker may
 * call this function between two operations, while the other workers work. The child checks that
 *   - each block that a worker owned at the fork is live, and has the right content if it was filled;
 *   - few live slots have no owner: at most one for each worker other than the forking one, and at most two for a
 *     worker that was in realloc, because the fork may have come in the middle of a worker's malloc, free or realloc;
 *   - the pools' counters agree with the workers' own counts right after the fork, and again after some thousand
 *     operations of several threads (of one thread under ThreadSanitizer);
 *   - after these operations every slot that is not live can be allocated. */
void child_fork(const struct judge_case *parent, const struct worker *self);

#endif
