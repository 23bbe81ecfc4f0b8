/* Reads all processes for `sockmalloc exporter`, and adds them up by program. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_READ_H
#define SOCKMALLOC_EXPORTER_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "command/process_group.h"
#include "command/remote_memory.h"
#include "command/remote_pools.h"

/* The figures of a process, or the sums of all processes of a program. */
struct exporter_figures {
    bool has_statistics; /* false for processes that have libsockmalloc-buffers.so alone */
    struct process_sum statistics;
    struct remote_memory memory;
    bool memory_is_known;
    struct remote_pools pools;
};

/* A process that was read, and is still there. Its figures are those of the last time that it could be read. */
struct exporter_process {
    struct exporter_process *next;
    int process;
    uint64_t start;              /* as in struct remote_process */
    char name[REMOTE_NAME_SIZE]; /* of its program */
    /* The process keeps this number while it lives. A new process gets the least number that no other process of its
     * program has. */
    unsigned worker;
    bool is_present; /* used while the processes are read */
    struct exporter_figures figures;
};

/* All processes of one name. */
struct exporter_program {
    struct exporter_program *next;
    char name[REMOTE_NAME_SIZE];
    unsigned processes; /* those that the last exporter_read has read */
    struct exporter_figures sum;
    /*
     * The counters of the processes that have ended since the first exporter_read, as they were last read. They are a
     * part of `sum`, because the counters of a program must not become less when one of its workers ends: Prometheus
     * takes that for a new start from 0.
     */
    struct exporter_figures ended;
};

/* Why processes were not read, one row each: name, value of the label, meaning. */
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
    struct process_group group;            /* the caller adds the words of the command line */
    struct exporter_process *process;      /* the first of a list; each has been read */
    struct exporter_program *program;      /* the first of a list; each has processes */
    unsigned unreadable[EXPORTER_REASONS]; /* processes in the last exporter_read */
    double seconds;                        /* how long the last exporter_read took */
    double retried; /* when late processes were last tried again: seconds of the monotonic clock */
};

/*
 * Reads all processes. A process that cannot be read is counted in `unreadable` and changes nothing else. Returns false
 * if there is no memory for the figures, or if the processes cannot be listed; then prints an error.
 */
bool exporter_read(struct exporter *exporter);

#endif
