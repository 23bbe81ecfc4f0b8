/* The start-up of libsockmalloc-buffers.so, which has the buffers alone and replaces nobody's malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>

#include "config/message.h"
#include "os/sandbox.h"

/*
 * Runs before main. libsockmalloc.so does the same in its own start-up (preload/init), among other steps, so this file
 * is no part of it. A process that has both libraries runs both: what they keep is apart, and the program's calls go to
 * the library that was loaded first.
 */
__attribute__((constructor)) static void buffers_start(void)
{
    message_open();
    sandbox_open();
    pthread_atfork(NULL, NULL, sandbox_after_fork);
}
