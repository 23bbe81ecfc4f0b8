/* Whether AppArmor takes LD_PRELOAD away from a program that this process starts. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_APPARMOR_H
#define SOCKMALLOC_APPARMOR_H

#include <stdbool.h>

enum { APPARMOR_NAME_SIZE = 128 };

/*
 * A profile's execution rules in capitals (Px, Cx, Ux, and with i) have the program start with a
 * clean environment. What is in force the kernel does not show; but the profile's text can mostly
 * be read, in `root`/etc/apparmor.d, and who this process is confined by in
 * `root`/proc/self/attr/current. True only where both are, and a rule in capitals names the
 * program; then the profile's name is in `profile`. `root` is "", but in tests.
 */
bool apparmor_scrubs(const char *root, const char *program, char profile[APPARMOR_NAME_SIZE]);

#endif
