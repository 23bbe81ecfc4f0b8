/* Lets a test say that its process has one thread. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/alone.h"

#if HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>

/*
 * A definition in the program stands in front of glibc's, and glibc itself has another name for its own variable. With
 * gcc the program has such a variable anyhow, as a copy relocation, but not with clang. It says 0 at first, as in the
 * process of a test, which has Criterion's threads.
 */
char __libc_single_threaded;

void alone_set(bool alone)
{
    __libc_single_threaded = alone;
}
#endif
