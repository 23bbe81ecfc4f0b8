/*
 * Makes the list of the processes that `top` shows: their figures at the last reading, their rates since the reading
 * before it, and which processes are workers of another process.
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
    /* resident bytes of the whole process; SNAPSHOT_UNKNOWN if unknown, or if the line shows a bucket */
    uint64_t rss;
    double cpu; /* share of one processor that the process used between the last two readings; below 0 for a bucket */
    /*
     * share, from 0 to 1, of the requests between the last two readings that fell through (got no slot, so that
     * mimalloc had to serve them); if there were no requests, the share since the start. In the line of a bucket, only
     * requests within the bucket's sizes count. In the line of a process, all requests within the sizes of the pools
     * count.
     */
    double fell;
    double fell_rate; /* requests per second, between the last two readings, that fell through (got no slot) */
    double rate;      /* requests per second between the last two readings */
    /*
     * share of the requests between the last two readings that a cache served, from 0 to 1; if there were no requests,
     * the share since the start
     */
    double hits;
    /* the capacity, in bytes per second, of the slots that served the requests between the last two readings */
    double room;
    /* share of the capacity `room` that was requested, from 0 to 1; if there were no requests between the last two
     * readings, the share since the start */
    double filled;
};

struct top_process {
    struct remote_process target;
    int parent;      /* process id */
    bool is_read;    /* true if the last reading has read the process */
    bool has_former; /* true if the process was also read by the reading before the last one */
    struct snapshot snapshot;
    struct snapshot former;
    uint64_t time; /* time of the last reading in nanoseconds, by now_nanoseconds */
    uint64_t former_time;
    uint64_t ticks; /* processor time that the process had used at the last reading, in clock ticks */
    uint64_t former_ticks;
    uint64_t rss; /* bytes */
    struct bucket_plan plan;
    /* figures of the process, together with those of the workers that are shown in its line */
    struct top_figures total;
    unsigned workers; /* number of workers that are shown in the line of this process */
    /* true if the process is shown in the line of another process and has no line of its own */
    bool is_folded;
};

enum { TOP_PROCESSES = 256, TOP_COSTLY = 64, TOP_WORDS = 64 };

/* A process that is not read again, because reading it took too long, needed too much memory, or crashed the child
 * process that read it. */
struct top_costly {
    int process;
    uint64_t start; /* time at which the process started, in clock ticks since the machine was started */
};

struct top_list {
    /* words that name processes; if there are none, all processes that have loaded the library are shown */
    const struct process_word *word;
    unsigned words;
    /* a process that the last top_list_look could not read and that is not on the list, preferably one whose id the
     * user gave; its process id is 0 if there is none */
    struct remote_process last;
    unsigned count;
    struct top_process process[TOP_PROCESSES];
    /* the last processes that were found too costly to read; a ring buffer whose oldest entry is the one with the index
     * costly_next */
    struct top_costly costly[TOP_COSTLY];
    unsigned costly_next;
};

/*
 * Reads all processes again. Removes from the list each process that cannot be read, even if the user gave its process
 * id. Returns REMOTE_READ if the list has a process. Otherwise returns the state of a process that could not be read,
 * or REMOTE_GONE if no process was found.
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
 * Returns the figures of one bucket of a process. Adds the figures of the workers that are shown in the line of the
 * process. `process` is an element of the list.
 */
struct top_figures top_list_bucket(struct top_list *list, const struct top_process *process, unsigned bucket);

#endif
