/* Decides which system calls the process may make, by the seccomp filters that it has set. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SANDBOX_H
#define SOCKMALLOC_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The author of a server's seccomp filter knows which system calls the server needs, but not those of this library.
 * The filter may kill the process for one of ours. The system calls of every malloc are always allowed: mmap, munmap,
 * mremap, mprotect, madvise, futex, brk, and clocks that need no call. After start-up nothing here asks the kernel
 * for filters, because the question itself (prctl) may be deadly. Instead the library's wrappers of prctl and syscall
 * report each filter that the program sets. A filter that the program sets by a system call instruction of its own is
 * not noticed.
 */
enum sandbox_call {
    /*
     * Calls that the start of a program needs: to open, read and write files, and those of signal handlers and
     * threads. They are allowed behind a filter that was in force at start-up, as a container's is, because the
     * dynamic loader needed them there. They are no longer allowed once the process itself has set a filter.
     */
    SANDBOX_COMMON,
    /*
     * Calls that few programs need: mincore, prctl, process_madvise, process_vm_readv. They are allowed only if there
     * is no filter at all.
     */
    SANDBOX_RARE
};

/* Finds out whether a filter was in force before start-up. At start-up only. */
void sandbox_open(void);

/* Returns true if calls of this kind may be made. Price: two loads. Safe in any thread and in signal handlers. */
bool sandbox_allows(enum sandbox_call call);

/*
 * sandbox_add_filter notes that the process is about to set a filter. A filter of one thread counts for all threads.
 * sandbox_drop_filter undoes the note when the kernel has refused the filter. The child of a fork inherits the count.
 * The child of a vfork shares the count with its parent, and its filters then make the parent more careful than
 * necessary. Safe in any thread and in signal handlers.
 */
void sandbox_add_filter(void);
void sandbox_drop_filter(void);

/*
 * Returns the id of the process. Where the kernel may not be called, it is the id as of start-up or the last fork. A
 * child that was made without fork handlers (_Fork, clone) then gets its parent's id.
 */
pid_t sandbox_process(void);

/* Must be called in the child of a fork before anything else uses sandbox_process. */
void sandbox_after_fork(void);

#endif
