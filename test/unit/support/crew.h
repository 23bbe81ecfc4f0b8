/* Threads that start at one moment, and checks that any thread or child process may make. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CREW_H
#define SOCKMALLOC_TEST_CREW_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Criterion's own assertions jump out of the test, which only its first thread may do. Elsewhere
 * CHECK notes the first thing that does not hold; crew_run, or capture_run for a child, then
 * reports it. It is true if the condition is, so that work which can't go on can leave.
 */
#define CREW_TEXT_OF(line) #line
#define CREW_TEXT(line)    CREW_TEXT_OF(line)
#define CHECK(condition)   crew_check((condition), __FILE__ ":" CREW_TEXT(__LINE__) ": " #condition)

bool crew_check(bool holds, const char *what);

/* What did not hold first, or NULL. */
const char *crew_fault(void);

/*
 * Runs `work` in `count` threads with the numbers from 0, waits for all, and fails the test if a
 * CHECK did.
 */
typedef void crew_work(unsigned number);
void crew_run(unsigned count, crew_work *work);

/* Whether a thread of this process, with gettid's number, sleeps in the kernel: it waits there. */
bool crew_is_asleep(int thread);

/* A number that looks random and is the same in every run. `state` must not start as zero. */
uint64_t crew_random(uint64_t *state);

#endif
