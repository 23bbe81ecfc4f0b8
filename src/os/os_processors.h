/* Counts the processors of the machine, and those that the process may use. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OS_PROCESSORS_H
#define SOCKMALLOC_OS_PROCESSORS_H

/* the number of processors that is assumed where the real one cannot be read; most machines do not exceed it */
enum { OS_PROCESSORS_UNREAD = 64 };

/*
 * Returns how many processors the machine has, in use or not; at least 1. The first call reads /sys. If a seccomp
 * filter of the program may forbid that, the function returns OS_PROCESSORS_UNREAD.
 */
unsigned os_processors(void);

/*
 * Returns how many processors the process may use at the moment (sched_setaffinity); at least 1. Makes one system call
 * and reads no file. Behind a seccomp filter it returns what os_processors returns. The library calls it at start-up.
 */
unsigned os_usable_processors(void);

#endif
