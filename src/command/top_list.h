/*
 * Makes the list of the processes that `top` shows: their figures since the last reading, and which processes are
 * workers of another process.
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
    uint64_t rss;      /* resident bytes of the whole process; SNAPSHOT_UNKNOWN if unknown, and for a bucket */
    double cpu;        /* share of one processor that the process used since the last reading; below 0 for a bucket */
    double fell;       /* share of the requests of these sizes that fell through, as `hits` */
    double fell_rate;  /* requests per second that fell through since the last reading */
    double rate;       /* requests per second since the last reading */
    /*
     * share of the requests since the last reading that a cache served, from 0 to 1; if there were none, the share
     * since the start
     */
    double hits;
    double room; /* the capacity, in bytes per second, of the slots that served the requests since the last reading */
    /* share of the capacity that was requested, from 0 to 1; if there were no requests, the share since the start */
    double filled;
};

struct top_process {
    struct remote_process target;
    int parent;      /* process id */
    bool is_read;    /* true if the last reading has read the process */
    bool has_former; /* true if there was a reading before the last one */
    struct snapshot snapshot;
    struct snapshot former;
    uint64_t time; /* time of the last reading in nanoseconds, by top_list_now */
    uint64_t former_time;
    uint64_t ticks; /* processor time at the last reading, in kernel ticks */
    uint64_t former_ticks;
    uint64_t rss; /* bytes */
    struct bucket_plan plan;
    struct top_figures total; /* figures of the process, and of the workers that are folded under it */
    unsigned workers;         /* number of workers that are folded under it */
    bool is_folded;           /* true if the process is folded under another process, so that it has no line */
};

enum { TOP_PROCESSES = 256, TOP_COSTLY = 64, TOP_WORDS = 64 };

/* A process that is not read again, because reading it took too long or needed too much memory. */
struct top_costly {
    int process;
    uint64_t start; /* time of the start of the process, in kernel ticks */
};

struct top_list {
    const struct process_word *word; /* without words, all processes that have loaded the library are shown */
    unsigned words;
    struct remote_process last; /* process whose state top_list_look returned last; its id is 0 if none */
    unsigned count;
    struct top_process process[TOP_PROCESSES];
    /* the last processes that were found too costly to read; a ring, in which costly_next is the oldest entry */
    struct top_costly costly[TOP_COSTLY];
    unsigned costly_next;
};

/* Returns the time of the monotonic clock in nanoseconds. */
uint64_t top_list_now(void);

/*
 * Reads all processes again. Removes a process that cannot be read from the list, even if the user gave its process id.
 * Returns REMOTE_READ if the list has a process. Otherwise returns the state of the last process that could not be
 * read.
 */
enum remote_process_state top_list_look(struct top_list *list);

/*
 * If `wanted` is true, adds the figures of workers to those of their master, and hides the workers. The master of a
 * worker is its topmost ancestor with the name of the worker. If `wanted` is false, shows each process by itself.
 */
void top_list_fold(struct top_list *list, bool wanted);

/*
 * Sorts the list by the figure `order`, the largest figure first. If `order` is the process id, the smallest id comes
 * first.
 */
void top_list_sort(struct top_list *list, enum top_order order);

/*
 * Returns the figures of one bucket of a process. Adds the figures of the workers that are folded under the process.
 * `process` is an element of the list.
 */
struct top_figures top_list_bucket(struct top_list *list, const struct top_process *process, unsigned bucket);

#endif
