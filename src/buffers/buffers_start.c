/* The start-up of libsockmalloc-buffers.so, a library that has the buffers alone and does not replace malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>

#include "config/message.h"
#include "os/sandbox.h"

/*
 * Runs before main. libsockmalloc.so does the same in its own start-up (preload/init), so this file belongs to the
 * other library only. If a process has loaded both libraries, both start-ups run. Each library has its own data, and
 * the program's calls go to the library that was loaded first.
 */
__attribute__((constructor)) static void buffers_start(void)
{
    message_open();
    sandbox_open();
    pthread_atfork(NULL, NULL, sandbox_after_fork);
}
