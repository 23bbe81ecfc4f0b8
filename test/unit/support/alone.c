/* Makes the library treat the test's process as having only one thread. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/alone.h"

#if HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>

/*
 * glibc's variable that says whether the process has one thread. The library's sources and the test use this
 * definition, and glibc itself uses its own variable under another name. Without this definition, a program that gcc
 * has built would have a copy of glibc's variable (a copy relocation), and a program that clang has built would have
 * none. The value is 0 at first, because Criterion has threads in the process of a test.
 */
char __libc_single_threaded;

void alone_set(bool alone)
{
    __libc_single_threaded = alone;
}
#endif
