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
    REMOTE_BUFFERS,       /* the process has only libsockmalloc-buffers.so, which has no statistics of a malloc */
    REMOTE_UNINITIALISED, /* the process has loaded the library, but the library's constructor has not ended */
    /* the library in the process is of another version or build than this command, and its data have another layout */
    REMOTE_OTHER,
    REMOTE_SENSELESS, /* the values that were read cannot be true */
    REMOTE_TOO_LARGE, /* the tables in the process are larger than the command reads */
    REMOTE_LATE,      /* reading the process took too long */
    REMOTE_BROKEN,    /* the child process of this command that was reading the process has crashed */
    REMOTE_UNTRIED,   /* no child process could be started to read the process: see look.h */
    REMOTE_IN_THE_WAY /* the process has tables at addresses where this command itself has mappings */
};

enum { REMOTE_NAME_SIZE = 32, REMOTE_PATH_SIZE = 512 };

/*
 * The most bytes that a search for the exported structure reads: in one mapping, and in all mappings together. The
 * structure lies near the beginning of the library's own mapping.
 */
enum { REMOTE_SCAN_MAPPING = 16 << 20, REMOTE_SCAN_TOTAL = 64 << 20 };

/*
 * A process that the command reads. The strings may hold any byte, because they come from the process or from the owner
 * of its files: print them with text_add_shown.
 */
struct remote_process {
    int process;
    /* time at which the process started, in clock ticks since the machine was started; 0 if unknown */
    uint64_t start;
    char name[REMOTE_NAME_SIZE]; /* /proc/PID/comm; "?" if it cannot be read */
    /* path of the library as the process sees it; " (deleted)" follows if the file has been deleted */
    char library[REMOTE_PATH_SIZE];
    const struct inspect_export *address; /* address of the exported structure in the process; NULL if not yet found */
    struct inspect_export view;           /* copy of the exported structure */
    /*
     * address, in the process, of the exported structure of libsockmalloc-buffers.so; NULL if the search did not find
     * it. In the state REMOTE_BUFFERS, only two parts of `view` are valid: the places of the tables that
     * BUFFERS_EXPORT_ROWS lists, and the version.
     */
    const struct buffers_export *buffers;
};

/* Fields of /proc/PID/stat. */
struct remote_process_status {
    char state;
    int parent;
    unsigned flags; /* flags of the process: PF_* of the kernel (linux/sched.h) */
    uint64_t start; /* time at which the process started, in clock ticks since the machine was started */
    uint64_t ticks; /* processor time of all threads of the process, in clock ticks */
    uint64_t pages; /* resident pages */
    unsigned threads;
};

/* Reads the status of a process. Returns false if there is no such process. */
bool remote_process_status(int process, struct remote_process_status *status);

/* Fills in the process id, the name and the start of a process. */
void remote_process_open(struct remote_process *target, int process);

/* Returns true if the process id still belongs to the process that had the id when remote_process_open was called. */
bool remote_process_is_same(const struct remote_process *target);

/*
 * Finds the exported structure of the library by its magic bytes, in writable mappings of files. Searches mappings of
 * files with "sockmalloc" in their names first. Also finds a library whose file was replaced or deleted, or whose
 * process runs in a chroot, because the files are not opened. Price: reads /proc/PID/maps, and copies the mappings
 * until the structure is found.
 */
enum remote_process_state remote_process_find(struct remote_process *target);

/*
 * Does what remote_process_find does, but searches only files with "sockmalloc" in their names. Scans over all
 * processes call this function, because searching all files costs too much.
 */
enum remote_process_state remote_process_find_named(struct remote_process *target);

/*
 * Copies the exported structure again. Fails if the process has executed another program since, because the structure
 * is then gone. A process with another version of the library can be read if the structure has this command's
 * INSPECT_VERSION and layout.
 */
enum remote_process_state remote_process_renew(struct remote_process *target);

/*
 * Returns a pidfd of the process that now has the process id of *target. Pass it as `handle` to remote_process_queue.
 * The pidfd keeps referring to this process even if the id is used again. Returns -1 on failure, as on a kernel without
 * pidfds (before Linux 5.3). The caller closes the pidfd.
 */
int remote_process_hold(const struct remote_process *target);

/*
 * Sends the signal `number` with a value to the process to which `handle` refers. If `handle` is -1, sends the signal
 * to the process for which remote_process_open was called, if that process still has its process id. On failure returns
 * false with errno set; errno is ESRCH if the process has ended.
 */
bool remote_process_queue(const struct remote_process *target, int handle, int number, uint64_t value);

/* Copies `size` bytes of the memory of the process. `from` is an address in the process. */
enum remote_process_state remote_process_copy(const struct remote_process *target, void *to, const void *from,
                                              size_t size);

/*
 * Prints one line on stderr that explains the state, and returns the exit code for the state. The state must not be
 * REMOTE_READ.
 */
enum command_exit remote_process_report(const struct remote_process *target, enum remote_process_state state);

/* remote_process_explain writes why a process was not read, in at most REMOTE_WORDS bytes. The text is the rest of a
 * sentence that begins with "process 12 (name)". */
enum { REMOTE_WORDS = 320 };
void remote_process_explain(const struct remote_process *target, enum remote_process_state state, char *text,
                            size_t size);

/*
 * Prints one line on stderr that says why this process is left out, although other processes are read. Returns the exit
 * code that remote_process_report returns for the state.
 */
enum command_exit remote_process_leave_out(const struct remote_process *target, enum remote_process_state state);

/* Returns true if this command has CAP_SYS_PTRACE in its own user namespace. */
bool remote_process_may_trace(void);

/*
 * Returns a few words that say why the kernel does not allow reading the process, as far as this command can know the
 * reason.
 */
const char *remote_process_reason(int process);

#endif
