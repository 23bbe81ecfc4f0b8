/* Makes the library treat the test's process as having only one thread. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ALONE_H
#define SOCKMALLOC_TEST_ALONE_H

#include <stdbool.h>

/*
 * Sets __libc_single_threaded, the flag by which glibc says that a process has one thread, for the library's sources
 * and the test. glibc itself does not see the change. If it did, its malloc and locks would go wrong, because Criterion
 * has threads in the process of each test.
 */
void alone_set(bool alone);

#endif
