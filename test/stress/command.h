/* Reads the command line: which pool, how much, by how many threads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_COMMAND_H
#define STRESS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "config/choices.h"

struct command {
    enum kind kind;
    uint64_t operations; /* of all threads together; each is a malloc, a realloc or a free, or so */
    unsigned threads;
    uint64_t seed;    /* of every choice that a thread makes by itself; the kernel makes others */
    uint64_t retain;  /* bytes of free memory; BUDGET_UNLIMITED for no limit */
    bool forks;       /* whether there are children */
    uint64_t decay;   /* milliseconds that free memory keeps its pages; DECAY_NEVER */
    unsigned seconds; /* after which a run counts as hung */
};

extern struct command command;

/* Fills `command`, or says what is wrong and ends the process. */
void command_read(int count, char **words);

/* The words that give the same run again. Signal-safe. */
const char *command_text(void);

#endif
