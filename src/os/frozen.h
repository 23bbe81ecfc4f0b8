/* Keeps objects read-only after start-up, and makes them writable while one of them is changed. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FROZEN_H
#define SOCKMALLOC_FROZEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

/*
 * frozen_add makes an object read-only. The object stays writable if the kernel refuses the change or if the object
 * does not fill whole pages. Start-up calls frozen_add for at most FROZEN_OBJECTS objects.
 */
enum { FROZEN_OBJECTS = 3 };
INTERNAL void frozen_add(void *object, size_t size);

/*
 * frozen_open makes all objects of frozen_add writable, and frozen_close makes them read-only again. Only one thread at
 * a time can be between frozen_open and frozen_close, because frozen_open takes a lock that frozen_close releases.
 * frozen_open returns false, with nothing changed, if the kernel refuses, or if the caller is a signal handler that
 * would have to wait for its own thread. Price: each of the two functions makes one system call for each object. The
 * system call is mprotect, which the library may make behind every seccomp filter. Both functions are safe in signal
 * handlers.
 */
INTERNAL bool frozen_open(void);
INTERNAL void frozen_close(void);

/* Releases the lock of frozen_open in the child of a fork, because the thread that held the lock does not exist in the
 * child. */
INTERNAL void frozen_after_fork(void);

#endif
