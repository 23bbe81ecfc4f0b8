/* The list of what is in use: every live slot with who took it and when, in order. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_IN_USE_LIST_H
#define SOCKMALLOC_IN_USE_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define IN_USE_UNKNOWN UINT64_MAX /* a time that was not noted: later than all others */

struct in_use_slot {
    const void *caller;      /* NULL where it is unknown */
    uint64_t taken_at;       /* as in_use_now says it, or IN_USE_UNKNOWN */
    uint64_t group_taken_at; /* of the oldest slot in the list that the same caller took */
    uint32_t bucket;
    uint32_t number;
    uint32_t request;
};

/* Slots that are listed where the kernel has no memory for more. */
enum { IN_USE_FEW = 128 };

/* The caller's memory: some KiB, too much for a signal's stack. */
struct in_use_list {
    struct in_use_slot *slot;
    size_t count;
    size_t capacity;
    uint64_t live; /* slots and the bytes asked for in them, listed or not */
    uint64_t bytes;
    struct in_use_slot few[IN_USE_FEW];
};

/*
 * Makes the list: callers in the order of the oldest slot that each holds, the slots of one caller
 * together, the oldest first. Threads take and give slots meanwhile; each slot is listed as it was
 * when its metadata was read, once. If there are more of them than memory could be had for, the oldest
 * are listed. Signal-safe, no lock, bounded stack; errno is kept. Price: two passes over the metadata
 * of what was carved, memory of 40 bytes a live slot beyond the few, and twice a heapsort.
 */
INTERNAL void in_use_list_make(struct in_use_list *list);

/* Gives its memory back to the kernel. */
INTERNAL void in_use_list_release(struct in_use_list *list);

#endif
