/* Makes the library treat the test's process as having only one thread. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ALONE_H
#define SOCKMALLOC_TEST_ALONE_H

#include <stdbool.h>

/*
 * Sets the flag __libc_single_threaded, by which glibc says that the process has one thread, for the library's sources
 * and the test. glibc itself does not see the change: Criterion has threads in the process of each test, and with the
 * flag set, glibc's malloc and locks would go wrong in them.
 */
void alone_set(bool alone);

#endif
