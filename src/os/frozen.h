/* Keeps objects read-only after start-up, and makes them writable for the moment in which one of them is changed. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FROZEN_H
#define SOCKMALLOC_FROZEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

/*
 * Makes an object read-only. If the kernel refuses, or the object does not fill whole pages, the object stays writable.
 * Start-up calls this function for at most FROZEN_OBJECTS objects.
 */
enum { FROZEN_OBJECTS = 3 };
INTERNAL void frozen_add(void *object, size_t size);

/*
 * frozen_open makes all these objects writable, and frozen_close makes them read-only again. Between the two calls no
 * other thread can be between them, because frozen_open takes a lock. frozen_open returns false, with nothing changed,
 * if the kernel refuses, or if the caller is a signal handler that would have to wait for its own thread. Price: two
 * system calls, mprotect, which the library may make behind every seccomp filter. Both are safe in signal handlers.
 */
INTERNAL bool frozen_open(void);
INTERNAL void frozen_close(void);

/* Frees the lock in the child of a fork, where the thread that held the lock does not exist. */
INTERNAL void frozen_after_fork(void);

#endif
