/* Finds the statistics that the library exports in another process, and reads the memory of that process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_PROCESS_H
#define SOCKMALLOC_REMOTE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "buffers/buffers_export.h"
#include "command/command_rows.h"
#include "statistics/inspect_export.h"

/* The result of reading a process. */
enum remote_process_state {
    REMOTE_READ,
    REMOTE_GONE,          /* there is no such process, or it has ended */
    REMOTE_FORBIDDEN,     /* the kernel's ptrace rules do not allow reading the process */
    REMOTE_WITHOUT,       /* the process has not loaded the library */
    REMOTE_BUFFERS,       /* the process has libsockmalloc-buffers.so alone: no statistics of a malloc */
    REMOTE_UNINITIALISED, /* the library is loaded but its constructor has not ended */
    REMOTE_OTHER,         /* the process has a version or a build of the library with another layout */
    REMOTE_SENSELESS,     /* the values that were read cannot be true */
    REMOTE_TOO_LARGE,     /* the process has larger tables than the command reads */
    REMOTE_LATE,          /* reading the process took too long */
    REMOTE_BROKEN,        /* the child that was reading the process has ended */
    REMOTE_UNTRIED,       /* no child process could be started to read the process: see look.h */
    REMOTE_IN_THE_WAY     /* the process has tables at addresses at which this command itself has mappings */
};

enum { REMOTE_NAME_SIZE = 32, REMOTE_PATH_SIZE = 512 };

/*
 * The most bytes that a search for the exported structure reads: in one mapping, and in all mappings together. In the
 * library's own mapping, the structure is near the beginning.
 */
enum { REMOTE_SCAN_MAPPING = 16 << 20, REMOTE_SCAN_TOTAL = 64 << 20 };

/*
 * A process that the command reads. The strings come from the process or from the owner of its files and may hold any
 * byte: print them with text_add_shown.
 */
struct remote_process {
    int process;
    uint64_t start;              /* the time at which the process started, in kernel ticks; 0 if unknown */
    char name[REMOTE_NAME_SIZE]; /* /proc/PID/comm; "?" if it cannot be read */
    /* path of the library as the process sees it; " (deleted)" follows if the file has been deleted */
    char library[REMOTE_PATH_SIZE];
    const struct inspect_export *address; /* address of the exported structure in the process; NULL if not yet found */
    struct inspect_export view;           /* copy of the exported structure */
    /* address of the exported structure of libsockmalloc-buffers.so in the process; NULL if the search met none. If
     * the state is REMOTE_BUFFERS, only the objects of BUFFERS_EXPORT_ROWS and the version in `view` are filled in. */
    const struct buffers_export *buffers;
};

/* Fields of /proc/PID/stat. */
struct remote_process_status {
    char state;
    int parent;
    unsigned flags; /* PF_* of the kernel (linux/sched.h) */
    uint64_t start; /* the time at which the process started, in kernel ticks */
    uint64_t ticks; /* processor time of all its threads, in kernel ticks */
    uint64_t pages; /* resident pages */
    unsigned threads;
};

/* Reads the status of a process. Returns false if there is no such process. */
bool remote_process_status(int process, struct remote_process_status *status);

/* Fills in the process id, the name and the start of a process. */
void remote_process_open(struct remote_process *target, int process);

/* Returns true if the process id still belongs to the process to which it belonged at remote_process_open. */
bool remote_process_is_same(const struct remote_process *target);

/*
 * Finds the exported structure of the library by its magic, in writable mappings of files. Mappings of files with
 * "sockmalloc" in their names are searched first. That also finds a library whose file was replaced or deleted, and one
 * behind a chroot. Price: reads /proc/PID/maps, and copies such mappings up to the structure.
 */
enum remote_process_state remote_process_find(struct remote_process *target);

/*
 * Does what remote_process_find does, but only searches files with "sockmalloc" in their names. It is for a scan over
 * all processes.
 */
enum remote_process_state remote_process_find_named(struct remote_process *target);

/*
 * Copies the exported structure again. A process that has executed another program meanwhile has none. A process with
 * another version of the library can be read as long as the structure has this command's INSPECT_VERSION and layout.
 */
enum remote_process_state remote_process_renew(struct remote_process *target);

/*
 * Returns a handle (a pidfd) on the process that now has the process id, for remote_process_queue. The handle never
 * refers to another process. Returns -1 if the kernel has no such handles (before Linux 5.3). The caller closes it.
 */
int remote_process_hold(const struct remote_process *target);

/*
 * Sends a signal with a value to the process of the handle, or, if `handle` is -1, to the process of
 * remote_process_open, if that process still has its process id. Returns false with errno set, to ESRCH if the process
 * is gone.
 */
bool remote_process_queue(const struct remote_process *target, int handle, int number, uint64_t value);

/* Copies memory of the process. */
enum remote_process_state remote_process_copy(const struct remote_process *target, void *to, const void *from,
                                              size_t size);

/* Prints one line that explains the state, to stderr, and returns the exit code for the state, which must not be
 * REMOTE_READ. */
enum command_exit remote_process_report(const struct remote_process *target, enum remote_process_state state);

/* Writes why a process was not read: a sentence that begins behind "process 12 (name)". */
enum { REMOTE_WORDS = 320 };
void remote_process_explain(const struct remote_process *target, enum remote_process_state state, char *text,
                            size_t size);

/* Prints one line that explains why a process of several is left out, to stderr, and returns the exit code of
 * remote_process_report. */
enum command_exit remote_process_leave_out(const struct remote_process *target, enum remote_process_state state);

/* Returns true if this command has CAP_SYS_PTRACE in its own user namespace. */
bool remote_process_may_trace(void);

/* Returns in a few words why the kernel does not allow reading the process, as far as that can be known. */
const char *remote_process_reason(int process);

#endif
