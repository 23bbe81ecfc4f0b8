/* Starts threads at one moment, and provides the checks that any thread or child process may make. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CREW_H
#define SOCKMALLOC_TEST_CREW_H

#include <stdbool.h>
#include <stdint.h>

/* Criterion's assertions leave the test by a jump, which only the test's first thread may do. In other threads and
 * in children CHECK notes the first condition that is false, and crew_run or capture_run reports it later. CHECK has
 * the value of its condition, so that a caller can stop when it is false. */
#define CREW_TEXT_OF(line) #line
#define CREW_TEXT(line)    CREW_TEXT_OF(line)
#define CHECK(condition)   crew_check((condition), __FILE__ ":" CREW_TEXT(__LINE__) ": " #condition)

bool crew_check(bool holds, const char *what);

/* Returns the text of the first CHECK that failed, or NULL if none did. */
const char *crew_fault(void);

/* Runs `work` in `count` threads, with the numbers from 0, and waits for all. Fails the test if a CHECK failed. */
typedef void crew_work(unsigned number);
void crew_run(unsigned count, crew_work *work);

/* Waits until all threads of crew_run have called this function. Returns true in one of them. */
bool crew_meet(void);

/* Returns true if the thread of this process with that id (gettid) sleeps in the kernel. */
bool crew_is_asleep(int thread);

/* Returns the next pseudo-random number, the same in every run. `state` must not start as zero. */
uint64_t crew_random(uint64_t *state);

#endif
