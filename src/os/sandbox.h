/* Which system calls the process may make: what is known of its seccomp filters. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SANDBOX_H
#define SOCKMALLOC_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * A server that puts itself behind a seccomp filter has made up its mind which system calls it will
 * need, and may be killed for one of ours. What every malloc makes is always allowed: mmap, munmap,
 * mremap, mprotect, madvise, futex, brk, and clocks that need no call. Nothing here asks the kernel
 * after start, since the question (prctl) can be deadly, too: the wrapped prctl and syscall say
 * when the program sets a filter. One that it sets by an instruction of its own is not seen.
 */
enum sandbox_call {
    /*
     * What starting a program takes: opening, reading and writing files, and what a signal handler
     * and a thread need. Allowed behind the filter that was there at start, as a container's, which
     * let the loader do it; and no longer once the process has set one itself.
     */
    SANDBOX_COMMON,
    /* What few programs need (mincore, prctl, process_vm_readv): allowed without a filter alone. */
    SANDBOX_RARE
};

/* Looks for a filter from before the process was started. At start. */
void sandbox_open(void);

/* Returns true if such a call may be made. Two loads; any thread, any signal handler. */
bool sandbox_allows(enum sandbox_call call);

/*
 * The process is about to set a filter, in any of its threads: a filter of one thread counts for
 * all, as one that is set for all does. sandbox_drop_filter takes it back when the kernel has refused.
 * The child of a fork inherits what is known; that of a vfork leaves it to its parent, which is
 * then more careful than it need be. Any thread, any signal handler.
 */
void sandbox_add_filter(void);
void sandbox_drop_filter(void);

/* Returns the process's id: the kernel's answer where it may be asked, else what it was at start or
 * after the last fork. A child by a call that runs no handlers of fork then has its parent's. */
pid_t sandbox_process(void);

/* In the child of a fork, before any other room asks for the process's id. */
void sandbox_after_fork(void);

#endif
