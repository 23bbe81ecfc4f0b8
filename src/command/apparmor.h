/* Finds out if AppArmor removes LD_PRELOAD from the environment of a program that this process starts. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_APPARMOR_H
#define SOCKMALLOC_APPARMOR_H

#include <stdbool.h>

enum { APPARMOR_NAME_SIZE = 128 };

/*
 * Returns true if a profile confines this process and one of its rules starts `program` with a clean environment: a
 * rule with P, C or U before the x. Then the name of the profile is in `profile`. The kernel does not show the rules in
 * force, so they are read from the text of the profiles in `root`/etc/apparmor.d, and the name of the profile from
 * `root`/proc/self/attr/current. Returns false if either cannot be read. `root` is "", except in tests.
 */
bool apparmor_scrubs(const char *root, const char *program, char profile[APPARMOR_NAME_SIZE]);

#endif
