/* Decides which system calls the library may make, by the seccomp filters that are in force. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SANDBOX_H
#define SOCKMALLOC_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The author of a server's seccomp filter knows which system calls the server needs, but not those of this library. The
 * filter may kill the process for a system call of the library. The library always makes the system calls that every
 * malloc makes: mmap, munmap, mremap, mprotect, madvise, futex, brk, and reading clocks, which needs no system call.
 * After start-up, the functions of this file do not ask the kernel which filters there are, because a filter may kill
 * the process for the system call that would ask (prctl). Instead the library's wrappers of prctl and syscall report
 * each filter that the program sets. A filter that the program sets by a system call instruction of its own is not
 * noticed.
 */
enum sandbox_call {
    /*
     * System calls that the start of a program needs: those for files (to open, read and write), for signal handlers
     * and for threads. They are allowed behind a filter that was in force at start-up, as a container's is, because the
     * dynamic loader has already needed them behind that filter. They are no longer allowed once the process itself has
     * set a filter.
     */
    SANDBOX_COMMON,
    /*
     * System calls that few programs need: mincore, prctl, process_madvise, process_vm_readv. They are allowed only if
     * there is no filter at all.
     */
    SANDBOX_RARE
};

/* Finds out if a filter is in force at start-up, and stores the id of the process. Only start-up may call it. */
void sandbox_open(void);

/*
 * Returns true if system calls of this kind may be made. Price: one load. Any thread and any signal handler may call
 * this function.
 */
bool sandbox_allows(enum sandbox_call call);

/*
 * sandbox_add_filter notes that the process is about to set a filter. A filter of one thread counts for all threads.
 * sandbox_drop_filter takes the note back when the kernel has refused the filter. The child of a fork inherits the
 * count of filters. The child of a vfork shares the count with its parent, so the parent then also avoids system calls
 * that only the child's filter may forbid. Any thread and any signal handler may call these functions.
 */
void sandbox_add_filter(void);
void sandbox_drop_filter(void);

/*
 * Returns the id of the process. Where the system call getpid may not be made, the function returns the id that was
 * stored at start-up or after the last fork. In a child that was made without fork handlers (by _Fork or clone), the
 * stored id is that of the parent.
 */
pid_t sandbox_process(void);

/*
 * Stores the id of the process anew. The child of a fork must call this function before anything in it calls
 * sandbox_process.
 */
void sandbox_after_fork(void);

#endif
