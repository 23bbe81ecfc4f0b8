/* Reads the command line: the kind of pool and its settings, and the numbers of operations and of threads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_COMMAND_H
#define STRESS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "config/choices.h"

struct command {
    enum kind kind;
    uint64_t operations; /* how many operations all threads do together; each is about one malloc, realloc or free */
    unsigned threads;
    /* the seed of all random choices of the workers; how the kernel schedules the threads cannot be repeated */
    uint64_t seed;
    uint64_t retain;  /* the limit in bytes on free memory; BUDGET_UNLIMITED for none */
    bool forks;       /* true if children are forked */
    uint64_t decay;   /* after how many milliseconds free slots are purged, or DECAY_NEVER */
    unsigned seconds; /* the seconds after which a run counts as hung */
};

extern struct command command;

/* Fills `command`, or prints what is wrong and ends the process. */
void command_read(int count, char **words);

/* Returns the words of a command line that repeats this run. A signal handler may call this function. */
const char *command_text(void);

#endif
