/*
 * Lists the processes that `top` shows: their figures since the last reading, and which of them are workers of another
 * one.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TOP_LIST_H
#define SOCKMALLOC_TOP_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "command/process_list.h"
#include "command/remote_process.h"
#include "command/remote_snapshot.h"
#include "command/top_rows.h"
#include "statistics/snapshot.h"

/* The figures of one line, which shows a process or a bucket. */
struct top_figures {
    uint64_t live;
    uint64_t cached;
    uint64_t resident; /* bytes, or SNAPSHOT_UNKNOWN */
    uint64_t rss;      /* bytes of the whole process, or SNAPSHOT_UNKNOWN, which it is for a bucket */
    double cpu;        /* processor time since the last reading, by the time; below 0 for a bucket */
    double fell;       /* share of the requests of these sizes that fell through, as `hits` */
    double fell_rate;  /* requests per second that fell through since the last reading */
    double rate;       /* requests per second since the last reading */
    /* share of these requests that a cache served, from 0 to 1; if there were none, the share since the start */
    double hits;
    double room; /* the capacity, in bytes per second, of the slots that served these requests */
    /* share of these bytes that were requested, from 0 to 1; if there were none, the share since the start */
    double filled;
};

struct top_process {
    struct remote_process target;
    int parent;      /* process id */
    bool is_read;    /* true if the figures are those of the last reading */
    bool has_former; /* true if there was a reading before the last one */
    struct snapshot snapshot;
    struct snapshot former;
    uint64_t time; /* time of the last reading, by top_list_now */
    uint64_t former_time;
    uint64_t ticks; /* processor time at the last reading, in kernel ticks */
    uint64_t former_ticks;
    uint64_t rss; /* bytes */
    struct bucket_plan plan;
    struct top_figures total; /* figures of the process, with those of its workers if they are folded under it */
    unsigned workers;         /* number of workers that are folded under it */
    bool is_folded;           /* true if the process is folded under another process, so that it has no line */
};

enum { TOP_PROCESSES = 256, TOP_COSTLY = 64, TOP_WORDS = 64 };

/* A process that is not read again, because reading it cost too much. */
struct top_costly {
    int process;
    uint64_t start; /* start of the process, as in struct remote_process */
};

struct top_list {
    const struct process_word *word; /* name the processes; without words, all that have loaded the library are shown */
    unsigned words;
    struct remote_process last; /* the process whose state top_list_look returned last; its id is 0 if there is none */
    unsigned count;
    struct top_process process[TOP_PROCESSES];
    /* a ring of the processes that were last found too costly; costly_next is the oldest entry */
    struct top_costly costly[TOP_COSTLY];
    unsigned costly_next;
};

/* Returns the time of the monotonic clock in nanoseconds. */
uint64_t top_list_now(void);

/*
 * Reads all processes again. A process that cannot be read is taken off the list, even if the user named its process
 * id. Returns REMOTE_READ if at least one process could be read, otherwise the state of the last one that could not.
 */
enum remote_process_state top_list_look(struct top_list *list);

/*
 * If `wanted`, adds the figures of workers to those of their master, an ancestor of the same name, and hides the
 * workers. Otherwise shows each process by itself.
 */
void top_list_fold(struct top_list *list, bool wanted);

/* Sorts the list by `order`: the largest figure first or, by process id, the smallest id first. */
void top_list_sort(struct top_list *list, enum top_order order);

/*
 * Returns the figures of one bucket of a process, with those of the workers that are folded under it. `process` is an
 * element of the list.
 */
struct top_figures top_list_bucket(struct top_list *list, const struct top_process *process, unsigned bucket);

#endif
