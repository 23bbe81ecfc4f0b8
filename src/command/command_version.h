/* sockmalloc --version: prints the versions of the command, the library and mimalloc, and with which compiler, flags
 * and optional parts the command and the library were built. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMMAND_VERSION_H
#define SOCKMALLOC_COMMAND_VERSION_H

#include <stdio.h>

#include "command/command_rows.h"

/* The argument with which `sockmalloc --version` executes this command once more, with the library preloaded. */
#define COMMAND_VERSION_PRELOADED "--version-of-preloaded"

/* Prints the version of the command, and how it was built. */
void command_version_print(FILE *stream);

/*
 * Prints to stdout the version of the command, how it was built, and the versions of `library` and of the mimalloc that
 * the dynamic linker finds for it. If `library` is NULL, the command's own library (library_path_own) is meant. Starts
 * a process with the library preloaded.
 */
enum command_exit command_version(const char *library);

/*
 * Prints the versions of the library that is preloaded into this process, and of the mimalloc that the library uses.
 * Returns EXIT_NO if no library is preloaded.
 */
enum command_exit command_version_preloaded(void);

#endif
