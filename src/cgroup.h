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

/*
 * The tightest of the limits on the process's group and on those above it. False if there is none,
 * or none that can be read: no such file system, a chroot, no permission. Files are opened each
 * time, since a limit may be set and a process be moved at any moment; some 10 us each, two a level
 * of the hierarchy, more near a limit. `root` comes before /proc and /sys: "" but for tests. Any
 * thread, any signal handler; leaves errno alone.
 */
bool cgroup_look(const char *root, struct cgroup_room *room);

/*
 * Hundredths of a percent of the last ten seconds in which some process of the machine waited for
 * memory (Linux 4.20, /proc/pressure/memory). 0 if the kernel does not say.
 */
uint32_t cgroup_stall(const char *root);

#endif
