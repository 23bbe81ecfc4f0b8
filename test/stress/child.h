/* Forks in the middle of everything; the child looks at all that it inherited, and goes on with it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_CHILD_H
#define STRESS_CHILD_H

#include "judge.h"

/*
 * Forks, waits for the child, and dies if that found a fault, died or hung. Any worker, between two
 * operations, while the others work. In the child:
 *
 *   - each block that somebody owned is live, and contains what it should if it was filled;
 *   - at most one live slot for each other worker belongs to nobody, two where it was in realloc:
 *     those that the fork caught in its hands;
 *   - the ledger closes at once; then after some thousand operations, by several threads; and then
 *     every slot that is not live can be taken.
 */
void child_fork(const struct judge_case *parent, const struct worker *self);

#endif
