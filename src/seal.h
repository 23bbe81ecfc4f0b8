/* Whether the process has shut itself in since its birth. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SEAL_H
#define SOCKMALLOC_SEAL_H

#include <stdbool.h>

/*
 * A server that puts itself behind a seccomp filter has made up its mind which system calls it will
 * need, and may be killed for one of ours. A filter that was there at birth, as a container's, let
 * a program be started, which takes opening files and making threads.
 */

/* At birth. */
void seal_open(void);

/* Whether only the calls are left to us that every malloc makes. A system call; any thread. */
bool seal_is_shut(void);

#endif
