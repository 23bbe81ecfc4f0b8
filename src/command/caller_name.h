/* Names the functions and the source lines of addresses in another process, by libdw. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CALLER_NAME_H
#define SOCKMALLOC_CALLER_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/*
 * Finds the objects that a process has loaded. Returns false if they cannot be read. Only one process can be open at a
 * time. caller_name_close ends that.
 *
 * libdw parses files that the process has mapped, and was not made for files that an attacker has written. So only
 * files are read that belong to root or to the user of this command, and that nobody else can write to. A file that was
 * replaced since the process has mapped it is not read either. Files of another mount namespace are found.
 */
bool caller_name_open(int process);
void caller_name_close(void);

/*
 * Adds the name of the function that a return address lies in, as in "connection_open+0x4e at served.c:120". Without
 * symbols it adds the object and the offset in it, as in "libssl.so.3+0x4a1b2", and for an address in no object the
 * number alone.
 */
void caller_name_add(uintptr_t address, struct text *text);

#endif
