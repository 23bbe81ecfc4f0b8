/* Ends the process at the first fault, with one line that says what is wrong, where, and with which seed. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_FAULT_H
#define ORACLE_FAULT_H

#include <stdint.h>

/* Says where a thread is in the run. Together with the seed, these fields identify one call of the run. */
struct place {
    unsigned round;
    unsigned worker;
    unsigned long step;
    /* what the thread does: the name of the row in calls.c for the call that it makes, or other words */
    const char *call;
};

extern _Thread_local struct place place;

/* fault_open stores the seed, which each message names, and makes the signals of a crash and of fault_watch faults.
 * fault_note_child notes that this process is the child of a fork. */
void fault_open(uint64_t seed);
void fault_note_child(void);

/* Prints one line and ends the process with exit status 1. Any thread and any signal handler may call this function. */
void fault_die(const char *format, ...) __attribute__((noreturn, cold, format(printf, 1, 2)));

/* Ends the process with a fault if it runs for longer than `seconds` from now. The child of a fork has no limit until
 * it calls this function. */
void fault_watch(unsigned seconds);

#endif
