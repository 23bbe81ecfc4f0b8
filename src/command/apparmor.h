/* Reads from the kernel which profile of AppArmor confines a process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_APPARMOR_H
#define SOCKMALLOC_APPARMOR_H

#include <stdbool.h>

enum { APPARMOR_NAME_SIZE = 128 };

/*
 * Reads the label of a process from `path`, which is /proc/PID/attr/current, such as "/usr/sbin/starter (enforce)".
 * Returns true if a profile confines the process, and stores the name of the profile. Such a profile may start a
 * program with a clean environment, without LD_PRELOAD, or may forbid it to map the library. The kernel does not show
 * the rules of a profile. Returns false without AppArmor, with the label of another security module, and for a profile
 * that only complains.
 */
bool apparmor_read(const char *path, char profile[APPARMOR_NAME_SIZE]);

#endif
