/* Starts the threads that run the workers. They work in rounds, and a new thread takes the place of each that ends in
 * the middle of a round. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_STAFF_H
#define STRESS_STAFF_H

#include "judge.h"

enum { STAFF_MIN = 4, STAFF_MAX = 32 };

/* Holds totals of the work that a run has done. */
struct staff_totals {
    uint64_t rounds;
    uint64_t forks;
    uint64_t replacements;
};

/* Runs all the work of the command line in rounds. A quarter of the workers only allocate, a quarter only free, and
 * the others do both. The thread of every second worker ends in the middle of a round, twice a round on average, and
 * leaves its blocks to the next thread. If it holds any, it frees one after its cache is closed, in a destructor of
 * its own. One worker in each round reads the pools' counters again and again, and forks in the middle of the round.
 *
 * The first thread, which is the judge and the last worker, forks in every second round. In the middle of the run it
 * allocates a single slot, by which the pool auto changes its kind. It judges after each round, while all threads
 * wait. At the end no worker holds a block. */
struct staff_totals staff_run(void);

/* Returns the workers, for the judge. */
struct judge_case *staff_case(void);

#endif
