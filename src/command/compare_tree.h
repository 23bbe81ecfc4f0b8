/* Lists a process and all of its descendants, with the processor time and the page faults that each has had so far,
 * from /proc/PID/stat. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_TREE_H
#define SOCKMALLOC_COMPARE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct compare_process {
    int process;
    int parent;
    bool has_ended;        /* true for a zombie, whose parent has not waited for it yet */
    uint64_t ticks;        /* processor time of its threads, in clock ticks */
    uint64_t faults;       /* page faults of its threads */
    uint64_t child_ticks;  /* clock ticks of the children that have ended and were waited for */
    uint64_t child_faults; /* page faults of the children that have ended and were waited for */
};

/*
 * Returns an array with the process `root`, which comes first, and its descendants. Stores their number in *count; the
 * number is 0 if `root` does not exist. The next call overwrites the array. If `root` is a subreaper (prctl,
 * PR_SET_CHILD_SUBREAPER), a process whose parent has ended is still a descendant, because the kernel makes `root` its
 * new parent.
 */
const struct compare_process *compare_tree(int root, size_t *count);

#endif
