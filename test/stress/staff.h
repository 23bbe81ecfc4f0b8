/*
 * Starts the threads that run the workers. A worker (worker.h) is a sequence of random allocations and frees. The work
 * is done in rounds. When a thread ends in the middle of a round, a new thread goes on with the worker of that thread.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_STAFF_H
#define STRESS_STAFF_H

#include "judge.h"

enum { STAFF_MIN = 4, STAFF_MAX = 32 };

/* Holds totals of what a run has done. */
struct staff_totals {
    uint64_t rounds;
    uint64_t forks;
    uint64_t replacements;
};

/*
 * Runs all the work of the command line in rounds. A quarter of the workers only allocate, a quarter only free, and the
 * others do both. Every second worker gets a new thread twice in a round, on average: its thread ends in the middle of
 * the round, and leaves its blocks to the next thread. An ending thread that holds blocks frees one of them after its
 * cache was closed, in a destructor of its own. One worker in each round reads the pools' counters again and again, and
 * forks in the middle of the round.
 *
 * The first thread, which also runs the last worker, forks in every second round. It allocates nothing until the middle
 * of the run, and then a single slot: now one thread more has allocated, so the pool `auto` changes its kind. After
 * each round, while all other threads wait, the first thread compares the workers' counts with the pools' counters. At
 * the end no worker holds a block.
 */
struct staff_totals staff_run(void);

/* Returns the structure with all workers of this process, which is passed to the functions of judge.h. */
struct judge_case *staff_case(void);

#endif
