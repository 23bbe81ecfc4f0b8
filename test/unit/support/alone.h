/* Lets a test say that its process has one thread. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ALONE_H
#define SOCKMALLOC_TEST_ALONE_H

#include <stdbool.h>

/*
 * Sets glibc's flag __libc_single_threaded for the library's sources and the test, and not for glibc itself. Criterion
 * has threads of its own in the process of each test, and with the flag set, glibc's malloc and locks would not work
 * for them.
 */
void alone_set(bool alone);

#endif
