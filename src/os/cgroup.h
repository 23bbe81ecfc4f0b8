/* Finds out how much more memory the control group of the process may use, in version 1 or 2 of control groups. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CGROUP_H
#define SOCKMALLOC_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The memory limit of a control group, and how much of the limit is left, in bytes. If more than half of the limit is
 * used, pages of files do not count as used, because the kernel reclaims them before it kills a process. Otherwise they
 * count, because counting them apart takes time.
 */
struct cgroup_room {
    uint64_t limit;
    uint64_t left; /* how many bytes of `limit` are not used */
};

enum { CGROUP_PATH_SIZE = 512 };

/*
 * The state of a search for the tightest memory limit, which cgroup_step continues. The caller owns the structure, and
 * may read only `found` and `room`.
 */
struct cgroup_search {
    bool found; /* true if a limit was found; `room` then describes the tightest limit */
    struct cgroup_room room;
    const char *root;
    const struct cgroup_version *version; /* NULL until the group of the process is known */
    /* the path of the group, which begins where the hierarchy is mounted; "" for the top */
    char path[CGROUP_PATH_SIZE];
};

/*
 * Begins a search for the tightest memory limit on the control group of the process and on the groups above it. The
 * search finds nothing if there is no limit, or if no limit can be read because no control group file system is
 * mounted, a chroot hides that file system, or permission is missing. `root` is put in front of the paths in /proc and
 * /sys; it is "" except in tests. The string must stay valid during the search.
 */
void cgroup_begin(struct cgroup_search *search, const char *root);

/*
 * Makes one step of a search. The first step finds the group of the process, and each further step reads one level of
 * the hierarchy of groups. Returns false after the last step. Files are opened anew in each search, because a limit can
 * be set and a process can be moved at any moment. Opening and reading a file takes 10 to 500 us. A step reads one
 * file; at a level with a limit it reads two files, and three if more than half of the limit is used. Any thread and
 * any signal handler may call this function, but only one caller at a time may use a search. The function keeps errno.
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
 * Returns for how much of the last ten seconds at least one process of the machine has waited for memory, in hundredths
 * of a percent (from /proc/pressure/memory, Linux 4.20). Returns 0 if the kernel does not report this figure. `root` is
 * put in front of the path, as in cgroup_begin.
 */
uint32_t cgroup_stall(const char *root);

#endif
