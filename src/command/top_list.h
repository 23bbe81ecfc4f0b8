/* What `top` shows: the processes that carry the library, what they did lately, who is whose. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TOP_LIST_H
#define SOCKMALLOC_TOP_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "command/remote_process.h"
#include "command/remote_snapshot.h"
#include "statistics/snapshot.h"

/* What a line shows, of a process or of a bucket. */
struct top_figures {
    uint64_t live;
    uint64_t cached;
    uint64_t resident; /* bytes, or SNAPSHOT_UNKNOWN */
    double rate;       /* requests a second, since the last look */
    double hits;       /* of them, those that a cache served: 0 to 1; of all there were while none came */
    double room;       /* bytes a second that their slots had room for */
    double filled;     /* of them, those that were asked for; else as hits */
};

struct top_process {
    struct remote_process target;
    int parent;      /* its number */
    bool is_read;    /* the rest is what it said at the last look */
    bool has_former; /* and this is not the first */
    struct snapshot snapshot;
    struct snapshot former;
    uint64_t time; /* by top_list_now */
    uint64_t former_time;
    struct bucket_plan plan;
    struct top_figures total; /* with its workers' where these are folded under it */
    unsigned workers;         /* so many */
    bool is_folded;           /* under another: not to be shown */
};

enum { TOP_PROCESSES = 256, TOP_COSTLY = 64 };

/* A process that is not looked at again. */
struct top_costly {
    int process;
    uint64_t start; /* as in its target */
};

struct top_list {
    const int *wanted; /* processes; NULL: whichever carry the library */
    unsigned wanted_count;
    unsigned count;
    struct top_process process[TOP_PROCESSES];
    struct top_costly costly[TOP_COSTLY]; /* the latest ones, from costly_next on the oldest */
    unsigned costly_next;
};

enum top_order { TOP_BY_RATE, TOP_BY_LIVE, TOP_BY_CACHED, TOP_BY_RESIDENT, TOP_BY_HITS, TOP_BY_PROCESS };

/* Nanoseconds, of some clock that only grows. */
uint64_t top_list_now(void);

/*
 * Looks at all processes again. Of those that were asked for by number, one that can't be read is
 * left out like any other: REMOTE_READ if at least one can, else how it was with the last.
 */
enum remote_process_state top_list_look(struct top_list *list);

/* Adds workers to their master, a parent or grandparent of the same name, and hides them; or shows
 * each by itself. */
void top_list_fold(struct top_list *list, bool wanted);

/* The largest first; of processes' numbers, the smallest. */
void top_list_sort(struct top_list *list, enum top_order order);

/* Of one bucket of one process. */
struct top_figures top_list_bucket(const struct top_process *process, unsigned bucket);

#endif
