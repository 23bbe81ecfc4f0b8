/* Names the functions and the source lines of addresses in another process, by libdw. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CALLER_NAME_H
#define SOCKMALLOC_CALLER_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/*
 * Finds the program and the libraries that a process has loaded. Returns false if they cannot be read. Only one process
 * can be open at a time; caller_name_close closes the process.
 *
 * libdw parses files that the process has mapped, and was not made for files that an attacker has written. So a file is
 * read only if it belongs to root or to the user of this command, and if no other user can write to it. A file that was
 * replaced since the process mapped it is not read either. Files in another mount namespace are found, too.
 */
bool caller_name_open(int process);
void caller_name_close(void);

/*
 * Adds the name of the function that contains a return address, as in "connection_open+0x4e at served.c:120". If the
 * program or library has no symbol for the address, adds the name of the program or library and the offset in that
 * file, as in "libssl.so.3+0x4a1b2". If the address lies in no program or library, adds the address as a number.
 */
void caller_name_add(uintptr_t address, struct text *text);

#endif
