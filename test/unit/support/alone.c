/* Makes the library treat the test's process as having only one thread. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/alone.h"

#if HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>

/*
 * A variable of glibc that says whether the process has one thread. The library's sources and the test use this
 * definition in place of glibc's own; glibc itself uses its own variable under another name. A program that gcc has
 * built has such a variable even without this definition, as a copy relocation; a program that clang has built has
 * none. The value is 0 at first, as is right for the process of a test, because Criterion has threads there.
 */
char __libc_single_threaded;

void alone_set(bool alone)
{
    __libc_single_threaded = alone;
}
#endif
