/* Forks while all workers are busy. The child checks all that it inherited, and goes on to allocate and free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_CHILD_H
#define STRESS_CHILD_H

#include "judge.h"

/* Forks, waits for the child, and ends the process with a fault if the child found a fault, died or hung. Any worker
 * may call this function between two operations, while the others work. The child checks that
 *   - each block that a worker owned at the fork is live, and has the right content if it was filled;
 *   - each worker other than the forking one has at most one live slot without an owner, or two if it was in realloc:
 *     the slots of the call of malloc, free or realloc in which the fork caught this worker;
 *   - the pools' counters agree with the workers' own counts right after the fork, and again after some thousand
 *     operations by several threads; and then every slot that is not live can be allocated. */
void child_fork(const struct judge_case *parent, const struct worker *self);

#endif
