/* How much memory the process's control group still grants, of either version. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CGROUP_H
#define SOCKMALLOC_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes. What the kernel would take back before it kills, pages of files, does not count as used.
 */
struct cgroup_room {
    uint64_t limit;
    uint64_t left; /* of it */
};

enum { CGROUP_PATH_SIZE = 512 };

/* A look that is made step by step: the caller's, who reads no more of it than the result. */
struct cgroup_search {
    bool found; /* the result: whether there is a limit, and the tightest one */
    struct cgroup_room room;
    const char *root;
    const struct cgroup_version *version; /* NULL before the group is known */
    char path[CGROUP_PATH_SIZE];          /* within the mount; "" for its top */
};

/*
 * Begins a search for the tightest of the limits on the process's group and on those above it. None
 * is found if there is none, or none that can be read: no such file system, a chroot, no
 * permission. `root` comes before /proc and /sys: "" but for tests; it must stay.
 */
void cgroup_begin(struct cgroup_search *search, const char *root);

/*
 * One step: the group, then a level of the hierarchy each. False when that was the last one. Files
 * are opened each time, since a limit may be set and a process be moved at any moment; 10 to 500 us
 * each, one in a step, but two at a level with a limit and three near it. Any thread, any signal
 * handler, one at a time for one search; leaves errno alone.
 */
bool cgroup_step(struct cgroup_search *search);

/* All steps at once. */
static inline bool cgroup_look(struct cgroup_search *search, const char *root)
{
    cgroup_begin(search, root);
    while (cgroup_step(search)) {
        continue;
    }
    return search->found;
}

/*
 * Hundredths of a percent of the last ten seconds in which some process of the machine waited for
 * memory (Linux 4.20, /proc/pressure/memory). 0 if the kernel does not say.
 */
uint32_t cgroup_stall(const char *root);

#endif
