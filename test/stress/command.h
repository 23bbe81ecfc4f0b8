/* Reads the command line of the stress test. Its options set the kind of pool, the numbers of operations and of
 * threads, and some more. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_COMMAND_H
#define STRESS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "config/choices.h"

struct command {
    enum kind kind;
    /* how many operations all threads make together; one operation is about one malloc, realloc or free */
    uint64_t operations;
    unsigned threads;
    /* the seed of the workers' random numbers; in two runs with one seed each worker gets the same numbers, but what
     * it does with them also depends on how the kernel schedules the threads */
    uint64_t seed;
    uint64_t retain; /* in bytes, the limit on free memory; BUDGET_UNLIMITED for none */
    bool forks;      /* true if the workers fork, to check their children */
    /* free slots are purged after this time in milliseconds; DECAY_NEVER if they are not purged by age */
    uint64_t decay;
    unsigned seconds; /* the seconds after which a run counts as hung */
};

extern struct command command;

/*
 * Fills the variable `command` from the command line. If an option is wrong, prints what is wrong and ends the process.
 */
void command_read(int count, char **words);

/* Returns the words of a command line that repeats this run. A signal handler may call this function. */
const char *command_text(void);

#endif
