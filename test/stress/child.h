/* Forks while all workers are busy. The child checks all that it inherited, and goes on to allocate and free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_CHILD_H
#define STRESS_CHILD_H

#include "judge.h"

/* Forks, waits for the child, and ends the process if the child found a fault, died or hung. Any worker may call it
 * between two operations, while the others work. The child checks that
 *   - each block that had an owner is live, and has the right content if it was filled;
 *   - each other worker has at most one live slot without an owner, or two if it was in realloc: the slots that the
 *     fork caught in its calls;
 *   - the sums of the counters agree at once, and again after some thousand operations by several threads, and then
 *     every slot that is not live can be allocated. */
void child_fork(const struct judge_case *parent, const struct worker *self);

#endif
