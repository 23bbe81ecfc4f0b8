/* Reads from the kernel which profile of AppArmor confines a process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_APPARMOR_H
#define SOCKMALLOC_APPARMOR_H

#include <stdbool.h>

enum { APPARMOR_NAME_SIZE = 128 };

/*
 * Reads the label of a process from `path`, which is /proc/PID/attr/current. A label is for example "/usr/sbin/starter
 * (enforce)". Returns true if a profile confines the process, and stores the name of the profile. Such a profile may be
 * the reason why the library is not loaded: the profile may have a program started with a clean environment, which has
 * no LD_PRELOAD, or may forbid the program to map the library. The kernel does not show if the profile does one of
 * these. Returns false if there is no AppArmor, if the label is from another security module, or if the profile only
 * logs what it would forbid (complain mode).
 */
bool apparmor_read(const char *path, char profile[APPARMOR_NAME_SIZE]);

#endif
