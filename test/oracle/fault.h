/* The first thing that is wrong ends the process, with one line that says what, where and by which seed. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_FAULT_H
#define ORACLE_FAULT_H

#include <stdint.h>

/* Where a thread stands. A seed and these numbers name one call of the run. */
struct place {
    unsigned round;
    unsigned worker;
    unsigned long step;
    const char *call; /* the name of its row in calls.c */
};

extern _Thread_local struct place place;

/* The process as a whole: the seed, and whether it is the child of a fork. */
void fault_open(uint64_t seed);
void fault_note_child(void);

/* Writes one line and ends the process with exit code 1. Any thread, any signal. */
void fault_die(const char *format, ...) __attribute__((noreturn, cold, format(printf, 1, 2)));

/* From now on the process may take so many seconds, then it counts as hung. A child begins without a limit. */
void fault_watch(unsigned seconds);

#endif
