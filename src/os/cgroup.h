/* Finds out how much memory the control group of the process still grants, in version 1 or 2 of control groups. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CGROUP_H
#define SOCKMALLOC_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Memory of a control group, in bytes. Pages of files do not count as used, because the kernel reclaims them before
 * it kills a process.
 */
struct cgroup_room {
    uint64_t limit;
    uint64_t left; /* how much of `limit` is not used */
};

enum { CGROUP_PATH_SIZE = 512 };

/* A search that is made in steps. The caller owns the structure, and reads only `found` and `room`. */
struct cgroup_search {
    bool found; /* true if a limit was found; `room` is then the tightest one */
    struct cgroup_room room;
    const char *root;
    const struct cgroup_version *version; /* NULL until the group of the process is known */
    char path[CGROUP_PATH_SIZE];          /* the path of the group below the mount; "" for the mount itself */
};

/*
 * Begins a search for the tightest memory limit on the control group of the process and on the groups above it. The
 * search finds nothing if there is no limit or none can be read: no control group file system is mounted, a chroot
 * hides it, or permission is missing. `root` is put before the paths in /proc and /sys. It is "" except in tests, and
 * the string must stay valid during the search.
 */
void cgroup_begin(struct cgroup_search *search, const char *root);

/*
 * Makes one step of a search: first finds the group, then reads one level of the hierarchy in each step. Returns
 * false after the last step. Files are opened anew each time, because a limit can be set and a process can be moved
 * at any moment. Opening and reading a file takes 10 to 500 us. A step reads one file; at a level with a limit it
 * reads two, and three if the usage is near the limit. Safe in any thread and in signal handlers, if one caller at a
 * time uses a search. Keeps errno.
 */
bool cgroup_step(struct cgroup_search *search);

/* Makes all steps of a search one after the other. Returns true if a limit was found. */
static inline bool cgroup_look(struct cgroup_search *search, const char *root)
{
    cgroup_begin(search, root);
    while (cgroup_step(search)) {
        continue;
    }
    return search->found;
}

/*
 * Returns how much of the last ten seconds some process of the machine waited for memory, in hundredths of a percent
 * (/proc/pressure/memory, Linux 4.20). Returns 0 if the kernel does not say.
 */
uint32_t cgroup_stall(const char *root);

#endif
