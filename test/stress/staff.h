/* The threads that man the workers: rounds of work, with replacements for those that end in the middle. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_STAFF_H
#define STRESS_STAFF_H

#include "judge.h"

enum { STAFF_MIN = 4, STAFF_MAX = 32 };

/* What a run came by. */
struct staff_totals {
    uint64_t rounds;
    uint64_t forks;
    uint64_t replacements;
};

/* Does all that the command says, in rounds. A quarter of the workers allocate only, a quarter free only, the others do
 * both. The threads of every second worker end in mid-round, twice a round on average, and leave their blocks to the
 * next thread; one that holds some frees one after its cache is closed, in a destructor of its own. One worker a round
 * looks at the pools' counts again and again, and forks in the middle.
 *
 * The first thread, which is the judge's last worker, forks in every second round, and takes a single slot in mid-run,
 * by which the pool auto turns. After each round, with all threads waiting, it judges. At the end nobody holds
 * anything. */
struct staff_totals staff_run(void);

/* The workers, for who judges. */
struct judge_case *staff_case(void);

#endif
