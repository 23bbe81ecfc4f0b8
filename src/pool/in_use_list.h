/* Makes a sorted list of all live slots, with the caller and the time of each allocation. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_IN_USE_LIST_H
#define SOCKMALLOC_IN_USE_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* stands for a time that is unknown; a slot with this time stands after the other slots of its caller, and a caller
 * that has no other slots stands at the end of the list */
#define IN_USE_UNKNOWN UINT64_MAX

struct in_use_slot {
    const void *caller;      /* NULL if unknown */
    uint64_t taken_at;       /* the time of the allocation, as in_use_now returns it, or IN_USE_UNKNOWN */
    uint64_t group_taken_at; /* the earliest `taken_at` of all slots in the list that have the same caller */
    uint32_t bucket;
    uint32_t number;
    uint32_t request;
};

/* How many slots can be listed even if the kernel has no memory for a longer list. */
enum { IN_USE_FEW = 128 };

/* A list of live slots. It takes some KiB, which is too much for the stack of a signal handler, so it must lie in
 * static memory. */
struct in_use_list {
    struct in_use_slot *slot;
    size_t count;
    size_t capacity;
    /* how many slots are live, and how many bytes were requested in them; slots that the list has no space for are
     * counted too */
    uint64_t live;
    uint64_t bytes;
    struct in_use_slot few[IN_USE_FEW];
};

/*
 * Fills the list. Callers are ordered by the oldest slot of each; the slots of one caller stand together, the oldest
 * first. Other threads may allocate and free meanwhile: each slot is read once, and listed as it was at that moment. If
 * the kernel grants too little memory for all of them, the oldest are listed. Signal handlers may call the function: it
 * takes no lock, needs little stack, and does not change errno. Price: two passes over the metadata of all carved
 * slots, memory for one struct in_use_slot for each live slot if there are more than IN_USE_FEW, and two heapsorts.
 */
INTERNAL void in_use_list_make(struct in_use_list *list);

/* Unmaps the memory of the list. */
INTERNAL void in_use_list_release(struct in_use_list *list);

#endif
