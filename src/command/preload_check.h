/* Checks if the library can be preloaded into a program, before the program is started. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PRELOAD_CHECK_H
#define SOCKMALLOC_PRELOAD_CHECK_H

#include "command/command_rows.h"

/*
 * Returns EXIT_DONE if the library can be preloaded: the file is readable, it is a 64-bit ELF file, and LD_PRELOAD can
 * hold its path. Otherwise prints an error and returns its exit code.
 */
enum command_exit preload_check_judge_library(const char *library);

/*
 * Returns EXIT_DONE if the library can be preloaded onto the program `name`. Otherwise prints an error and returns its
 * exit code. Searches the program as execvp does, and follows a script to its interpreter, also through env. Refuses a
 * static program, and a program for another machine or C library. Also refuses a program whose file gives it
 * privileges, because the dynamic linker ignores LD_PRELOAD in such a program. Also returns EXIT_DONE if the program's
 * file may be executed but not read, because nothing can be checked then.
 */
enum command_exit preload_check_judge(const char *name, const char *library);

#endif
