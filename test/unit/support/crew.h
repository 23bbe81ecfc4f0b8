/* Starts several threads at one moment, and provides CHECK, which any thread or child process may use. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CREW_H
#define SOCKMALLOC_TEST_CREW_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Criterion's assertions leave the test by a longjmp, which only the test's first thread may do. In other threads and
 * in child processes tests use CHECK instead: it stores the text of the first condition that is false, and crew_run or
 * capture_run reports that later. CHECK has the value of its condition, so that the caller can stop if it is false.
 */
#define CREW_TEXT_OF(line) #line
#define CREW_TEXT(line)    CREW_TEXT_OF(line)
#define CHECK(condition)   crew_check((condition), __FILE__ ":" CREW_TEXT(__LINE__) ": " #condition)

bool crew_check(bool holds, const char *what);

/* Returns the text of the first CHECK that failed, or NULL if none did. */
const char *crew_fault(void);

/* Runs `work` in `count` threads at the same time, and waits until all have ended. Each thread passes its number to
 * `work`; the numbers begin at 0. Fails the test if a CHECK has failed. */
typedef void crew_work(unsigned number);
void crew_run(unsigned count, crew_work *work);

/* Waits until all threads that crew_run has started have called this function. Returns true in one of them. */
bool crew_meet(void);

/* Returns true if the thread with this id (as gettid returns it), a thread of this process, sleeps in the kernel. */
bool crew_is_asleep(int thread);

/* Returns the next pseudo-random number of a generator with the state `state`, which must not be 0 at first. The
 * numbers are the same in every run. */
uint64_t crew_random(uint64_t *state);

#endif
