/* Reads all processes for `sockmalloc exporter`, and adds up their figures by program. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_READ_H
#define SOCKMALLOC_EXPORTER_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "command/process_group.h"
#include "command/remote_memory.h"
#include "command/remote_pools.h"

/* The figures of one process, or the sums of the figures of all processes of a program. */
struct exporter_figures {
    bool has_statistics; /* false for a process with libsockmalloc-buffers.so only, which has no malloc */
    struct process_sum statistics;
    struct remote_memory memory;
    bool memory_is_known;
    struct remote_pools pools;
};

/* A process that was read, and that still exists. Its figures come from the last time at which it could be read. */
struct exporter_process {
    struct exporter_process *next;
    int process;
    uint64_t start;              /* time of the start, in kernel ticks */
    char name[REMOTE_NAME_SIZE]; /* name of its program */
    /*
     * The number of the process among the workers of its program. A process keeps its number while it lives. A new
     * process gets the least number that no other process of its program has.
     */
    unsigned worker;
    bool is_present; /* used while the processes are read: true if the process still exists */
    struct exporter_figures figures;
};

/* A program: all processes whose programs have the same name. */
struct exporter_program {
    struct exporter_program *next;
    char name[REMOTE_NAME_SIZE];
    unsigned processes; /* number of processes of this name whose figures are a part of `sum` */
    struct exporter_figures sum;
    /*
     * The sums of the counters of processes that have ended since the first exporter_read, as they were last read. They
     * are a part of `sum`, because the counters of a program must not fall when one of its workers ends. Prometheus
     * takes a falling counter for a counter that began again at 0.
     */
    struct exporter_figures ended;
};

/* The reasons for which a process is not read. Columns: name, value of the label that names the reason in the metric,
 * meaning. */
#define EXPORTER_REASON_ROWS(ROW)                                                                                      \
    ROW(FORBIDDEN, "forbidden", "the process may not be read, and may or may not have the library")                    \
    ROW(ENDED, "ended", "the process ended between the listing and the reading")                                       \
    ROW(VERSION, "version", "the process has another version of the library")                                          \
    ROW(DAMAGED, "damaged", "what was read makes no sense, or the process has too large tables")                       \
    ROW(LATE, "late", "reading the process took too long, or it was not tried because others had taken too long")

enum exporter_reason {
#define EXPORTER_REASON(name, label, meaning) EXPORTER_##name,
    EXPORTER_REASON_ROWS(EXPORTER_REASON)
#undef EXPORTER_REASON
        EXPORTER_REASONS
};

struct exporter {
    /* the group of the processes to read; the caller adds the words of the command line that name them */
    struct process_group group;
    struct exporter_process *process;      /* first entry of the list of processes that were read */
    struct exporter_program *program;      /* first entry of the list of programs that have processes */
    unsigned unreadable[EXPORTER_REASONS]; /* processes that the last exporter_read could not read, by reason */
    double seconds;                        /* duration of the last exporter_read in seconds */
    /* when the processes whose reading had taken too long were last tried again, in seconds of the monotonic clock */
    double retried;
};

/*
 * Reads all processes. Counts a process that cannot be read in `unreadable`, and leaves its earlier figures. Prints an
 * error and returns false if there is no memory for the figures, or if the processes cannot be listed.
 */
bool exporter_read(struct exporter *exporter);

#endif
