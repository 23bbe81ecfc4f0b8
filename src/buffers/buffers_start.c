/* The start-up of libsockmalloc-buffers.so, a library that offers only the functions for buffers and does not replace
 * malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>

#include "buffers/buffers_export.h"
#include "config/message.h"
#include "os/sandbox.h"

_Static_assert(sizeof PACKAGE_VERSION <= BUFFERS_EXPORT_LIBRARY_SIZE, "the version fits");

/* Describes the buffers of this process for the command `sockmalloc`, which recognizes the structure by its magic. */
static struct buffers_export view = {
    .magic = BUFFERS_EXPORT_MAGIC, .library = PACKAGE_VERSION, .size = BUFFERS_EXPORT_SIZE_LIST};

/*
 * Runs before main. In libsockmalloc.so the file preload/init does this work, so this file is a part of
 * libsockmalloc-buffers.so only. If a process has loaded both libraries, both start-ups run. Each library has its own
 * data, and the program's calls go to the library that was loaded first.
 */
__attribute__((constructor)) static void buffers_start(void)
{
    message_open();
    sandbox_open();
    pthread_atfork(NULL, NULL, sandbox_after_fork);
#define VIEW_SET(name, span) view.object[BUFFERS_EXPORT_##name] = span;
    BUFFERS_EXPORT_ROWS(VIEW_SET)
#undef VIEW_SET
    atomic_store_explicit(&view.self, &view, memory_order_release);
}
